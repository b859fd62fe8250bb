#include "daemon/http/json_writer.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include <rapidcheck.h>
#include <boost/json/parse.hpp>

using namespace pointsman;

namespace {
std::string number(double value, int decimals = 6) {
  JsonWriter json;
  json.number(value, decimals);
  return json.take_line();
}
std::string text(std::string_view value) {
  JsonWriter json;
  json.text(value);
  return json.take_line();
}
}  // namespace

TEST_CASE("numbers are written plainly") {
  CHECK(number(0) == "0\n");
  CHECK(number(-0.0) == "0\n");
  CHECK(number(1.5) == "1.5\n");
  CHECK(number(100) == "100\n");
  CHECK(number(0.1 + 0.2) == "0.3\n");
  CHECK(number(0.0004, 3) == "0\n");
  CHECK(number(-0.0004, 3) == "0\n");
  CHECK(number(1e15) == "1000000000000000\n");
  CHECK(number(std::numeric_limits<double>::infinity()) == "null\n");
  CHECK(number(std::numeric_limits<double>::quiet_NaN()) == "null\n");
}

TEST_CASE("texts are escaped and made UTF-8") {
  CHECK(text("a\"b\\c\n\t\x01") == "\"a\\\"b\\\\c\\n\\t\\u0001\"\n");
  CHECK(text("日本") == "\"日本\"\n");
  CHECK(text("\xff") == "\"\xEF\xBF\xBD\"\n");
  CHECK(text("\xc0\xaf") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"\n");            // overlong
  CHECK(text("\xed\xa0\x80").find("\xed\xa0\x80") == std::string::npos);  // a surrogate
  CHECK(text("\xe6\x97") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"\n");            // cut off
}

TEST_CASE("whatever the bytes, the output is JSON") {
  CHECK(rc::check("JsonWriter::text", [](const std::vector<unsigned char>& bytes) {
    const std::string raw(bytes.begin(), bytes.end());
    boost::system::error_code error;
    const auto value = boost::json::parse(text(raw), error);
    RC_ASSERT(!error);
    RC_ASSERT(value.is_string());
  }));
}

TEST_CASE("a parsed value is written as it was") {
  JsonWriter json;
  const std::string all = R"({"a":[1,-2,1.5,true,null,"x"],"b":{}})";
  json.value(boost::json::parse(all));
  CHECK(json.take_line() == all + "\n");
}
