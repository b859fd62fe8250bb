// What a Redis, or a stranger on its port, answers: bytes in pieces through the decoder, then what
// the probe, the acts and the proof through HAProxy make of the replies.
#include "daemon/actions/haproxy_redis.hpp"
#include "daemon/actions/redis_role.hpp"
#include "probes/redis_facts.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

std::size_t count_values(const RedisReply& reply) {
  std::size_t count = 1;
  for (const RedisReply& element : reply.elements) count += count_values(element);
  return count;
}

RedisSpec spec_of(std::uint8_t bits) {
  RedisSpec spec;
  if ((bits & 1U) != 0) spec.password = Secret("swordfish");
  if ((bits & 2U) != 0) spec.database = 3;
  if ((bits & 4U) != 0) spec.check = RedisCheck::roundtrip;
  if ((bits & 8U) != 0) spec.expect = RedisExpect::master;
  if ((bits & 16U) != 0) spec.expect = RedisExpect::replica;
  if ((bits & 32U) != 0) spec.max_lag = std::chrono::seconds{10};
  if ((bits & 64U) != 0) {
    spec.memory_warn = 0.8;
    spec.memory_fail = 0.9;
  }
  return spec;
}

void act_on(const RedisReply& reply) {
  if (const auto standing = read_role(reply)) {
    RedisHoldings holdings;
    holdings.was_linked = read_was_linked(reply);
    holdings.keys = reply.integer;
    judge_redis_candidate(*standing, holdings, "redis-a");
  }
  read_sentinels(reply);
  info_value(reply.text, "run_id");
  info_value(reply.text, "role");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const RedisSpec spec = spec_of(bytes.byte());
  const std::size_t piece = 1 + bytes.pick(64);
  std::string_view rest = bytes.rest();

  RedisDecoder decoder;
  std::vector<RedisReply> replies;
  while (!rest.empty() && decoder.broken().empty()) {
    decoder.feed(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    while (auto reply = decoder.next()) replies.push_back(std::move(*reply));
  }
  std::size_t values = 0;
  for (const RedisReply& reply : replies) values += count_values(reply);
  FUZZ_REQUIRE(values <= RedisDecoder::max_bytes);

  const RedisToken token{"pointsman:key", "value"};
  const auto questions = redis_questions(spec, token);
  RedisAnswers answers;
  for (std::size_t i = 0; i < replies.size() && i < questions.size(); ++i) {
    answers[questions[i].ask] = replies[i];
  }
  const Finding finding = judge_redis(spec, answers, token);
  FUZZ_REQUIRE(finding.message.find('\n') == std::string::npos);
  FUZZ_REQUIRE(spec.password.empty() || finding.message.find("swordfish") == std::string::npos);
  for (const RedisReply& reply : replies) {
    if (reply.is_error()) finding_of_redis_refusal(spec, RedisAsk::ping, reply.text);
    act_on(reply);
  }
  return 0;
}
