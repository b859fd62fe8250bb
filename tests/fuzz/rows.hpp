// An input as the rows of an answer of PostgreSQL or pgbouncer: lines of values parted by tabs; a
// value "\N" is NULL, as COPY writes it. The first line names the columns.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "probes/pg_connection.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace pointsman::fuzz {

/// At most `limit` rows. As libpq does it, each row has as many values as there are columns.
inline PgRows read_rows(Bytes& bytes, std::size_t limit = 64) {
  PgRows rows;
  Bytes header = [&bytes] {
    const auto line = bytes.until('\n');
    return Bytes(reinterpret_cast<const std::uint8_t*>(line.data()), line.size());
  }();
  while (!header.empty()) rows.columns.emplace_back(header.until('\t'));
  for (std::size_t i = 0; i < limit && !bytes.empty(); ++i) {
    const auto line = bytes.until('\n');
    if (line.empty()) break;  // the end of this answer
    Bytes values(reinterpret_cast<const std::uint8_t*>(line.data()), line.size());
    auto& row = rows.rows.emplace_back();
    for (std::size_t column = 0; column < rows.columns.size(); ++column) {
      const auto value = values.until('\t');
      row.push_back(value == "\\N" ? std::nullopt : std::optional<std::string>(value));
    }
  }
  return rows;
}

}  // namespace pointsman::fuzz
