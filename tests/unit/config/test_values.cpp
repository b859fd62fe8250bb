// The small languages inside values.
#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/values.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;

TEST_CASE("durations", "[config]") {
  CHECK(parse_duration("500ms").value() == 500ms);
  CHECK(parse_duration("5s").value() == 5s);
  CHECK(parse_duration("2m").value() == 2min);
  CHECK(parse_duration("1h").value() == 1h);
  CHECK(parse_duration("30d").value() == 720h);
  CHECK(parse_duration("0s").value() == 0s);
  CHECK(parse_duration("3650d").value() == 87600h);
  for (const char* wrong : {"", "s", "5", "5 s", " 5s", "5s ", "-5s", "+5s", "0.5s", "5S", "5sec",
                            "1h30m", "3651d", "18446744073709551616s", "9223372036854775808ms"}) {
    INFO(wrong);
    CHECK_FALSE(parse_duration(wrong).ok());
  }
}

TEST_CASE("a printed duration reads as itself", "[config]") {
  REQUIRE(rc::check("read(print(d)) == d", [] {
    const auto ms = *rc::gen::inRange<std::int64_t>(0, 3650LL * 86'400'000);
    const Duration duration = std::chrono::milliseconds{ms};
    const auto read = parse_duration(yaml_duration(duration));
    RC_ASSERT(read.ok());
    RC_ASSERT(read.value() == duration);
  }));
}

TEST_CASE("any text is a duration or an error", "[config]") {
  REQUIRE(rc::check("never crashes", [](const std::string& text) {
    const auto duration = parse_duration(text);
    RC_ASSERT((!duration.ok() || duration.value() >= Duration{0}));
    (void)parse_size(text);
    (void)parse_percent(text);
    (void)parse_endpoint(text);
    (void)parse_status(text);
    (void)parse_network(text);
    (void)parse_integer(text);
  }));
}

TEST_CASE("sizes", "[config]") {
  CHECK(parse_size("16MiB").value() == 16ULL << 20);
  CHECK(parse_size("10GB").value() == 10'000'000'000ULL);
  CHECK(parse_size("1kB").value() == 1000);
  CHECK(parse_size("0B").value() == 0);
  for (const char* wrong :
       {"", "5", "5K", "5mb", "5 MiB", "1.5GB", "-1B", "8388608TiB", "99999999999999999999B"}) {
    INFO(wrong);
    CHECK_FALSE(parse_size(wrong).ok());
  }
}

TEST_CASE("percentages", "[config]") {
  CHECK(parse_percent("80%").value() == Approx(0.8));
  CHECK(parse_percent("99.5%").value() == Approx(0.995));
  CHECK(parse_percent("0%").value() == 0);
  CHECK(parse_percent("100%").value() == 1);
  for (const char* wrong : {"", "%", "80", "0.8", "101%", "-1%", "80 %", "nan%", "inf%", "1e1%"}) {
    INFO(wrong);
    CHECK_FALSE(parse_percent(wrong).ok());
  }
}

TEST_CASE("a lag is a time or a size", "[config]") {
  CHECK(parse_lag("10s").value() == Lag{Duration{10s}});
  CHECK(parse_lag("1MiB").value() == Lag{std::uint64_t{1} << 20});
  CHECK_FALSE(parse_lag("10").ok());
}

TEST_CASE("addresses", "[config]") {
  CHECK(parse_endpoint("10.0.1.10:5432").value() == Endpoint{"10.0.1.10", 5432});
  CHECK(parse_endpoint("[::1]:80").value() == Endpoint{"::1", 80});
  CHECK(parse_endpoint("db.example:65535").value() == Endpoint{"db.example", 65535});
  for (const char* wrong : {"", ":", ":80", "a", "a:", "a:0", "a:65536", "a:x", "::1:80", "[::1]",
                            "[x]:80", "a b:80", "a,b:80", "a:80x"}) {
    INFO(wrong);
    CHECK_FALSE(parse_endpoint(wrong).ok());
  }
}

TEST_CASE("status ranges", "[config]") {
  CHECK(parse_status("200").value() == StatusRange{200, 200});
  CHECK(parse_status("200-399").value() == StatusRange{200, 399});
  CHECK(parse_status("<500").value() == StatusRange{0, 499});
  CHECK(parse_status("<=500").value() == StatusRange{0, 500});
  CHECK(parse_status(">=500").value() == StatusRange{500, 999});
  CHECK(parse_status(">500").value() == StatusRange{501, 999});
  for (const char* wrong :
       {"", "2xx", "20", "0200", "300-200", "<", "<50", "200-", "-200", "099"}) {
    INFO(wrong);
    CHECK_FALSE(parse_status(wrong).ok());
  }
}

TEST_CASE("ranges of addresses", "[config]") {
  for (const char* fine :
       {"127.0.0.0/8", "::1/128", "10.1.2.3/32", "0.0.0.0/0", "192.0.2.7", "::1"}) {
    INFO(fine);
    CHECK(parse_network(fine).ok());
  }
  for (const char* wrong : {"", "10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/",
                            "10.0.0.0/-1", "::ffff:10.0.0.0/64"}) {
    INFO(wrong);
    CHECK_FALSE(parse_network(wrong).ok());
  }
}

TEST_CASE("booleans are true and false only", "[config]") {
  CHECK(parse_bool("true").value());
  CHECK_FALSE(parse_bool("false").value());
  for (const char* wrong : {"yes", "on", "True", "1", ""}) CHECK_FALSE(parse_bool(wrong).ok());
}

TEST_CASE("the nearest name", "[config]") {
  const std::vector<std::string> keys{"interval", "timeout", "rise", "fall", "fast_interval"};
  CHECK(nearest("intervall", keys) == "interval");
  CHECK(nearest("Timeout", keys) == "timeout");
  CHECK(nearest("time-out", keys) == "timeout");
  CHECK(nearest("fast-interval", keys) == "fast_interval");
  CHECK(nearest("flal", keys) == "fall");
  CHECK(nearest("frobnicate", keys).empty());
  CHECK(nearest("x", {"y", "z"}).empty());
  CHECK(nearest("", keys).empty());
  CHECK(nearest(std::string(10'000, 'a'), keys).empty());
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(did_you_mean("rize", keys) == ", did you mean 'rise'?");
}

TEST_CASE("this host or another", "[config]") {
  for (const char* local : {"127.0.0.1", "127.9.9.9", "::1", "localhost", "/run/postgresql"}) {
    INFO(local);
    CHECK(is_local_host(local));
  }
  for (const char* other : {"10.0.1.10", "::2", "db.example", "128.0.0.1", ""}) {
    INFO(other);
    CHECK_FALSE(is_local_host(other));
  }
}

}  // namespace
}  // namespace pointsman
