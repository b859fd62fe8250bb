#include "daemon/actions/targets_plan.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace pointsman {
namespace {

std::vector<FileLine> take_unmanaged(std::vector<FileLine>& lines,
                                     const ManagedDatabases& managed) {
  std::vector<FileLine> others;
  std::vector<FileLine> ours;
  for (auto& line : lines) {
    (managed.count(line.database) != 0 ? ours : others).push_back(std::move(line));
  }
  lines = std::move(ours);
  return others;
}

std::string names_of(const std::vector<FileLine>& lines) {
  std::string names;
  for (const auto& line : lines) names += (names.empty() ? "" : ", ") + line.database;
  return names;
}

void settle_unmanaged(TargetsFile& file, const ManagedDatabases& managed,
                      std::vector<std::string>& notes) {
  auto others = take_unmanaged(file.lines, managed);
  if (!others.empty() && file.is_ours) {
    notes.push_back(fmt::format("no route has {} any more: dropped", names_of(others)));
  } else if (!others.empty()) {
    notes.push_back(
        fmt::format("the file was made by hand: {} of no route kept in it", names_of(others)));
    for (auto& line : others) file.kept.push_back(std::move(line));
  }
  // A kept one that a route has by now becomes a line like the others.
  const auto kept = std::exchange(file.kept, {});
  for (const auto& line : kept) {
    if (managed.count(line.database) == 0) {
      file.kept.push_back(line);
    } else if (file.find(line.database) == nullptr) {
      file.lines.push_back(line);
    }
  }
}

void settle_epochs(TargetsFile& file, const ManagedDatabases& managed) {
  std::set<std::string> routes;
  for (const auto& [database, entry] : managed) routes.insert(entry.route);
  std::erase_if(file.epochs, [&](const auto& entry) { return routes.count(entry.first) == 0; });
}

}  // namespace

bool is_same_line(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto left = read_target_line(a);
  const auto right = read_target_line(b);
  return left && right && left.value() == right.value();
}

std::vector<std::string> find_lineless(const TargetsFile& file, const ManagedDatabases& managed,
                                       const std::string& except) {
  std::vector<std::string> names;
  for (const auto& [database, entry] : managed) {
    const bool is_kept =
        std::any_of(file.kept.begin(), file.kept.end(),
                    [&, name = database](const FileLine& line) { return line.database == name; });
    if (database != except && !entry.wanted && !is_kept && file.find(database) == nullptr) {
      names.push_back(database);
    }
  }
  return names;
}

Result<TargetsPlan> plan_targets(TargetsFile file, const ManagedDatabases& managed,
                                 const LineChange& change,
                                 const std::map<std::string, std::string>& shown,
                                 const std::vector<FileLine>& kept_before) {
  TargetsPlan plan;
  if (!file.bad.empty() && !file.is_ours) {
    const auto& bad = file.bad.front();
    return Error{
        fmt::format("its line {} is not one of a database ({}): move what does not belong "
                    "there to pgbouncer.ini",
                    bad.number, bad.why)};
  }
  for (const auto& bad : file.bad) {
    plan.notes.push_back(fmt::format("line {} was dropped: {}", bad.number, bad.why));
  }
  if (!file.is_ours && file.lines.empty()) file.kept = kept_before;
  settle_unmanaged(file, managed, plan.notes);
  settle_epochs(file, managed);

  for (const auto& [database, entry] : managed) {
    if (database == change.database || file.find(database) != nullptr) continue;
    const auto found = shown.find(database);
    const auto line = entry.wanted           ? entry.wanted
                      : found != shown.end() ? std::optional(found->second)
                                             : std::nullopt;
    if (!line) continue;
    file.set(database, *line);
    plan.notes.push_back(fmt::format("the line of {} was missing and is back", database));
  }

  if (const auto* line = file.find(change.database)) plan.previous = line->text;
  file.set(change.database, change.line);
  if (const auto entry = managed.find(change.database); entry != managed.end()) {
    const auto& route = entry->second.route;
    if (const auto epoch = file.epochs.find(route); epoch != file.epochs.end()) {
      plan.previous_epoch = epoch->second;
    }
    if (change.epoch) {
      file.epochs[route] = *change.epoch;
    } else {
      file.epochs.erase(route);
    }
  }
  plan.text = render_targets_file(file);
  plan.kept = std::move(file.kept);
  return plan;
}

}  // namespace pointsman
