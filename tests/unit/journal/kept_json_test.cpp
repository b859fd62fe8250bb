// What stands survives a restart: to JSON, and back with other clocks.
#include "daemon/journal/kept_json.hpp"

#include <rapidcheck.h>
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

namespace {

/// Of a millisecond, as they are stored; from years before the boot to years after.
rc::Gen<MonoTime> any_time() {
  return rc::gen::map(rc::gen::inRange<std::int64_t>(-100'000'000'000, 100'000'000'000),
                      [](std::int64_t ms) { return MonoTime{std::chrono::milliseconds{ms}}; });
}
rc::Gen<std::optional<MonoTime>> maybe_time() {
  return rc::gen::exec(
      [] { return *rc::gen::arbitrary<bool>() ? std::optional(*any_time()) : std::nullopt; });
}
/// Any bytes: what a server said stands in there.
std::string any_text() {
  return *rc::gen::arbitrary<std::string>();
}
std::vector<std::string> any_texts() {
  return *rc::gen::arbitrary<std::vector<std::string>>();
}
std::uint64_t any_number() {
  return *rc::gen::arbitrary<std::uint64_t>();
}

Rpo any_rpo() {
  Rpo rpo;
  rpo.lower_bytes = any_number();
  if (*rc::gen::arbitrary<bool>()) rpo.upper_bytes = any_number();
  if (*rc::gen::arbitrary<bool>()) rpo.from = *any_time();
  rpo.to = *any_time();
  rpo.exact = *rc::gen::arbitrary<bool>();
  rpo.promotion_lsn = any_number();
  if (*rc::gen::arbitrary<bool>()) rpo.old_last_lsn = any_number();
  return rpo;
}

Incident any_incident() {
  Incident incident;
  incident.id = IncidentId{any_number()};
  incident.subject = any_text();
  incident.state = *rc::gen::element(IncidentState::open, IncidentState::closed);
  incident.severity = *rc::gen::element(Severity::warning, Severity::critical);
  incident.cause = any_text();
  incident.why = any_text();
  incident.old_target = any_text();
  incident.new_target = any_text();
  for (auto& mark : incident.marks) mark = *maybe_time();
  if (*rc::gen::arbitrary<bool>()) incident.rpo = any_rpo();
  incident.members = any_texts();
  for (int n = *rc::gen::inRange(0, 4); n > 0; --n) {
    incident.notes.push_back({*any_time(), any_text(), {{any_text(), any_text()}, {"a", "b"}}});
  }
  for (int n = *rc::gen::inRange(0, 4); n > 0; --n) {
    const auto outcome =
        *rc::gen::element(ActionOutcome::ok, ActionOutcome::failed, ActionOutcome::unknown);
    incident.attempts.push_back({*any_time(), any_text(),
                                 Duration{*rc::gen::arbitrary<std::int64_t>()}, outcome,
                                 any_text()});
  }
  incident.to_rebuild = any_texts();
  incident.left_out = any_number();
  incident.needs_human = *rc::gen::arbitrary<bool>();
  incident.asked = any_text();
  if (*rc::gen::arbitrary<bool>()) incident.acknowledged = {*any_time(), any_text(), any_text()};
  for (int n = *rc::gen::inRange(0, 3); n > 0; --n) {
    incident.told.push_back(
        {NotifierName(any_text()), any_text(), any_number(), *rc::gen::arbitrary<bool>()});
  }
  incident.closed_at = *maybe_time();
  return incident;
}

}  // namespace

TEST_CASE("any incident comes back as it was, and is told apart as over or not") {
  const bool held = rc::check("incident", [] {
    const Incident incident = any_incident();
    const KeptRow row = kept_row_of(incident, before);
    RC_ASSERT(incident_of_json(row.document, before) == incident);
    RC_ASSERT(is_over(row) == (incident.state == IncidentState::closed));
  });
  CHECK(held);
}

TEST_CASE("any ladder and any flag come back as they were") {
  const bool held = rc::check("ladder and flag", [] {
    LadderMemory ladder{LadderName(any_text()),
                        any_text(),
                        *rc::gen::arbitrary<int>(),
                        *rc::gen::arbitrary<int>(),
                        IncidentId{any_number()},
                        ActionId{any_number()},
                        *any_time(),
                        *maybe_time(),
                        {},
                        any_text()};
    for (int n = *rc::gen::inRange(0, 4); n > 0; --n) ladder.runs.push_back(*any_time());
    FlagMemory flag{
        FlagName("f" + any_text()), *any_time(), any_text(), any_text(), *maybe_time(), {}};
    for (int n = *rc::gen::inRange(0, 3); n > 0; --n) {
      flag.until_recovered.emplace_back("l" + any_text());
    }
    JournalMemory memory;
    memory.kept = {*kept_row_of(ladder, before), *kept_row_of(flag, before)};
    const MemoryRestored back = restored_of(memory, before);
    RC_ASSERT(back.ladders == std::vector{ladder});
    RC_ASSERT(back.flags == std::vector{flag});
  });
  CHECK(held);
}

TEST_CASE("garbage in place of what stands is left out") {
  const bool held = rc::check("garbage", [] {
    JournalMemory memory;
    auto document = kept_row_of(any_incident(), before).document;
    document.resize(static_cast<std::size_t>(*rc::gen::inRange(0, 60)));
    for (const char* kind : {"incident", "ladder", "flag", "automation", "drain", "outbox", "?"}) {
      memory.kept.push_back({kind, any_text(), document, {}});
    }
    RC_ASSERT(restored_of(memory, before).incidents.empty());
    outbox_of(memory);
  });
  CHECK(held);
}

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
  expected.rpo->from = shifted(*incident.rpo->from);
  expected.rpo->to = shifted(incident.rpo->to);
  expected.notes[0].at = expected.attempts[0].at = expected.attempts[1].at =
      expected.acknowledged->at = shifted(before.mono);
  CHECK(*back == expected);
  CHECK_FALSE(incident_of_json("{}", after));
  CHECK_FALSE(incident_of_json("garbage", after));
}

TEST_CASE(
    "when a route's target was last seen, and when it was switched, is on the clock of the start") {
  RouteMemory route{RouteName("bud"), {ProbeName("primary")}, "761", 3, 9};
  CHECK(memory_of(row_of(route, before), after) == route);
  route.last_seen = SeenPosition{90'000'000, before.mono - 2s};
  route.last_switch = before.mono - 30s;
  route.told_to_stop = before.mono - 3s;
  const RouteMemory back = memory_of(row_of(route, before), after);
  REQUIRE(back.last_seen);
  CHECK(back.last_seen->position == 90'000'000);
  CHECK(back.last_seen->at == shifted(before.mono - 2s));
  CHECK(back.last_switch == shifted(before.mono - 30s));
  CHECK(back.told_to_stop == shifted(before.mono - 3s));
}

TEST_CASE("a flag and an incident as a journal of before has them are read") {
  const auto earlier = [](KeptRow row, const std::string& now, const std::string& then) {
    const auto at = row.document.find(now);
    REQUIRE(at != std::string::npos);
    row.document.replace(at, now.size(), then);
    return row;
  };
  FlagMemory flag{FlagName("page"), before.mono, "", "ladder a", std::nullopt, {LadderName("a")}};
  FlagMemory plain{FlagName("plain"), before.mono, "", "uid 0", std::nullopt, {}};
  Incident incident;
  incident.id = IncidentId{1};
  incident.told = {{NotifierName("oncall"), "critical"}};
  JournalMemory memory;
  memory.kept = {earlier(*kept_row_of(flag, before), R"(["a"])", R"("a")"),
                 earlier(*kept_row_of(plain, before), "[]", R"("")"),
                 earlier(kept_row_of(incident, before), R"(["oncall","critical",0,false])",
                         R"(["oncall","critical"])")};
  const MemoryRestored back = restored_of(memory, before);
  CHECK(back.flags == std::vector{flag, plain});
  REQUIRE(back.incidents.size() == 1);
  CHECK(back.incidents[0]->told == incident.told);
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
                      {before.mono - 60s},    "print"};
  FlagMemory flag{FlagName("caching_off"), before.mono, "redis", "ladder", std::nullopt,
                  {LadderName("database")}};
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
  CHECK(back.flags[0].until_recovered == std::vector{LadderName("database")});
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
