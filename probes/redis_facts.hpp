// What the redis probe asks, what the answers mean and how they are judged: pure.
//
// All questions of a run go out together: one round trip, whatever is configured. The facts come
// from ROLE and INFO whatever became of the check, since a route judges a candidate by its role; a
// user that may not ask for them (ACL) leaves them out. INFO's sections are asked one by one, since
// Redis before 7 takes one at a time and all of them together cost more than the rest of the run.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/sample.hpp"
#include "probes/redis_codec.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// In the order in which they are asked.
enum class RedisAsk {
  auth,
  select,
  ping,  ///< always: it alone says LOADING, MASTERDOWN and MISCONF
  role,
  clients,
  memory,
  replication,
  sentinels,
  set,
  get,
  del,
};

struct RedisQuestion {
  RedisAsk ask;
  std::vector<std::string> words;
};
using RedisAnswers = std::map<RedisAsk, RedisReply>;

/// The key of a round trip and what is put there; new ones each run, so that two pointsmen (or a
/// run that was cut short) never see each other's.
struct RedisToken {
  std::string key, value;
};
/// How long a key lives that nobody deleted.
inline constexpr int redis_key_seconds = 60;

std::vector<RedisQuestion> redis_questions(const RedisSpec& spec, const RedisToken& token);

RedisFacts read_redis_facts(const RedisAnswers& answers);

/// The first that matters of: loading, no login, the wrong role, the check, the link to the master,
/// its lag, memory. The facts are in the finding whatever it is.
Finding judge_redis(const RedisSpec& spec, const RedisAnswers& answers, const RedisToken& token);

/// Which reason an error reply has.
Reason reason_of_redis_error(std::string_view text);
/// An error reply for a person: one printable line, no password in it.
std::string redis_error_text(const RedisSpec& spec, RedisAsk ask, std::string_view text);
/// A run that ran out of time after the server had spoken: what it did answer is in the facts, and
/// it is not frozen.
Finding finding_of_half_answer(const RedisSpec& spec, const RedisAnswers& answers,
                               const std::vector<RedisQuestion>& questions);
/// A connection that the server ended with an error (too many clients, protected mode).
Finding finding_of_redis_refusal(const RedisSpec& spec, RedisAsk ask, std::string_view text);

}  // namespace pointsman
