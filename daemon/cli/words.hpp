// Small words for people: durations, times, names that were probably meant, and text made safe for
// a terminal. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/time.hpp"

namespace pointsman {

/// "0s" "12s" "3m12s" "2h05m" "3d4h"; the two largest units, rounded down. Negative: "0s".
std::string short_duration(std::chrono::milliseconds duration);
/// "0.153 s", "12.1 s", "3m12s": exact where it is short.
std::string precise_duration(std::chrono::milliseconds duration);
/// "512 bytes", "80.0 kB", "1.2 GB".
std::string byte_text(std::int64_t bytes);
/// A position in the WAL as PostgreSQL writes it: "0/5000000".
std::string lsn_text(std::int64_t position);
/// "2026-11-23T10:00:00.000Z", with or without the fraction; nothing where it is something else.
std::optional<WallTime> parse_rfc3339(std::string_view text);
/// Control characters (a message may come from a server that means harm) become '?'.
std::string printable(std::string_view text);
/// How many columns it takes; every code point counts one.
std::size_t width_of(std::string_view text);
/// The first `columns` columns, the last of them "…" where something was cut.
std::string cut_to(std::string_view text, std::size_t columns);
/// The nearest of `known` when it is near enough; else empty.
std::string nearest_word(std::string_view text, const std::vector<std::string>& known);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace pointsman
