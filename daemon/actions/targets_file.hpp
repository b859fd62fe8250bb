// The targets file that pgbouncer.ini includes under [databases]: its text taken apart and made.
//
// Pure. Bare lines only, as pgbouncer takes them (FACTS section 4): comments on lines of their own
// and a line per database, `NAME = host=… port=… OPTIONS`. No section header: it would change the
// section for the rest of pgbouncer.ini. A text that pgbouncer would half-read is never rendered:
// ports are 1 to 65535 (pgbouncer takes 99999 modulo 65536), names at most 63 of [A-Za-z0-9_.-],
// hosts without blanks, quotes or commas.
//
// Lines that were found in a file made by hand and that no route manages are kept behind a marker:
// to drop one would drop its database and disconnect its clients.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/names.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

/// What a line tells pgbouncer.
struct LineSettings {
  std::vector<std::string> hosts;  ///< empty: pgbouncer's own unix socket folder
  std::uint16_t port = 5432;
  std::string dbname;  ///< the database's own name where the line gives none
  std::map<std::string, std::string> others;
  friend bool operator==(const LineSettings&, const LineSettings&) = default;

  /// "a,b", as SHOW DATABASES prints it.
  std::string host_list() const;
};

struct FileLine {
  std::string database;
  std::string text;  ///< the whole line, without its end
  friend bool operator==(const FileLine&, const FileLine&) = default;
};

/// What could not be read, with the number of its line, from 1.
struct BadLine {
  int number = 0;
  std::string why;
};

struct TargetsFile {
  bool is_ours = false;                         ///< starts with our header
  std::map<std::string, std::uint64_t> epochs;  ///< of each route, as its comment says
  std::vector<FileLine> lines;                  ///< one for each database, in order
  std::vector<FileLine> kept;                   ///< of nobody's route, behind the marker
  std::vector<BadLine> bad;

  const FileLine* find(std::string_view database) const;
  /// Replaces the database's line, or adds it at the end; takes it out of `kept`.
  void set(std::string_view database, std::string text);
};

/// Never fails: what is not a comment or a line of a database is in `bad`. Where a database comes
/// twice the last line wins, as in pgbouncer.
TargetsFile parse_targets_file(std::string_view text);

/// Our header, the epochs, the lines, the kept ones.
std::string render_targets_file(const TargetsFile& file);

/// `options` is copied as it stands. Several endpoints must have one port.
Result<std::string> render_target_line(const std::string& database,
                                       const std::vector<Endpoint>& endpoints,
                                       const std::string& options);

/// The line of a database, read as pgbouncer does.
Result<LineSettings> read_target_line(std::string_view line);

/// 1 to 63 of [A-Za-z0-9_.-]: others stop pgbouncer's load.
bool is_database_name(std::string_view name);

}  // namespace pointsman
