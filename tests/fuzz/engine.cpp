// The engine under any sequence of events: answers of probes and poolers, outcomes of acts,
// operators, reloads, crashes. The first bytes are the policy, the others say what happens next.
#include <array>

#include "tests/fuzz/engine_policy.hpp"
#include "tests/fuzz/engine_shell.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

using fuzz::Bytes;
using fuzz::EngineShell;

constexpr int max_events = 400;

Finding postgres(Bytes& bytes) {
  const std::uint8_t bits = bytes.byte();
  PostgresFacts facts;
  facts.role = (bits & 1U) != 0 ? PostgresRole::primary : PostgresRole::standby;
  facts.read_only = (bits & 2U) != 0;
  facts.timeline = 1 + ((bits >> 2U) & 3U);
  if ((bits & 16U) != 0) facts.timeline.reset();
  facts.lsn = bytes.number(1) * 1000;
  facts.replay_lsn = facts.lsn;
  facts.lag_bytes = static_cast<std::int64_t>(bytes.number(1)) * 100;
  if ((bits & 32U) != 0) facts.receiving = (bits & 64U) != 0;
  facts.lag_seconds = Duration{0s};
  facts.system_id = (bits & 128U) != 0 && facts.lsn == 0U ? "T" : "S";
  return {Outcome::pass, Reason::ok, "", facts};
}

Finding redis(Bytes& bytes) {
  const std::uint8_t bits = bytes.byte();
  RedisFacts facts;
  facts.role = (bits & 1U) != 0 ? RedisRole::master : RedisRole::replica;
  facts.link_up = (bits & 2U) != 0;
  facts.loading = (bits & 28U) == 4U;
  if ((bits & 28U) == 8U) facts.sentinels = 3;
  facts.offset = static_cast<std::int64_t>(bytes.number(1)) * 10;
  return {Outcome::pass, Reason::ok, "", facts};
}

/// What a probe of this kind finds. Reasons are not picked to be likely.
Finding finding_of(ProbeKind kind, Bytes& bytes) {
  switch (bytes.pick(8)) {
    case 0:
      return {Outcome::fail, Reason::connect_refused, "down", {}};
    case 1: {
      Finding finding{Outcome::fail, static_cast<Reason>(bytes.pick(reason_count)), "odd", {}};
      if (bytes.flag()) finding.facts = postgres(bytes).facts;
      return finding;
    }
    case 2:
      return {Outcome::inconclusive, Reason::prober_error, "ours", {}};
    default:
      break;
  }
  if (kind == ProbeKind::postgres) return postgres(bytes);
  if (kind == ProbeKind::redis) return redis(bytes);
  return {bytes.flag() ? Outcome::warn : Outcome::pass, Reason::ok, "", {}};
}

/// All as it should be: the first candidate leads, the others follow it.
Finding well(const ProbePolicy& probe) {
  PostgresFacts pg;
  pg.role = probe.name.text == "primary" ? PostgresRole::primary : PostgresRole::standby;
  pg.timeline = 1;
  pg.lsn = pg.replay_lsn = 1000;
  pg.lag_bytes = 0;
  pg.receiving = true;
  pg.lag_seconds = Duration{0s};
  pg.system_id = "S";
  RedisFacts rd;
  rd.role = probe.name.text == "redis-a" ? RedisRole::master : RedisRole::replica;
  rd.offset = 1000;
  rd.link_up = true;
  Finding finding{Outcome::pass, Reason::ok, "", {}};
  if (probe.kind == ProbeKind::postgres) finding.facts = pg;
  if (probe.kind == ProbeKind::redis) finding.facts = rd;
  return finding;
}

class Play {
 public:
  Play(EngineShell& shell, Bytes& bytes) : shell_(shell), bytes_(bytes) {}

  /// One thing happens.
  void go_on() {
    switch (bytes_.pick(18)) {
      case 0:
        return shell_.wake_at(shell_.wanted());
      case 1:
        return shell_.wake_at(shell_.now() + std::chrono::milliseconds{bytes_.number(2)});
      case 2:
        return end_run(true);
      case 3:
        while (!shell_.running.empty()) end_run(false);
        return;
      case 4:
      case 5:
        return observe();
      case 6:
      case 7:
        return end_act();
      case 8:
        return end_step();
      case 9:
        return shell_.give(SessionEnded{
            probe(),
            bytes_.one_of({SessionEnd::lost, SessionEnd::administrator, SessionEnd::crashed})});
      case 10:
        return shell_.give(LoopDistrusted{std::chrono::milliseconds{bytes_.number(2)}, 0s, 0s});
      case 11:
        return ask();
      case 12:
        return operate();
      case 13:
        return shell_.reload(fuzz::make_policy(bytes_));
      case 14:
        return shell_.restart();
      case 15:
        return say_what_nobody_asked();
      default:
        return pass_quiet_time();
    }
  }

 private:
  ProbeName probe() {
    static const std::array<const char*, 7> names{"primary", "replica-1", "replica-2", "redis-a",
                                                  "redis-b", "disk",      "nobody"};
    return ProbeName(names[bytes_.pick(names.size())]);
  }
  RouteName route() {
    static const std::array<const char*, 4> names{"bud", "bud_ro", "cache", "nowhere"};
    return RouteName(names[bytes_.pick(names.size())]);
  }
  ActionOutcome outcome() {
    return bytes_.one_of({ActionOutcome::ok, ActionOutcome::failed, ActionOutcome::unknown});
  }
  std::optional<MonoTime> until() {
    const auto seconds = std::chrono::seconds{bytes_.byte()};
    return seconds == 0s ? std::nullopt : std::optional(shell_.now() + seconds);
  }

  void end_run(bool is_odd) {
    if (shell_.running.empty()) return;
    const auto at = shell_.running.begin() +
                    static_cast<std::ptrdiff_t>(is_odd ? bytes_.pick(shell_.running.size()) : 0);
    const auto [name, since] = *at;
    shell_.running.erase(at);
    const ProbePolicy& policy = shell_.policy().probes.at(name);
    const Finding finding = is_odd ? finding_of(policy.kind, bytes_) : well(policy);
    shell_.give(SampleTaken{Sample{name, since, shell_.now(), finding}});
  }

  void observe() {
    if (shell_.observing.empty()) return;
    const auto at = shell_.observing.begin() +
                    static_cast<std::ptrdiff_t>(bytes_.pick(shell_.observing.size()));
    RouteObserved observed{*at, {}};
    shell_.observing.erase(at);
    for (std::size_t i = 0; i < shell_.policy().routes.at(observed.route).via.size(); ++i) {
      const std::uint8_t bits = bytes_.byte();
      PoolerObservation pooler;
      pooler.reachable = (bits & 1U) == 0;
      pooler.listed = (bits & 2U) == 0;
      pooler.paused = (bits & 12U) == 4U;
      pooler.disabled = (bits & 12U) == 8U;
      pooler.file = (bits & 16U) == 0 ? FileState::as_wanted : FileState::differs;
      pooler.addresses = shell_.led_to[observed.route];
      if ((bits & 32U) != 0) {
        pooler.addresses = {{"127.0.0.1", static_cast<std::uint16_t>(5001 + bytes_.pick(4))}};
      }
      observed.poolers.push_back(pooler);
    }
    shell_.give(observed);
  }

  void end_act() {
    if (shell_.acts.empty()) return;
    auto at = shell_.acts.begin();
    std::advance(at, bytes_.pick(shell_.acts.size()));
    ActionFinished finished;
    finished.id = at->first;
    finished.route = at->second.route;
    finished.outcome = outcome();
    finished.message = "done";
    if (finished.outcome == ActionOutcome::ok) {
      finished.verified = bytes_.one_of({Verified::query, Verified::servers});
      if (bytes_.flag()) finished.timeline = 1 + static_cast<std::uint32_t>(bytes_.pick(4));
      if (bytes_.flag()) finished.promotion_lsn = bytes_.number(1) * 1000;
    }
    finished.rolled_back = bytes_.flag();
    shell_.acts.erase(at);
    shell_.give(finished);
  }

  void end_step() {
    if (shell_.steps.empty()) return;
    auto at = shell_.steps.begin();
    std::advance(at, bytes_.pick(shell_.steps.size()));
    const StepFinished finished{at->first, at->second.ladder, outcome(), "done"};
    shell_.steps.erase(at);
    shell_.give(finished);
  }

  void ask() {
    SwitchRequested asked;
    asked.request = RequestId{++requests_};
    asked.route = route();
    if (bytes_.flag()) asked.to = probe();
    const std::uint8_t bits = bytes_.byte();
    asked.dry_run = (bits & 1U) != 0;
    asked.allow_data_loss = (bits & 2U) != 0;
    asked.unfenced = (bits & 4U) != 0;
    asked.by = "uid 1000";
    shell_.give(asked);
    if ((bits & 8U) != 0) shell_.give(SwitchCancelled{asked.request});
    if ((bits & 16U) != 0) shell_.give(RequestNoted{asked.request, "a line"});
  }

  void operate() {
    switch (bytes_.pick(5)) {
      case 0:
        return shell_.give(AutomationSet{bytes_.flag(), "why", "uid 1000", until()});
      case 1: {
        static const std::array<const char*, 3> names{"maintenance", "maintenance_page", "other"};
        return shell_.give(
            FlagSet{FlagName(names[bytes_.pick(3)]), bytes_.flag(), "why", "uid 1000", until()});
      }
      case 2:
        return shell_.give(DrainSet{bytes_.flag(), "why", "uid 1000"});
      case 3:
        return shell_.give(IncidentAcknowledged{IncidentId{bytes_.byte()}, "uid 1000", "seen"});
      default: {
        const auto seen = shell_.engine().snapshot(shell_.now());
        for (const auto& [name, ladder] : seen->ladders) {
          if (ladder.approval == ActionId{}) continue;
          return shell_.give(StepApproved{ladder.approval, bytes_.flag(), "uid 1000"});
        }
        return shell_.give(StepApproved{ActionId{bytes_.byte()}, true, "uid 1000"});
      }
    }
  }

  /// What comes late, after a reload or a crash, or from a daemon with a fault.
  void say_what_nobody_asked() {
    switch (bytes_.pick(5)) {
      case 0:
        return shell_.give(
            ActionFinished{ActionId{1'000'000}, route(), outcome(), "late", Verified::query});
      case 1:
        return shell_.give(
            StepFinished{ActionId{1'000'000}, LadderName("database"), outcome(), ""});
      case 2:
        return shell_.give(
            SampleTaken{Sample{ProbeName("nobody"), shell_.now(), shell_.now(), {}}});
      case 3:
        return shell_.give(RouteObserved{RouteName("nowhere"), {}});
      default:
        return shell_.give(SwitchCancelled{RequestId{1'000'000}});
    }
  }

  /// Up to half a minute in which everything answers as it should, as a run-up for what comes.
  void pass_quiet_time() {
    const MonoTime end = shell_.now() + std::chrono::seconds{bytes_.pick(32)};
    for (int i = 0; i < max_events && shell_.now() < end; ++i) {
      while (!shell_.running.empty()) end_run(false);
      while (!shell_.observing.empty()) {
        RouteObserved observed{shell_.observing.back(), {}};
        shell_.observing.pop_back();
        PoolerObservation pooler;
        pooler.reachable = pooler.listed = true;
        pooler.file = FileState::as_wanted;
        pooler.addresses = shell_.led_to[observed.route];
        observed.poolers.assign(shell_.policy().routes.at(observed.route).via.size(), pooler);
        shell_.give(observed);
      }
      shell_.wake_at(std::max(shell_.wanted(), shell_.now() + 1ms));
    }
  }

  EngineShell& shell_;
  Bytes& bytes_;
  std::uint64_t requests_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  const auto policy = fuzz::make_policy(bytes);
  EngineShell shell(MonoTime{1h}, policy);
  Play play(shell, bytes);
  for (int i = 0; i < max_events && !bytes.empty(); ++i) {
    play.go_on();
    if (i % 16 == 0) shell.engine().snapshot(shell.now());
  }
  shell.engine().snapshot(shell.now());
  return 0;
}
