// Templates: what they give, what a file that they gave leads to, and their mistakes by line.
#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include "probes/file_template.hpp"

using namespace pointsman;

namespace {

SwitchTarget target(std::string name, std::string host, std::uint16_t port) {
  return {ProbeName(std::move(name)), {std::move(host), port}};
}

const SwitchTarget a = target("app-a", "10.0.0.1", 8001);
const SwitchTarget b = target("app-b", "fd00::2", 8002);

FileTemplate parsed(std::string_view text) {
  auto made = FileTemplate::parse(text, "up.tmpl");
  INFO((made ? "" : made.error().message));
  REQUIRE(made.ok());
  return made.value();
}

std::string given(std::string_view text, const std::vector<SwitchTarget>& targets,
                  std::uint64_t epoch = 7) {
  const auto text_of = parsed(text).render(targets, epoch);
  return text_of ? text_of.value() : "error: " + text_of.error().message;
}

std::string mistake(std::string_view text) {
  const auto made = FileTemplate::parse(text, "up.tmpl");
  return made ? "none" : made.error().message;
}

}  // namespace

TEST_CASE("one target", "[template]") {
  CHECK(given("server {{address}};", {a}) == "server 10.0.0.1:8001;");
  CHECK(given("server {{address}};", {b}) == "server [fd00::2]:8002;");
  CHECK(given("{{host}} {{ port }} {{name}} {{epoch}}", {b}) == "fd00::2 8002 app-b 7");
  CHECK(given("a { b } {{port}}}", {a}) == "a { b } 8001}");
  CHECK_THAT(given("{{address}}", {a, b}), Catch::StartsWith("error: 2 targets"));
  CHECK_THAT(given("{{address}}", {}), Catch::StartsWith("error: "));
}

TEST_CASE("a block for each target", "[template]") {
  const std::string_view lines =
      "# by pointsman, {{epoch}}\nupstream app {\n  {{#targets}}\n  server {{address}}; # "
      "{{name}}\n"
      "  {{/targets}}\n}\n";
  CHECK(given(lines, {a}) ==
        "# by pointsman, 7\nupstream app {\n  server 10.0.0.1:8001; # app-a\n}\n");
  CHECK(given(lines, {a, b}) ==
        "# by pointsman, 7\nupstream app {\n  server 10.0.0.1:8001; # app-a\n"
        "  server [fd00::2]:8002; # app-b\n}\n");
  CHECK(given("x{{#targets}} {{port}}{{/targets}} first {{port}}", {a, b}) ==
        "x 8001 8002 first 8001");
  // Two lists one after the other stay two lists.
  CHECK(given("{{#targets}}\nh {{host}}\n{{/targets}}\n{{#targets}}\np {{port}}\n{{/targets}}\n",
              {a, b}) == "h 10.0.0.1\nh fd00::2\np 8001\np 8002\n");
  CHECK(given("{{#targets}}\r\n{{port}}\r\n{{/targets}}\r\n", {a, b}) == "8001\r\n8002\r\n");
  CHECK(given("{{#targets}}\n{{port}}\n{{/targets}}", {a}) == "8001\n");
}

TEST_CASE("mistakes name their line", "[template]") {
  CHECK(mistake("a\nb {{adress}}\n") ==
        "up.tmpl:2: {{adress}} is not known: there are address, host, port, name, epoch, #targets "
        "and /targets");
  CHECK(mistake("{{address}}\n\n{{port\n}}") == "up.tmpl:3: `{{` without a `}}` on the same line");
  CHECK(mistake("\n{{#targets}}\n{{port}}") ==
        "up.tmpl:2: {{#targets}} is not closed by {{/targets}}");
  CHECK(mistake("{{#targets}}{{port}}\n{{#targets}}") ==
        "up.tmpl:2: {{#targets}} within {{#targets}}");
  CHECK(mistake("{{port}}\n{{/targets}}") == "up.tmpl:2: {{/targets}} without {{#targets}}");
  CHECK_THAT(mistake("nothing {{epoch}}"), Catch::StartsWith("up.tmpl: shows no target"));
  CHECK_THAT(mistake(""), Catch::StartsWith("up.tmpl: shows no target"));
  for (const auto* text : {"{{port}}{{epoch}}", "{{epoch}}{{port}}", "{{port}} 0{{epoch}}",
                           "{{epoch}}1 {{port}}", "{{epoch}}{{#targets}}{{name}} {{/targets}}",
                           "{{#targets}}{{epoch}} {{port}}{{/targets}}", "{{epoch}}{{epoch}}"}) {
    CHECK_THAT(mistake(text), Catch::StartsWith("up.tmpl: {{epoch}} stands next to"));
  }
  CHECK(mistake("{{#targets}}{{epoch}} {{port}},{{/targets}}") == "none");
  CHECK(mistake("{{port}}\n\x01") == "up.tmpl:2: a control character");
  CHECK(mistake(std::string(FileTemplate::max_size + 1, ' ')) == "up.tmpl: larger than 256 KiB");
}

TEST_CASE("what a file leads to", "[template]") {
  const auto one = parsed("server {{address}}; # {{epoch}}\n");
  const auto found = recognise(one, "server [fd00::2]:8002; # 41\n", {a, b});
  REQUIRE(found);
  CHECK(found->targets == std::vector<SwitchTarget>{b});
  CHECK(found->epoch == 41);
  CHECK_FALSE(recognise(one, "server [fd00::2]:8002; # x\n", {a, b}));
  CHECK_FALSE(recognise(one, "server [fd00::2]:8002; # 41\n\n", {a, b}));
  CHECK_FALSE(recognise(one, "server [fd00::2]:8002; # 41\n", {a}));
  CHECK_FALSE(recognise(one, "", {a, b}));

  const auto many = parsed("{{epoch}}:{{#targets}} {{port}}{{/targets}}");
  const auto c = target("app-c", "10.0.0.3", 8003);
  const auto both = recognise(many, "12: 8001 8003", {a, b, c});
  REQUIRE(both);
  CHECK(both->targets == std::vector<SwitchTarget>{a, c});
  CHECK(both->epoch == 12);
  CHECK_FALSE(recognise(many, "12: 8003 8001", {a, b, c}));
  CHECK_FALSE(recognise(many, "012: 8001 8003", {a, b, c}));  // we write no such number
  CHECK_FALSE(recognise(many, "18446744073709551616: 8001 8003", {a, b, c}));
}

TEST_CASE("whatever was rendered is recognised", "[template]") {
  const auto tmpl = parsed("{{epoch}}\n{{#targets}}{{name}}={{address}},{{/targets}}{{epoch}} 1");
  CHECK(rc::check("render, then match", [&tmpl](std::uint64_t epoch) {
    // Made as long as wanted: a list of any length, thrown away if too long, is given up upon.
    const auto count = *rc::gen::inRange<std::size_t>(1, 6);
    const auto ports =
        *rc::gen::container<std::vector<std::uint16_t>>(count, rc::gen::arbitrary<std::uint16_t>());
    std::vector<SwitchTarget> targets;
    for (const auto port : ports) {
      targets.push_back(target("p" + std::to_string(targets.size()), "::1", port));
    }
    const auto text = tmpl.render(targets, epoch);
    RC_ASSERT(text.ok());
    RC_ASSERT(tmpl.match(text.value(), targets) == std::optional<std::uint64_t>(epoch));
    const auto found = recognise(tmpl, text.value(), targets);
    RC_ASSERT(found.has_value());
    RC_ASSERT(found->targets == targets);
  }));
}
