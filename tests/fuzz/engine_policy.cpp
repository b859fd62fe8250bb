#include "tests/fuzz/engine_policy.hpp"

#include <chrono>
#include <string>

namespace pointsman::fuzz {
namespace {

using namespace std::chrono_literals;

void add_probe(PolicySet& set, const std::string& name, ProbeKind kind, std::uint16_t port) {
  ProbePolicy probe;
  probe.name = ProbeName(name);
  probe.kind = kind;
  probe.interval = probe.down_interval = 5s;
  probe.fast_interval = 1s;
  probe.timeout = 2s;
  if (port != 0) probe.endpoint = Endpoint{"127.0.0.1", port};
  set.probes[probe.name] = probe;
}

/// A reload that changes nothing has the same fingerprints; one bit changes them all.
void set_fingerprints(PolicySet& set, const std::string& mark) {
  for (auto& [name, probe] : set.probes) probe.fingerprint = name.text + mark;
  for (auto& [name, route] : set.routes) route.fingerprint = name.text + mark;
  for (auto& [name, ladder] : set.recovery) ladder.fingerprint = name.text + mark;
}

PromotePolicy promotion(std::uint8_t bits, bool is_redis) {
  PromotePolicy promote;
  promote.when = is_redis ? std::vector<std::string>{"master_dead", "master_frozen"}
                          : std::vector<std::string>{"primary_dead", "primary_frozen"};
  if ((bits & 1U) != 0) promote.when.pop_back();
  promote.sole_promoter = true;
  return promote;
}

void add_writes(PolicySet& set, Bytes& bytes) {
  const std::uint8_t bits = bytes.byte();
  RoutePolicy bud;
  bud.name = RouteName("bud");
  bud.via = {ViaKind::pgbouncer};
  if ((bits & 1U) != 0) bud.via.push_back(ViaKind::pgbouncer);
  bud.candidates = {ProbeName("primary"), ProbeName("replica-1"), ProbeName("replica-2")};
  bud.require = Require::writable;
  if ((bits & 2U) != 0) bud.switch_mode = SwitchMode::on_request;
  if ((bits & 4U) != 0) bud.failback = Duration{10s};
  if ((bits & 8U) != 0) bud.promote = promotion(bits >> 7U, false);
  if ((bits & 16U) != 0) bud.hooks.insert(HookKind::fence);
  if ((bits & 32U) != 0) bud.hooks.insert({HookKind::demote, HookKind::undemote});
  if ((bits & 64U) != 0) bud.hooks.insert(HookKind::after_promote);
  set.routes[bud.name] = bud;
}

void add_reads(PolicySet& set, Bytes& bytes) {
  const std::uint8_t bits = bytes.byte();
  RoutePolicy reads;
  reads.name = RouteName("bud_ro");
  reads.via = {ViaKind::pgbouncer};
  reads.candidates = {ProbeName("replica-1"), ProbeName("replica-2")};
  reads.require = Require::standby;
  if ((bits & 1U) == 0) {
    reads.balance = Balance::round_robin;
    reads.fallback = RouteName("bud");
    reads.failback = Duration{30s};
  }
  if ((bits & 2U) != 0) reads.max_lag = Lag{Duration{10s}};
  if ((bits & 4U) != 0) reads.max_lag = Lag{std::uint64_t{1000}};
  set.routes[reads.name] = reads;
}

void add_cache(PolicySet& set, Bytes& bytes) {
  const std::uint8_t bits = bytes.byte();
  RoutePolicy cache;
  cache.name = RouteName("cache");
  cache.via = {ViaKind::haproxy};
  cache.candidates = {ProbeName("redis-a"), ProbeName("redis-b")};
  cache.require = Require::master;
  if ((bits & 1U) == 0) cache.promote = promotion(bits >> 1U, true);
  if ((bits & 4U) != 0) cache.hooks.insert(HookKind::fence);
  set.routes[cache.name] = cache;
}

StepPolicy step_of(Bytes& bytes) {
  StepPolicy step;
  step.kind = static_cast<StepKind>(bytes.pick(14));
  step.timeout = 20s;
  step.name = "app.service";
  step.retries = static_cast<int>(bytes.pick(3));
  switch (step.kind) {
    case StepKind::reconnect:
    case StepKind::switch_route:
    case StepKind::promote:
      step.route = RouteName("bud");
      break;
    case StepKind::set_flag:
      step.name = "maintenance_page";
      step.until_recovered = bytes.flag();
      break;
    case StepKind::clear_flag:
      step.name = "maintenance_page";
      break;
    case StepKind::notify:
      step.name = "oncall";
      break;
    case StepKind::wait:
    case StepKind::approve:
      step.hold = Duration{10s};
      break;
    default:
      break;
  }
  return step;
}

void add_ladder(PolicySet& set, const std::string& name, const Member& subject, Bytes& bytes) {
  LadderPolicy ladder;
  ladder.name = LadderName(name);
  ladder.when = {subject, bytes.flag() ? State::degraded : State::unhealthy, 5s};
  for (std::size_t left = bytes.pick(4); left > 0; --left) ladder.steps.push_back(step_of(bytes));
  ladder.escalate = {NotifierName("oncall")};
  if (bytes.flag()) ladder.max_per_hour = 2;
  set.recovery[ladder.name] = ladder;
}

}  // namespace

std::shared_ptr<const PolicySet> make_policy(Bytes& bytes) {
  const std::uint8_t bits = bytes.byte();
  auto set = std::make_shared<PolicySet>();
  if ((bits & 7U) == 1) set->mode = Mode::observe;
  add_probe(*set, "primary", ProbeKind::postgres, 5001);
  add_probe(*set, "replica-1", ProbeKind::postgres, 5002);
  add_probe(*set, "replica-2", ProbeKind::postgres, 5003);
  add_writes(*set, bytes);
  if ((bits & 8U) != 0) add_reads(*set, bytes);
  if ((bits & 16U) != 0) {
    add_probe(*set, "redis-a", ProbeKind::redis, 6001);
    add_probe(*set, "redis-b", ProbeKind::redis, 6002);
    add_cache(*set, bytes);
  }
  add_probe(*set, "disk", ProbeKind::disk, 0);
  set->services[ServiceName("host")] = {
      ServiceName("host"), {ProbeName("disk")}, 1, true, Scope::node, true};
  ServicePolicy database;
  database.name = ServiceName("database");
  for (const auto& [name, route] : set->routes) database.members.emplace_back(name);
  database.need = static_cast<int>(database.members.size());
  set->services[database.name] = database;
  set->notify[NotifierName("oncall")] = {NotifierName("oncall"), (bits & 32U) != 0, true};
  if ((bits & 64U) != 0) add_ladder(*set, "database", ServiceName("database"), bytes);
  if ((bits & 64U) != 0) add_ladder(*set, "disk", ProbeName("disk"), bytes);
  set_fingerprints(*set, (bits & 128U) != 0 ? " 2" : " 1");
  return set;
}

}  // namespace pointsman::fuzz
