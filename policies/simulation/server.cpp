#include "policies/simulation/server.hpp"

#include <algorithm>

#include "policies/model/invariant.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration answer_time = 2ms, refusal_time = 1ms;

/// Whose primary no policy names: it is always there.
const ProbeName out_of_sight{"(a primary that no policy names)"};
/// What a foreign standby follows: nobody here.
const ProbeName elsewhere{"(elsewhere)"};

bool is_local(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::pgbouncer:
    case ProbeKind::disk:
    case ProbeKind::memory:
    case ProbeKind::cpu:
    case ProbeKind::unit:
    case ProbeKind::exec:
      return true;
    default:
      return false;
  }
}

Finding failure(Reason reason, std::string message) {
  return {Outcome::fail, reason, std::move(message), {}};
}

Finding usual_failure(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::http:
      return failure(Reason::status_mismatch, "answered 503");
    case ProbeKind::tcp:
      return failure(Reason::connect_refused, "connection refused");
    case ProbeKind::pgbouncer:
      return failure(Reason::paused, "a database is paused");
    case ProbeKind::unit:
      return failure(Reason::not_active, "is failed");
    case ProbeKind::exec:
      return failure(Reason::exec_failed, "exit code 2");
    default:
      return failure(Reason::over_threshold, "over its limit");
  }
}

bool wants_writer(const RoutePolicy& route) {
  return route.require == Require::writable || route.require == Require::master;
}

}  // namespace

Servers::Servers(std::vector<const PolicySet*> policies, ClusterSetup cluster, MonoTime start)
    : cluster_(cluster), settled_(start) {
  std::vector<ProbeName> primaries;
  for (const PolicySet* policy : policies) {
    for (const auto& [name, probe] : policy->probes) {
      Server server;
      server.name = name;
      server.kind = probe.kind;
      server.last_heard = start;
      server.position = probe.kind == ProbeKind::redis ? redis_offset_start : lsn_start;
      server.replayed = server.position;
      server.role = Role::primary;  // until a route says what it belongs to
      server.system_id = name.text;
      servers_.emplace(name, std::move(server));
    }
    for (const bool writers : {true, false}) {
      for (const auto& [name, route] : policy->routes) {
        if (wants_writer(route) == writers) join(route, primaries);
      }
    }
  }
  for (std::set<ProbeName>& members : clusters_) {
    const auto first = std::find_if(primaries.begin(), primaries.end(),
                                    [&](const ProbeName& name) { return members.contains(name); });
    const ProbeName primary = first == primaries.end() ? out_of_sight : *first;
    for (const ProbeName& name : members) {
      Server& server = at(name);
      server.system_id = "cluster of " + members.begin()->text;
      server.role = name == primary ? Role::primary : Role::standby;
      server.follows = name == primary ? ProbeName() : primary;
      server.receiving = name != primary;
    }
  }
}

/// The databases among the candidates of a route are one cluster, with those of other routes that
/// they share a member with.
void Servers::join(const RoutePolicy& route, std::vector<ProbeName>& primaries) {
  if (route.require == Require::any) return;
  std::set<ProbeName> members;
  for (const ProbeName& name : route.candidates) {
    const auto it = servers_.find(name);
    if (it != servers_.end() && it->second.is_database()) members.insert(name);
  }
  if (members.empty()) return;
  if (wants_writer(route)) primaries.push_back(route.candidates.front());
  for (auto it = clusters_.begin(); it != clusters_.end();) {
    const bool shared = std::any_of(it->begin(), it->end(),
                                    [&](const ProbeName& name) { return members.contains(name); });
    if (shared) members.insert(it->begin(), it->end());
    it = shared ? clusters_.erase(it) : std::next(it);
  }
  clusters_.push_back(std::move(members));
}

Server& Servers::at(const ProbeName& name) {
  const auto it = servers_.find(name);
  POINTSMAN_INVARIANT(it != servers_.end(), "the simulated world has no such server");
  return it->second;
}

bool Servers::passes(const std::string& from, const std::string& to) const {
  return !cuts_.contains({from, to});
}

void Servers::cut(const Cut& cut) {
  if (cut.healed) {
    cuts_.erase({cut.from, cut.to});
  } else {
    cuts_.insert({cut.from, cut.to});
  }
}

bool Servers::runs(const Server& server) const {
  return server.liveness == Liveness::up || server.liveness == Liveness::saturated;
}

/// Does WAL flow to it? Not to who has received what its primary's timeline never had.
bool Servers::streams(const Server& standby) const {
  if (standby.role != Role::standby || !runs(standby)) return false;
  if (standby.follows == out_of_sight) return true;
  const auto it = servers_.find(standby.follows);
  if (it == servers_.end()) return false;
  const Server& primary = it->second;
  if (primary.role != Role::primary || !runs(primary)) return false;
  if (primary.system_id != standby.system_id) return false;
  if (!connects(standby.name.text, primary.name.text)) return false;
  if (primary.timeline < standby.timeline) return false;
  const std::uint64_t common =
      primary.timeline == standby.timeline ? primary.position : primary.forked_at;
  return standby.position <= common;
}

void Servers::settle(MonoTime now) {
  const Duration passed = now - settled_;
  if (passed <= Duration::zero()) return;
  settled_ = now;
  constexpr auto second = static_cast<std::uint64_t>(std::chrono::nanoseconds{1s}.count());
  for (auto& [name, server] : servers_) {
    if (!server.writable()) continue;
    server.part += cluster_.write_rate * static_cast<std::uint64_t>(passed.count());
    server.position += server.part / second;
    server.part %= second;
    server.replayed = server.position;
  }
  for (auto& [name, server] : servers_) {
    if (server.is_database() && server.role == Role::standby) receive(server, now, passed);
  }
}

void Servers::receive(Server& standby, MonoTime now, Duration passed) {
  const Duration keepalive = cluster_.receiver_timeout / 2;
  if (!streams(standby)) {
    const auto primary = servers_.find(standby.follows);
    const bool closed = primary != servers_.end() && primary->second.liveness == Liveness::down &&
                        connects(standby.name.text, primary->first.text);
    const bool given_up = now - standby.last_heard > cluster_.receiver_timeout;
    if (closed || given_up || !runs(standby)) standby.receiving = false;
    return;
  }
  standby.receiving = true;
  const auto it = servers_.find(standby.follows);
  if (it == servers_.end()) {  // of one that nobody sees it receives evenly
    constexpr auto second = static_cast<std::uint64_t>(std::chrono::nanoseconds{1s}.count());
    standby.part += cluster_.write_rate * static_cast<std::uint64_t>(passed.count());
    if (!standby.lagging) standby.position += standby.part / second;
    standby.part %= second;
    standby.last_heard = now;
  } else {
    const Server& primary = it->second;
    standby.timeline = primary.timeline;
    standby.forked_at = primary.forked_at;
    const std::uint64_t missing = primary.position - standby.position;
    if (!standby.lagging) standby.position = primary.position;
    // An idle primary is heard when the receiver asks: after half its timeout.
    if (missing > 0 && primary.writable()) {
      standby.last_heard = now;
    } else if (now - standby.last_heard >= keepalive) {
      standby.last_heard = now - (now - standby.last_heard) % keepalive;
    }
  }
  if (!standby.lagging) standby.replayed = standby.position;
}

void Servers::become(const ProbeName& name, Becomes state, const std::optional<Finding>& finding) {
  Server& server = at(name);
  if (finding) {
    server.finding = *finding;
    return;
  }
  switch (state) {
    case Becomes::up:
      server.liveness = Liveness::up;
      server.slow = false;
      return;
    case Becomes::down:
    case Becomes::stopped:
      server.liveness = Liveness::down;
      server.receiving = false;
      return;
    case Becomes::gone:
      server.liveness = Liveness::gone;
      return;
    case Becomes::frozen:
      server.liveness = Liveness::frozen;
      return;
    case Becomes::slow:
      server.slow = true;
      return;
    case Becomes::starting:
      server.liveness = Liveness::starting;
      server.receiving = false;
      return;
    case Becomes::saturated:
      server.liveness = Liveness::saturated;
      return;
    case Becomes::read_only:
      server.read_only = server.kind == ProbeKind::postgres;
      return;
    case Becomes::writable:
      server.read_only = false;
      return;
    case Becomes::lagging:
      if (!server.lagging) server.lagging_since = settled_;
      server.lagging = true;
      return;
    case Becomes::current:
      server.lagging = false;
      return;
    case Becomes::foreign:
      server.system_id = "foreign, at " + name.text;
      server.timeline += 3;
      server.forked_at = server.position;
      server.position += 1'000'000;
      if (server.role == Role::standby) server.follows = elsewhere;
      server.receiving = false;
      return;
    case Becomes::primary:
      if (server.role == Role::standby && runs(server)) {
        promote(name);
        follow(name);
      }
      return;
    case Becomes::standby:
      rebuild(name, newest_primary(name));
      return;
    case Becomes::passing:
      server.finding = {Outcome::pass, Reason::ok, "", {}};
      return;
    case Becomes::warning:
      server.finding = {Outcome::warn, Reason::over_threshold, "over its warning limit", {}};
      return;
    case Becomes::failing:
      server.finding = usual_failure(server.kind);
      return;
  }
}

void Servers::promote(const ProbeName& name) {
  Server& server = at(name);
  server.role = Role::primary;
  ++server.timeline;
  server.forked_at = server.replayed = server.position;
  server.follows = ProbeName();
  server.receiving = server.lagging = false;
}

void Servers::follow(const ProbeName& primary) {
  for (const std::set<ProbeName>& members : clusters_) {
    if (!members.contains(primary)) continue;
    for (const ProbeName& name : members) {
      Server& server = at(name);
      if (name == primary || server.role != Role::standby) continue;
      if (server.system_id == at(primary).system_id) server.follows = primary;
    }
  }
}

void Servers::rebuild(const ProbeName& name, const ProbeName& primary) {
  if (primary.empty() || primary == name) return;
  const Server& source = at(primary);
  Server& server = at(name);
  server.role = Role::standby;
  server.liveness = Liveness::up;
  server.slow = server.read_only = server.lagging = false;
  server.system_id = source.system_id;
  server.timeline = source.timeline;
  server.position = server.replayed = source.position;
  server.forked_at = source.forked_at;
  server.follows = primary;
  server.receiving = true;
  server.last_heard = settled_;
}

/// Of those of the cluster that the policies describe: a foreign one is none of them.
ProbeName Servers::newest_primary(const ProbeName& of) const {
  ProbeName newest;
  std::uint32_t timeline = 0;
  for (const std::set<ProbeName>& members : clusters_) {
    if (!members.contains(of)) continue;
    for (const ProbeName& name : members) {
      const Server& server = get(name);
      if (server.role != Role::primary || !runs(server) || is_foreign(name)) continue;
      if (server.timeline <= timeline) continue;
      newest = name;
      timeline = server.timeline;
    }
  }
  return newest;
}

bool Servers::is_foreign(const ProbeName& name) const {
  return get(name).system_id == "foreign, at " + name.text;
}

Answer Servers::ask(const std::string& agent, const ProbePolicy& probe) const {
  const Server& server = get(probe.name);
  const Duration late = server.slow ? slow_answer : Duration::zero();
  const Answer no_answer{failure(Reason::timeout, "connected, but said nothing"), probe.timeout};
  if (!is_local(server.kind) && !connects(agent, probe.name.text)) {
    return {failure(Reason::connect_timeout, "no answer"), probe.timeout};
  }
  switch (server.liveness) {
    case Liveness::down:
      return {failure(Reason::connect_refused, "connection refused"), refusal_time};
    case Liveness::gone:
      return {failure(Reason::connect_timeout, "no answer"), probe.timeout};
    case Liveness::frozen:
      if (server.kind != ProbeKind::disk) return no_answer;
      return {failure(Reason::stuck, "the mount does not answer"), probe.timeout};
    case Liveness::starting:
      return {failure(Reason::starting, "the database system is starting up"), refusal_time};
    case Liveness::saturated:
      return {failure(Reason::saturated, "too many clients"), refusal_time};
    case Liveness::up:
      break;
  }
  if (answer_time + late >= probe.timeout) return no_answer;
  return {describe(server, probe), answer_time + late};
}

Finding Servers::describe(const Server& server, const ProbePolicy& probe) const {
  if (!server.is_database()) return server.finding;
  const bool standby = server.role == Role::standby;
  const Duration silent = settled_ - server.last_heard;
  const Duration behind = server.lagging ? settled_ - server.lagging_since : Duration::zero();
  const auto* late_by = probe.max_lag ? std::get_if<Duration>(&*probe.max_lag) : nullptr;
  Finding finding{Outcome::pass, Reason::ok, standby ? "a standby" : "a primary", {}};
  if (server.kind == ProbeKind::redis) {
    RedisFacts facts;
    facts.role = standby ? RedisRole::replica : RedisRole::master;
    facts.offset = static_cast<std::int64_t>(server.position);
    if (standby) facts.link_up = server.receiving;
    if (standby) facts.lag = silent + behind;
    if (standby && !server.receiving) {
      finding.outcome = probe.max_lag ? Outcome::fail : Outcome::warn;
      finding.reason = Reason::link_down;
    } else if (standby && late_by && silent + behind > *late_by) {
      finding.outcome = Outcome::fail;
      finding.reason = Reason::lag;
    }
    finding.facts = facts;
    return finding;
  }
  PostgresFacts facts;
  facts.role = standby ? PostgresRole::standby : PostgresRole::primary;
  facts.read_only = server.read_only;
  facts.lsn = server.position;
  facts.replay_lsn = standby ? server.replayed : server.forked_at;
  facts.wal_receiver_timeout = cluster_.receiver_timeout;
  facts.may_promote = cluster_.may_promote;
  facts.system_id = server.system_id;
  if (!standby || (server.receiving && cluster_.monitor)) facts.timeline = server.timeline;
  if (standby) {
    facts.receiving = server.receiving;
    if (server.receiving && cluster_.monitor) facts.receiver_silent = silent;
    facts.lag_seconds = behind;
    // As if it had received meanwhile, and not replayed.
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(behind).count();
    facts.lag_bytes = seconds * static_cast<std::int64_t>(cluster_.write_rate);
  }
  if (standby && late_by && behind > *late_by) {
    finding.outcome = Outcome::fail;
    finding.reason = Reason::lag;
  }
  finding.facts = std::move(facts);
  return finding;
}

}  // namespace pointsman::sim
