#include "daemon/journal/runtime_folder.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "probes/clock.hpp"
#include "tests/unit/journal/folder.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  TestFolder folder;
  std::shared_ptr<RuntimeFolder> runtime = std::make_shared<RuntimeFolder>(folder.path);
  void settle() { REQUIRE(runtime->wait_idle(mono_now() + 5s)); }
  bool keep(const Intent& intent) {
    bool kept = false;
    runtime->keep_intent(intent, [&kept](bool done) { kept = done; });
    settle();
    return kept;
  }
};

const Intent intent{123, "bud", "switch", R"({"file":"/x \"y\""})", WallTime{5ms}};

}  // namespace

TEST_CASE_METHOD(Fixture, "an intent is kept with its outcome, and removed when it was taken in") {
  CHECK(runtime->may_hold());  // it might: nobody looked yet
  CHECK(runtime->read().empty());
  CHECK_FALSE(runtime->may_hold());

  REQUIRE(keep(intent));
  CHECK(std::filesystem::exists(folder.path / "intents" / "123.json"));
  CHECK(runtime->may_hold());
  auto entries = runtime->read();
  REQUIRE(entries.size() == 1);
  REQUIRE(entries[0].intent);
  CHECK(entries[0].intent->steps == intent.steps);
  CHECK(entries[0].intent->at == intent.at);
  CHECK_FALSE(entries[0].outcome);

  const auto before_outcome = entries[0];
  runtime->keep_outcome({123, ActionOutcome::failed, "rolled back", WallTime{9ms}});
  settle();
  runtime->remove(before_outcome);  // it was written again since: it stays
  entries = runtime->read();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].intent);
  REQUIRE(entries[0].outcome);
  CHECK(entries[0].outcome->outcome == ActionOutcome::failed);
  runtime->remove(entries[0]);
  CHECK(runtime->read().empty());
}

TEST_CASE_METHOD(Fixture, "route memories are kept, the last of each route") {
  runtime->keep_memory({{RouteName("bud"), {ProbeName("a")}, "7", 1, 1}, WallTime{1ms}});
  runtime->keep_memory({{RouteName("bud"), {ProbeName("b")}, "7", 2, 2}, WallTime{2ms}});
  runtime->keep_memory(
      {{RouteName("ro"), {ProbeName("a"), ProbeName("b")}, "7", 2, 1}, WallTime{2ms}});
  settle();
  const auto entries = runtime->read();
  REQUIRE(entries.size() == 1);
  REQUIRE(entries[0].memories.size() == 2);
  CHECK(entries[0].memories[0].memory.targets == std::vector{ProbeName("b")});
  CHECK(entries[0].memories[1].memory.targets.size() == 2);
  CHECK_FALSE(entries[0].memories[1].memory.last_seen);
  CHECK_FALSE(entries[0].memories[1].last_switch_at);
}

TEST_CASE_METHOD(Fixture, "a route's last position and last switch are kept with their times") {
  MemoryRow row{{RouteName("bud"), {ProbeName("a")}, "7", 1, 1}, WallTime{9ms}};
  row.memory.last_seen = SeenPosition{std::uint64_t{1} << 60, MonoTime{}};
  row.last_seen_at = WallTime{5ms};
  row.last_switch_at = WallTime{7ms};
  row.told_to_stop_at = WallTime{8ms};
  runtime->keep_memory(row);
  settle();
  const auto entries = runtime->read();
  REQUIRE(entries.size() == 1);
  REQUIRE(entries[0].memories.size() == 1);
  const MemoryRow& found = entries[0].memories[0];
  CHECK(found.memory == row.memory);
  CHECK(found.last_seen_at == row.last_seen_at);
  CHECK(found.last_switch_at == row.last_switch_at);
  CHECK(found.told_to_stop_at == row.told_to_stop_at);
}

TEST_CASE_METHOD(Fixture, "files that are not ours are left alone, half-written ones of ours go") {
  REQUIRE(keep(intent));
  const auto intents = folder.path / "intents";
  write_file(intents / "nonsense.json", "{");
  write_file(intents / "5.json", R"({"intent":{"id":"five"}})");
  write_file(intents / "6.json.new", R"({"int)");
  CHECK(runtime->read().size() == 1);
  CHECK(std::filesystem::exists(intents / "nonsense.json"));
  CHECK(std::filesystem::exists(intents / "5.json"));
  CHECK_FALSE(std::filesystem::exists(intents / "6.json.new"));
}

TEST_CASE_METHOD(Fixture, "a folder that can not be written says so") {
  write_file(folder.path / "intents", "a file where the folder should be");
  CHECK_FALSE(keep(intent));
}

TEST_CASE_METHOD(Fixture, "what stands is kept, one file each, also that it is gone") {
  const auto wanted = [] { return true; };
  const std::string odd = "on/call \"x\"\xff\n../7";
  runtime->keep_kept({{"flag", "caching_off", R"({"a":1})", WallTime{1ms}},
                      {"flag", "caching.off", R"({"a":2})", WallTime{1ms}},
                      {"outbox", odd, "{}", WallTime{2ms}},
                      {"automation", "automation", "{\"by\":\"\xe9\"}", WallTime{3ms}}},
                     wanted);
  runtime->keep_kept({{"flag", "caching_off", "", WallTime{4ms}}}, wanted);
  settle();
  std::map<std::pair<std::string, std::string>, std::string> found;
  const auto entries = runtime->read();
  for (const auto& entry : entries) {
    REQUIRE(entry.kept);
    found[{entry.kept->kind, entry.kept->name}] = entry.kept->document;
  }
  CHECK(found.size() == 4);
  CHECK(found.at({"flag", "caching_off"}).empty());
  CHECK(found.at({"flag", "caching.off"}) == R"({"a":2})");
  CHECK(found.at({"outbox", odd}) == "{}");
  CHECK(found.at({"automation", "automation"}) == "{\"by\":\"\xe9\"}");

  runtime->forget({"outbox", odd, "", {}});
  CHECK(runtime->read().size() == 3);
  for (const auto& entry : runtime->read()) runtime->remove(entry);
  CHECK(runtime->read().empty());
  CHECK_FALSE(runtime->may_hold());
}

TEST_CASE_METHOD(Fixture, "what stands is not kept here once SQLite takes it again") {
  int asked = 0;
  runtime->keep_kept({{"flag", "a", "{}", {}}, {"flag", "b", "{}", {}}},
                     [&asked] { return ++asked == 1; });
  settle();
  CHECK(runtime->read().size() == 1);
}

TEST_CASE_METHOD(Fixture, "stories leave room for acts, flags and the pause") {
  std::vector<KeptRow> rows;
  for (std::size_t n = 0; n < RuntimeFolder::max_stories + 50; ++n) {
    rows.push_back({"incident", std::to_string(n), "{}", {}});
  }
  rows.push_back({"flag", "a", "{}", {}});
  runtime->keep_kept(std::move(rows), [] { return true; });
  REQUIRE(runtime->wait_idle(mono_now() + 30s));
  CHECK(files_named(folder.path / "intents", "kept-incident").size() == RuntimeFolder::max_stories);
  CHECK(files_named(folder.path / "intents", "kept-flag-a").size() == 1);
}
