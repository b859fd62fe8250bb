#include "daemon/actions/targets_keeper.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace pointsman {

void TargetsKeeper::set_managed(ManagedDatabases managed) {
  for (auto& [database, entry] : managed) {
    const auto before = managed_.find(database);
    if (before != managed_.end() && before->second.route == entry.route) {
      entry.wanted = before->second.wanted;
    }
  }
  managed_ = std::move(managed);
}

void TargetsKeeper::remember(const std::string& database, std::string line) {
  const auto found = managed_.find(database);
  if (found != managed_.end()) found->second.wanted = std::move(line);
}

asio::awaitable<ReadReport> TargetsKeeper::async_read(MonoTime deadline) {
  std::function<ReadReport()> work = [path = path_] { return read_whole_file(path); };
  auto read = co_await worker_.async_run(std::move(work), deadline);
  if (read) {
    size_ = std::max(size_, read->text.size());
    co_return std::move(*read);
  }
  ReadReport late;
  late.exists = true;
  late.error = fmt::format("the disk took too long to read {}", path_);
  co_return late;
}

asio::awaitable<WriteReport> TargetsKeeper::async_write(std::string text, MonoTime deadline) {
  const auto gate = std::make_shared<WriteGate>();
  size_ = std::max(size_, text.size());
  std::function<WriteReport()> work = [path = path_, text = std::move(text), gate] {
    return replace_file(path, text, *gate);
  };
  auto written = co_await worker_.async_run(std::move(work), deadline);
  if (written) co_return std::move(*written);
  WriteReport late;
  if (gate->give_up()) {
    late.error = fmt::format("the disk took too long to write {}; nothing was changed", path_);
  } else {
    // It was renamed, or is just being: what pgbouncer shows after a RELOAD tells.
    late.written = true;
    late.warnings.push_back(
        fmt::format("the disk is slow: {} may not survive a crash of the machine", path_));
  }
  co_return late;
}

asio::awaitable<std::string> TargetsKeeper::async_ensure_spare(MonoTime deadline) {
  std::function<Status()> work = [path = path_, size = size_] { return ensure_spare(path, size); };
  const auto made = co_await worker_.async_run(std::move(work), deadline);
  if (!made) co_return fmt::format("the disk took too long to reserve a spare for {}", path_);
  co_return *made ? std::string{} : made->error().message;
}

FileState TargetsKeeper::state_of(const std::string& database, const ReadReport& read) const {
  if (!read.exists) return FileState::missing;
  if (!read.error.empty()) return FileState::unknown;
  const auto file = parse_targets_file(read.text);
  const auto* line = file.find(database);
  if (line == nullptr) return FileState::missing;
  if (!file.is_ours || !file.bad.empty()) return FileState::differs;
  const auto found = managed_.find(database);
  if (found == managed_.end() || !found->second.wanted) return FileState::unknown;
  return is_same_line(line->text, *found->second.wanted) ? FileState::as_wanted
                                                         : FileState::differs;
}

}  // namespace pointsman
