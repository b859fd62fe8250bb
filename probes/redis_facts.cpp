#include "probes/redis_facts.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "probes/dial.hpp"

namespace pointsman {
namespace {

constexpr std::size_t max_error_text = 200;
/// 31 years, in seconds: a stranger's number stays within 64 bits of nanoseconds.
constexpr std::int64_t longest_lag = 1'000'000'000;

const RedisReply* find(const RedisAnswers& answers, RedisAsk ask) {
  const auto at = answers.find(ask);
  return at == answers.end() ? nullptr : &at->second;
}

/// The value of "name:value" in a section of INFO; nothing where it is not there.
std::optional<std::string_view> info_field(const RedisReply* info, std::string_view name) {
  if (info == nullptr || info->kind != RedisReply::Kind::text) return std::nullopt;
  std::string_view rest = info->text;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > name.size() && line[name.size()] == ':' && line.starts_with(name)) {
      return line.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

/// Nothing where it is not a number, or negative: Redis says -1 for "never".
std::optional<std::int64_t> info_count(const RedisReply* info, std::string_view name) {
  const auto text = info_field(info, name);
  if (!text) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (ec != std::errc{} || end != text->data() + text->size() || number < 0) return std::nullopt;
  return number;
}

RedisRole role_of_word(std::string_view word) {
  if (word == "master") return RedisRole::master;
  if (word == "slave" || word == "replica") return RedisRole::replica;
  return RedisRole::unknown;
}

/// [master, offset, [...]] or [slave, host, port, state, offset]. The offset of a replica without a
/// link is -1 here; INFO still has it.
void read_role(const RedisReply& reply, RedisFacts& facts) {
  if (reply.kind != RedisReply::Kind::array || reply.elements.empty()) return;
  const auto& parts = reply.elements;
  facts.role = role_of_word(parts[0].text);
  const std::size_t offset_at = facts.role == RedisRole::master ? 1 : 4;
  if (facts.role == RedisRole::unknown || parts.size() <= offset_at) return;
  if (parts[offset_at].integer >= 0) facts.offset = parts[offset_at].integer;
  if (facts.role == RedisRole::replica) facts.link_up = parts[3].text == "connected";
}

/// The name of a history of writes: 40 hexadecimal digits, all zero for none.
std::string read_replid(const RedisReply* info, std::string_view name) {
  constexpr std::size_t digits = 40;
  const auto id = info_field(info, name);
  if (!id || id->size() != digits) return {};
  if (id->find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
  if (id->find_first_not_of('0') == std::string_view::npos) return {};
  return std::string(*id);
}

void read_replication(const RedisReply* info, RedisFacts& facts) {
  facts.replid = read_replid(info, "master_replid");
  facts.replid2 = read_replid(info, "master_replid2");
  if (facts.role == RedisRole::unknown) {
    if (const auto role = info_field(info, "role")) facts.role = role_of_word(*role);
  }
  if (facts.role == RedisRole::master) {
    if (!facts.offset) facts.offset = info_count(info, "master_repl_offset");
    return;
  }
  if (facts.role != RedisRole::replica) return;
  if (const auto offset = info_count(info, "slave_repl_offset")) {
    facts.offset = std::max(*offset, facts.offset.value_or(0));
  }
  if (!facts.link_up) {
    if (const auto link = info_field(info, "master_link_status")) facts.link_up = *link == "up";
  }
  const char* since =
      facts.link_up == true ? "master_last_io_seconds_ago" : "master_link_down_since_seconds";
  if (const auto seconds = info_count(info, since)) {
    facts.lag = std::chrono::seconds{std::min(*seconds, longest_lag)};
  }
}

/// [channel, subscribers, ...]: each Sentinel that watches a server listens there.
std::optional<std::int64_t> read_sentinels(const RedisReply* reply) {
  if (reply == nullptr || reply->kind != RedisReply::Kind::array || reply->elements.size() < 2) {
    return std::nullopt;
  }
  const auto& count = reply->elements[1];
  if (count.kind != RedisReply::Kind::integer) return std::nullopt;
  return count.integer;
}

bool is_login(RedisAsk ask) {
  return ask == RedisAsk::auth || ask == RedisAsk::select;
}

/// What must succeed for this configuration. PING's errors about the server itself always count.
bool is_needed(const RedisSpec& spec, RedisAsk ask) {
  switch (ask) {
    case RedisAsk::auth:
    case RedisAsk::select:
    case RedisAsk::set:
    case RedisAsk::get:
    case RedisAsk::del:
      return true;
    case RedisAsk::ping:
      return spec.check == RedisCheck::ping;
    case RedisAsk::role:
      return spec.check == RedisCheck::role;
    case RedisAsk::clients:
    case RedisAsk::memory:
    case RedisAsk::replication:
    case RedisAsk::sentinels:
      return false;
  }
  return false;
}

/// The first error that decides the run. `login`: those of the login and of a server that is not
/// ready only.
std::optional<Finding> first_error(const RedisSpec& spec, const RedisAnswers& answers,
                                   const RedisFacts& facts, bool login) {
  for (const auto& [ask, reply] : answers) {
    if (!reply.is_error()) continue;
    const Reason reason = reason_of_redis_error(reply.text);
    const bool not_ready = reason == Reason::starting || reason == Reason::saturated;
    if (login && !is_login(ask) && !not_ready) continue;
    const bool of_itself = ask == RedisAsk::ping && reason != Reason::auth_failed;
    if (!is_needed(spec, ask) && !not_ready && !of_itself) continue;
    // Whatever AUTH failed for, we are not logged in.
    const Reason why =
        ask == RedisAsk::auth && reason == Reason::query_failed ? Reason::auth_failed : reason;
    return Finding{Outcome::fail, why, redis_error_text(spec, ask, reply.text), facts};
  }
  return std::nullopt;
}

std::optional<Finding> judge_role(const RedisSpec& spec, const RedisAnswers& answers,
                                  const RedisFacts& facts) {
  const auto wrong = [&facts](std::string message) {
    return Finding{Outcome::fail, Reason::wrong_role, std::move(message), facts};
  };
  if (spec.expect == RedisExpect::any && spec.check != RedisCheck::role) return std::nullopt;
  if (facts.role == RedisRole::unknown) {
    const auto* role = find(answers, RedisAsk::role);
    if (role != nullptr && role->is_error()) {
      return Finding{Outcome::fail, reason_of_redis_error(role->text),
                     redis_error_text(spec, RedisAsk::role, role->text), facts};
    }
    const bool is_sentinel =
        role != nullptr && !role->elements.empty() && role->elements.front().text == "sentinel";
    if (is_sentinel) return wrong("is a Sentinel, not a server: ask the server that it watches");
    return Finding{Outcome::fail, Reason::protocol_error, "does not say what its role is", facts};
  }
  if (spec.expect == RedisExpect::master && facts.role == RedisRole::replica) {
    return wrong("is a replica, expected to be the master");
  }
  if (spec.expect == RedisExpect::replica && facts.role == RedisRole::master) {
    return wrong("is a master, expected to be a replica");
  }
  return std::nullopt;
}

std::optional<Finding> judge_roundtrip(const RedisSpec& spec, const RedisAnswers& answers,
                                       const RedisToken& token, const RedisFacts& facts) {
  if (spec.check != RedisCheck::roundtrip) return std::nullopt;
  const auto* got = find(answers, RedisAsk::get);
  if (got != nullptr && got->kind == RedisReply::Kind::text && got->text == token.value) {
    return std::nullopt;
  }
  return Finding{Outcome::fail, Reason::body_mismatch, "took a value and then did not have it",
                 facts};
}

/// A replica that has lost its master answers, with ever older data. Where nothing was asked about
/// that it is a warning.
std::optional<Finding> judge_replication(const RedisSpec& spec, const RedisAnswers& answers,
                                         const RedisFacts& facts) {
  if (facts.role != RedisRole::replica) return std::nullopt;
  const auto* info = find(answers, RedisAsk::replication);
  const bool matters = spec.max_lag || spec.expect == RedisExpect::replica;
  if (facts.link_up == false) {
    const bool copies = info_field(info, "master_sync_in_progress") == "1";
    auto text = std::string(copies ? "a replica that still copies the data of its master"
                                   : "a replica that has lost its master");
    if (facts.lag) text += fmt::format(", {} ago", duration_text(*facts.lag));
    return Finding{matters ? Outcome::fail : Outcome::warn, Reason::link_down, std::move(text),
                   facts};
  }
  if (!spec.max_lag) return std::nullopt;
  if (!facts.lag) {
    return Finding{Outcome::fail, Reason::lag,
                   "how far it is behind is not known: its user may not ask INFO replication",
                   facts};
  }
  if (*facts.lag <= *spec.max_lag) return std::nullopt;
  return Finding{Outcome::fail, Reason::lag,
                 fmt::format("has heard nothing of its master for {}, more than {}",
                             duration_text(*facts.lag), duration_text(*spec.max_lag)),
                 facts};
}

std::optional<Finding> judge_memory(const RedisSpec& spec, const RedisFacts& facts) {
  if (!facts.used_memory || !facts.maxmemory || *facts.maxmemory <= 0) return std::nullopt;
  const double ratio =
      static_cast<double>(*facts.used_memory) / static_cast<double>(*facts.maxmemory);
  const auto over = [&](const std::optional<double>& limit, Outcome outcome) {
    std::optional<Finding> finding;
    if (limit && ratio > *limit) {
      finding = Finding{outcome, Reason::over_threshold,
                        fmt::format("uses {:.1f} % of its maxmemory, more than {:.1f} %",
                                    ratio * 100, *limit * 100),
                        facts};
    }
    return finding;
  };
  if (auto failed = over(spec.memory_fail, Outcome::fail)) return failed;
  return over(spec.memory_warn, Outcome::warn);
}

std::string describe(const RedisSpec& spec, const RedisFacts& facts) {
  auto text =
      facts.role == RedisRole::unknown ? std::string("answers") : std::string(to_text(facts.role));
  if (spec.check == RedisCheck::roundtrip) text += ", took a value and gave it back";
  if (facts.role == RedisRole::replica && facts.lag) {
    text += fmt::format(", heard its master {} ago", duration_text(*facts.lag));
  }
  if (facts.clients) text += fmt::format(", {} clients", *facts.clients);
  return text;
}

bool starts_with_word(std::string_view text, std::string_view word) {
  return text.starts_with(word) && (text.size() == word.size() || text[word.size()] == ' ');
}

std::string_view name_of(RedisAsk ask) {
  switch (ask) {
    case RedisAsk::auth:
      return "AUTH";
    case RedisAsk::select:
      return "SELECT";
    case RedisAsk::ping:
      return "PING";
    case RedisAsk::role:
      return "ROLE";
    case RedisAsk::clients:
    case RedisAsk::memory:
    case RedisAsk::replication:
      return "INFO";
    case RedisAsk::sentinels:
      return "PUBSUB";
    case RedisAsk::set:
      return "SET";
    case RedisAsk::get:
      return "GET";
    case RedisAsk::del:
      return "DEL";
  }
  return "?";
}

}  // namespace

std::vector<RedisQuestion> redis_questions(const RedisSpec& spec, const RedisToken& token) {
  std::vector<RedisQuestion> questions;
  const std::string& password = spec.password.reveal();
  if (!spec.username.empty()) {
    questions.push_back({RedisAsk::auth, {"AUTH", spec.username, password}});
  } else if (!password.empty()) {
    questions.push_back({RedisAsk::auth, {"AUTH", password}});
  }
  if (spec.database != 0) {
    questions.push_back({RedisAsk::select, {"SELECT", std::to_string(spec.database)}});
  }
  questions.push_back({RedisAsk::ping, {"PING"}});
  questions.push_back({RedisAsk::role, {"ROLE"}});
  questions.push_back({RedisAsk::clients, {"INFO", "clients"}});
  questions.push_back({RedisAsk::memory, {"INFO", "memory"}});
  questions.push_back({RedisAsk::replication, {"INFO", "replication"}});
  questions.push_back({RedisAsk::sentinels, {"PUBSUB", "NUMSUB", "__sentinel__:hello"}});
  if (spec.check == RedisCheck::roundtrip) {
    questions.push_back(
        {RedisAsk::set, {"SET", token.key, token.value, "EX", std::to_string(redis_key_seconds)}});
    questions.push_back({RedisAsk::get, {"GET", token.key}});
    questions.push_back({RedisAsk::del, {"DEL", token.key}});
  }
  return questions;
}

RedisFacts read_redis_facts(const RedisAnswers& answers) {
  RedisFacts facts;
  if (const auto* role = find(answers, RedisAsk::role)) read_role(*role, facts);
  read_replication(find(answers, RedisAsk::replication), facts);
  facts.clients = info_count(find(answers, RedisAsk::clients), "connected_clients");
  const auto* memory = find(answers, RedisAsk::memory);
  facts.used_memory = info_count(memory, "used_memory");
  facts.maxmemory = info_count(memory, "maxmemory");
  facts.sentinels = read_sentinels(find(answers, RedisAsk::sentinels));
  facts.loading = std::any_of(answers.begin(), answers.end(), [](const auto& answer) {
    return answer.second.is_error() && starts_with_word(answer.second.text, "LOADING");
  });
  return facts;
}

Finding judge_redis(const RedisSpec& spec, const RedisAnswers& answers, const RedisToken& token) {
  const RedisFacts facts = read_redis_facts(answers);
  if (auto failed = first_error(spec, answers, facts, true)) return *std::move(failed);
  if (auto failed = judge_role(spec, answers, facts)) return *std::move(failed);
  if (auto failed = first_error(spec, answers, facts, false)) return *std::move(failed);
  if (auto failed = judge_roundtrip(spec, answers, token, facts)) return *std::move(failed);
  auto link = judge_replication(spec, answers, facts);
  if (link && link->outcome == Outcome::fail) return *std::move(link);
  auto memory = judge_memory(spec, facts);
  if (memory && memory->outcome == Outcome::fail) return *std::move(memory);
  if (link) return *std::move(link);
  if (memory) return *std::move(memory);
  return Finding{Outcome::pass, Reason::ok, describe(spec, facts), facts};
}

Reason reason_of_redis_error(std::string_view text) {
  for (const std::string_view word : {"NOAUTH", "WRONGPASS", "NOPERM", "DENIED"}) {
    if (starts_with_word(text, word)) return Reason::auth_failed;
  }
  if (starts_with_word(text, "LOADING")) return Reason::starting;
  if (starts_with_word(text, "MASTERDOWN")) return Reason::link_down;
  if (starts_with_word(text, "READONLY")) return Reason::read_only;
  if (text.starts_with("ERR max number of clients")) return Reason::saturated;
  return Reason::query_failed;
}

std::string redis_error_text(const RedisSpec& spec, RedisAsk ask, std::string_view text) {
  const bool unknown_auth = ask == RedisAsk::auth && text.starts_with("ERR unknown");
  if (unknown_auth) return "refuses AUTH: it does not know that command";  // it quotes the password
  std::string line;
  for (const char c : text.substr(0, max_error_text)) line += c < ' ' || c == '\x7f' ? ' ' : c;
  const std::string& password = spec.password.reveal();
  if (!password.empty() && text.find(password) != std::string_view::npos) line = "(not shown)";
  return fmt::format("answers {} with: {}", name_of(ask), line);
}

Finding finding_of_half_answer(const RedisSpec& spec, const RedisAnswers& answers,
                               const std::vector<RedisQuestion>& questions) {
  const RedisFacts facts = read_redis_facts(answers);
  if (auto failed = first_error(spec, answers, facts, true)) return *std::move(failed);
  const auto next = std::min(answers.size(), questions.size() - 1);
  return Finding{Outcome::fail, Reason::query_failed,
                 fmt::format("answered {} of {} questions, but not {} in time", answers.size(),
                             questions.size(), name_of(questions[next].ask)),
                 facts};
}

Finding finding_of_redis_refusal(const RedisSpec& spec, RedisAsk ask, std::string_view text) {
  return Finding{Outcome::fail, reason_of_redis_error(text), redis_error_text(spec, ask, text),
                 RedisFacts{}};
}

}  // namespace pointsman
