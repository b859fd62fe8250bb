// What the targets file is to say next: pure, from what it says now and what is known beside it.
//
// The file serves several routes. Only one line changes; the lines of the others stay as they are,
// and one that was lost (a hand emptied the file) is put back from what is known of it: pgbouncer
// drops a database whose line is missing and disconnects its clients. Lines of no route are
// dropped, but not those of a file that was made by hand: they are kept (targets_file.hpp).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/targets_file.hpp"

namespace pointsman {

/// A database of some route that has this file.
struct ManagedDatabase {
  std::string route;
  std::string options;
  std::optional<std::string> wanted;  ///< the line last written for it, since the start
};
using ManagedDatabases = std::map<std::string, ManagedDatabase>;

struct LineChange {
  std::string database;
  std::string line;
  std::optional<std::uint64_t> epoch;  ///< of its route; absent: none is noted
};

struct TargetsPlan {
  std::string text;
  std::vector<FileLine> kept;
  std::optional<std::string> previous;  ///< the database's line until now
  std::optional<std::uint64_t> previous_epoch;
  std::vector<std::string> notes;  ///< what else changes, for the record
};

/// Databases of routes for which the file has no line and nothing was written since the start: the
/// caller asks the pooler where they lead and gives it as `shown`.
std::vector<std::string> find_lineless(const TargetsFile& file, const ManagedDatabases& managed,
                                       const std::string& except);

/// `shown`: lines for lineless databases. `kept_before`: for a file that has become empty.
/// An error where the file was made by hand and has something that is not a database's line.
Result<TargetsPlan> plan_targets(TargetsFile file, const ManagedDatabases& managed,
                                 const LineChange& change,
                                 const std::map<std::string, std::string>& shown,
                                 const std::vector<FileLine>& kept_before);

/// Both lines tell pgbouncer the same.
bool is_same_line(const std::string& a, const std::string& b);

}  // namespace pointsman
