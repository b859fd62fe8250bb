#include "policies/simulation/history.hpp"

#include <algorithm>
#include <bit>

namespace pointsman {
namespace {

std::string names(const std::vector<SwitchTarget>& targets) {
  std::string text;
  for (const SwitchTarget& target : targets) {
    text += (text.empty() ? "" : ", ") + target.probe.text;
  }
  return text;
}

struct Signature {
  std::string operator()(const SwitchRoute& act) const {
    const char* verb = act.cause == SwitchCause::verify ? "verify " : "switch ";
    return verb + act.route.text + " to " + names(act.to);
  }
  std::string operator()(const PromoteServer& act) const {
    return "promote " + act.to.probe.text + " for " + act.route.text;
  }
  std::string operator()(const RunHook& act) const {
    return std::string(to_text(act.hook)) + " for " + act.route.text;
  }
  std::string operator()(const DemoteServer& act) const {
    return "demote " + act.server.probe.text + " for " + act.route.text;
  }
  std::string operator()(const SwitchOver& act) const {
    return "switch over " + act.route.text + " to " + act.to.probe.text;
  }
  std::string operator()(const ReconnectRoute& act) const { return "reconnect " + act.route.text; }
  std::string operator()(const RunStep& act) const {
    const std::string& what = act.policy.name.empty() ? act.policy.route.text : act.policy.name;
    return std::string(to_text(act.policy.kind)) + " " + what + " of " + act.ladder.text;
  }
  template <class Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

/// Below `floor` all are alike; above, within the same power of two.
int grade(std::int64_t value, std::int64_t floor) {
  if (value < floor) return 0;
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(value / floor)));
}

int lag_grade(const std::optional<Duration>& lag) {
  return lag ? grade(lag->count(), Duration{std::chrono::seconds{1}}.count()) : -1;
}

bool alike(const PostgresFacts& a, const PostgresFacts& b) {
  constexpr std::int64_t little_lag = 64L * 1024;
  const auto bytes = [](const PostgresFacts& facts) {
    return facts.lag_bytes ? grade(*facts.lag_bytes, little_lag) : -1;
  };
  return a.role == b.role && a.read_only == b.read_only && a.timeline == b.timeline &&
         a.lsn.has_value() == b.lsn.has_value() && bytes(a) == bytes(b) &&
         lag_grade(a.lag_seconds) == lag_grade(b.lag_seconds) && a.receiving == b.receiving &&
         lag_grade(a.receiver_silent) / 4 == lag_grade(b.receiver_silent) / 4 &&
         a.wal_receiver_timeout == b.wal_receiver_timeout && a.apply_delay == b.apply_delay &&
         a.may_promote == b.may_promote && a.system_id == b.system_id;
}

bool alike(const RedisFacts& a, const RedisFacts& b) {
  return a.role == b.role && a.offset.has_value() == b.offset.has_value() &&
         a.link_up == b.link_up && lag_grade(a.lag) / 4 == lag_grade(b.lag) / 4 &&
         a.loading == b.loading && a.sentinels == b.sentinels && a.replid == b.replid &&
         a.replid2 == b.replid2;
}

/// All other kinds: their outcome and reason say all that a policy reads.
template <class Other>
bool alike(const Other&, const Other&) {
  return true;
}

template <class Number>
void move(std::optional<Number>& value, const std::optional<Number>& last, double share) {
  if (!value || !last) return;
  const double way = (static_cast<double>(*last) - static_cast<double>(*value)) * share;
  *value = static_cast<Number>(static_cast<std::int64_t>(*value) + static_cast<std::int64_t>(way));
}

}  // namespace

std::string act_signature(const Effect& effect) {
  return std::visit(Signature{}, effect);
}

bool says_the_same(const Finding& a, const Finding& b) {
  if (a.outcome != b.outcome || a.reason != b.reason || a.facts.index() != b.facts.index()) {
    return false;
  }
  return std::visit(
      [&b](const auto& mine) {
        return alike(mine, std::get<std::decay_t<decltype(mine)>>(b.facts));
      },
      a.facts);
}

Finding between(const Finding& first, const Finding& last, double share) {
  Finding finding = share < 1.0 ? first : last;
  if (auto* facts = std::get_if<PostgresFacts>(&finding.facts)) {
    if (const auto* end = std::get_if<PostgresFacts>(&last.facts)) {
      move(facts->lsn, end->lsn, share);
      move(facts->replay_lsn, end->replay_lsn, share);
    }
  }
  if (auto* facts = std::get_if<RedisFacts>(&finding.facts)) {
    if (const auto* end = std::get_if<RedisFacts>(&last.facts)) {
      move(facts->offset, end->offset, share);
    }
  }
  return finding;
}

}  // namespace pointsman
