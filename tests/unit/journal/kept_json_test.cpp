// What stands survives a restart: to JSON, and back with other clocks.
#include "daemon/journal/kept_json.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

const Clocks before{MonoTime{1000s}, WallTime{1'700'000'000'000ms}};
/// Another boot, an hour later.
const Clocks after{MonoTime{5s}, WallTime{1'700'003'600'000ms}};

MonoTime shifted(MonoTime at) {
  return after.to_mono(before.to_wall(at));
}

Incident full_incident() {
  Incident incident;
  incident.id = IncidentId{42};
  incident.subject = "route:bud";
  incident.severity = Severity::critical;
  incident.cause = "primary_dead";
  incident.why = "it \"died\"";
  incident.old_target = "primary";
  incident.new_target = "replica-1";
  for (std::size_t i = 0; i < mark_count; i += 2) {
    incident.marks[i] = before.mono + std::chrono::seconds(i);
  }
  incident.rpo = Rpo{10, 20, before.mono - 2s, before.mono, true, 77, 88};
  incident.members = {"database", "route:ro"};
  incident.notes = {{before.mono, "seen", {{"primary", "refused"}, {"primary", "twice"}}}};
  incident.attempts = {{before.mono, "promote replica-1", 120ms, ActionOutcome::ok, "done"},
                       {before.mono, "fence", 1s, ActionOutcome::unknown, ""}};
  incident.to_rebuild = {"primary"};
  incident.left_out = 3;
  incident.needs_human = true;
  incident.asked = "rebuild it";
  incident.acknowledged = Acknowledgement{before.mono, "uid 1000", "on it"};
  incident.told = {{NotifierName("oncall"), "gist"}};
  return incident;
}

}  // namespace

TEST_CASE("an incident comes back whole, its times on the clocks of the new start") {
  const Incident incident = full_incident();
  const KeptRow row = kept_row_of(incident, before);
  CHECK(row.kind == "incident");
  CHECK(row.name == "42");
  const auto back = incident_of_json(row.document, after);
  REQUIRE(back);
  Incident expected = incident;
  for (auto& mark : expected.marks) {
    if (mark) mark = shifted(*mark);
  }
  expected.rpo->from = shifted(incident.rpo->from);
  expected.rpo->to = shifted(incident.rpo->to);
  expected.notes[0].at = expected.attempts[0].at = expected.attempts[1].at =
      expected.acknowledged->at = shifted(before.mono);
  CHECK(*back == expected);
  CHECK_FALSE(incident_of_json("{}", after));
  CHECK_FALSE(incident_of_json("garbage", after));
}

TEST_CASE("ladders, flags, the pause and the drain come back; what was cleared does not") {
  JournalMemory memory;
  const auto keep = [&](const Memory& one) {
    auto row = kept_row_of(one, before);
    REQUIRE(row);
    if (!row->document.empty()) memory.kept.push_back(std::move(*row));
  };
  LadderMemory ladder{LadderName("database"), "verifying", 2,           1,
                      IncidentId{42},         ActionId{9}, before.mono, before.mono + 5s,
                      {before.mono - 60s}};
  FlagMemory flag{FlagName("caching_off"), before.mono, "redis", "ladder", std::nullopt,
                  LadderName("database")};
  keep(ladder);
  keep(flag);
  keep(AutomationSet{true, "upgrade", "uid 0", before.mono + 60s});
  keep(DrainSet{true, "kernel", "uid 0"});
  keep(FlagCleared{FlagName("other")});
  CHECK_FALSE(kept_row_of(RouteMemory{}, before));
  memory.kept.push_back({"flag", "broken", "{", WallTime{}});

  const MemoryRestored back = restored_of(memory, after);
  REQUIRE(back.ladders.size() == 1);
  ladder.phase_since = shifted(ladder.phase_since);
  ladder.cooldown_until = shifted(*ladder.cooldown_until);
  ladder.runs[0] = shifted(ladder.runs[0]);
  CHECK(back.ladders[0] == ladder);
  REQUIRE(back.flags.size() == 1);
  CHECK(back.flags[0].until_recovered == LadderName("database"));
  REQUIRE(back.automation);
  CHECK(back.automation->until == shifted(before.mono + 60s));
  REQUIRE(back.drain);
  CHECK(back.drain->reason == "kernel");
}

TEST_CASE("of the closed incidents the newest are remembered, of the open ones all") {
  JournalMemory memory;
  for (std::uint64_t id = 1; id <= 20; ++id) {
    Incident incident;
    incident.id = IncidentId{id};
    incident.state = id == 3 ? IncidentState::open : IncidentState::closed;
    memory.kept.push_back(kept_row_of(incident, before));
  }
  const MemoryRestored back = restored_of(memory, after, 5);
  REQUIRE(back.incidents.size() == 6);
  CHECK(back.incidents.front()->id == IncidentId{3});
  CHECK(back.incidents.back()->id == IncidentId{20});
  CHECK(back.last_incident == 20);
}

TEST_CASE("the outbox is told apart by notifier and incident") {
  JournalMemory memory;
  memory.kept.push_back({"outbox", outbox_key(NotifierName("on/call"), IncidentId{7}), "{}", {}});
  const auto documents = outbox_of(memory);
  REQUIRE(documents.size() == 1);
  CHECK(documents[0].notifier.text == "on/call");
  CHECK(documents[0].incident == IncidentId{7});
}
