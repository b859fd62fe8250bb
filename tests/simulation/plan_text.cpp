// Plans as lines, for the cases that are kept.
#include <sstream>

#include "tests/simulation/plan.hpp"

namespace pointsman::sim {
namespace {

using std::chrono::milliseconds;

std::string or_none(const std::string& text) {
  return text.empty() ? "-" : text;
}
std::string or_none(const std::optional<Duration>& span) {
  return span ? std::to_string(*span / milliseconds{1}) : "-";
}
std::string number(std::uint64_t value) {
  return std::to_string(value);
}

struct Line {
  std::string operator()(const TargetBecomes& c) const {
    return "becomes " + c.target.text + " " + std::string(to_text(c.state));
  }
  std::string operator()(const Cut& c) const {
    return (c.healed ? "heal " : "cut ") + c.from + " " + c.to;
  }
  std::string operator()(const PoolerChanges& c) const {
    return "pooler " + or_none(c.agent) + " " + c.route.text + " " + std::string(to_text(c.state)) +
           " " + or_none(c.to.text);
  }
  std::string operator()(const ActsEnd& c) const {
    return "acts " + std::string(to_text(c.kind)) + " " + std::string(to_text(c.how)) + " " +
           or_none(c.of) + " " + or_none(c.takes);
  }
  std::string operator()(const AgentKilled& c) const {
    return "kill " + c.agent + " " + std::to_string(c.after_effects) + " " + or_none(c.back_after) +
           (c.reboots ? " reboots" : "");
  }
  std::string operator()(const AgentStarted& c) const { return "start " + c.agent; }
  std::string operator()(const ClockFails& c) const {
    return "clock " + c.agent + " " + std::string(to_text(c.how)) + " " +
           std::to_string(c.by / milliseconds{1});
  }
  std::string operator()(const PolicyChanges& c) const {
    return "mode " + c.agent + " " + std::string(to_text(c.policy->mode));
  }
  std::string operator()(const Commanded& c) const {
    const std::string head = c.agent + " " + or_none(c.lasts) + " ";
    return std::visit([&](const auto& command) { return words(command, head); }, c.command);
  }

  static std::string words(const SwitchRequested& c, const std::string& head) {
    return "switch " + head + number(static_cast<std::uint64_t>(c.request)) + " " + c.route.text +
           " " + (c.to ? c.to->text : "-") + (c.dry_run ? " dry_run" : "") +
           (c.allow_data_loss ? " allow_data_loss" : "") + (c.unfenced ? " unfenced" : "");
  }
  static std::string words(const SwitchCancelled& c, const std::string& head) {
    return "cancel " + head + number(static_cast<std::uint64_t>(c.request));
  }
  static std::string words(const AutomationSet& c, const std::string& head) {
    return (c.paused ? "pause " : "resume ") + head;
  }
  static std::string words(const FlagSet& c, const std::string& head) {
    return (c.set ? "flag_set " : "flag_clear ") + head + c.flag.text;
  }
  static std::string words(const DrainSet& c, const std::string& head) {
    return (c.drained ? "drain " : "undrain ") + head;
  }
  static std::string words(const IncidentAcknowledged& c, const std::string& head) {
    return "ack " + head + number(static_cast<std::uint64_t>(c.incident));
  }
  static std::string words(const StepApproved& c, const std::string& head) {
    return (c.approved ? "approve " : "refuse ") + head + number(static_cast<std::uint64_t>(c.id));
  }
};

/// Reads the words of a line; what is missing makes it no line.
class Words {
 public:
  explicit Words(const std::string& line) : in_(line) {}

  std::string word() {
    std::string next;
    if (!(in_ >> next)) good_ = false;
    return next == "-" ? std::string() : next;
  }
  std::optional<std::string> more() {
    std::string next;
    if (!(in_ >> next)) return std::nullopt;
    return next;
  }
  std::int64_t integer() {
    std::int64_t value = 0;
    if (!(in_ >> value)) good_ = false;
    return value;
  }
  std::optional<Duration> span() {
    const std::string text = word();
    if (text.empty()) return std::nullopt;
    return milliseconds{std::stoll(text)};
  }
  template <class Enum>
  Enum of(int count) {
    const std::string text = word();
    for (int i = 0; i < count; ++i) {
      if (to_text(static_cast<Enum>(i)) == text) return static_cast<Enum>(i);
    }
    good_ = false;
    return Enum{};
  }
  bool good() const { return good_; }

 private:
  std::istringstream in_;
  bool good_ = true;
};

bool read_command(const std::string& verb, Words& in, Commanded& to) {
  const bool on = verb == "pause" || verb == "flag_set" || verb == "drain" || verb == "approve";
  to.agent = in.word();
  to.lasts = in.span();
  const std::string by = "uid 1000";
  if (verb == "switch") {
    SwitchRequested c;
    c.request = RequestId{static_cast<std::uint64_t>(in.integer())};
    c.route = RouteName(in.word());
    if (const std::string target = in.word(); !target.empty()) c.to = ProbeName(target);
    while (const auto option = in.more()) {
      if (*option == "dry_run") c.dry_run = true;
      if (*option == "allow_data_loss") c.allow_data_loss = true;
      if (*option == "unfenced") c.unfenced = true;
    }
    c.by = by;
    to.command = c;
  } else if (verb == "cancel") {
    to.command = SwitchCancelled{RequestId{static_cast<std::uint64_t>(in.integer())}};
  } else if (verb == "pause" || verb == "resume") {
    to.command = AutomationSet{on, "", by, std::nullopt};
  } else if (verb == "flag_set" || verb == "flag_clear") {
    to.command = FlagSet{FlagName(in.word()), on, "", by, std::nullopt};
  } else if (verb == "drain" || verb == "undrain") {
    to.command = DrainSet{on, "", by};
  } else if (verb == "ack") {
    to.command = IncidentAcknowledged{IncidentId{static_cast<std::uint64_t>(in.integer())}, by, ""};
  } else if (verb == "approve" || verb == "refuse") {
    to.command = StepApproved{ActionId{static_cast<std::uint64_t>(in.integer())}, on, by};
  } else {
    return false;
  }
  return true;
}

std::optional<Change> read_change(const std::string& verb, Words& in, const Recipe& recipe) {
  if (verb == "becomes") {
    const ProbeName target(in.word());
    return TargetBecomes{target, in.of<Becomes>(becomes_count)};
  }
  if (verb == "cut" || verb == "heal") {
    const std::string from = in.word();
    return Cut{from, in.word(), verb == "heal"};
  }
  if (verb == "pooler") {
    PoolerChanges c;
    c.agent = in.word();
    c.route = RouteName(in.word());
    c.state = in.of<PoolerBecomes>(pooler_becomes_count);
    c.to = ProbeName(in.word());
    return c;
  }
  if (verb == "acts") {
    ActsEnd c;
    c.kind = in.of<ActKind>(act_kind_count);
    c.how = in.of<ActEnds>(act_ends_count);
    c.of = in.word();
    c.takes = in.span();
    return c;
  }
  if (verb == "kill") {
    AgentKilled c;
    c.agent = in.word();
    c.after_effects = static_cast<int>(in.integer());
    c.back_after = in.span();
    c.reboots = in.more() == "reboots";
    return c;
  }
  if (verb == "start") return AgentStarted{in.word()};
  if (verb == "clock") {
    ClockFails c;
    c.agent = in.word();
    c.how = in.of<ClockFault>(clock_fault_count);
    c.by = milliseconds{in.integer()};
    return c;
  }
  if (verb == "mode") {
    const std::string agent = in.word();
    const Mode mode = in.word() == "observe" ? Mode::observe : Mode::act;
    for (int i = 0; i < recipe.agents; ++i) {
      if (agent_name(i) == agent) return PolicyChanges{agent, policy_of(recipe, i, mode)};
    }
    return std::nullopt;
  }
  Commanded c;
  if (!read_command(verb, in, c)) return std::nullopt;
  return c;
}

}  // namespace

std::string to_line(const Planned& planned) {
  return std::to_string(planned.at / milliseconds{1}) + " " + std::visit(Line{}, planned.change);
}

std::optional<Planned> planned_of(const std::string& line, const Recipe& recipe) {
  Words in(line);
  Planned planned;
  planned.at = milliseconds{in.integer()};
  std::optional<Change> change = read_change(in.word(), in, recipe);
  if (!change || !in.good()) return std::nullopt;
  planned.change = std::move(*change);
  return planned;
}

}  // namespace pointsman::sim
