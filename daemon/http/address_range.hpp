// A range of addresses ("10.0.0.0/8", "::1/128", "192.0.2.7"), for `listen.details_from`.
//
// An IPv4-mapped IPv6 address is judged as the IPv4 address in it, on both sides: a dual-stack
// socket shows IPv4 clients so. "::/0" therefore holds no IPv4 client. Plain values, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <boost/asio/ip/address.hpp>

#include "policies/model/result.hpp"

namespace pointsman {

class AddressRange {
 public:
  /// An address without "/BITS" is a range of one.
  static Result<AddressRange> parse(std::string_view text);
  bool contains(const boost::asio::ip::address& address) const;

 private:
  bool v6_ = false;
  int bits_ = 0;
  std::array<std::uint8_t, 16> bytes_{};  ///< the first four for IPv4
};

}  // namespace pointsman
