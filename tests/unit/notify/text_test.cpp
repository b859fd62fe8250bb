#include <catch2/catch.hpp>

#include "daemon/notify/text.hpp"

namespace pointsman {
namespace {

TEST_CASE("text is made valid UTF-8 without control characters") {
  CHECK(clean_text("plain\n\ttext") == "plain\n\ttext");
  CHECK(clean_text(std::string_view("a\0b\x1b[31m\x7f", 9)) == "ab[31m");
  CHECK(clean_text("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x9A\x82") ==
        "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x9A\x82");
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(clean_text("\xFF") == bad);
  CHECK(clean_text("a\xC3") == "a" + bad);
  CHECK(clean_text("\xC0\xAF") == bad + bad);            // overlong
  CHECK(clean_text("\xED\xA0\x80") == bad + bad + bad);  // a surrogate
}

TEST_CASE("text is cut by UTF-16 units, never within a character") {
  CHECK(cut_text("abc", 3) == "abc");
  CHECK(cut_text("abcd", 3) == "ab\xE2\x80\xA6");
  CHECK(cut_text("abc", 0) == "");
  const std::string train = "\xF0\x9F\x9A\x82";  // two units
  CHECK(utf16_units(train) == 2);
  CHECK(cut_text(train + train, 4) == train + train);
  CHECK(cut_text(train + train, 3) == train + "\xE2\x80\xA6");
  CHECK(cut_text(train + train, 2) == "\xE2\x80\xA6");
}

TEST_CASE("what Slack escapes counts as it is sent, and is never cut within") {
  CHECK(slack_escape("a < b && c > d", 100) == "a &lt; b &amp;&amp; c &gt; d");
  CHECK(slack_escape("&&", 10) == "&amp;&amp;");
  CHECK(slack_escape("&&", 9) == "&amp;\xE2\x80\xA6");
  CHECK(slack_escape("abcd", 3) == "ab\xE2\x80\xA6");
  for (std::size_t limit = 1; limit < 40; ++limit) {
    CHECK(utf16_units(slack_escape("<&>ab\xE2\x82\xAC\xF0\x9F\x9A\x82<&>", limit)) <= limit);
  }
}

TEST_CASE("JSON is escaped without its quotes") {
  CHECK(json_escape("say \"hi\"\n\\") == "say \\\"hi\\\"\\n\\\\");
}

TEST_CASE("names fit a label") {
  CHECK(label_name("attempt 1: switch") == "attempt_1__switch");
  CHECK(label_name("1st") == "_st");
  CHECK(label_name("") == "_");
}

TEST_CASE("fingerprints are FNV-1a") {
  CHECK(fingerprint_of("") == "cbf29ce484222325");
  CHECK(fingerprint_of("a") == "af63dc4c8601ec8c");
}

}  // namespace
}  // namespace pointsman
