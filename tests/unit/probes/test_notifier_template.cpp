#include <catch2/catch.hpp>

#include "probes/notifier_template.hpp"

namespace pointsman {
namespace {

std::string filled(std::string_view text) {
  return fill_notifier_template(
      text, [](std::string_view name) { return "<" + std::string(name) + ">"; });
}

TEST_CASE("names are filled in, spaces inside the braces or not") {
  CHECK(filled("") == "");
  CHECK(filled("plain } text {") == "plain } text {");
  CHECK(filled("{{summary}}") == "<summary>");
  CHECK(filled("a {{ summary }}{{annotation.action}} b") == "a <summary><annotation.action> b");
}

TEST_CASE("a template is refused with what is wrong about it") {
  CHECK(
      check_notifier_template(R"({"text": "{{summary}} {{annotation.asked}}", "all": {{json}}})"));
  const auto unknown = check_notifier_template("{{state}} {{sumary}}");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("{{sumary}}") != std::string::npos);
  CHECK(unknown.error().message.find("summary") != std::string::npos);
  CHECK_FALSE(check_notifier_template("{{annotation.}}"));
  CHECK_FALSE(check_notifier_template("{{}}"));
  CHECK_FALSE(check_notifier_template("{{summary"));
  CHECK_FALSE(check_notifier_template(std::string(max_template_bytes + 1, 'x')));
}

}  // namespace
}  // namespace pointsman
