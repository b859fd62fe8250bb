// What the targets file is to say next: one line changes, and no database is dropped by accident.
#include <catch2/catch.hpp>

#include "daemon/actions/targets_plan.hpp"

namespace pointsman {
namespace {

const ManagedDatabases managed{{"bud", {"bud", "", std::nullopt}},
                               {"ro", {"reads", "", std::nullopt}}};
const LineChange to_b{"bud", "bud = host=b port=1", 8};

TargetsFile ours(const std::string& lines) {
  return parse_targets_file(render_targets_file({}) + lines);
}

TargetsPlan plan_of(const TargetsFile& file, const ManagedDatabases& databases = managed,
                    const LineChange& change = to_b,
                    const std::map<std::string, std::string>& shown = {},
                    const std::vector<FileLine>& kept = {}) {
  const auto plan = plan_targets(file, databases, change, shown, kept);
  REQUIRE(plan);
  return plan.value();
}

std::string text_of(const TargetsPlan& plan, const std::string& database) {
  const auto file = parse_targets_file(plan.text);
  const auto* line = file.find(database);
  return line == nullptr ? "" : line->text;
}

TEST_CASE("only the route's own line and epoch change", "[targets]") {
  const auto plan =
      plan_of(ours("; route bud epoch 7\n; route reads epoch 3\n"
                   "ro = host=x port=2 pool_size=4\nbud = host=a port=1\n"));
  CHECK(text_of(plan, "bud") == "bud = host=b port=1");
  CHECK(text_of(plan, "ro") == "ro = host=x port=2 pool_size=4");
  CHECK(plan.previous == "bud = host=a port=1");
  CHECK(plan.previous_epoch == 7);
  CHECK(parse_targets_file(plan.text).epochs ==
        std::map<std::string, std::uint64_t>{{"bud", 8}, {"reads", 3}});
  CHECK(plan.notes.empty());

  // And back again, as a rollback does.
  LineChange back{"bud", *plan.previous, plan.previous_epoch};
  const auto undone = plan_of(parse_targets_file(plan.text), managed, back);
  CHECK(text_of(undone, "bud") == "bud = host=a port=1");
  CHECK(parse_targets_file(undone.text).epochs.at("bud") == 7);
}

TEST_CASE("a lost line of another route comes back from what is known", "[targets]") {
  auto known = managed;
  known.at("ro").wanted = "ro = host=y port=2";
  auto plan = plan_of(ours(""), known);
  CHECK(text_of(plan, "ro") == "ro = host=y port=2");
  CHECK(plan.notes.size() == 1);
  CHECK_FALSE(plan.previous);
  // From the pooler, after a start of ours.
  CHECK(find_lineless(ours(""), managed, "bud") == std::vector<std::string>{"ro"});
  CHECK(find_lineless(ours(""), known, "bud").empty());
  plan = plan_of(ours(""), managed, to_b, {{"ro", "ro = host=z port=2"}});
  CHECK(text_of(plan, "ro") == "ro = host=z port=2");
  // Nothing known: nothing invented.
  CHECK(text_of(plan_of(ours("")), "ro").empty());
}

TEST_CASE("lines of no route: dropped from our file, kept of a file made by hand", "[targets]") {
  auto plan = plan_of(ours("gone = host=x port=1\n"));
  CHECK(text_of(plan, "gone").empty());
  CHECK(plan.kept.empty());

  plan = plan_of(parse_targets_file("legacy = host=x port=1\nbud = host=a port=1\n"));
  CHECK(plan.kept == std::vector<FileLine>{{"legacy", "legacy = host=x port=1"}});
  CHECK(plan.text.find("legacy = host=x port=1") != std::string::npos);
  // The next switch keeps it still, and a route that takes it over moves it up.
  const auto taken_over = parse_targets_file(plan.text);
  CHECK(plan_of(taken_over).kept.size() == 1);
  auto more = managed;
  more["legacy"] = {"legacy", "", std::nullopt};
  plan = plan_of(taken_over, more);
  CHECK(plan.kept.empty());
  CHECK(text_of(plan, "legacy") == "legacy = host=x port=1");
  // Emptied by hand meanwhile: what was kept is not lost.
  plan = plan_of(TargetsFile{}, managed, to_b, {}, {{"legacy", "legacy = host=x port=1"}});
  CHECK(plan.kept.size() == 1);
}

TEST_CASE("a file made by hand with more than lines is not touched", "[targets]") {
  const auto plan =
      plan_targets(parse_targets_file("bud = host=a\n[pgbouncer]\n"), managed, to_b, {}, {});
  REQUIRE_FALSE(plan);
  CHECK(plan.error().message.find("line 2") != std::string::npos);
  // In our own file what a hand broke is dropped, and said.
  const auto repaired = plan_of(ours("garbage\nbud = host=a port=1\n"));
  CHECK(repaired.notes.size() == 1);
  CHECK(parse_targets_file(repaired.text).bad.empty());
}

TEST_CASE("lines are the same when they tell pgbouncer the same", "[targets]") {
  CHECK(is_same_line("bud = host=a port=5432", "bud=host='a'"));
  CHECK(is_same_line("bud = host=a x=1 y=2", "bud = y=2 host=a x=1"));
  CHECK_FALSE(is_same_line("bud = host=a", "bud = host=b"));
  CHECK_FALSE(is_same_line("bud = host=a x=1", "bud = host=a x=2"));
  CHECK_FALSE(is_same_line("garbage", "other garbage"));
}

}  // namespace
}  // namespace pointsman
