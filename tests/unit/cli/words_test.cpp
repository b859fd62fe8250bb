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
  CHECK(nearest("statsu", known) == "status");
  CHECK(nearest("relaod", known) == "reload");
  CHECK(nearest("frobnicate", known).empty());
}

TEST_CASE("long sentences are wrapped under their beginning") {
  CHECK(wrapped("one two three four five six seven", 4, {false, 20}) ==
        "one two three four\n    five six seven");
}

TEST_CASE("names are encoded as a part of a path") {
  CHECK(percent_encoded("bud_ro-1.x") == "bud_ro-1.x");
  CHECK(percent_encoded("a/b c?") == "a%2Fb%20c%3F");
}
