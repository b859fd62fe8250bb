#include "probes/pg_rows.hpp"

#include <algorithm>

namespace pointsman {

std::string result_field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value != nullptr ? value : "";
}

PgWords words_of(const PGresult* result) {
  return {result_field(result, PG_DIAG_SQLSTATE),
          first_line(result_field(result, PG_DIAG_MESSAGE_PRIMARY)),
          result_field(result, PG_DIAG_SOURCE_FUNCTION)};
}

void append_rows(const PGresult* result, PgRows& rows) {
  const int columns = PQnfields(result);
  if (rows.columns.empty() || rows.columns.size() != static_cast<std::size_t>(columns)) {
    rows.columns.clear();
    for (int c = 0; c < columns; ++c) rows.columns.emplace_back(PQfname(result, c));
  }
  for (int r = 0; r < PQntuples(result); ++r) {
    auto& row = rows.rows.emplace_back();
    for (int c = 0; c < columns; ++c) {
      if (PQgetisnull(result, r, c) != 0) {
        row.emplace_back();
      } else {
        row.emplace_back(std::string(PQgetvalue(result, r, c),
                                     static_cast<std::size_t>(PQgetlength(result, r, c))));
      }
    }
  }
  rows.command_tag = PQcmdStatus(const_cast<PGresult*>(result));
}

const std::string* PgRows::get(std::size_t row, std::string_view column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (row >= rows.size() || found == columns.end()) return nullptr;
  const auto& value = rows[row][static_cast<std::size_t>(found - columns.begin())];
  return value ? &*value : nullptr;
}

}  // namespace pointsman
