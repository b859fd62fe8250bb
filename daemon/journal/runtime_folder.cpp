#include "daemon/journal/runtime_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/journal/json_text.hpp"
#include "daemon/journal/signals.hpp"
#include "probes/clock.hpp"

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
  return object;
}

json::object json_of(const KeptRow& row) {
  return {{"kind", row.kind},
          {"name", row.name},
          {"document", row.document},
          {"at_ms", milliseconds(row.at)}};
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

MemoryRow memory_of(const json::value& v) {
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
  return row;
}

KeptRow kept_of(const json::value& v) {
  return {text_of(v.at("kind")), text_of(v.at("name")), text_of(v.at("document")),
          wall_of(v.at("at_ms"))};
}

}  // namespace

bool read_entry(RuntimeEntry& entry) {
  try {  // Boost.JSON's at() and as_...() throw; the file may have been written by anybody
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // what a server or a hook said stands in here as it came
    const auto document = json::parse(entry.raw, {}, options);
    const auto& object = document.as_object();
    if (const auto* intent = object.if_contains("intent")) entry.intent = intent_of(*intent);
    if (const auto* outcome = object.if_contains("outcome")) entry.outcome = outcome_of(*outcome);
    if (const auto* routes = object.if_contains("routes")) {
      for (const auto& route : routes->as_array()) entry.memories.push_back(memory_of(route));
    }
    if (const auto* kept = object.if_contains("kept")) entry.kept = kept_of(*kept);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

namespace {

std::optional<std::string> contents(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text;
  char part[4096];
  while (text.size() < RuntimeFolder::max_bytes) {
    const auto got = ::read(fd, part, sizeof part);
    if (got <= 0) break;
    text.append(part, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return text;
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

fs::path RuntimeFolder::file_of(std::uint64_t id) const {
  return folder_ / (std::to_string(id) + ".json");
}

/// Any name makes a file's name, and no two the same one but for absurdly long ones.
fs::path RuntimeFolder::file_of(const KeptRow& row) const {
  constexpr std::size_t max_name = 200;
  std::string name;
  for (const char c : row.name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    name += plain ? std::string(1, c)
                  : fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  if (name.size() > max_name) {
    name = fmt::format("{}+{:x}", name.substr(0, max_name), std::hash<std::string>{}(row.name));
  }
  return folder_ / fmt::format("kept-{}-{}.json", row.kind, name);
}

std::size_t RuntimeFolder::count_files() const {
  std::error_code ec;
  const auto files = std::distance(fs::directory_iterator(folder_, ec), fs::directory_iterator{});
  return ec ? 0 : static_cast<std::size_t>(files);
}

bool RuntimeFolder::write(const fs::path& file, const std::string& text) {
  std::error_code ec;
  fs::create_directories(folder_, ec);
  const fs::path fresh = file.string() + ".new";
  if (!write_synced(fresh, text) || ::rename(fresh.c_str(), file.c_str()) != 0) {
    ::unlink(fresh.c_str());
    return false;
  }
  may_hold_ = true;
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  return true;
}

void RuntimeFolder::keep_intent(Intent intent, std::function<void(bool)> done) {
  const auto job = [this, intent = std::move(intent), done] {
    bool kept = false;
    {
      const std::lock_guard lock(files_);
      kept = write(file_of(intent.id), json::serialize(json::object{{"intent", json_of(intent)}}));
    }
    done(kept);
  };
  if (!enqueue(job)) done(false);
}

void RuntimeFolder::keep_outcome(OutcomeRow outcome) {
  enqueue([this, outcome = std::move(outcome)] {
    const std::lock_guard lock(files_);
    const auto file = file_of(outcome.intent_id);
    RuntimeEntry entry{file, contents(file).value_or(""), {}, {}, {}, {}};
    json::object object;
    if (read_entry(entry) && entry.intent) object["intent"] = json_of(*entry.intent);
    object["outcome"] = json_of(outcome);
    if (count_files() < max_files) {
      write(file, json::serialize(object));
    } else {
      ::unlink(file.c_str());  // an act that has ended needs no file
    }
  });
}

void RuntimeFolder::keep_memory(MemoryRow memory) {
  enqueue([this, memory = std::move(memory)] {
    const std::lock_guard lock(files_);
    memories_.insert_or_assign(memory.memory.route, memory);
    json::array routes;
    for (const auto& [name, row] : memories_) routes.push_back(json_of(row));
    write(folder_ / "routes.json", json::serialize(json::object{{"routes", std::move(routes)}}));
  });
}

void RuntimeFolder::write_kept(const KeptRow& row) {
  const std::lock_guard lock(files_);
  const auto file = file_of(row);
  const auto text = json::serialize(json::object{{"kept", json_of(row)}});
  if (text.size() > max_bytes) return;
  const auto before = contents(file);
  if (before == text) return;
  const bool is_story = row.kind == "incident" || row.kind == "outbox";
  if (!before && count_files() >= (is_story ? max_stories : max_files)) return;
  write(file, text);
}

void RuntimeFolder::keep_kept(std::vector<KeptRow> rows, std::function<bool()> wanted) {
  if (rows.empty()) return;
  enqueue([this, rows = std::move(rows), wanted = std::move(wanted)] {
    for (const auto& row : rows) {
      if (!wanted()) return;
      write_kept(row);
    }
  });
}

void RuntimeFolder::in_background(std::function<void()> job) {
  enqueue(std::move(job));
}

std::vector<RuntimeEntry> RuntimeFolder::read() {
  const std::lock_guard lock(files_);
  std::vector<RuntimeEntry> entries;
  bool other = false;
  std::error_code ec;
  for (fs::directory_iterator at(folder_, ec), end; !ec && at != end; at.increment(ec)) {
    const auto& file = at->path();
    if (file.extension() == ".new") {
      ::unlink(file.c_str());  // ours, cut short by a kill
      continue;
    }
    if (file.extension() != ".json" || entries.size() >= max_files) {
      other = other || entries.size() >= max_files;
      continue;
    }
    RuntimeEntry entry{file, contents(file).value_or(""), {}, {}, {}, {}};
    if (read_entry(entry)) entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.file < b.file; });
  may_hold_ = other || !entries.empty();
  return entries;
}

void RuntimeFolder::remove(const RuntimeEntry& entry) {
  const std::lock_guard lock(files_);
  if (contents(entry.file) == entry.raw) ::unlink(entry.file.c_str());
}

void RuntimeFolder::forget(const KeptRow& row) {
  const std::lock_guard lock(files_);
  ::unlink(file_of(row).c_str());
}

bool RuntimeFolder::enqueue(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= max_jobs) return false;
  jobs_.push_back(std::move(job));
  if (working_) return true;
  try {
    const SignalsBlocked blocked;
    std::thread([self = shared_from_this()] { self->work(); }).detach();
    working_ = true;
  } catch (const std::system_error&) {  // no thread to be had
    jobs_.pop_back();
    return false;
  }
  return true;
}

void RuntimeFolder::work() {
  std::unique_lock lock(mutex_);
  while (!jobs_.empty()) {
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
  working_ = false;
  idle_.notify_all();
}

bool RuntimeFolder::wait_idle(MonoTime deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, to_steady(deadline), [this] { return !working_; });
}

}  // namespace pointsman
