#include "daemon/actions/switchover_judge.hpp"

#include <fmt/format.h>

namespace pointsman {

std::string judge_switchover(const PostgresLook& from, const PostgresLook& to,
                             const SwitchOver& order) {
  const std::string& old_name = order.from.probe.text;
  const std::string& name = order.to.probe.text;
  if (from.standby) {
    return fmt::format("{} is a standby itself: there is nothing to take over from it", old_name);
  }
  if (!order.system_id.empty() && from.system_id != order.system_id) {
    return fmt::format("{} belongs to another cluster ({}, not {})", old_name, from.system_id,
                       order.system_id);
  }
  if (order.timeline != 0 && from.timeline != order.timeline) {
    return fmt::format("{} writes on timeline {}, not {}: ask again", old_name, from.timeline,
                       order.timeline);
  }
  if (from.system_id != to.system_id) {
    return fmt::format("{} is no copy of {}: their system identifiers differ ({}, {})", name,
                       old_name, to.system_id, from.system_id);
  }
  if (!to.standby) {
    return fmt::format("{} takes writes already, on timeline {}", name, to.timeline);
  }
  if (!to.has_receiver) {
    return fmt::format("{} receives no WAL: it would miss what {} still writes. Look at its log",
                       name, old_name);
  }
  if (to.timeline != 0 && to.timeline != from.timeline) {
    return fmt::format("{} is on timeline {}, {} on {}", name, to.timeline, old_name,
                       from.timeline);
  }
  if (!to.may_promote) {
    return fmt::format("{}: the role {} may not call pg_promote. {}", name, to.user,
                       grant_text(to.user, to.database));
  }
  if (to.replay_paused) {
    return fmt::format("the replay of {} is paused: run there SELECT pg_wal_replay_resume()", name);
  }
  const std::uint64_t lag = from.written > to.replayed ? from.written - to.replayed : 0;
  if (lag > switchover_max_lag) {
    return fmt::format("{} is {} bytes behind, more than {}: try again when it has caught up", name,
                       lag, switchover_max_lag);
  }
  return {};
}

Fenced judge_fence(const PostgresSeen& old_server) {
  if (old_server.error.empty()) {
    return old_server.look.standby ? Fenced::yes : Fenced::no;
  }
  // 57P03: starting or stopping; 53300: no connection left; 57P01: it is being stopped.
  const std::string& state = old_server.sqlstate;
  if (state == "57P03" || state == "57P01" || state == "53300") return Fenced::not_yet;
  switch (old_server.kind) {
    case PgError::Kind::refused:
    case PgError::Kind::unreachable:
    case PgError::Kind::cancelled:
      return Fenced::yes;
    default:
      return Fenced::not_yet;  // it speaks, so that it lives
  }
}

bool is_caught_up(const PostgresLook& to, std::uint64_t position, bool quiet) {
  if (to.received < position || to.replayed < to.received) return false;
  return !to.has_receiver || quiet;
}

}  // namespace pointsman
