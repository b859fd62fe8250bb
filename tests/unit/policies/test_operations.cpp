#include <catch2/catch.hpp>

#include "policies/operations.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

const FlagName page{"maintenance_page"};

struct Desk {
  Operations operations;
  std::vector<Effect> effects;
  MonoTime now{1h};

  bool set(const FlagMemory& flag) { return operations.set(now, flag, effects); }
  FlagMemory by_person(const FlagName& name = page) {
    return {name, now, "work", "uid 1000", std::nullopt, {}};
  }
  FlagMemory by_ladder(const char* ladder = "database") {
    return {page, now, "down", "ladder", std::nullopt, {LadderName(ladder)}};
  }
  /// What a restart would bring back, from the records since the beginning.
  MemoryRestored journal() const {
    MemoryRestored memory;
    std::map<FlagName, FlagMemory> flags;
    for (const Effect& effect : effects) {
      const auto* record = std::get_if<Record>(&effect);
      if (!record) continue;
      if (const auto* flag = std::get_if<FlagMemory>(&record->memory)) flags[flag->flag] = *flag;
      if (const auto* gone = std::get_if<FlagCleared>(&record->memory)) flags.erase(gone->flag);
      if (const auto* pause = std::get_if<AutomationSet>(&record->memory)) {
        memory.automation = *pause;
      }
      if (const auto* drain = std::get_if<DrainSet>(&record->memory)) memory.drain = *drain;
    }
    for (const auto& [name, flag] : flags) memory.flags.push_back(flag);
    return memory;
  }
  std::vector<WriteFlag> written() const {
    std::vector<WriteFlag> list;
    for (const Effect& effect : effects) {
      if (const auto* write = std::get_if<WriteFlag>(&effect)) list.push_back(*write);
    }
    return list;
  }
};

}  // namespace

TEST_CASE("operations: a flag is a file and a memory, and ends by itself") {
  Desk d;
  FlagMemory flag = d.by_person();
  flag.until = d.now + 10min;
  CHECK(d.set(flag));
  CHECK(d.operations.is_set(page));
  CHECK(d.operations.flags().at(page).by == "uid 1000");
  CHECK(d.operations.next_expiry() == flag.until);
  d.now += 10min - 1ns;
  CHECK_FALSE(d.operations.pass_time(d.now, d.effects));
  d.now += 1ns;
  CHECK(d.operations.pass_time(d.now, d.effects));
  CHECK_FALSE(d.operations.is_set(page));
  REQUIRE(d.written().size() == 2);
  CHECK(d.written()[0].set);
  CHECK_FALSE(d.written()[1].set);
  CHECK(d.journal().flags.empty());
  CHECK_FALSE(d.operations.next_expiry());
}

TEST_CASE("operations: a ladder's flag goes when its subject is well again") {
  Desk d;
  d.set(d.by_ladder());
  CHECK_FALSE(d.operations.recovered(LadderName("cache"), d.effects));
  CHECK(d.operations.is_set(page));
  CHECK(d.operations.recovered(LadderName("database"), d.effects));
  CHECK_FALSE(d.operations.is_set(page));
  CHECK_FALSE(d.operations.recovered(LadderName("database"), d.effects));
}

TEST_CASE("operations: a person's flag stays the person's, and a person can take one over") {
  Desk d;
  d.set(d.by_person());
  d.set(d.by_ladder());
  CHECK(d.operations.flags().at(page).by == "uid 1000");
  CHECK_FALSE(d.operations.recovered(LadderName("database"), d.effects));
  CHECK(d.operations.is_set(page));

  Desk other;
  other.set(other.by_ladder());
  other.set(other.by_person());
  CHECK_FALSE(other.operations.recovered(LadderName("database"), other.effects));
  CHECK(other.operations.is_set(page));
}

TEST_CASE("operations: a flag that two ladders share goes when the last of them has recovered") {
  Desk d;
  d.set(d.by_ladder("database"));
  d.set(d.by_ladder("cache"));
  d.set(d.by_ladder("cache"));
  CHECK(d.operations.flags().at(page).until_recovered ==
        std::vector{LadderName("database"), LadderName("cache")});
  SECTION("the second recovers first") {
    CHECK_FALSE(d.operations.recovered(LadderName("cache"), d.effects));
    CHECK(d.operations.is_set(page));
    CHECK(d.operations.flags().at(page).until_recovered == std::vector{LadderName("database")});
    CHECK(d.operations.recovered(LadderName("database"), d.effects));
  }
  SECTION("the first recovers first") {
    CHECK_FALSE(d.operations.recovered(LadderName("database"), d.effects));
    CHECK(d.operations.is_set(page));
    CHECK(d.operations.recovered(LadderName("cache"), d.effects));
  }
  SECTION("after a restart") {
    CHECK_FALSE(d.operations.recovered(LadderName("database"), d.effects));
    Desk after;
    after.operations.restore(d.journal(), after.effects);
    CHECK_FALSE(after.operations.recovered(LadderName("database"), after.effects));
    CHECK(after.operations.is_set(page));
    CHECK(after.operations.recovered(LadderName("cache"), after.effects));
    d.operations.recovered(LadderName("cache"), d.effects);
  }
  SECTION("one of them is no longer configured") {
    const auto only = [](const char* name) {
      return [name](const LadderName& ladder) { return ladder.text == name; };
    };
    d.operations.forget_ladders(only("cache"), d.effects);
    CHECK(d.operations.is_set(page));
    CHECK(d.operations.recovered(LadderName("cache"), d.effects));
  }
  CHECK_FALSE(d.operations.is_set(page));
  CHECK(d.journal().flags.empty());
}

TEST_CASE("operations: no ladder overwrites a person's flag, for good or for a while") {
  Desk d;
  const FlagMemory person = d.by_person();
  d.set(person);
  FlagMemory ladder = d.by_ladder();
  ladder.by = "ladder database";
  ladder.until_recovered.clear();
  CHECK(d.set(ladder));
  CHECK(d.operations.flags().at(page).by == person.by);
  ladder.until = d.now + 1min;
  CHECK(d.set(ladder));
  CHECK_FALSE(d.operations.flags().at(page).until);
  d.operations.pass_time(d.now + 1h, d.effects);
  CHECK(d.operations.is_set(page));
  CHECK(d.journal().flags == std::vector{person});
}

TEST_CASE("operations: of what ladders want of one flag the longest counts") {
  Desk d;
  FlagMemory plain = d.by_ladder();
  plain.by = "ladder cache";
  plain.until_recovered.clear();
  FlagMemory brief = plain;
  brief.until = d.now + 1min;
  SECTION("for a while, then until recovered: it does not end before") {
    d.set(brief);
    d.set(d.by_ladder());
    d.operations.pass_time(d.now + 1h, d.effects);
    CHECK(d.operations.is_set(page));
    CHECK(d.operations.recovered(LadderName("database"), d.effects));
  }
  SECTION("until recovered, then for a while") {
    d.set(d.by_ladder());
    d.set(brief);
    d.operations.pass_time(d.now + 1h, d.effects);
    CHECK(d.operations.is_set(page));
  }
  SECTION("until recovered, then for good") {
    d.set(d.by_ladder());
    d.set(plain);
    CHECK_FALSE(d.operations.recovered(LadderName("database"), d.effects));
    CHECK(d.operations.is_set(page));
  }
  SECTION("for a while twice: the later end") {
    FlagMemory longer = brief;
    longer.until = d.now + 2min;
    d.set(longer);
    d.set(brief);
    CHECK(d.operations.flags().at(page).until == longer.until);
  }
}

TEST_CASE("operations: a flag of a ladder that there is no more does not stay for ever") {
  Desk d;
  d.set(d.by_ladder());
  d.operations.forget_ladders([](const LadderName&) { return true; }, d.effects);
  CHECK(d.operations.is_set(page));
  d.operations.forget_ladders([](const LadderName&) { return false; }, d.effects);
  CHECK_FALSE(d.operations.is_set(page));
}

TEST_CASE("operations: there is a limit to flags") {
  Desk d;
  for (std::size_t i = 0; i < flags_limit; ++i) {
    CHECK(d.set(d.by_person(FlagName("f" + std::to_string(i)))));
  }
  CHECK_FALSE(d.set(d.by_person(FlagName("one_more"))));
  CHECK(d.set(d.by_person(FlagName("f0"))));  // that is set already
  CHECK(d.operations.flags().size() == flags_limit);
}

TEST_CASE("operations: clearing what is not set takes its file away all the same") {
  Desk d;
  d.operations.clear(page, {"uid 1000", "done"}, d.effects);
  REQUIRE(d.effects.size() == 1);
  CHECK_FALSE(d.written().at(0).set);
}

TEST_CASE("operations: a pause ends by itself or by a person; ending none says nothing") {
  Desk d;
  d.operations.set(d.now, AutomationSet{false, "", "uid 1000", std::nullopt}, d.effects);
  CHECK(d.effects.empty());
  d.operations.set(d.now, AutomationSet{true, "work", "uid 1000", d.now + 1h}, d.effects);
  CHECK(d.operations.paused());
  d.now += 1h;
  CHECK(d.operations.pass_time(d.now, d.effects));
  CHECK_FALSE(d.operations.paused());
  CHECK_FALSE(d.journal().automation->paused);
  d.operations.set(d.now, AutomationSet{true, "work", "uid 1000", std::nullopt}, d.effects);
  CHECK_FALSE(d.operations.pass_time(d.now + 1000h, d.effects));
  CHECK(d.operations.paused());
}

TEST_CASE("operations: all of it survives a restart, and what expired meanwhile ends") {
  Desk d;
  d.set(d.by_ladder());
  FlagMemory soon = d.by_person(FlagName("soon"));
  soon.until = d.now + 1min;
  d.set(soon);
  d.operations.set(d.now, AutomationSet{true, "work", "uid 1000", std::nullopt}, d.effects);
  d.operations.set(d.now, DrainSet{true, "work", "uid 1000"}, d.effects);

  Desk after;
  after.now = d.now + 2min;
  after.operations.restore(d.journal(), after.effects);
  CHECK(after.written().size() == 2);  // the folder may have gone with a reboot
  CHECK(after.operations.paused());
  CHECK(after.operations.drained());
  after.operations.pass_time(after.now, after.effects);
  CHECK(after.operations.is_set(page));
  CHECK_FALSE(after.operations.is_set(FlagName("soon")));
  CHECK(after.operations.recovered(LadderName("database"), after.effects));

  d.operations.set(d.now, DrainSet{false, "", "uid 1000"}, d.effects);
  CHECK_FALSE(d.operations.drained());
  CHECK_FALSE(d.journal().drain->drained);
}
