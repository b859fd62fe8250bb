#include "daemon/journal/entry.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <system_error>

#include <boost/json/parse.hpp>

#include "daemon/journal/json_text.hpp"

namespace pointsman {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

std::int64_t milliseconds(WallTime at) {
  return at.time_since_epoch().count();
}
WallTime wall_of(const json::value& count) {
  return WallTime{std::chrono::milliseconds{count.to_number<std::int64_t>()}};
}

std::string text_of(const json::value& value) {
  return std::string(value.as_string());
}

Intent intent_of(const json::value& v) {
  return {v.at("id").to_number<std::uint64_t>(), text_of(v.at("subject")), text_of(v.at("kind")),
          text_of(v.at("steps")), wall_of(v.at("at_ms"))};
}

OutcomeRow outcome_of(const json::value& v) {
  OutcomeRow row{v.at("id").to_number<std::uint64_t>(), ActionOutcome::unknown,
                 text_of(v.at("message")), wall_of(v.at("at_ms"))};
  for (const auto outcome : {ActionOutcome::ok, ActionOutcome::failed}) {
    if (v.at("outcome").as_string() == to_text(outcome)) row.outcome = outcome;
  }
  return row;
}

bool write_synced(const fs::path& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return false;
  std::size_t done = 0;
  while (done < text.size()) {
    const auto wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  const bool synced = done == text.size() && ::fsync(fd) == 0;
  return ::close(fd) == 0 && synced;
}

}  // namespace

json::object json_of(const Intent& intent) {
  return {{"id", intent.id},
          {"at_ms", milliseconds(intent.at)},
          {"subject", intent.subject},
          {"kind", intent.kind},
          {"steps", intent.steps}};
}

json::object json_of(const OutcomeRow& outcome) {
  return {{"id", outcome.intent_id},
          {"at_ms", milliseconds(outcome.at)},
          {"outcome", to_text(outcome.outcome)},
          {"message", outcome.message}};
}

json::object json_of(const MemoryRow& row) {
  json::object object{{"route", row.memory.route.text},
                      {"targets", targets_json(row.memory.targets)},
                      {"system_id", row.memory.system_id},
                      {"timeline", row.memory.timeline},
                      {"epoch", row.memory.epoch},
                      {"at_ms", milliseconds(row.at)},
                      {"replaced", targets_json(row.memory.replaced)}};
  if (row.memory.last_seen && row.last_seen_at) {
    object["last_position"] = row.memory.last_seen->position;
    object["last_seen_ms"] = milliseconds(*row.last_seen_at);
  }
  if (row.last_switch_at) object["last_switch_ms"] = milliseconds(*row.last_switch_at);
  if (row.told_to_stop_at) object["told_to_stop_ms"] = milliseconds(*row.told_to_stop_at);
  return object;
}

json::object json_of(const KeptRow& row) {
  return {{"kind", row.kind},
          {"name", row.name},
          {"document", row.document},
          {"at_ms", milliseconds(row.at)}};
}

MemoryRow held_memory_of(const json::value& v) {
  const json::object& o = v.as_object();
  const auto* replaced = o.if_contains("replaced");
  MemoryRow row{{RouteName(text_of(v.at("route"))), targets_of_json(text_of(v.at("targets"))),
                 text_of(v.at("system_id")), v.at("timeline").to_number<std::uint32_t>(),
                 v.at("epoch").to_number<std::uint64_t>(),
                 replaced ? targets_of_json(text_of(*replaced)) : std::vector<ProbeName>{}},
                wall_of(v.at("at_ms"))};
  const auto* position = o.if_contains("last_position");
  const auto* seen = o.if_contains("last_seen_ms");
  if (position && seen) {
    row.memory.last_seen = SeenPosition{position->to_number<std::uint64_t>(), MonoTime{}};
    row.last_seen_at = wall_of(*seen);
  }
  if (const auto* switched = o.if_contains("last_switch_ms"))
    row.last_switch_at = wall_of(*switched);
  if (const auto* told = o.if_contains("told_to_stop_ms")) row.told_to_stop_at = wall_of(*told);
  return row;
}

KeptRow held_kept_of(const json::value& v) {
  return {text_of(v.at("kind")), text_of(v.at("name")), text_of(v.at("document")),
          wall_of(v.at("at_ms"))};
}

bool read_entry(RuntimeEntry& entry) {
  try {  // Boost.JSON's at() and as_...() throw; the file may have been written by anybody
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // what a server or a hook said stands in here as it came
    const auto document = json::parse(entry.raw, {}, options);
    const auto& object = document.as_object();
    if (const auto* intent = object.if_contains("intent")) entry.intent = intent_of(*intent);
    if (const auto* outcome = object.if_contains("outcome")) entry.outcome = outcome_of(*outcome);
    if (const auto* routes = object.if_contains("routes")) {
      for (const auto& route : routes->as_array()) entry.memories.push_back(held_memory_of(route));
    }
    if (const auto* kept = object.if_contains("kept")) entry.kept = held_kept_of(*kept);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

std::optional<std::string> contents_of(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text;
  char part[4096];
  while (text.size() < max_entry_bytes) {
    const auto got = ::read(fd, part, sizeof part);
    if (got <= 0) break;
    text.append(part, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return text;
}

bool replace_file(const fs::path& file, const std::string& text) {
  const fs::path folder = file.parent_path();
  std::error_code ec;
  fs::create_directories(folder, ec);
  const fs::path fresh = file.string() + ".new";
  if (!write_synced(fresh, text) || ::rename(fresh.c_str(), file.c_str()) != 0) {
    ::unlink(fresh.c_str());
    return false;
  }
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  return true;
}

}  // namespace pointsman
