// The record of what the engine was told (policies/simulation/recorder) as JSON, and back. Pure.
//
// Times within are microseconds of the record's axis. Of the facts those are kept that a policy
// reads: PostgreSQL's and Redis'. A row that can not be read is left out, and counted.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policies/simulation/recorder.hpp"

namespace pointsman {

/// The word of a row's kind in the table: start, sample, observed, act, event.
std::string_view row_kind(const RecordedRow& row);
std::string row_json(const RecordedRow& row);

/// `kind`, the times and the subject are columns.
struct StoredRow {
  std::string kind, subject, document;
  MonoTime from{}, to{};
  std::uint64_t count = 1;
};
/// Nothing: it is not one of ours, or of a newer version.
std::optional<RecordedRow> row_of_json(const StoredRow& stored);

}  // namespace pointsman
