#include "policies/candidate.hpp"

#include <array>

namespace pointsman {
namespace {

const PostgresFacts* postgres(const Finding& finding) {
  return std::get_if<PostgresFacts>(&finding.facts);
}
const RedisFacts* redis(const Finding& finding) {
  return std::get_if<RedisFacts>(&finding.facts);
}

bool is_up(const Finding& finding) {
  return finding.outcome == Outcome::pass || finding.outcome == Outcome::warn;
}

bool role_fits(Require require, const Finding& finding) {
  const PostgresFacts* pg = postgres(finding);
  const RedisFacts* rd = redis(finding);
  switch (require) {
    case Require::writable:
      return pg && pg->role == PostgresRole::primary && !pg->read_only;
    case Require::standby:
      return pg && pg->role == PostgresRole::standby;
    case Require::master:
      return rd && rd->role == RedisRole::master && !rd->loading;
    case Require::replica:
      return rd && rd->role == RedisRole::replica && !rd->loading;
    case Require::any:
      return true;
  }
  return false;
}

bool is_for_reads(Require require) {
  return require == Require::standby || require == Require::replica;
}

}  // namespace

bool answered(const Finding& finding) {
  if (is_up(finding)) return true;
  if (finding.outcome != Outcome::fail) return false;
  if (finding.reason == Reason::starting || finding.reason == Reason::saturated ||
      finding.reason == Reason::stopping || finding.reason == Reason::timeout) {
    return false;
  }
  const PostgresFacts* pg = postgres(finding);
  if (pg) return pg->role != PostgresRole::unknown;
  const RedisFacts* rd = redis(finding);
  return rd && rd->role != RedisRole::unknown;
}

bool lags(const Lag& limit, const Finding& finding) {
  const PostgresFacts* pg = postgres(finding);
  const RedisFacts* rd = redis(finding);
  // Who receives nothing does not know how far behind it is.
  const bool receives_nothing = pg && !pg->receiving.value_or(true);
  if (const Duration* time = std::get_if<Duration>(&limit)) {
    if (pg) return pg->lag_seconds ? *pg->lag_seconds > *time : receives_nothing;
    return rd && rd->lag && *rd->lag > *time;
  }
  if (receives_nothing) return true;
  const auto bytes = static_cast<std::int64_t>(std::get<std::uint64_t>(limit));
  return pg && pg->lag_bytes && *pg->lag_bytes > bytes;
}

bool fits(Require require, const std::optional<Lag>& max_lag, const Finding& finding) {
  if (!answered(finding)) return false;
  if (require == Require::any) return is_up(finding);
  if (!role_fits(require, finding)) return false;
  return !(is_for_reads(require) && max_lag && lags(*max_lag, finding));
}

std::optional<std::uint32_t> timeline_of(const Finding& finding) {
  const PostgresFacts* pg = postgres(finding);
  return pg ? pg->timeline : std::nullopt;
}

std::string system_id_of(const Finding& finding) {
  const PostgresFacts* pg = postgres(finding);
  return pg ? pg->system_id : std::string();
}

bool is_standby(const Finding& finding) {
  const PostgresFacts* pg = postgres(finding);
  const RedisFacts* rd = redis(finding);
  return (pg && pg->role == PostgresRole::standby) || (rd && rd->role == RedisRole::replica);
}

bool is_read_only_primary(const Finding& finding) {
  const PostgresFacts* pg = postgres(finding);
  return pg && pg->role == PostgresRole::primary && pg->read_only;
}

std::optional<std::uint64_t> position_of(const Finding& finding) {
  if (const PostgresFacts* pg = postgres(finding)) return pg->lsn;
  const RedisFacts* rd = redis(finding);
  if (!rd || !rd->offset || *rd->offset < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*rd->offset);
}

bool has_receiver(const Finding& finding) {
  if (const PostgresFacts* pg = postgres(finding)) return pg->receiving.value_or(false);
  const RedisFacts* rd = redis(finding);
  return rd && rd->link_up.value_or(false);
}

std::optional<Duration> silence_of(const Finding& finding) {
  if (const PostgresFacts* pg = postgres(finding)) return pg->receiver_silent;
  const RedisFacts* rd = redis(finding);
  return rd ? rd->lag : std::nullopt;
}

TargetFact judge_target(Require require, const std::optional<Lag>& max_lag,
                        const Finding& finding) {
  if (fits(require, max_lag, finding)) return TargetFact::serving;
  if (answered(finding) && require != Require::any) {
    if (role_fits(require, finding)) return TargetFact::lagging;
    const PostgresFacts* pg = postgres(finding);
    const bool primary = pg && pg->role == PostgresRole::primary;
    return require == Require::writable && primary ? TargetFact::read_only : TargetFact::wrong_role;
  }
  switch (finding.reason) {
    case Reason::starting:
      return TargetFact::starting;
    case Reason::saturated:
      return TargetFact::saturated;
    case Reason::stopping:
      return TargetFact::stopping;
    case Reason::connect_refused:
      return TargetFact::refused;
    case Reason::connect_timeout:
    case Reason::unreachable:
      return TargetFact::silent;
    case Reason::timeout:
      return TargetFact::frozen;
    default:
      return TargetFact::failing;
  }
}

std::string_view to_text(TargetFact fact) {
  static constexpr std::array<std::string_view, target_fact_count> words{
      "none",     "unseen",    "serving",  "wrong_role", "read_only", "outdated", "lagging",
      "starting", "saturated", "stopping", "refused",    "silent",    "frozen",   "failing"};
  return words[static_cast<std::size_t>(fact)];
}

}  // namespace pointsman
