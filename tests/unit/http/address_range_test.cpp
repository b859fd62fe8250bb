#include "daemon/http/address_range.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;

namespace {
bool holds(const char* range, const char* address) {
  return AddressRange::parse(range).value().contains(boost::asio::ip::make_address(address));
}
}  // namespace

TEST_CASE("a range holds its addresses and no others") {
  CHECK(holds("127.0.0.0/8", "127.255.0.1"));
  CHECK_FALSE(holds("127.0.0.0/8", "128.0.0.1"));
  CHECK(holds("10.0.0.0/9", "10.127.255.255"));
  CHECK_FALSE(holds("10.0.0.0/9", "10.128.0.0"));
  CHECK(holds("192.0.2.7", "192.0.2.7"));
  CHECK_FALSE(holds("192.0.2.7", "192.0.2.6"));
  CHECK(holds("192.0.2.6/31", "192.0.2.7"));
  CHECK(holds("0.0.0.0/0", "8.8.8.8"));
  CHECK(holds("::1/128", "::1"));
  CHECK(holds("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(holds("::/0", "2001:db8::1"));
}

TEST_CASE("IPv4-mapped addresses are judged as IPv4") {
  CHECK(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
  CHECK_FALSE(holds("::/0", "::ffff:8.8.8.8"));
  CHECK_FALSE(holds("::/0", "8.8.8.8"));
  CHECK(holds("::ffff:10.0.0.0/104", "10.200.0.1"));
  CHECK_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
}

TEST_CASE("what is no range is refused with a reason") {
  for (const char* bad : {"", "foo", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
                          "::1/129", "10.0.0/8", "::ffff:0.0.0.0/95", "/8"}) {
    INFO(bad);
    CHECK_FALSE(AddressRange::parse(bad));
  }
}
