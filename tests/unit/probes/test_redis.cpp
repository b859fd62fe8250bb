// The redis probe's pure parts: the codec against whatever may come, the judge on recorded answers;
// and the prober against a peer that is not Redis.
#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include "probes/redis.hpp"
#include "tests/unit/probes/net_support.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using namespace std::chrono_literals;

namespace {

using Kind = RedisReply::Kind;

RedisReply text(std::string said) {
  return {Kind::text, std::move(said), 0, {}};
}
RedisReply error(std::string said) {
  return {Kind::error, std::move(said), 0, {}};
}
RedisReply integer(std::int64_t number) {
  return {Kind::integer, {}, number, {}};
}
RedisReply array(std::vector<RedisReply> elements) {
  return {Kind::array, {}, 0, std::move(elements)};
}

std::string encoded(const RedisReply& reply) {
  switch (reply.kind) {
    case Kind::nil:
      return "$-1\r\n";
    case Kind::text:
      return "$" + std::to_string(reply.text.size()) + "\r\n" + reply.text + "\r\n";
    case Kind::error:
      return "-" + reply.text + "\r\n";
    case Kind::integer:
      return ":" + std::to_string(reply.integer) + "\r\n";
    case Kind::array: {
      std::string all = "*" + std::to_string(reply.elements.size()) + "\r\n";
      for (const auto& element : reply.elements) all += encoded(element);
      return all;
    }
  }
  return {};
}

rc::Gen<RedisReply> any_reply(int depth) {
  return rc::gen::exec([depth] {
    RedisReply reply;
    reply.kind = static_cast<Kind>(*rc::gen::inRange(0, depth > 0 ? 5 : 3));
    if (depth > 0 && reply.kind == Kind::error)
      reply.text = *rc::gen::container<std::string>(rc::gen::inRange('a', 'z'));
    if (reply.kind == Kind::text) reply.text = *rc::gen::arbitrary<std::string>();
    if (reply.kind == Kind::integer) reply.integer = *rc::gen::arbitrary<std::int64_t>();
    if (reply.kind == Kind::array || (depth > 0 && *rc::gen::inRange(0, 4) == 0)) {
      reply = {};
      reply.kind = Kind::array;
      const int size = *rc::gen::inRange(0, 4);
      for (int n = 0; n < size; ++n) reply.elements.push_back(*any_reply(depth - 1));
    }
    return reply;
  });
}

constexpr const char* replica_info =
    "# Replication\r\nrole:slave\r\nmaster_host:10.0.1.20\r\nmaster_port:6379\r\n"
    "master_link_status:up\r\nmaster_last_io_seconds_ago:3\r\nmaster_sync_in_progress:0\r\n"
    "slave_read_repl_offset:812\r\nslave_repl_offset:812\r\nmaster_repl_offset:812\r\n";
constexpr const char* lost_info =
    "# Replication\r\nrole:slave\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n"
    "master_sync_in_progress:0\r\nslave_repl_offset:812\r\n"
    "master_link_down_since_seconds:7\r\nmaster_repl_offset:812\r\n";

RedisAnswers of_master() {
  RedisAnswers answers;
  answers[RedisAsk::ping] = text("PONG");
  answers[RedisAsk::role] = array({text("master"), integer(900), array({})});
  answers[RedisAsk::clients] = text("# Clients\r\nconnected_clients:12\r\nmaxclients:10000\r\n");
  answers[RedisAsk::memory] = text(
      "# Memory\r\nused_memory:900\r\nused_memory_rss:5000\r\nmaxmemory:1000\r\n"
      "maxmemory_policy:noeviction\r\n");
  answers[RedisAsk::replication] = text(
      "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n"
      "master_replid:8c5de7a9a35fe2c4b08b9d7f2a3c1e0d5b6a7f88\r\n"
      "master_replid2:0000000000000000000000000000000000000000\r\n"
      "master_repl_offset:900\r\n");
  answers[RedisAsk::sentinels] = array({text("__sentinel__:hello"), integer(3)});
  return answers;
}

RedisAnswers of_replica(bool linked) {
  auto answers = of_master();
  answers[RedisAsk::role] =
      array({text("slave"), text("10.0.1.20"), integer(6379),
             text(linked ? "connected" : "connect"), integer(linked ? 812 : -1)});
  answers[RedisAsk::replication] = text(linked ? replica_info : lost_info);
  return answers;
}

const RedisFacts& facts_of(const Finding& finding) {
  return std::get<RedisFacts>(finding.facts);
}

RedisSpec redis_to(std::uint16_t port) {
  RedisSpec spec;
  spec.host = "127.0.0.1";
  spec.port = port;
  return spec;
}

}  // namespace

TEST_CASE("redis: any reply is read whole, however it is cut into pieces") {
  const bool held = rc::check("decode(encode(x)) == x", [] {
    const auto first = *any_reply(3);
    const auto second = *any_reply(3);
    const auto bytes = encoded(first) + encoded(second);
    const auto step = static_cast<std::size_t>(*rc::gen::inRange(1, 40));
    RedisDecoder decoder;
    std::vector<RedisReply> got;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      decoder.feed(std::string_view(bytes).substr(at, step));
      while (auto reply = decoder.next()) got.push_back(std::move(*reply));
    }
    RC_ASSERT(decoder.broken().empty());
    RC_ASSERT(got.size() == 2U);
    RC_ASSERT(got[0] == first);
    RC_ASSERT(got[1] == second);
  });
  CHECK(held);
}

TEST_CASE("redis: no bytes at all make the decoder do more than stop") {
  const bool held = rc::check("garbage", [] {
    const auto bytes = *rc::gen::arbitrary<std::string>();
    const auto kind = *rc::gen::element('*', '$', ':', '+', '-', 'H');
    RedisDecoder decoder;
    decoder.feed(std::string(1, kind) + bytes);
    while (decoder.next()) {
    }
  });
  CHECK(held);
}

TEST_CASE("redis: replies are bounded") {
  RedisDecoder decoder;
  SECTION("an array of a billion elements") {
    decoder.feed("*1000000000\r\n");
    CHECK_FALSE(decoder.next());
    CHECK_FALSE(decoder.broken().empty());
  }
  SECTION("arrays within arrays") {
    std::string deep;
    for (int n = 0; n < 100; ++n) deep += "*1\r\n";
    decoder.feed(deep);
    CHECK_FALSE(decoder.next());
    CHECK_FALSE(decoder.broken().empty());
  }
  SECTION("a text that never ends") {
    decoder.feed("$900000000\r\n");
    CHECK_FALSE(decoder.next());
    CHECK(decoder.broken().empty());
    const std::string block(64 * 1024, 'x');
    for (int n = 0; n < 4; ++n) decoder.feed(block);
    CHECK_THAT(decoder.broken(), Catch::Contains("256 KiB"));
  }
  SECTION("many small ones") {
    std::string many;
    while (many.size() < RedisDecoder::max_bytes) many += "+OK\r\n";
    decoder.feed(many);
    CHECK_FALSE(decoder.broken().empty());
  }
}

TEST_CASE("redis: a command may hold any bytes") {
  CHECK(encode_redis_command({"SET", "a b", std::string("\r\n\0", 3)}) ==
        std::string("*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$3\r\n\r\n\0\r\n", 31));
}

TEST_CASE("redis: what is asked") {
  RedisSpec spec;
  const auto asks = [&] {
    std::string all;
    for (const auto& question : redis_questions(spec, {"key", "value"})) {
      for (const auto& word : question.words) all += word + ' ';
      all += "| ";
    }
    return all;
  };
  const std::string facts =
      "PING | ROLE | INFO clients | INFO memory | INFO replication | "
      "PUBSUB NUMSUB __sentinel__:hello | ";
  CHECK(asks() == facts);
  spec.password = Secret("pw");
  spec.database = 3;
  spec.check = RedisCheck::roundtrip;
  CHECK(asks() == "AUTH pw | SELECT 3 | " + facts + "SET key value EX 60 | GET key | DEL key | ");
  spec.username = "u";
  spec.database = 0;
  spec.check = RedisCheck::role;
  CHECK(asks() == "AUTH u pw | " + facts);
}

TEST_CASE("redis: facts of a master and of a replica") {
  auto facts = read_redis_facts(of_master());
  CHECK(facts.role == RedisRole::master);
  CHECK(facts.offset == 900);
  CHECK_FALSE(facts.link_up);
  CHECK_FALSE(facts.lag);
  CHECK(facts.clients == 12);
  CHECK(facts.used_memory == 900);
  CHECK(facts.maxmemory == 1000);
  CHECK(facts.sentinels == 3);
  CHECK_FALSE(facts.loading);

  facts = read_redis_facts(of_replica(true));
  CHECK(facts.role == RedisRole::replica);
  CHECK(facts.offset == 812);
  CHECK(facts.link_up == true);
  CHECK(facts.lag == 3s);

  // ROLE says -1 without a link: what was received is in INFO only.
  facts = read_redis_facts(of_replica(false));
  CHECK(facts.offset == 812);
  CHECK(facts.link_up == false);
  CHECK(facts.lag == 7s);

  // A user that may not ask ROLE, or not ask INFO.
  auto answers = of_replica(true);
  answers[RedisAsk::role] = error("NOPERM this user has no permissions to run the 'role' command");
  facts = read_redis_facts(answers);
  CHECK(facts.role == RedisRole::replica);
  CHECK(facts.offset == 812);
  CHECK(facts.link_up == true);
  answers = of_replica(true);
  for (const auto ask :
       {RedisAsk::clients, RedisAsk::memory, RedisAsk::replication, RedisAsk::sentinels}) {
    answers[ask] = error("NOPERM this user has no permissions to run the 'info' command");
  }
  facts = read_redis_facts(answers);
  CHECK(facts.role == RedisRole::replica);
  CHECK(facts.offset == 812);
  CHECK_FALSE(facts.sentinels);
  CHECK_FALSE(facts.clients);
}

TEST_CASE("redis: which history of writes an offset counts in") {
  const std::string one = "8c5de7a9a35fe2c4b08b9d7f2a3c1e0d5b6a7f88";
  const std::string two = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567";
  const auto read = [](const std::string& first, const std::string& second) {
    auto answers = of_replica(true);
    answers[RedisAsk::replication].text +=
        "master_replid:" + first + "\r\nmaster_replid2:" + second + "\r\n";
    return read_redis_facts(answers);
  };
  const auto master = read_redis_facts(of_master());
  CHECK(master.replid == one);
  CHECK(master.replid2.empty());  // all zero: it was never promoted
  CHECK(read(one, two).replid == one);
  CHECK(read(one, two).replid2 == two);
  CHECK(read(std::string(40, '0'), "").replid.empty());
  CHECK(read(one + "0", "?").replid.empty());  // a stranger's text is not taken for one
  CHECK(read(std::string(40, 'x'), two.substr(1)).replid2.empty());
  CHECK(read_redis_facts({}).replid.empty());
}

TEST_CASE("redis: a run out of time after some answers keeps them") {
  RedisSpec spec;
  spec.check = RedisCheck::roundtrip;
  const auto questions = redis_questions(spec, {"key", "value"});
  auto answers = of_master();  // all but SET, GET and DEL: writes are paused
  auto finding = finding_of_half_answer(spec, answers, questions);
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::query_failed);
  CHECK(finding.message == "answered 6 of 9 questions, but not SET in time");
  CHECK(facts_of(finding).role == RedisRole::master);
  CHECK(facts_of(finding).offset == 900);
  answers[RedisAsk::ping] = error("LOADING Redis is loading the dataset in memory");
  finding = finding_of_half_answer(spec, answers, questions);
  CHECK(finding.reason == Reason::starting);
  CHECK(facts_of(finding).loading);
}

TEST_CASE("redis: the judge") {
  RedisSpec spec;
  const RedisToken token{"key", "value"};
  const auto judge = [&](const RedisAnswers& answers) { return judge_redis(spec, answers, token); };
  auto answers = of_master();

  SECTION("well") {
    const auto finding = judge(answers);
    CHECK(finding.outcome == Outcome::pass);
    CHECK(finding.reason == Reason::ok);
    CHECK(finding.message == "master, 12 clients");
  }
  SECTION("expectations of its role") {
    spec.expect = RedisExpect::replica;
    CHECK(judge(answers).reason == Reason::wrong_role);
    CHECK(facts_of(judge(answers)).role == RedisRole::master);
    CHECK(judge(of_replica(true)).outcome == Outcome::pass);
    spec.expect = RedisExpect::master;
    CHECK(judge(answers).outcome == Outcome::pass);
    CHECK(judge(of_replica(true)).reason == Reason::wrong_role);
    answers[RedisAsk::role] = array({text("sentinel"), array({})});
    answers[RedisAsk::replication] = error("ERR unknown command 'INFO'");
    CHECK(judge(answers).reason == Reason::wrong_role);
    CHECK_THAT(judge(answers).message, Catch::Contains("Sentinel"));
  }
  SECTION("roundtrip") {
    spec.check = RedisCheck::roundtrip;
    answers[RedisAsk::set] = text("OK");
    answers[RedisAsk::get] = text("value");
    answers[RedisAsk::del] = integer(1);
    CHECK(judge(answers).outcome == Outcome::pass);
    answers[RedisAsk::get] = text("another");
    CHECK(judge(answers).reason == Reason::body_mismatch);
    answers[RedisAsk::get] = {};
    CHECK(judge(answers).reason == Reason::body_mismatch);
    answers[RedisAsk::set] = error("OOM command not allowed when used memory > 'maxmemory'.");
    CHECK(judge(answers).reason == Reason::query_failed);
    answers[RedisAsk::set] = error("READONLY You can't write against a read only replica.");
    CHECK(judge(answers).reason == Reason::read_only);
    CHECK(judge(answers).message ==
          "answers SET with: READONLY You can't write against a read only replica.");
    // The role explains it better.
    spec.expect = RedisExpect::master;
    auto replica = of_replica(true);
    replica[RedisAsk::set] = answers[RedisAsk::set];
    CHECK(judge(replica).reason == Reason::wrong_role);
  }
  SECTION("it loads") {
    answers[RedisAsk::ping] = error("LOADING Redis is loading the dataset in memory");
    spec.check = RedisCheck::role;
    spec.expect = RedisExpect::replica;
    const auto finding = judge(answers);
    CHECK(finding.outcome == Outcome::fail);
    CHECK(finding.reason == Reason::starting);
    CHECK(facts_of(finding).loading);
    CHECK(facts_of(finding).role == RedisRole::master);
  }
  SECTION("its disk refuses: PING says so, whatever the check") {
    spec.check = RedisCheck::role;
    answers[RedisAsk::ping] = error("MISCONF Redis is configured to save RDB snapshots, but");
    CHECK(judge(answers).reason == Reason::query_failed);
    CHECK(facts_of(judge(answers)).role == RedisRole::master);
  }
  SECTION("rights") {
    answers[RedisAsk::auth] =
        error("WRONGPASS invalid username-password pair or user is disabled.");
    CHECK(judge(answers).reason == Reason::auth_failed);
    answers.erase(RedisAsk::auth);
    answers[RedisAsk::ping] = error("NOPERM this user has no permissions to run 'ping'");
    CHECK(judge(answers).reason == Reason::auth_failed);
    spec.check = RedisCheck::role;
    CHECK(judge(answers).outcome == Outcome::pass);
    answers[RedisAsk::role] = error("NOPERM this user has no permissions to run 'role'");
    CHECK(judge(answers).outcome == Outcome::fail);
    answers[RedisAsk::select] = error("ERR DB index is out of range");
    CHECK(judge(answers).reason == Reason::query_failed);
    CHECK_THAT(judge(answers).message, Catch::Contains("SELECT"));
  }
  SECTION("a replica without its master") {
    const auto lost = of_replica(false);
    CHECK(judge(lost).outcome == Outcome::warn);
    CHECK(judge(lost).reason == Reason::link_down);
    CHECK_THAT(judge(lost).message, Catch::Contains("has lost its master, 7.0 s ago"));
    spec.expect = RedisExpect::replica;
    CHECK(judge(lost).outcome == Outcome::fail);
    spec.expect = RedisExpect::any;
    spec.max_lag = 10s;
    CHECK(judge(lost).outcome == Outcome::fail);
    CHECK(judge(lost).reason == Reason::link_down);
  }
  SECTION("lag") {
    spec.max_lag = 3s;
    CHECK(judge(of_replica(true)).outcome == Outcome::pass);
    spec.max_lag = 2s;
    CHECK(judge(of_replica(true)).reason == Reason::lag);
    CHECK(judge(answers).outcome == Outcome::pass);
    auto unknown = of_replica(true);
    unknown[RedisAsk::replication] = error("NOPERM no");
    CHECK(judge(unknown).reason == Reason::lag);
  }
  SECTION("memory") {
    spec.memory_warn = 0.8;
    CHECK(judge(answers).outcome == Outcome::warn);
    CHECK(judge(answers).reason == Reason::over_threshold);
    spec.memory_fail = 0.85;
    CHECK(judge(answers).outcome == Outcome::fail);
    CHECK(judge(answers).message == "uses 90.0 % of its maxmemory, more than 85.0 %");
    answers[RedisAsk::memory] = text("used_memory:900\r\nmaxmemory:0\r\n");
    CHECK(judge(answers).outcome == Outcome::pass);
  }
}

TEST_CASE("redis: an error never shows the password") {
  RedisSpec spec;
  spec.password = Secret("geheim");
  const std::string quoted = "ERR unknown command `AUTH`, with args beginning with: `geheim`, ";
  CHECK_THAT(redis_error_text(spec, RedisAsk::auth, quoted), !Catch::Contains("geheim"));
  CHECK_THAT(redis_error_text(spec, RedisAsk::ping, "ERR geheim"), !Catch::Contains("geheim"));
  CHECK(redis_error_text(spec, RedisAsk::ping, "ERR a\r\nb") == "answers PING with: ERR a  b");
}

TEST_CASE("redis: peers that are not Redis") {
  NetWorld world;
  const auto probe = [&](std::uint16_t port, Duration timeout) {
    const auto prober = make_redis_prober(ProbeName("r"), redis_to(port), world.services());
    return world.probe(*prober, timeout);
  };
  SECTION("a web server") {
    RawServer server(world.loop, trickling("HTTP/1.1 400 Bad Request\r\n\r\n", "x"));
    const auto finding = probe(server.port(), 5s);
    CHECK(finding.outcome == Outcome::fail);
    CHECK(finding.reason == Reason::protocol_error);
    CHECK_THAT(finding.message, Catch::Contains("does not answer as Redis does"));
  }
  SECTION("one that floods") {
    RawServer server(world.loop, trickling("$100000000\r\n", std::string(60'000, 'x')));
    CHECK(probe(server.port(), 5s).reason == Reason::protocol_error);
  }
  SECTION("one that says nothing") {
    RawServer server(world.loop, silent());
    const auto finding = probe(server.port(), 100ms);
    CHECK(finding.reason == Reason::timeout);
    CHECK_THAT(finding.message, Catch::Contains("no answer in time"));
  }
  SECTION("one that closes") {
    RawServer server(world.loop, closing(false));
    CHECK(probe(server.port(), 5s).reason == Reason::protocol_error);
  }
  SECTION("one that resets") {
    RawServer server(world.loop, closing(true));
    CHECK(probe(server.port(), 5s).reason == Reason::protocol_error);
  }
  SECTION("nobody") {
    CHECK(probe(free_port(), 5s).reason == Reason::connect_refused);
  }
  SECTION("a half answer") {
    RawServer server(world.loop, trickling("+PONG\r\n*3\r\n$6\r\nmas", ""));
    const auto finding = probe(server.port(), 200ms);
    CHECK(finding.reason == Reason::query_failed);  // it spoke: it is not frozen
    CHECK(finding.message == "answered 1 of 6 questions, but not ROLE in time");
  }
}
