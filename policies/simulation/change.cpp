#include "policies/simulation/change.hpp"

#include <array>

#include "policies/explain.hpp"

namespace pointsman::sim {
namespace {

struct Words {
  std::string operator()(const TargetBecomes& c) const {
    if (!c.finding) return c.target.text + " becomes " + std::string(to_text(c.state));
    return c.target.text + " finds " + std::string(to_text(c.finding->outcome)) + ", " +
           std::string(to_text(c.finding->reason));
  }
  std::string operator()(const Cut& c) const {
    return (c.healed ? "the way is mended from " : "the way is cut from ") + c.from + " to " + c.to;
  }
  std::string operator()(const PoolerChanges& c) const {
    return "the pooler of " + c.route.text + (c.agent.empty() ? "" : " on " + c.agent) +
           " becomes " + std::string(to_text(c.state)) + (c.to.empty() ? "" : ", to " + c.to.text);
  }
  std::string operator()(const ActsEnd& c) const {
    return "acts of kind " + std::string(to_text(c.kind)) + (c.of.empty() ? "" : " of " + c.of) +
           " end " + std::string(to_text(c.how)) +
           (c.takes ? ", after " + print_duration(*c.takes) : "");
  }
  std::string operator()(const AgentKilled& c) const {
    return c.agent + (c.reboots ? " reboots" : " is killed") +
           (c.after_effects > 0 ? " after " + std::to_string(c.after_effects) + " effects" : "") +
           (c.back_after ? ", and back after " + print_duration(*c.back_after) : "");
  }
  std::string operator()(const AgentStarted& c) const { return c.agent + " is started"; }
  std::string operator()(const ClockFails& c) const {
    return c.agent + (c.how == ClockFault::jumps ? ": its clock jumps by " : ": it ") +
           (c.how == ClockFault::jumps ? "" : std::string(to_text(c.how)) + " for ") +
           print_duration(c.by);
  }
  std::string operator()(const Commanded& c) const { return c.agent + " is told: " + words(c); }
  std::string operator()(const PolicyChanges& c) const {
    return c.agent + " is given another policy";
  }

  static std::string words(const Commanded& c) {
    if (const auto* one = std::get_if<SwitchRequested>(&c.command)) {
      return "switch " + one->route.text + (one->to ? " to " + one->to->text : "");
    }
    if (const auto* one = std::get_if<AutomationSet>(&c.command)) {
      return one->paused ? "pause" : "resume";
    }
    if (const auto* one = std::get_if<FlagSet>(&c.command)) {
      return (one->set ? "flag set " : "flag clear ") + one->flag.text;
    }
    if (const auto* one = std::get_if<DrainSet>(&c.command)) {
      return one->drained ? "drain" : "undrain";
    }
    if (const auto* one = std::get_if<StepApproved>(&c.command)) {
      return one->approved ? "approve" : "refuse";
    }
    return std::holds_alternative<SwitchCancelled>(c.command) ? "cancel" : "ack";
  }
};

}  // namespace

std::string_view to_text(Becomes state) {
  static constexpr std::array<std::string_view, becomes_count> words{
      "up",       "down",      "stopped",   "gone",     "frozen",  "slow",
      "starting", "saturated", "read_only", "writable", "lagging", "current",
      "foreign",  "primary",   "standby",   "passing",  "warning", "failing"};
  return words[static_cast<std::size_t>(state)];
}

std::string_view to_text(PoolerBecomes state) {
  static constexpr std::array<std::string_view, pooler_becomes_count> words{
      "up", "down", "paused", "resumed", "disabled", "edited"};
  return words[static_cast<std::size_t>(state)];
}

std::string_view to_text(ActKind kind) {
  static constexpr std::array<std::string_view, act_kind_count> words{
      "observe", "switch_route", "promote",   "fence", "after_promote",
      "demote",  "switch_over",  "reconnect", "step"};
  return words[static_cast<std::size_t>(kind)];
}

std::string_view to_text(ActEnds how) {
  static constexpr std::array<std::string_view, act_ends_count> words{"well", "failing", "hanging",
                                                                      "answer_lost", "late"};
  return words[static_cast<std::size_t>(how)];
}

std::string_view to_text(ClockFault how) {
  static constexpr std::array<std::string_view, clock_fault_count> words{"stalls", "suspends",
                                                                         "jumps"};
  return words[static_cast<std::size_t>(how)];
}

std::string to_text(const Change& change) {
  return std::visit(Words{}, change);
}

}  // namespace pointsman::sim
