// Guards one by one: each denies for its own reason, says with which value, and is a gate where it
// has to be.
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

#include "policies/guards.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

/// All well: a route that drives, whose candidates have all been seen.
GuardInputs well() {
  GuardInputs in;
  in.now = MonoTime{1h};
  in.candidates = in.candidates_seen = in.candidates_trusted = 3;
  in.evidence_age = 1s;
  in.evidence_limit = 5s;
  in.drives = true;
  in.promotions_limit = 3;
  in.candidate_missing = 0;
  in.may_promote = true;
  return in;
}

const Guard& guard(const std::vector<Guard>& guards, GuardName name) {
  return *std::find_if(guards.begin(), guards.end(),
                       [&](const Guard& one) { return one.name == to_text(name); });
}

bool is_gate(std::span<const GuardName> gates, GuardName name) {
  return std::find(gates.begin(), gates.end(), name) != gates.end();
}

}  // namespace

TEST_CASE("guards: when all is well all allow, and each has a name of its own") {
  const auto guards = evaluate_guards(well());
  REQUIRE(guards.size() == static_cast<std::size_t>(guard_count));
  for (int i = 0; i < guard_count; ++i) {
    const auto name = static_cast<GuardName>(i);
    INFO(to_text(name));
    CHECK(guards[static_cast<std::size_t>(i)].name == to_text(name));
    CHECK(guard(guards, name).allow);
    CHECK(!guard(guards, name).limit.empty());
  }
  CHECK(first_denied_promotion(guards) == nullptr);
  CHECK(first_denied_last_moment(guards) == nullptr);
  CHECK(first_denied(guards, SwitchCause::failback) == nullptr);
}

TEST_CASE("guards: each denies for its own reason alone") {
  struct Case {
    GuardName name;
    std::function<void(GuardInputs&)> spoil;
  };
  const std::vector<Case> cases{
      {GuardName::mode, [](GuardInputs& in) { in.mode = Mode::observe; }},
      {GuardName::paused, [](GuardInputs& in) { in.paused = true; }},
      {GuardName::maintenance, [](GuardInputs& in) { in.maintenance = true; }},
      {GuardName::switch_mode, [](GuardInputs& in) { in.switch_mode = SwitchMode::on_request; }},
      {GuardName::self_distrust, [](GuardInputs& in) { in.candidates_trusted = 2; }},
      {GuardName::candidates_seen, [](GuardInputs& in) { in.candidates_seen = 0; }},
      {GuardName::evidence_fresh, [](GuardInputs& in) { in.evidence_age.reset(); }},
      {GuardName::evidence_fresh, [](GuardInputs& in) { in.evidence_age = 6s; }},
      {GuardName::hold_down,
       [](GuardInputs& in) {
         in.last_switch = in.now - 10s;
         in.hold_down = 60s;
       }},
      {GuardName::limits,
       [](GuardInputs& in) {
         in.failures = 2;
         in.retry_at = in.now + 1s;
       }},
      {GuardName::promotion_limit, [](GuardInputs& in) { in.promotions = 3; }},
      {GuardName::restart_grace,
       [](GuardInputs& in) {
         in.told_to_stop = in.now - 5s;
         in.restart_grace = 15s;
       }},
      {GuardName::lag, [](GuardInputs& in) { in.candidate_missing.reset(); }},
      {GuardName::lag,
       [](GuardInputs& in) {
         in.candidate_missing = 1001;
         in.max_lag = Lag{std::uint64_t{1000}};
       }},
      {GuardName::may_promote, [](GuardInputs& in) { in.may_promote = false; }},
      {GuardName::may_promote, [](GuardInputs& in) { in.apply_delay = 1h; }},
      {GuardName::unsettled, [](GuardInputs& in) { in.unsettled = "replica-1"; }},
      {GuardName::sentinel, [](GuardInputs& in) { in.sentinels = 3; }},
      {GuardName::machine, [](GuardInputs& in) { in.machine = "memory is unhealthy"; }},
      {GuardName::one_act, [](GuardInputs& in) { in.acting = true; }},
  };
  const auto fine = evaluate_guards(well());
  for (const Case& one : cases) {
    GuardInputs in = well();
    one.spoil(in);
    const auto guards = evaluate_guards(in);
    INFO(to_text(one.name));
    for (const Guard& found : guards) CHECK(found.allow == (found.name != to_text(one.name)));
    CHECK(guard(guards, one.name).value != guard(fine, one.name).value);
  }
}

TEST_CASE("guards: rights that are not known do not hold, and are said") {
  GuardInputs in = well();
  in.may_promote.reset();
  const auto guards = evaluate_guards(in);
  CHECK(guard(guards, GuardName::may_promote).allow);
  CHECK(guard(guards, GuardName::may_promote).value == "not known");
}

TEST_CASE("guards: a primary that was never seen leaves nothing to measure a lag against") {
  GuardInputs in = well();
  in.max_lag = Lag{std::uint64_t{1000}};
  in.position_known = false;
  const auto guards = evaluate_guards(in);
  CHECK(guard(guards, GuardName::lag).allow);
  CHECK(guard(guards, GuardName::lag).value == "last position not known");
}

TEST_CASE("guards: what has passed holds no longer") {
  GuardInputs in = well();
  in.last_switch = in.now - 60s;
  in.hold_down = 60s;
  in.retry_at = in.now;
  in.told_to_stop = in.now - 15s;
  in.restart_grace = 15s;
  in.max_lag = Lag{Duration{10s}};  // a limit in time is judged by the diagnosis
  in.candidate_missing = 5000;
  CHECK(first_denied_promotion(evaluate_guards(in)) == nullptr);
  in.drives = false;
  in.promotions = 9;  // of whoever follows no promotions are counted
  const auto guards = evaluate_guards(in);
  CHECK(guard(guards, GuardName::promotion_limit).allow);
  CHECK(guard(guards, GuardName::quorum).value == "follows");
}

TEST_CASE("guards: the first gate that denies is named, in the order of the gates") {
  GuardInputs in = well();
  in.paused = true;
  in.acting = true;
  const auto guards = evaluate_guards(in);
  CHECK(first_denied(guards, SwitchCause::follow)->name == "paused");
  CHECK(first_denied(guards, SwitchCause::request)->name == "one_act");
  CHECK(first_denied_promotion(guards)->name == "paused");
  CHECK(first_denied_last_moment(guards)->name == "paused");
}

TEST_CASE("guards: what gates which act") {
  for (const auto cause : {SwitchCause::follow, SwitchCause::target_lost, SwitchCause::wrong_role,
                           SwitchCause::balance, SwitchCause::fallback}) {
    INFO(to_text(cause));
    CHECK(is_gate(gates(cause), GuardName::candidates_seen));
    CHECK_FALSE(is_gate(gates(cause), GuardName::hold_down));  // leaving what can not serve
  }
  CHECK(is_gate(gates(SwitchCause::failback), GuardName::hold_down));
  for (const auto cause : {SwitchCause::drift, SwitchCause::adopt}) {
    CHECK(is_gate(gates(cause), GuardName::paused));
    CHECK_FALSE(is_gate(gates(cause), GuardName::switch_mode));  // nothing is switched
  }
  for (const auto cause : {SwitchCause::request, SwitchCause::recovery}) {
    CHECK(is_gate(gates(cause), GuardName::mode));
    CHECK_FALSE(is_gate(gates(cause), GuardName::paused));
  }
  CHECK_FALSE(is_gate(gates(SwitchCause::verify), GuardName::mode));  // nothing is written
  for (const auto name :
       {GuardName::mode, GuardName::paused, GuardName::maintenance, GuardName::lag,
        GuardName::unsettled, GuardName::sentinel, GuardName::may_promote}) {
    INFO(to_text(name));
    CHECK(is_gate(promotion_gates(), name));
  }
  for (const auto name : {GuardName::mode, GuardName::paused, GuardName::maintenance,
                          GuardName::self_distrust, GuardName::sentinel}) {
    INFO(to_text(name));
    CHECK(is_gate(demotion_gates(), name));
  }
  CHECK_FALSE(is_gate(demotion_gates(), GuardName::switch_mode));  // nothing is switched
}
