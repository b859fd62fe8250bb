// The last look before a promotion, as PostgreSQL and Redis answer it, and what the journal keeps.
#include <catch2/catch.hpp>

#include "daemon/actions/promote_check.hpp"
#include "daemon/actions/promote_steps.hpp"
#include "daemon/actions/redis_role.hpp"

namespace pointsman {
namespace {

using Catch::Matchers::Contains;

PostgresLook standby() {
  PostgresLook look;
  look.standby = true;
  look.system_id = "7001";
  look.timeline = 4;
  look.may_promote = true;
  look.user = "pointsman";
  look.database = "bud";
  return look;
}

PromoteServer order() {
  PromoteServer order;
  order.route = RouteName("bud");
  order.from = {ProbeName("primary"), {"10.0.1.10", 5432}};
  order.to = {ProbeName("replica-1"), {"10.0.1.11", 5432}};
  order.system_id = "7001";
  order.timeline = 4;
  order.incident = IncidentId{12};
  return order;
}

PgRows rows(std::vector<std::string> columns, std::vector<std::optional<std::string>> values) {
  PgRows rows;
  rows.columns = std::move(columns);
  rows.rows.push_back(std::move(values));
  return rows;
}

TEST_CASE("who may be promoted", "[acts]") {
  auto look = standby();
  CHECK(judge_before_promotion(look, order()).verdict == PromoteVerdict::go);

  SECTION("another cluster") {
    look.system_id = "7002";
    const auto judged = judge_before_promotion(look, order());
    CHECK(judged.verdict == PromoteVerdict::refuse);
    CHECK_THAT(judged.text, Contains("7002, not 7001"));
  }
  SECTION("another timeline, known exactly") {
    for (const std::uint32_t timeline : {3u, 5u}) {
      look.timeline = timeline;
      CHECK(judge_before_promotion(look, order()).verdict == PromoteVerdict::refuse);
      CHECK(may_be_under_way(look, order()) == (timeline == 5));
    }
  }
  SECTION("a lower bound below it says nothing, one above it does") {
    look.timeline = 0;
    look.least_timeline = 3;
    CHECK(judge_before_promotion(look, order()).verdict == PromoteVerdict::go);
    look.least_timeline = 5;
    CHECK(judge_before_promotion(look, order()).verdict == PromoteVerdict::refuse);
  }
  SECTION("no right to: the GRANT that helps, with the name quoted") {
    look.may_promote = false;
    look.user = "odd\"name";
    const auto judged = judge_before_promotion(look, order());
    CHECK(judged.verdict == PromoteVerdict::refuse);
    CHECK_THAT(judged.text, Contains("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO "
                                     "\"odd\"\"name\""));
    CHECK_THAT(judged.text, Contains("in the database bud"));
  }
  SECTION("it takes writes on a newer timeline: nothing is left to do") {
    look.standby = false;
    look.timeline = 5;
    CHECK(judge_before_promotion(look, order()).verdict == PromoteVerdict::already);
  }
  SECTION("it takes writes on the same timeline: two do") {
    look.standby = false;
    CHECK(judge_before_promotion(look, order()).verdict == PromoteVerdict::refuse);
  }
  SECTION("paused replay is told") {
    look.replay_paused = true;
    const auto judged = judge_before_promotion(look, order());
    CHECK(judged.verdict == PromoteVerdict::go);
    CHECK_THAT(judged.text, Contains("paused"));
  }
}

TEST_CASE("what one look answers", "[acts]") {
  const auto look =
      read_look(rows({"standby", "read_only", "system_id", "timeline", "written", "least_timeline",
                      "received_timeline", "receivers", "received", "replayed", "paused",
                      "may_promote", "may_list_wal", "user", "database"},
                     {"t", "off", "7001", std::nullopt, std::nullopt, "3", std::nullopt, "1",
                      "1/10", "1/20", "f", "t", "f", "plain", "bud"}));
  REQUIRE(look);
  CHECK(look->standby);
  CHECK(look->timeline == 0);
  CHECK(look->least_timeline == 3);
  CHECK(look->has_receiver);
  // It restored from an archive: what it replayed it has.
  CHECK(look->received == 0x100000020);
  CHECK_FALSE(read_look(rows({"a"}, {"1"})));
  CHECK_FALSE(read_look({}));
}

TEST_CASE("a receiver that is about to connect is waited for", "[acts]") {
  const auto said = [](std::optional<std::string> wait, const char* receivers) {
    return read_startup(rows({"startup", "receivers"}, {wait, receivers}));
  };
  CHECK(said("RecoveryRetrieveRetryInterval", "0") == StartupWait::calm);
  CHECK(said("RecoveryWalStream", "0") == StartupWait::connecting);
  CHECK(said(std::nullopt, "0") == StartupWait::connecting);
  CHECK(said("RecoveryWalStream", "1") == StartupWait::calm);
}

TEST_CASE("a promotion survives the journal", "[acts]") {
  const auto steps = promote_steps_of(order());
  CHECK(to_text(steps.to_address) == "10.0.1.11:5432");
  CHECK(promote_steps_of_json(to_json(steps)) == steps);
  CHECK_FALSE(promote_steps_of_json(""));
  CHECK_FALSE(promote_steps_of_json("{\"act\":\"demote\"}"));
  CHECK_FALSE(promote_steps_of_json("[1]"));
}

TEST_CASE("positions are written as PostgreSQL does", "[acts]") {
  CHECK(lsn_text(0x3000148) == "0/3000148");
  CHECK(lsn_text(0x16B374D848) == "16/B374D848");
}

RedisReply reply(RedisReply::Kind kind, std::string text, std::int64_t integer = 0) {
  RedisReply made;
  made.kind = kind;
  made.text = std::move(text);
  made.integer = integer;
  return made;
}

TEST_CASE("ROLE, as Redis answers it", "[acts][redis]") {
  using Kind = RedisReply::Kind;
  RedisReply role = reply(Kind::array, "");
  role.elements = {reply(Kind::text, "master"), reply(Kind::integer, "", 3129659),
                   reply(Kind::array, "")};
  auto standing = read_role(role);
  REQUIRE(standing);
  CHECK(standing->master);
  CHECK(standing->offset == 3129659);

  role.elements = {reply(Kind::text, "slave"), reply(Kind::text, "10.0.1.20"),
                   reply(Kind::integer, "", 6379), reply(Kind::text, "connected"),
                   reply(Kind::integer, "", 3167038)};
  standing = read_role(role);
  REQUIRE(standing);
  CHECK_FALSE(standing->master);
  CHECK(standing->follows == Endpoint{"10.0.1.20", 6379});
  const auto judge = [&](RedisHoldings holdings) {
    return judge_redis_candidate(*standing, holdings, "redis-b");
  };
  CHECK(judge({}).empty());
  standing->link = "sync";
  CHECK_THAT(judge({}), Contains("only a part of the data"));
  // ROLE says -1 of every replica whose master is gone.
  standing->link = "connect";
  standing->offset = -1;
  CHECK(judge({}).empty());
  CHECK(judge({true, 0}).empty());
  CHECK(judge({false, 12}).empty());
  CHECK_THAT(judge({false, 0}), Contains("it would be empty"));
  CHECK_FALSE(read_was_linked(
      reply(Kind::text, "role:slave\r\nmaster_link_down_since_seconds:-1\r\nx:1\r\n")));
  CHECK(read_was_linked(reply(Kind::text, "role:slave\r\nmaster_link_down_since_seconds:7\r\n")));

  role.elements = {reply(Kind::text, "sentinel"), reply(Kind::array, "")};
  CHECK_FALSE(read_role(role));
  CHECK_FALSE(read_role(reply(Kind::error, "NOPERM")));

  RedisReply subscribed = reply(Kind::array, "");
  subscribed.elements = {reply(Kind::text, "__sentinel__:hello"), reply(Kind::integer, "", 3)};
  CHECK(read_sentinels(subscribed) == 3);
}

}  // namespace
}  // namespace pointsman
