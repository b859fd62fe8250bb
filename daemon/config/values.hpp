// The small languages inside values: durations, sizes, percentages, addresses, status ranges.
//
// Each takes the text of a scalar and gives the value or the rest of a sentence that begins with
// the value in quotes: "is not a duration: write 500ms, 5s, 2m, 1h or 30d". Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "policies/model/names.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/result.hpp"
#include "policies/model/time.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// Digits and one of ms s m h d. No sign, no fraction; at most 3650d.
Result<Duration> parse_duration(std::string_view text);
/// Digits and one of B kB MB GB TB KiB MiB GiB TiB; at most 2^63 - 1 bytes.
Result<std::uint64_t> parse_size(std::string_view text);
/// "80%" or "99.5%" gives 0.8, 0.995; 0% to 100%.
Result<double> parse_percent(std::string_view text);
/// A duration or a size.
Result<Lag> parse_lag(std::string_view text);
/// true or false, nothing else.
Result<bool> parse_bool(std::string_view text);
Result<std::int64_t> parse_integer(std::string_view text);
/// "host:port" or "[::1]:port"; the port 1 to 65535.
Result<Endpoint> parse_endpoint(std::string_view text);
/// "200", "200-399", "<500", "<=499", ">=500", ">499".
Result<StatusRange> parse_status(std::string_view text);
/// "10.0.0.0/8", "::1/128", "192.0.2.7".
Result<std::string> parse_network(std::string_view text);
/// Starts with '/', holds no newline and no NUL.
Result<std::string> parse_absolute_path(std::string_view text);
/// [A-Za-z0-9_.-], 1 to 63 of them.
Result<std::string> parse_name(std::string_view text);

/// As the YAML writes it, in the largest unit that is exact: "90s", "2m", "500ms".
std::string yaml_duration(Duration duration);
/// The same of a size: "1MiB", "10GB", "100B".
std::string yaml_size(std::uint64_t bytes);

bool is_numeric_host(const std::string& host);
/// 127.0.0.0/8, ::1, localhost, or the folder of a unix socket.
bool is_local_host(const std::string& host);

}  // namespace pointsman
