#include "daemon/cli/words.hpp"

#include <catch2/catch.hpp>

#include "daemon/cli/control_client.hpp"
#include "daemon/cli/table.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

TEST_CASE("durations are told in their two largest units") {
  CHECK(short_duration(0ms) == "0s");
  CHECK(short_duration(-5s) == "0s");
  CHECK(short_duration(999ms) == "0s");
  CHECK(short_duration(59s) == "59s");
  CHECK(short_duration(192s) == "3m12s");
  CHECK(short_duration(60min) == "1h00m");
  CHECK(short_duration(2h + 5min + 59s) == "2h05m");
  CHECK(short_duration(76h) == "3d4h");
}

TEST_CASE("times are read as the daemon writes them, and nothing else") {
  CHECK(parse_rfc3339("1970-01-01T00:00:01.500Z") == WallTime{1500ms});
  CHECK(parse_rfc3339("1970-01-01T00:00:01Z") == WallTime{1s});
  CHECK_FALSE(parse_rfc3339(""));
  CHECK_FALSE(parse_rfc3339("yesterday"));
  CHECK_FALSE(parse_rfc3339("1970-01-01T00:00:01+09:00"));
}

TEST_CASE("what a server says can not drive the terminal") {
  CHECK(printable("a\x1b[31mb\n\x7f") == "a?[31mb??");
  CHECK(printable("\xC2\x9B"
                  "31m") == "?31m");
  CHECK(printable("é日本") == "é日本");
}

TEST_CASE("text is cut at whole code points") {
  CHECK(width_of("日本語") == 3);
  CHECK(cut_to("日本語", 3) == "日本語");
  CHECK(cut_to("日本語", 2) == "日…");
  CHECK(cut_to("abc", 0).empty());
}

TEST_CASE("the name that was probably meant") {
  const std::vector<std::string> known{"run", "status", "reload", "why"};
  CHECK(nearest_word("statsu", known) == "status");
  CHECK(nearest_word("relaod", known) == "reload");
  CHECK(nearest_word("frobnicate", known).empty());
}

TEST_CASE("long sentences are wrapped under their beginning") {
  CHECK(wrapped("one two three four five six seven", 4, {false, 20}) ==
        "one two three four\n    five six seven");
}

TEST_CASE("names are encoded as a part of a path") {
  CHECK(percent_encoded("bud_ro-1.x") == "bud_ro-1.x");
  CHECK(percent_encoded("a/b c?") == "a%2Fb%20c%3F");
}

TEST_CASE("figures as people write them") {
  using std::chrono::milliseconds;
  CHECK(precise_duration(milliseconds{153}) == "0.153 s");
  CHECK(precise_duration(milliseconds{12'140}) == "12.1 s");
  CHECK(precise_duration(milliseconds{192'000}) == "3m12s");
  CHECK(byte_text(0) == "0 bytes");
  CHECK(byte_text(1) == "1 byte");
  CHECK(byte_text(999) == "999 bytes");
  CHECK(byte_text(1'234'567) == "1.2 MB");
  CHECK(byte_text(9'000'000'000'000'000) == "9000.0 TB");
  CHECK(lsn_text(83'886'080) == "0/5000000");
  CHECK(lsn_text((std::int64_t{22} << 32) + 0xABC) == "16/ABC");
}
