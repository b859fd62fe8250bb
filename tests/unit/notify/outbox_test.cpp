// Entries of the outbox: what stays fixed, what counts as new, the limits, and the way to the
// journal and back.
#include <catch2/catch.hpp>

#include "daemon/notify/outbox.hpp"
#include "daemon/notify/text.hpp"
#include "tests/unit/notify/some_alert.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;
using namespace testing;

TEST_CASE("subject and begin stay as they were at the first send; the rest follows") {
  OutboxEntry entry = some_entry();
  entry.told = Told::firing;
  Alert worse = some_alert();
  worse.severity = Severity::warning;
  worse.subject = "something else";
  worse.summary = "new";
  CHECK(update_entry(entry, make_entry(worse, noon + 1h, noon + 1h)));
  CHECK(entry.told_severity == Severity::critical);
  CHECK(entry.severity == Severity::warning);
  CHECK(entry.subject == "database");
  CHECK(entry.starts == noon);
  CHECK(entry.summary == "new");
  CHECK(entry.told == Told::firing);
}

TEST_CASE("the same alert again is nothing new") {
  OutboxEntry entry = some_entry();
  CHECK_FALSE(update_entry(entry, make_entry(some_alert(), noon + 1h, noon + 1h)));
  Alert over = some_alert();
  over.state = AlertState::resolved;
  CHECK(update_entry(entry, make_entry(over, noon, noon + 2min)));
  CHECK(entry.resolved == noon + 2min);
  CHECK_FALSE(update_entry(entry, make_entry(over, noon, noon + 3min)));
  CHECK(entry.resolved == noon + 2min);
}

TEST_CASE("content changes with what there is to tell") {
  const OutboxEntry entry = some_entry();
  OutboxEntry other = entry;
  other.annotations.emplace_back("attempts", "+3s switch bud: failed");
  CHECK(content_of(entry, Detail::everything) != content_of(other, Detail::everything));
  CHECK(content_of(entry, Detail::calls_only) == content_of(other, Detail::calls_only));
  other.severity = Severity::warning;
  CHECK(content_of(entry, Detail::calls_only) != content_of(other, Detail::calls_only));
}

TEST_CASE("another question to a human is something to tell, whoever is told of calls only") {
  const auto asked = [](const char* what, const char* age) {
    Alert alert = some_alert();
    alert.annotations = {{"asked", what}, {"age", age}, {"attempts", age}};
    return content_of(make_entry(alert, noon, noon), Detail::calls_only);
  };
  CHECK(asked("Restart the primary?", "5s") == asked("Restart the primary?", "50s"));
  CHECK(asked("Restart the primary?", "5s") != asked("Go on?", "5s"));
}

TEST_CASE("an entry comes back from its document as it was") {
  OutboxEntry entry = some_entry();
  entry.annotations.emplace_back("odd", "line\nbreak \"quoted\" \xE2\x82\xAC");
  entry.told = Told::acknowledged;
  entry.told_content = "abc";
  entry.told_to = "def";
  entry.reference = "C1 17.5";
  const auto back = entry_of_document(entry.incident, to_document(entry));
  REQUIRE(back);
  CHECK(back.value() == entry);
  entry.state = AlertState::resolved;
  entry.resolved = noon + 5s;
  const auto resolved = entry_of_document(entry.incident, to_document(entry));
  REQUIRE(resolved);
  CHECK(resolved.value() == entry);
}

TEST_CASE("a document that cannot be read is an error, whatever it is") {
  for (const char* wrong : {"", "[]", "{}", "null", R"({"version":2})", R"({"version":"1"})"}) {
    CHECK_FALSE(entry_of_document(IncidentId{1}, wrong));
  }
}

TEST_CASE("annotations are bounded, and what is left out is said") {
  Alert alert = some_alert();
  alert.annotations.clear();
  SECTION("many") {
    for (int i = 0; i < 100; ++i) alert.annotations.emplace_back("n" + std::to_string(i), "v");
    const OutboxEntry entry = make_entry(alert, noon, noon);
    CHECK(entry.annotations.size() == annotations_limit + 1);
    CHECK(entry.annotation("left_out") == "36");
  }
  SECTION("long") {
    for (int i = 0; i < 10; ++i) {
      std::string text;
      for (int k = 0; k < 3000; ++k) text += "\xE2\x82\xAC";
      alert.annotations.emplace_back("n" + std::to_string(i), text);
    }
    const OutboxEntry entry = make_entry(alert, noon, noon);
    std::size_t bytes = 0;
    for (const auto& [name, value] : entry.annotations) {
      bytes += name.size() + value.size();
      CHECK(clean_text(value) == value);
    }
    CHECK(bytes <= annotation_bytes + 20);
    CHECK(entry.annotation("left_out").has_value());
  }
  SECTION("the same name twice") {
    alert.annotations = {{"attempt", "one"}, {"attempt", "two"}};
    CHECK(make_entry(alert, noon, noon).annotation("attempt") == "one\ntwo");
  }
  SECTION("no summary") {
    alert.summary = "\x01";
    CHECK(make_entry(alert, noon, noon).summary == "incident of database");
  }
}

TEST_CASE("a clock that was set back makes no alert of the future") {
  CHECK(make_entry(some_alert(), noon + 1h, noon).starts == noon);
}

}  // namespace
}  // namespace pointsman
