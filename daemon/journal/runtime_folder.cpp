#include "daemon/journal/runtime_folder.hpp"

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/journal/signals.hpp"
#include "probes/clock.hpp"

namespace pointsman {

namespace fs = std::filesystem;
namespace json = boost::json;

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
  if (!replace_file(file, text)) return false;
  may_hold_ = true;
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
    RuntimeEntry entry{file, contents_of(file).value_or(""), {}, {}, {}, {}};
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
  const auto before = contents_of(file);
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
    RuntimeEntry entry{file, contents_of(file).value_or(""), {}, {}, {}, {}};
    if (read_entry(entry)) entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.file < b.file; });
  may_hold_ = other || !entries.empty();
  return entries;
}

void RuntimeFolder::remove(const RuntimeEntry& entry) {
  const std::lock_guard lock(files_);
  if (contents_of(entry.file) == entry.raw) ::unlink(entry.file.c_str());
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
