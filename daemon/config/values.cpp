#include "daemon/config/values.hpp"

#include <array>
#include <charconv>
#include <limits>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <fmt/format.h>

#include "probes/asio.hpp"

namespace pointsman {
namespace {

using std::chrono::nanoseconds;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t ms = 1'000'000;
constexpr std::array<Unit, 5> duration_units{{{"ms", ms},
                                              {"s", 1000 * ms},
                                              {"m", 60'000 * ms},
                                              {"h", 3'600'000 * ms},
                                              {"d", 86'400'000 * ms}}};
constexpr std::uint64_t longest_duration = 3650ULL * 86'400'000 * ms;

constexpr std::array<Unit, 9> size_units{{{"B", 1},
                                          {"kB", 1000},
                                          {"MB", 1000ULL * 1000},
                                          {"GB", 1000ULL * 1000 * 1000},
                                          {"TB", 1000ULL * 1000 * 1000 * 1000},
                                          {"KiB", 1ULL << 10},
                                          {"MiB", 1ULL << 20},
                                          {"GiB", 1ULL << 30},
                                          {"TiB", 1ULL << 40}}};
constexpr auto largest_size = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

constexpr const char* not_duration = "is not a duration: write 500ms, 5s, 2m, 1h or 30d";
constexpr const char* not_size = "is not a size: write 512B, 16MiB or 10GB";

enum class Amount { ok, no_number, no_unit, bad_unit, too_large };

template <std::size_t n>
Amount read_amount(std::string_view text, const std::array<Unit, n>& units, std::uint64_t limit,
                   std::uint64_t& amount) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc::result_out_of_range) return Amount::too_large;
  if (read.ec != std::errc{}) return Amount::no_number;
  const auto unit_text = text.substr(static_cast<std::size_t>(read.ptr - text.data()));
  if (unit_text.empty()) return Amount::no_unit;
  for (const auto& unit : units) {
    if (unit.name != unit_text) continue;
    if (number > limit / unit.factor) return Amount::too_large;
    amount = number * unit.factor;
    return Amount::ok;
  }
  return Amount::bad_unit;
}

Result<int> parse_port(std::string_view text) {
  int port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || port < 1 || port > 65535) {
    return Error{"has no port from 1 to 65535 after the last ':'"};
  }
  return port;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::uint64_t amount = 0;
  switch (read_amount(text, duration_units, longest_duration, amount)) {
    case Amount::ok:
      return Duration{static_cast<std::int64_t>(amount)};
    case Amount::too_large:
      return Error{"is too long: at most 3650d"};
    case Amount::no_unit:
      return Error{fmt::format("has no unit: write {0}s, {0}ms or {0}m", text)};
    case Amount::no_number:
    case Amount::bad_unit:
      break;
  }
  return Error{not_duration};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t amount = 0;
  switch (read_amount(text, size_units, largest_size, amount)) {
    case Amount::ok:
      return amount;
    case Amount::too_large:
      return Error{"is too large: at most 8388607TiB"};
    case Amount::no_unit:
      return Error{fmt::format("has no unit: write {0}B, {0}MiB or {0}GB", text)};
    case Amount::no_number:
    case Amount::bad_unit:
      break;
  }
  return Error{not_size};
}

Result<double> parse_percent(std::string_view text) {
  static constexpr const char* wrong = "is not a percentage: write 80% or 99.5%";
  if (text.empty() || text.back() != '%') return Error{wrong};
  const auto number = text.substr(0, text.size() - 1);
  double percent = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), percent,
                                    std::chars_format::fixed);
  if (read.ec != std::errc{} || read.ptr != number.data() + number.size()) return Error{wrong};
  if (!(percent >= 0 && percent <= 100)) return Error{"is not between 0% and 100%"};
  return percent / 100;
}

Result<Lag> parse_lag(std::string_view text) {
  std::uint64_t amount = 0;
  if (read_amount(text, size_units, largest_size, amount) == Amount::ok) return Lag{amount};
  const auto duration = parse_duration(text);
  if (duration) return Lag{duration.value()};
  return Error{"is neither a time nor a size: write 10s or 16MiB"};
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Error{"is not true or false: these two words are the only ones taken"};
}

Result<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc::result_out_of_range) return Error{"is too large a number"};
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    return Error{"is not a whole number"};
  }
  return number;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  static constexpr const char* wrong = "is not an address: write 10.0.1.10:5432 or [::1]:5432";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return Error{wrong};
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return Error{wrong};
    host = host.substr(1, host.size() - 2);
    boost::system::error_code error;
    asio::ip::make_address_v6(std::string(host), error);
    if (error) return Error{wrong};
  } else if (host.find(':') != std::string_view::npos) {
    return Error{"is not an address: an IPv6 host stands in brackets, as in [::1]:5432"};
  }
  for (const char c : host) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || c == '/' || c == ',' || c == '@' || c == '\'') return Error{wrong};
  }
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return port.error();
  return Endpoint{.host = std::string(host), .port = static_cast<std::uint16_t>(port.value())};
}

Result<StatusRange> parse_status(std::string_view text) {
  static constexpr const char* wrong =
      "is not a range of HTTP statuses: write 200, 200-399, \"<500\" or \">=500\"";
  const auto number = [](std::string_view digits, int& value) {
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return digits.size() == 3 && read.ec == std::errc{} &&
           read.ptr == digits.data() + digits.size() && value >= 100;
  };
  StatusRange range;
  int value = 0;
  if (text.substr(0, 2) == "<=" || text.substr(0, 2) == ">=") {
    if (!number(text.substr(2), value)) return Error{wrong};
    text.front() == '<' ? range.to = value : range.from = value;
  } else if (!text.empty() && (text.front() == '<' || text.front() == '>')) {
    if (!number(text.substr(1), value)) return Error{wrong};
    text.front() == '<' ? range.to = value - 1 : range.from = value + 1;
  } else if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!number(text.substr(0, dash), range.from) || !number(text.substr(dash + 1), range.to)) {
      return Error{wrong};
    }
    if (range.from > range.to) return Error{"runs backwards: write the smaller status first"};
  } else {
    if (!number(text, value)) return Error{wrong};
    range = {value, value};
  }
  return range;
}

Result<std::string> parse_network(std::string_view text) {
  const std::string network(text);
  boost::system::error_code error;
  if (network.find('/') == std::string::npos) {
    asio::ip::make_address(network, error);
  } else if (network.find(':') != std::string::npos) {
    const auto range = asio::ip::make_network_v6(network, error);
    if (!error && range.address().is_v4_mapped() && range.prefix_length() < 96) {
      return Error{"mixes IPv4 and IPv6: write two ranges"};
    }
  } else {
    asio::ip::make_network_v4(network, error);
  }
  if (error) {
    return Error{"is not a range of addresses: write 10.0.0.0/8, \"::1/128\" or 192.0.2.7"};
  }
  return network;
}

Result<std::string> parse_absolute_path(std::string_view text) {
  if (text.empty() || text.front() != '/') {
    return Error{"is not an absolute path: it has to begin with '/'"};
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return Error{"holds a control character"};
  }
  return std::string(text);
}

Result<std::string> parse_name(std::string_view text) {
  bool fine = !text.empty() && text.size() <= 63;
  for (const char c : text) {
    fine = fine && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '.' || c == '-');
  }
  if (!fine) return Error{"is not a name: take 1 to 63 of A-Z a-z 0-9 _ . -"};
  return std::string(text);
}

std::string yaml_duration(Duration duration) {
  const auto count = static_cast<std::uint64_t>(duration.count());
  for (auto unit = duration_units.rbegin(); unit != duration_units.rend(); ++unit) {
    if (count != 0 && count % unit->factor == 0) {
      return fmt::format("{}{}", count / unit->factor, unit->name);
    }
  }
  return count == 0 ? "0s" : fmt::format("{}ms", static_cast<double>(count) / 1e6);
}

std::string yaml_size(std::uint64_t bytes) {
  const Unit* best = &size_units.front();
  for (const Unit& unit : size_units) {
    if (bytes != 0 && bytes % unit.factor == 0 && unit.factor > best->factor) best = &unit;
  }
  return fmt::format("{}{}", bytes / best->factor, best->name);
}

bool is_numeric_host(const std::string& host) {
  boost::system::error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

bool is_local_host(const std::string& host) {
  if (host == "localhost" || (!host.empty() && (host.front() == '/' || host.front() == '@'))) {
    return true;
  }
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

}  // namespace pointsman
