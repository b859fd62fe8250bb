// Acts on database servers: promote a standby, make an old master follow.
//
// The door for the runtime: it finds how a server is reached by the name of its probe (the same
// login as the probe's; what it must be granted is SPEC section 6) and hands the act to
// postgres_acts or redis_acts. load() may be called again while acts run: each took what it needs
// at its start. Every act ends within its order's timeout and a little, makes its intent durable
// before it asks for anything, and asks for nothing twice. Loop's thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "daemon/actions/adapter.hpp"
#include "daemon/actions/promote_steps.hpp"
#include "policies/model/effect.hpp"
#include "probes/prober.hpp"

namespace pointsman {

/// failed: it was not promoted and will not be. unknown: it was asked; it may still happen.
struct PromoteReport {
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;
  std::optional<std::uint32_t> timeline{};       ///< the new one (PostgreSQL)
  std::optional<std::uint64_t> promotion_lsn{};  ///< where it begins (Redis: the offset)
};

struct ActReport {
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;
};

class ServerActs {
 public:
  explicit ServerActs(ProberServices services) : services_(services) {}

  /// Of all probes; only postgres and redis are ever used.
  void load(std::map<ProbeName, ProbeSpec> probes) { probes_ = std::move(probes); }

  /// The callers of both must have called throw_if_cancelled(false).
  asio::awaitable<PromoteReport> async_promote(PromoteServer order, Intend intend);
  asio::awaitable<ActReport> async_demote(DemoteServer order, Intend intend);
  /// A start found this promotion without an outcome. Nothing is promoted: where a Redis master has
  /// come of it, the other replicas are made to follow it.
  asio::awaitable<std::string> async_recover(PromoteSteps found);

  /// How the probe's server is reached; nullptr where there is none of this kind by that name.
  const PostgresSpec* postgres(const ProbeName& probe) const;
  const RedisSpec* redis(const ProbeName& probe) const;
  ProberServices services() const { return services_; }

 private:
  const ProberServices services_;
  std::map<ProbeName, ProbeSpec> probes_;
};

}  // namespace pointsman
