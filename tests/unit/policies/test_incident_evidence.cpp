// The evidence that an incident keeps at each transition, and its bounds.
#include <catch2/catch.hpp>

#include "policies/incident_evidence.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

std::string value_of(const Details& details, const std::string& name) {
  for (const auto& [known, value] : details) {
    if (known == name) return value;
  }
  return {};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The first line of the story that has it.
const IncidentNote& line_with(const Incident& incident, const std::string& part) {
  for (const IncidentNote& note : incident.notes) {
    if (has(note.text, part)) return note;
  }
  FAIL("no line has " << part);
  return incident.notes.front();
}

std::size_t evidence_bytes(const Incident& incident) {
  std::size_t bytes = 0;
  for (const IncidentNote& note : incident.notes) {
    for (const auto& [name, value] : note.details) bytes += name.size() + value.size();
  }
  return bytes;
}

}  // namespace

TEST_CASE("evidence: a route's incident keeps samples, facts, guards, pools and pressure") {
  World w;
  PolicySet set = bud_policy();
  set.probes[ProbeName("mem")] = probe_policy("mem", ProbeKind::memory);
  w.load(set);
  w.answers[ProbeName("primary")] = primary(1);
  w.answers[ProbeName("replica-1")] = standby();
  w.answers[ProbeName("replica-2")] = standby();
  Finding memory = pass();
  memory.facts = MemoryFacts{600, 400, 1000, 0.6, 12.5};
  w.answers[ProbeName("mem")] = memory;
  w.lead("bud", 5001);
  w.lead("bud_ro", 5002);
  w.pooler[RouteName("bud")].pools = {{"app", 3, 40, 20, 0, 2500ms}, {"etl", 1, 0, 1, 0, 0ms}};
  w.pass_time(30s);
  REQUIRE(w.incidents.empty());

  w.answers[ProbeName("primary")] = fail(Reason::connect_refused);
  w.answers[ProbeName("replica-1")] = standby(false);
  w.answers[ProbeName("replica-2")] = standby(false);
  w.pass_time(20s);
  w.answers[ProbeName("replica-1")] = primary(2);
  w.pass_time(20s);
  REQUIRE(w.incidents.size() == 1);
  const Incident& incident = w.incidents.begin()->second;
  CHECK(incident.state == IncidentState::closed);
  REQUIRE_FALSE(incident.notes.empty());
  const Details& opened = incident.notes.front().details;
  CHECK(has(value_of(opened, "primary"), "connect_refused"));
  CHECK(has(value_of(opened, "replica-1 facts"), "role="));
  CHECK(has(value_of(opened, "route:bud guards"), "allow: mode"));
  CHECK(has(value_of(opened, "route:bud pooler 1"), "leads to"));
  CHECK(has(value_of(opened, "route:bud pooler 1 pools"),
            "app: 3 clients active, 40 waiting for up to 2.5s; servers 20 active, 0 idle | etl"));
  CHECK(has(value_of(opened, "mem facts"), "psi=12.5"));
  line_with(incident, "as it stood: claimed, chosen, promoted");
  const IncidentNote& last = incident.notes.back();
  CHECK(has(value_of(last.details, "route:bud"), "in effect"));
  CHECK(has(value_of(last.details, "replica-1 facts"), "timeline=2"));
}

TEST_CASE("evidence: nothing is added while nothing changes, nor after the end") {
  World w;
  PolicySet set;
  set.probes[ProbeName("app")] = probe_policy("app", ProbeKind::http);
  ServicePolicy web;
  web.name = ServiceName("web");
  web.members = {ProbeName("app")};
  set.services[web.name] = web;
  w.load(set);
  w.pass_time(20s);
  w.answers[ProbeName("app")] = fail(Reason::connect_refused);
  w.pass_time(30s);
  REQUIRE(w.incidents.size() == 1);
  const std::size_t bytes = evidence_bytes(w.incidents.begin()->second);
  CHECK(bytes > 0);
  w.pass_time(5min);
  CHECK(evidence_bytes(w.incidents.begin()->second) == bytes);
  w.answers[ProbeName("app")] = pass();
  w.pass_time(30s);
  const Incident& closed = w.incidents.begin()->second;
  REQUIRE(closed.state == IncidentState::closed);
  CHECK(has(value_of(line_with(closed, "is healthy again").details, "app"), "healthy; pass"));
  const std::size_t lines = closed.notes.size();
  w.give(IncidentAcknowledged{closed.id, "uid 1000", "seen"});
  CHECK(w.incidents.begin()->second.acknowledged);
  CHECK(w.incidents.begin()->second.notes.size() == lines);
}

TEST_CASE("evidence: a service's incident counts from the last good and the first bad sample") {
  World w;
  PolicySet set;
  set.probes[ProbeName("app")] = probe_policy("app", ProbeKind::http);
  ServicePolicy web;
  web.name = ServiceName("web");
  web.members = {ProbeName("app")};
  set.services[web.name] = web;
  w.load(set);
  w.pass_time(20s);
  const MonoTime broke = w.now;
  w.answers[ProbeName("app")] = fail(Reason::connect_refused);
  w.pass_time(30s);
  REQUIRE(w.incidents.size() == 1);
  const Incident& incident = w.incidents.begin()->second;
  const auto good = incident.mark(Mark::last_good), bad = incident.mark(Mark::first_failure),
             down = incident.mark(Mark::unhealthy);
  REQUIRE((good && bad && down));
  CHECK(*good <= broke);
  CHECK(*bad >= broke);
  CHECK(*bad < *down);
}

TEST_CASE("evidence: what one incident keeps is bounded, and its end is kept") {
  IncidentBook book;
  OpenIncident what;
  what.subject = "web";
  const MonoTime now{1h};
  const IncidentId id = book.open(now, what);
  const Details much{{"probe", std::string(4000, 'x')}};
  for (int i = 0; i < 100; ++i) {
    book.note(id, now + i * 1s, std::string(5000, 'y'), {});
    book.add_evidence(id, now + i * 1s, "", much);
  }
  CHECK(evidence_bytes(*book.find(id)) <= incident_evidence_bytes);
  CHECK(book.find(id)->notes.size() == 100);
  CHECK(book.find(id)->notes.back().text.size() <= incident_text_limit);
  CHECK(book.find(id)->left_out > 0);
  book.close(id, now + 1h);
  book.add_evidence(id, now + 1h, "closed", much);
  CHECK(value_of(book.find(id)->notes.back().details, "probe") == much[0].second);
}

TEST_CASE("evidence: a thousand members are an entry each, up to a limit that is told") {
  PolicySet policy;
  std::map<ProbeName, ProbeEntry> probes;
  std::map<RouteName, RouteKeeper> routes;
  ServicePolicy all;
  all.name = ServiceName("all");
  for (int i = 0; i < 1000; ++i) {
    const ProbeName name("p" + std::to_string(i));
    policy.probes[name] = probe_policy(name.text, ProbeKind::tcp);
    probes[name].policy = policy.probes[name];
    all.members.push_back(name);
  }
  policy.services[all.name] = all;
  Incident incident;
  incident.subject = "all";
  const Details evidence = gather_evidence({policy, probes, routes}, incident, MonoTime{1h});
  CHECK(evidence.size() <= 2 * evidence_probes + 1);
  CHECK(value_of(evidence, "left out") == "984 probes");
}

TEST_CASE("a thousand and more incidents: the newest are kept, the open ones always, all bounded") {
  constexpr int parts = 100, turns = 12;
  World w;
  PolicySet set;
  for (int i = 0; i < parts; ++i) {
    const ProbeName name("p" + std::to_string(i));
    set.probes[name] = probe_policy(name.text, ProbeKind::tcp);
    ServicePolicy service;
    service.name = ServiceName("s" + std::to_string(i));
    service.members = {name};
    set.services[service.name] = service;
  }
  w.load(set);
  w.pass_time(20s);
  const auto all_answer = [&w](const Finding& finding) {
    for (auto& [name, answer] : w.answers) {
      if (name.text != "p0") answer = finding;
    }
    w.pass_time(30s);
  };
  w.answers[ProbeName("p0")] = fail(Reason::connect_refused);
  for (int turn = 0; turn < turns; ++turn) {
    all_answer(fail(Reason::connect_refused));
    CHECK(w.see()->incidents_open == parts);
    all_answer(pass());
    CHECK(w.see()->incidents_open == 1);
  }
  const auto seen = w.see();
  CHECK(w.incidents.size() == (parts - 1) * turns + 1);  // all were stored
  CHECK(seen->incidents.size() == incidents_kept);
  CHECK(seen->incidents.begin()->second->state == IncidentState::open);  // the first of all
  CHECK(seen->incidents.rbegin()->first == w.incidents.rbegin()->first);
  std::size_t most = 0;
  for (const auto& [id, story] : seen->incidents) most = std::max(most, evidence_bytes(*story));
  CHECK(most > 0);
  CHECK(most < 4'000);
  // A snapshot shares the stories.
  CHECK(seen->incidents.rbegin()->second == w.see()->incidents.rbegin()->second);
}
