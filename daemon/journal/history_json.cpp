#include "daemon/journal/history_json.hpp"

#include <initializer_list>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/journal/history_events.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

template <class T>
void put(json::object& object, std::string_view name, const std::optional<T>& value) {
  if (!value) return;
  if constexpr (std::is_same_v<T, Duration>) {
    object.emplace(name, value->count());
  } else {
    object.emplace(name, *value);
  }
}

void put(json::object& object, std::string_view name, const std::string& value) {
  if (!value.empty()) object.emplace(name, value);
}

template <class T>
void get(const json::object& object, std::string_view name, std::optional<T>& value) {
  const auto* found = object.if_contains(name);
  if (!found) return;
  if constexpr (std::is_same_v<T, Duration>) {
    value = Duration{found->to_number<std::int64_t>()};
  } else if constexpr (std::is_same_v<T, bool>) {
    value = found->as_bool();
  } else {
    value = found->to_number<T>();
  }
}

void get(const json::object& object, std::string_view name, std::string& value) {
  if (const auto* found = object.if_contains(name)) value = std::string(found->as_string());
}

/// One list for both directions. `each(name, field)` is told of every field that may be absent.
template <class Facts, class Each>
void each_postgres_field(Facts& facts, Each&& each) {
  each("timeline", facts.timeline);
  each("lsn", facts.lsn);
  each("replay_lsn", facts.replay_lsn);
  each("lag_bytes", facts.lag_bytes);
  each("lag", facts.lag_seconds);
  each("receiving", facts.receiving);
  each("silent", facts.receiver_silent);
  each("receiver_timeout", facts.wal_receiver_timeout);
  each("apply_delay", facts.apply_delay);
  each("may_promote", facts.may_promote);
}
template <class Facts, class Each>
void each_redis_field(Facts& facts, Each&& each) {
  each("offset", facts.offset);
  each("link_up", facts.link_up);
  each("lag", facts.lag);
  each("sentinels", facts.sentinels);
  each("replid", facts.replid);
  each("replid2", facts.replid2);
}

json::value facts_value(const Facts& facts) {
  json::object object;
  const auto write = [&object](std::string_view name, const auto& field) {
    put(object, name, field);
  };
  if (const auto* pg = std::get_if<PostgresFacts>(&facts)) {
    object = {{"kind", "postgres"},
              {"role", to_text(pg->role)},
              {"read_only", pg->read_only},
              {"system_id", pg->system_id}};
    each_postgres_field(*pg, write);
  } else if (const auto* redis = std::get_if<RedisFacts>(&facts)) {
    object = {{"kind", "redis"}, {"role", to_text(redis->role)}, {"loading", redis->loading}};
    each_redis_field(*redis, write);
  } else {
    return nullptr;
  }
  return object;
}

Facts facts_of(const json::value& value) {
  if (!value.is_object()) return {};
  const json::object& object = value.get_object();
  const auto read = [&object](std::string_view name, auto& field) { get(object, name, field); };
  if (object.at("kind").as_string() == "postgres") {
    PostgresFacts facts;
    facts.role = word_of(object.at("role"),
                         {PostgresRole::unknown, PostgresRole::primary, PostgresRole::standby});
    facts.read_only = object.at("read_only").as_bool();
    facts.system_id = std::string(object.at("system_id").as_string());
    each_postgres_field(facts, read);
    return facts;
  }
  RedisFacts facts;
  facts.role =
      word_of(object.at("role"), {RedisRole::unknown, RedisRole::master, RedisRole::replica});
  facts.loading = object.at("loading").as_bool();
  each_redis_field(facts, read);
  return facts;
}

Outcome outcome_of(const json::value& value) {
  return word_of(value, {Outcome::inconclusive, Outcome::pass, Outcome::warn, Outcome::fail});
}

Reason reason_of(const json::value& value) {
  for (int i = 0; i < reason_count; ++i) {
    if (to_text(static_cast<Reason>(i)) == std::string_view(value.as_string())) {
      return static_cast<Reason>(i);
    }
  }
  return Reason::prober_error;
}

struct Write {
  std::string operator()(const LifeBegan&) const { return "{}"; }
  std::string operator()(const SampleRun& run) const {
    json::object object{{"outcome", to_text(run.last.outcome)},
                        {"reason", to_text(run.last.reason)},
                        {"message", run.last.message},
                        {"took", run.took.count()},
                        {"last", facts_value(run.last.facts)}};
    if (run.count > 1) object["first"] = facts_value(run.first.facts);
    return json::serialize(object);
  }
  std::string operator()(const ObservedRun& run) const {
    return json::serialize(json::object{{"poolers", poolers_json(run.poolers)}});
  }
  std::string operator()(const ActOrdered& act) const {
    return json::serialize(json::object{{"id", act.id}, {"act", act.signature}});
  }
  std::string operator()(const Event& event) const { return json::serialize(event_json(event)); }
};

SampleRun sample_run_of(const StoredRow& stored, const json::object& object) {
  SampleRun run{stored.from, stored.to, stored.count, {}, {}, {}};
  run.took = Duration{object.at("took").to_number<std::int64_t>()};
  run.last = {outcome_of(object.at("outcome")), reason_of(object.at("reason")),
              std::string(object.at("message").as_string()), facts_of(object.at("last"))};
  run.first = run.last;
  if (const auto* first = object.if_contains("first")) run.first.facts = facts_of(*first);
  return run;
}

}  // namespace

std::string_view row_kind(const RecordedRow& row) {
  constexpr std::string_view words[] = {"start", "sample", "observed", "act", "event"};
  return words[row.body.index()];
}

std::string row_json(const RecordedRow& row) {
  return std::visit(Write{}, row.body);
}

/// Boost.JSON's at(), to_number() and as_...() throw; the file may be anybody's.
std::optional<RecordedRow> row_of_json(const StoredRow& stored) {
  RecordedRow row{0, stored.from, stored.to, stored.subject, LifeBegan{}};
  try {
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // what a server said stands there as it came
    const json::value document = json::parse(stored.document, {}, options);
    const json::object& object = document.as_object();
    if (stored.kind == "sample") {
      row.body = sample_run_of(stored, object);
    } else if (stored.kind == "observed") {
      row.body = ObservedRun{stored.from, stored.to, poolers_of(object.at("poolers"))};
    } else if (stored.kind == "act") {
      row.body = ActOrdered{object.at("id").to_number<std::uint64_t>(),
                            std::string(object.at("act").as_string())};
    } else if (stored.kind == "event") {
      auto event = event_of_json(object);
      if (!event) return std::nullopt;
      row.body = std::move(*event);
    } else if (stored.kind != "start") {
      return std::nullopt;
    }
  } catch (const std::exception&) {
    return std::nullopt;
  }
  return row;
}

}  // namespace pointsman
