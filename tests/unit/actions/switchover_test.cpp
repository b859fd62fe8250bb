// A planned change: what the journal keeps, what a start makes of it, when it may begin and when
// the old server counts as fenced.
#include <catch2/catch.hpp>

#include "daemon/actions/switchover_judge.hpp"
#include "daemon/actions/switchover_steps.hpp"

namespace pointsman {
namespace {

using Catch::Matchers::Contains;
using What = SwitchoverRecovery::What;

SwitchOver order() {
  SwitchOver order;
  order.route = RouteName("bud");
  order.from = {ProbeName("primary"), {"10.0.1.10", 5432}};
  order.to = {ProbeName("replica-1"), {"10.0.1.11", 5433}};
  order.others = {{ProbeName("replica-2"), {"10.0.1.12", 5432}}};
  order.system_id = "7001";
  order.timeline = 4;
  order.epoch = 17;
  order.fenced = false;
  order.incident = IncidentId{3};
  order.promote_timeout = std::chrono::seconds{30};
  return order;
}

TEST_CASE("the steps of a planned change survive the journal", "[switchover]") {
  SwitchoverSteps steps{order(), SwitchoverStep::promote, 0x3000148};
  CHECK(switchover_steps_of_json(to_json(steps)) == steps);
  steps.order.kind = ServerKind::redis;
  steps.order.fenced = true;
  steps.step = SwitchoverStep::hold;
  CHECK(switchover_steps_of_json(to_json(steps)) == steps);
  CHECK_FALSE(switchover_steps_of_json("{"));
  CHECK_FALSE(switchover_steps_of_json(R"({"act":"switchover","step":"dance"})"));
  CHECK_FALSE(switchover_steps_of_json(R"({"act":"promote","step":"hold"})"));
}

TEST_CASE("until the promotion a start undoes, from there on it looks", "[switchover]") {
  const auto recover = [](SwitchoverStep step) { return recover_switchover({order(), step, 0}); };
  CHECK(recover(SwitchoverStep::hold).what == What::undo);
  CHECK_FALSE(recover(SwitchoverStep::hold).was_fenced);
  CHECK(recover(SwitchoverStep::fence).what == What::undo);
  CHECK(recover(SwitchoverStep::fence).was_fenced);
  CHECK(recover(SwitchoverStep::catch_up).what == What::undo);
  CHECK(recover(SwitchoverStep::catch_up).was_fenced);
  CHECK(recover(SwitchoverStep::promote).what == What::look);
  CHECK(recover(SwitchoverStep::done).what == What::nothing);
}

TEST_CASE("when a planned change may begin", "[switchover]") {
  PostgresLook from, to;
  from.system_id = to.system_id = "7001";
  from.timeline = to.timeline = 4;
  from.written = to.received = to.replayed = 0x5000000;
  to.standby = to.has_receiver = to.may_promote = true;
  CHECK(judge_switchover(from, to, order()).empty());
  to.timeline = 0;  // not known to a plain role
  CHECK(judge_switchover(from, to, order()).empty());

  SECTION("not where the old one takes no writes") {
    from.standby = true;
  }
  SECTION("nor the new one already does") {
    to.standby = false;
  }
  SECTION("nor it receives nothing") {
    to.has_receiver = false;
  }
  SECTION("nor it is on another timeline") {
    to.timeline = 3;
  }
  SECTION("nor the old one went on to another") {
    from.timeline = to.timeline = 5;
  }
  SECTION("nor it is another cluster") {
    to.system_id = "7002";
  }
  SECTION("nor both are") {
    from.system_id = to.system_id = "7002";
  }
  SECTION("nor we may not promote") {
    to.may_promote = false;
  }
  SECTION("nor its replay is paused") {
    to.replay_paused = true;
  }
  SECTION("nor it is far behind") {
    from.written += switchover_max_lag + 1;
  }
  CHECK_FALSE(judge_switchover(from, to, order()).empty());
}

TEST_CASE("what counts as fenced", "[switchover]") {
  const auto failed = [](PgError::Kind kind, const char* sqlstate = "") {
    PostgresSeen seen;
    seen.error = "x";
    seen.kind = kind;
    seen.sqlstate = sqlstate;
    return judge_fence(seen);
  };
  CHECK(failed(PgError::Kind::refused) == Fenced::yes);
  CHECK(failed(PgError::Kind::unreachable) == Fenced::yes);
  CHECK(failed(PgError::Kind::cancelled) == Fenced::yes);
  CHECK(failed(PgError::Kind::server, "57P03") == Fenced::not_yet);
  CHECK(failed(PgError::Kind::server, "53300") == Fenced::not_yet);
  CHECK(failed(PgError::Kind::server, "28P01") == Fenced::not_yet);
  CHECK(failed(PgError::Kind::closed) == Fenced::not_yet);
  PostgresSeen answers;
  CHECK(judge_fence(answers) == Fenced::no);
  answers.look.read_only = true;  // a GUC is no fence
  CHECK(judge_fence(answers) == Fenced::no);
  answers.look.standby = true;
  CHECK(judge_fence(answers) == Fenced::yes);
}

TEST_CASE("when the new server has all", "[switchover]") {
  PostgresLook to;
  to.received = to.replayed = 100;
  CHECK(is_caught_up(to, 100, false));
  CHECK_FALSE(is_caught_up(to, 101, true));
  to.has_receiver = true;
  CHECK_FALSE(is_caught_up(to, 100, false));
  CHECK(is_caught_up(to, 100, true));
  to.replayed = 99;
  CHECK_FALSE(is_caught_up(to, 100, true));
}

}  // namespace
}  // namespace pointsman
