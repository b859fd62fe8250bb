#include <catch2/catch.hpp>

#include "policies/incident_causes.hpp"
#include "policies/incidents.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

const MonoTime start{1h};

OpenIncident about(const std::string& subject) {
  OpenIncident what;
  what.subject = subject;
  what.cause = "primary_dead";
  what.why = subject + " is down";
  what.severity = Severity::warning;
  return what;
}

/// Services over two routes, probes and each other; states as the test says.
struct Parts {
  PolicySet policy;
  IncidentBook book;
  std::map<std::string, State> states;
  std::vector<ServiceName> order;
  MonoTime now = start;

  Parts() {
    for (const char* name : {"primary", "replica", "app", "disk", "openai"}) {
      policy.probes[ProbeName(name)].name = ProbeName(name);
    }
    RoutePolicy bud;
    bud.name = RouteName("bud");
    bud.candidates = {ProbeName("primary"), ProbeName("replica")};
    policy.routes[bud.name] = bud;
    bud.name = RouteName("reads");
    bud.fallback = RouteName("bud");
    policy.routes[bud.name] = bud;
    add("database", {RouteName("bud"), RouteName("reads")});
    add("host", {ProbeName("app"), ProbeName("disk")});
    add("site", {ServiceName("host"), ServiceName("database")});
    add("servers", {ProbeName("primary")});
    add("external", {ProbeName("openai")}, false);
  }
  void add(const std::string& name, std::vector<Member> members, bool critical = true) {
    ServicePolicy service;
    service.name = ServiceName(name);
    service.members = std::move(members);
    service.critical = critical;
    policy.services[service.name] = service;
    order.push_back(service.name);
  }
  void down(std::initializer_list<const char*> parts) {
    for (const char* part : parts) states[part] = State::unhealthy;
  }
  CauseView view() {
    return {policy,
            [this](const Member& part) {
              const auto it = states.find(to_text(part));
              return it == states.end() ? State::healthy : it->second;
            },
            [](const Member& part) { return to_text(part) + " is down"; }};
  }
  void cover() { cover_services(now, view(), order, book); }
  void close(bool held = false) {
    close_recovered(
        now, view(), [held](IncidentId) { return held; }, book);
  }
  std::vector<std::string> open() const {
    std::vector<std::string> subjects;
    for (const auto& [subject, id] : book.open_subjects()) subjects.push_back(subject);
    return subjects;
  }
};
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("incidents: one a subject is open at a time, and failing again is another") {
  IncidentBook book;
  const IncidentId first = book.open(start, about("database"));
  CHECK(book.open(start + 1s, about("database")) == first);
  CHECK(book.open_count() == 1);
  book.close(first, start + 1min);
  CHECK(book.find(first)->closed_at == start + 1min);
  CHECK(book.open_count() == 0);
  CHECK_FALSE(book.find_open("database"));
  const IncidentId second = book.open(start + 2min, about("database"));
  CHECK(second != first);
  CHECK(book.find(second)->mark(Mark::first_failure) == start + 2min);
}

TEST_CASE("incidents: marks are set once, and RTO is T9 - T0") {
  IncidentBook book;
  OpenIncident what = about("route:bud");
  what.last_good = start - 3s;
  what.first_failure = start - 2s;
  const IncidentId id = book.open(start, what);
  CHECK_FALSE(book.find(id)->rto());
  book.mark(id, Mark::verified, start + 7s);
  book.mark(id, Mark::verified, start + 70s);
  CHECK(book.find(id)->rto() == Duration{10s});
}

TEST_CASE("incidents: a story that someone holds does not change under him") {
  IncidentBook book;
  const IncidentId id = book.open(start, about("database"));
  const IncidentBook::Stories held = book.stories();
  book.note(id, start, "more", {{"a", "b"}});
  CHECK(held.at(id)->notes.empty());
  CHECK(book.find(id)->notes.size() == 1);
}

TEST_CASE("incidents: notes and attempts are bounded, and what is left out is counted") {
  IncidentBook book;
  const IncidentId id = book.open(start, about("database"));
  for (std::size_t i = 0; i < incident_notes_limit + 5; ++i) book.note(id, start, "n", {});
  for (std::size_t i = 0; i < incident_attempts_limit + 3; ++i) book.attempt(id, {});
  CHECK(book.find(id)->notes.size() == incident_notes_limit);
  CHECK(book.find(id)->attempts.size() == incident_attempts_limit);
  CHECK(book.find(id)->left_out == 8);
}

TEST_CASE("incidents: the oldest closed ones go, open ones and those not yet stored never") {
  IncidentBook book;
  for (std::size_t i = 0; i < incidents_kept + 200; ++i) {
    book.open(start, about("open " + std::to_string(i)));
  }
  book.take_changed();
  CHECK(book.open_count() == static_cast<int>(incidents_kept + 200));
  const IncidentId closed = book.open(start, about("closed"));
  book.close(closed, start);
  CHECK(book.find(closed));  // the journal has not been told
  book.take_changed();
  book.open(start, about("one more"));
  CHECK_FALSE(book.find(closed));
  CHECK(book.open_count() == static_cast<int>(incidents_kept + 201));
}

TEST_CASE("incidents: what changed is said once") {
  IncidentBook book;
  const IncidentId id = book.open(start, about("database"));
  book.note(id, start, "x", {});
  CHECK(book.take_changed() == std::vector{id});
  CHECK(book.take_changed().empty());
  book.raise(id, Severity::warning);  // it was
  book.ask_nothing(id);
  book.join(id, "database");
  book.set_cause(id, start, "primary_dead", "database is down");
  book.note(IncidentId{99}, start, "not known", {});
  CHECK(book.take_changed().empty());
  book.tell(id, NotifierName("oncall"));
  CHECK(book.take_changed().size() == 1);
  book.tell(id, NotifierName("oncall"));
  CHECK(book.take_changed().empty());
}

TEST_CASE("incidents: an acknowledgement counts until a human is called anew") {
  IncidentBook book;
  const IncidentId id = book.open(start, about("database"));
  const Acknowledgement ack{start, "uid 1", ""};
  book.needs_human(id, "put it right");
  book.acknowledge(id, ack);
  SECTION("by the same call, anew") {
    book.call_human(id, "put it right");
  }
  SECTION("by another") {
    book.needs_human(id, "something else");
  }
  SECTION("by a question") {
    book.ask(id, "may I?");
  }
  CHECK_FALSE(book.find(id)->acknowledged);
  book.acknowledge(id, ack);
  const std::string asked = book.find(id)->asked;
  book.needs_human(id, asked);  // it is asked already
  book.ask(id, asked);
  CHECK(book.find(id)->acknowledged);
}

TEST_CASE("incidents: an open one may be acknowledged again, one that is over once") {
  IncidentBook book;
  const IncidentId id = book.open(start, about("database"));
  CHECK(book.acknowledge(id, {start, "uid 1", "a"}));
  CHECK(book.acknowledge(id, {start + 1s, "uid 2", "b"}));
  CHECK(book.find(id)->acknowledged->by == "uid 2");
  book.close(id, start + 2s);
  CHECK_FALSE(book.acknowledge(id, {start, "uid 3", ""}));
  CHECK_FALSE(book.acknowledge(IncidentId{7}, {start, "uid 3", ""}));
}

TEST_CASE("incidents: restored, the open ones are open and numbers go on") {
  IncidentBook before;
  const IncidentId closed = before.open(start, about("cache"));
  before.close(closed, start);
  const IncidentId open = before.open(start, about("database"));
  IncidentBook after;
  after.restore({before.find(closed), before.find(open)}, 40);
  CHECK(after.open(start, about("database")) == open);
  CHECK(after.open(start, about("cache")) == IncidentId{41});
  CHECK(after.take_changed() ==
        std::vector{IncidentId{41}});  // what is restored is not stored anew
}

TEST_CASE("causes: a service joins the incident of its failing route") {
  Parts p;
  p.book.open(start, about("route:bud"));
  p.down({"route:bud", "route:reads", "database", "site", "primary", "servers"});
  p.cover();
  CHECK(p.open() == Names{"route:bud"});
  const auto incident = p.book.find_open("route:bud");
  CHECK(incident->members == Names{"database", "site", "servers"});
}

TEST_CASE("causes: a service over failing probes opens one incident with all as members") {
  Parts p;
  p.down({"app", "disk", "host", "site"});
  p.cover();
  CHECK(p.open() == Names{"host"});
  CHECK(p.book.find_open("host")->members == Names{"app", "disk", "site"});
  CHECK(p.book.find_open("host")->mark(Mark::unhealthy) == start);
  p.cover();
  CHECK(p.book.stories().size() == 1);
}

TEST_CASE("causes: what fails later by the same cause is shown with it") {
  Parts p;
  p.down({"app", "host"});
  p.cover();
  p.down({"disk"});
  p.cover();
  CHECK(p.book.find_open("host")->members == Names{"app", "disk"});
}

TEST_CASE("causes: two services over one failing probe are one incident") {
  Parts p;
  p.add("web", {ProbeName("app")});
  p.down({"app", "host", "web"});
  p.cover();
  CHECK(p.open() == Names{"host"});
  CHECK(p.book.find_open("host")->members == Names{"app", "web"});
}

TEST_CASE("causes: two causes are two incidents, and a service over both joins the route's") {
  Parts p;
  p.book.open(start, about("route:bud"));
  p.down({"route:bud", "database", "app", "host", "site"});
  p.cover();
  CHECK(p.open() == Names{"host", "route:bud"});
  // `site` is over both: the first of its members that is covered.
  CHECK(p.book.find_open("host")->members == Names{"app", "site"});
}

TEST_CASE("causes: services over probes of one dead server are one incident") {
  Parts p;
  const Endpoint server{"10.0.0.5", 5432};
  for (const char* name : {"app", "tcp", "slow", "web"})
    p.policy.probes[ProbeName(name)].name = ProbeName(name);
  for (const char* name : {"app", "tcp", "slow"})
    p.policy.probes[ProbeName(name)].endpoint = server;
  p.policy.probes[ProbeName("web")].endpoint = Endpoint{"10.0.0.5", 80};
  p.add("jobs", {ProbeName("tcp")});
  p.add("reports", {ProbeName("slow")});
  p.add("site_2", {ProbeName("web")});
  p.down({"app", "host", "tcp", "jobs", "web", "site_2"});
  p.cover();
  // Another port of the host is another server: it may have died by itself.
  CHECK(p.open() == Names{"host", "site_2"});
  CHECK(p.book.find_open("host")->members == Names{"app", "jobs"});

  // What the incident was about is well, its guest is not: that is a story of its own from then on.
  p.states["app"] = p.states["host"] = State::healthy;
  p.cover();
  p.close();
  p.cover();
  CHECK(p.open() == Names{"jobs", "site_2"});
}

TEST_CASE("causes: a service over the server that a route has lost joins the route's incident") {
  Parts p;
  const Endpoint server{"10.0.0.5", 5432};
  p.policy.probes[ProbeName("primary")].endpoint = server;
  p.policy.probes[ProbeName("app")].endpoint = server;
  p.book.open(start, about("route:bud"));
  p.book.raise(p.book.find_open("route:bud")->id, Severity::critical);
  p.down({"route:bud", "primary", "app", "host"});
  p.cover();
  CHECK(p.open() == Names{"route:bud"});
  CHECK(p.book.find_open("route:bud")->members == Names{"host"});
}

TEST_CASE(
    "causes: one server's probes stay apart where it answers, where one is HTTP, or where one "
    "calls") {
  Parts p;
  const Endpoint server{"10.0.0.5", 443};
  for (const char* name : {"app", "openai"}) p.policy.probes[ProbeName(name)].endpoint = server;
  SECTION("a probe of it is well: nothing joins") {
    p.down({"openai", "external"});
    p.cover();
    CHECK(p.open() == Names{"external"});
    CHECK(p.book.find_open("external")->members == Names{"openai"});
  }
  SECTION("an HTTP server fails path by path") {
    for (const char* name : {"app", "openai"})
      p.policy.probes[ProbeName(name)].kind = ProbeKind::http;
    p.down({"openai", "external", "app", "host"});
    p.cover();
    CHECK(p.open() == Names{"external", "host"});
  }
  SECTION("a critical service does not hide in an incident that calls nobody") {
    p.down({"openai", "external"});
    p.cover();
    p.down({"app", "host"});
    p.cover();
    CHECK(p.open() == Names{"external", "host"});
    CHECK(p.book.find_open("host")->severity == Severity::critical);
  }
}

TEST_CASE("causes: it closes when its subject is known to be well, and no sooner") {
  Parts p;
  p.book.open(start, about("route:bud"));
  p.down({"app", "host"});
  p.cover();
  const IncidentId id = p.book.find_open("host")->id;
  p.now += 30s;
  p.close();
  CHECK(p.open().size() == 2);
  p.states["host"] = State::unknown;
  p.close();
  CHECK(p.open().size() == 2);
  p.states["host"] = State::degraded;
  p.close(true);  // a ladder is still at it
  CHECK(p.open().size() == 2);
  p.close();
  CHECK(p.open() == Names{"route:bud"});  // a route's own keeper closes it
  CHECK(p.book.find(id)->rto() == Duration{30s});
  CHECK_FALSE(p.book.find(id)->needs_human);
}

TEST_CASE("causes: what is no longer configured is closed") {
  Parts p;
  p.down({"app", "host"});
  p.cover();
  p.policy.services.erase(ServiceName("host"));
  p.close();
  CHECK(p.open().empty());
}

TEST_CASE("causes: critical at first only where nobody else will call") {
  Parts p;
  const auto first = [&](const Member& part) { return severity_at_first(p.policy, part); };
  CHECK(first(ServiceName("database")) == Severity::critical);
  CHECK(first(RouteName("bud")) == Severity::critical);  // by way of its service
  CHECK(first(ServiceName("external")) == Severity::warning);
  CHECK(first(ProbeName("openai")) == Severity::warning);
  LadderPolicy ladder;
  ladder.name = LadderName("database");
  ladder.when.subject = ServiceName("database");
  p.policy.recovery[ladder.name] = ladder;
  CHECK(first(RouteName("bud")) == Severity::critical);  // it calls nobody
  p.policy.recovery[ladder.name].escalate = {NotifierName("oncall")};
  CHECK(first(RouteName("bud")) == Severity::warning);
  CHECK(first(ServiceName("database")) == Severity::warning);
  CHECK(first(ServiceName("host")) == Severity::critical);
}
