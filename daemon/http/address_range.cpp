#include "daemon/http/address_range.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include <fmt/format.h>

namespace pointsman {
namespace {

namespace ip = boost::asio::ip;

struct Plain {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};
};

Plain to_plain(const ip::address& address) {
  Plain plain;
  const bool mapped = address.is_v6() && address.to_v6().is_v4_mapped();
  plain.v6 = address.is_v6() && !mapped;
  if (plain.v6) {
    const auto bytes = address.to_v6().to_bytes();
    std::copy(bytes.begin(), bytes.end(), plain.bytes.begin());
  } else {
    const auto v4 = mapped ? ip::make_address_v4(ip::v4_mapped, address.to_v6()) : address.to_v4();
    const auto bytes = v4.to_bytes();
    std::copy(bytes.begin(), bytes.end(), plain.bytes.begin());
  }
  return plain;
}

}  // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
  const auto slash = text.find('/');
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error) return Error{fmt::format("'{}' is not an address or a range of addresses", text)};

  const Plain plain = to_plain(address);
  const int written_most = address.is_v6() ? 128 : 32;
  int bits = written_most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (failed != std::errc{} || end != digits.data() + digits.size() || bits < 0 ||
        bits > written_most) {
      return Error{
          fmt::format("'{}': after the slash stands a number from 0 to {}", text, written_most)};
    }
  }
  if (address.is_v6() && !plain.v6) {  // an IPv4-mapped range: its first 96 bits are fixed
    if (bits < 96) return Error{fmt::format("'{}' mixes IPv4 and IPv6; write two ranges", text)};
    bits -= 96;
  }
  AddressRange range;
  range.v6_ = plain.v6;
  range.bits_ = bits;
  range.bytes_ = plain.bytes;
  return range;
}

bool AddressRange::contains(const ip::address& address) const {
  const Plain plain = to_plain(address);
  if (plain.v6 != v6_) return false;
  const auto whole = static_cast<std::size_t>(bits_ / 8);
  if (!std::equal(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(whole),
                  plain.bytes.begin())) {
    return false;
  }
  const int rest = bits_ % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  return (bytes_[whole] & mask) == (plain.bytes[whole] & mask);
}

}  // namespace pointsman
