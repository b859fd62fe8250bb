// The targets file's text, taken apart and made; the table is FACTS section 4.
#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include "daemon/actions/targets_file.hpp"

namespace pointsman {
namespace {

std::string line_of(const std::string& database, const std::vector<Endpoint>& to,
                    const std::string& options = "") {
  const auto line = render_target_line(database, to, options);
  return line ? line.value() : "ERROR " + line.error().message;
}

TEST_CASE("a line is rendered as pgbouncer takes it", "[targets]") {
  CHECK(line_of("bud", {{"10.0.1.11", 5432}}) == "bud = host=10.0.1.11 port=5432");
  CHECK(line_of("bud", {{"fd00::1", 5432}}, " dbname=x pool_size=20 ") ==
        "bud = host=fd00::1 port=5432 dbname=x pool_size=20");
  CHECK(line_of("bud", {{"/run/postgresql", 5432}}) == "bud = host=/run/postgresql port=5432");
  CHECK(line_of("ro", {{"a", 5432}, {"b", 5432}}) == "ro = host=a,b port=5432");
}

TEST_CASE("a line that pgbouncer would half-read is never rendered", "[targets]") {
  const auto refused = [](const std::string& database, const std::vector<Endpoint>& to,
                          const std::string& options = "") {
    return !render_target_line(database, to, options);
  };
  CHECK(refused("", {{"a", 1}}));
  CHECK(refused("a b", {{"a", 1}}));
  CHECK(refused("a@b", {{"a", 1}}));
  CHECK(refused("pgbouncer", {{"a", 1}}));
  CHECK(refused(std::string(64, 'x'), {{"a", 1}}));
  CHECK_FALSE(refused(std::string(63, 'x'), {{"a", 1}}));
  CHECK(refused("bud", {}));
  CHECK(refused("bud", {{"", 1}}));
  CHECK(refused("bud", {{"a", 0}}));
  CHECK(refused("bud", {{"a b", 1}}));
  CHECK(refused("bud", {{"a,b", 1}}));
  CHECK(refused("bud", {{"a\nx=host", 1}}));
  CHECK(refused("bud", {{"a", 1}, {"b", 2}}));  // one port for a list
  CHECK(refused("bud", {{"a", 1}}, "host=evil"));
  CHECK(refused("bud", {{"a", 1}}, "port=7"));
  CHECK(refused("bud", {{"a", 1}}, "password='open"));
  CHECK(refused("bud", {{"a", 1}}, "dbname=x\nevil = host=y"));
  CHECK(refused("bud", {{"a", 1}}, "nonsense"));
}

TEST_CASE("a line is read as pgbouncer reads it", "[targets]") {
  const auto read =
      read_target_line("  bud=host = 'a, b'  port='5433' dbname='it''s'  pool_size=3");
  REQUIRE(read);
  CHECK(read.value().hosts == std::vector<std::string>{"a", "b"});
  CHECK(read.value().port == 5433);
  CHECK(read.value().dbname == "it's");
  CHECK(read.value().others == std::map<std::string, std::string>{{"pool_size", "3"}});
  const auto bare = read_target_line("bud =");
  REQUIRE(bare);
  CHECK(bare.value().hosts.empty());
  CHECK(bare.value().port == 5432);
  CHECK(bare.value().dbname == "bud");

  for (const char* bad :
       {"", "bud", "bud = host", "bud = host=a port=99999", "bud = port=0", "bud = port=abc",
        "bud = host='a", "[pgbouncer]", "%include /x", "a b = host=x", "\xC3\xBC = host=x"}) {
    INFO(bad);
    CHECK_FALSE(read_target_line(bad));
  }
}

TEST_CASE("a file is read whatever it is", "[targets]") {
  const auto file = parse_targets_file(
      "; Written by pointsman, which owns this file: to change it, edit pointsman.yaml.\r\n"
      "; route bud epoch 7\r\n# a comment\n\n"
      "bud = host=a port=1\nbud = host=b port=2\nro = host=c port=3\n"
      "garbage\nx = port=99999\n"
      "; Found here when pointsman took the file over, of no route of its own, kept as they "
      "stood:\n"
      "old = host=z port=9");
  CHECK(file.is_ours);
  CHECK(file.epochs == std::map<std::string, std::uint64_t>{{"bud", 7}});
  REQUIRE(file.lines.size() == 2);
  CHECK(file.find("bud")->text == "bud = host=b port=2");  // the last wins, as in pgbouncer
  CHECK(file.find("ro") != nullptr);
  REQUIRE(file.kept.size() == 1);
  CHECK(file.kept[0].text == "old = host=z port=9");
  REQUIRE(file.bad.size() == 2);
  CHECK(file.bad[0].number == 8);
  CHECK(file.bad[1].number == 9);

  CHECK_FALSE(parse_targets_file("bud = host=a").is_ours);
  CHECK(parse_targets_file("").lines.empty());
  CHECK(parse_targets_file("\xEF\xBB\xBF"
                           "bud = host=a")
            .bad.size() == 1);  // not loaded at all
  CHECK(parse_targets_file("; route x epoch 99999999999999999999999").epochs.empty());
}

TEST_CASE("what is rendered reads back the same", "[targets]") {
  TargetsFile file;
  file.is_ours = true;
  file.epochs = {{"bud", 3}, {"a epoch b", 4}};
  file.lines = {{"bud", "bud = host=a port=1"}, {"ro", "ro = host=a,b port=1"}};
  file.kept = {{"old", "old = host=z port=9"}};
  const auto text = render_targets_file(file);
  CHECK(text.find('[') == std::string::npos);  // a header would change the section of the rest
  CHECK(text.back() == '\n');
  const auto again = parse_targets_file(text);
  CHECK(again.is_ours);
  CHECK(again.epochs == file.epochs);
  CHECK(again.lines == file.lines);
  CHECK(again.kept == file.kept);
  CHECK(again.bad.empty());
  CHECK(render_targets_file(again) == text);
}

TEST_CASE("any bytes are read, and what is kept of them renders to the same", "[targets]") {
  const bool holds = rc::check([] {
    const auto pieces =
        *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::vector<std::string>{
            "bud", "=", " ", "host=a", "port=1", "port=99999", "\n", "\n", "'", ";",
            "; route x epoch 3", "%include /x", "[x]", "\r", "dbname=", ",", "\xEF\xBB\xBF",
            std::string(1, '\0'), "ro = host=b"}));
    std::string text;
    for (const auto& piece : pieces) text += piece;
    const auto file = parse_targets_file(text);
    const auto once = render_targets_file(file);
    const auto again = parse_targets_file(once);
    RC_ASSERT(again.bad.empty());
    RC_ASSERT(again.lines == file.lines);
    RC_ASSERT(render_targets_file(again) == once);
  });
  CHECK(holds);
}

}  // namespace
}  // namespace pointsman
