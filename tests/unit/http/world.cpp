#include "tests/unit/http/world.hpp"

namespace pointsman::test {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

ProbeView probe(ProbeKind kind, State state, int streak) {
  ProbeView view;
  view.kind = kind;
  view.state = state;
  view.since = at(seconds{-600});
  view.streak = streak;
  view.next_run = at(seconds{4});
  return view;
}

Sample sample(const std::string& name, Outcome outcome, Reason reason, std::string message,
              Facts facts) {
  const MonoTime started = at(seconds{-1});
  return Sample{ProbeName{name}, started, started + microseconds{1500},
                Finding{outcome, reason, std::move(message), std::move(facts)}};
}

PostgresFacts primary_facts() {
  PostgresFacts facts;
  facts.role = PostgresRole::primary;
  facts.timeline = 3;
  facts.lsn = 83'886'080;
  facts.connections = 12;
  facts.max_connections = 100;
  facts.system_id = "7301";
  facts.version = "15.20";
  return facts;
}

void add_probes(Snapshot& snapshot) {
  auto primary = probe(ProbeKind::postgres, State::healthy, 120);
  primary.sample = sample("primary", Outcome::pass, Reason::ok, "", primary_facts());
  primary.counters.samples[{Outcome::pass, Reason::ok}] = 120;
  primary.counters.samples[{Outcome::fail, Reason::connect_refused}] = 2;
  primary.counters.duration_buckets[1] = 100;
  primary.counters.duration_buckets[2] = 20;
  primary.counters.duration_buckets[14] = 2;
  primary.counters.duration_sum_seconds = 25.5;
  snapshot.probes.emplace(ProbeName{"primary"}, primary);

  auto replica = probe(ProbeKind::postgres, State::unhealthy, -7);
  replica.sample = sample("replica-1", Outcome::fail, Reason::connect_refused,
                          "10.0.1.11:5432: Connection \"refused\"", PostgresFacts{});
  snapshot.probes.emplace(ProbeName{"replica-1"}, replica);

  DiskFacts disk_facts;
  disk_facts.used = 850;
  disk_facts.free = 150;
  disk_facts.total = 1000;
  disk_facts.used_ratio = 0.85;
  auto disk = probe(ProbeKind::disk, State::degraded, 3);
  disk.sample =
      sample("disk", Outcome::warn, Reason::over_threshold, "85 % used, warn is 80 %", disk_facts);
  snapshot.probes.emplace(ProbeName{"disk"}, disk);

  HttpFacts http_facts;
  http_facts.status_code = 200;
  http_facts.connect = microseconds{400};
  http_facts.total = microseconds{1500};
  http_facts.cert_expires = fixed_times().wall + hours{24 * 30};
  http_facts.address = "203.0.113.9";
  auto openai = probe(ProbeKind::http, State::healthy, 40);
  openai.sample = sample("openai", Outcome::pass, Reason::ok, "200", http_facts);
  snapshot.probes.emplace(ProbeName{"openai"}, openai);

  snapshot.probes.emplace(ProbeName{"app"}, probe(ProbeKind::http, State::unknown, 0));
}

void add_services(Snapshot& snapshot) {
  ServiceView host;
  host.state = State::degraded;
  host.since = at(seconds{-60});
  host.scope = Scope::node;
  host.members = {{"app", State::unknown}, {"disk", State::degraded}};
  snapshot.services.emplace(ServiceName{"host"}, host);

  ServiceView database;
  database.state = State::healthy;
  database.since = at(seconds{-300});
  database.members = {{"host", State::degraded}, {"route:bud", State::healthy}};
  snapshot.services.emplace(ServiceName{"database"}, database);
}

void add_route(Snapshot& snapshot) {
  RouteView route;
  route.via = {ViaKind::pgbouncer};
  route.state = State::healthy;
  route.since = at(seconds{-300});
  route.targets = {ProbeName{"primary"}};
  route.observed = {{ProbeName{"primary"}, {"10.0.1.10", 5432}, 1},
                    {std::nullopt, {"::1", 5433}, 1}};
  route.in_effect = true;
  route.verified = Verified::query;
  route.epoch = 7;
  route.diagnosis = "fine";
  route.why = "primary answers and is writable";
  route.guards = {{"mode", true, "act", "act", std::nullopt},
                  {"hold_down", false, "12s", "60s", at(seconds{48})}};
  route.last_switch = SwitchView{at(seconds{-300}),
                                 {ProbeName{"replica-1"}},
                                 {ProbeName{"primary"}},
                                 SwitchCause::follow,
                                 ActionOutcome::ok,
                                 milliseconds{153},
                                 "moved"};
  route.counters.switches[{SwitchCause::follow, ActionOutcome::ok}] = 3;
  route.counters.denied["hold_down"] = 4;
  route.counters.duration_buckets[8] = 3;
  route.counters.duration_sum_seconds = 0.46;
  snapshot.routes.emplace(RouteName{"bud"}, route);
}

/// A failover that is over, with all that an incident can hold.
Incident closed_incident() {
  Incident story;
  story.id = IncidentId{11};
  story.subject = "route:bud";
  story.state = IncidentState::closed;
  story.severity = Severity::critical;
  story.cause = "primary_dead";
  story.why = "replica-1 refuses connections, and no standby receives from it";
  story.old_target = "replica-1";
  story.new_target = "primary";
  const int after_ms[mark_count] = {0, 180, 610, 615, 620, 640, 910, 1020, 1035, 1082};
  for (std::size_t i = 0; i < mark_count; ++i) {
    story.marks[i] = at(seconds{-302} + milliseconds{after_ms[i]});
  }
  story.rpo = Rpo{0,     std::nullopt, at(seconds{-302}), at(milliseconds{-301'090}),
                  false, 83'886'080,   83'886'000};
  story.members = {"database", "route:bud_ro"};
  story.notes = {{at(milliseconds{-301'820}),
                  "the first sample of replica-1 fails",
                  {{"reason", "connect_refused"}, {"message", "10.0.1.11:5432 refuses"}}},
                 {at(milliseconds{-301'385}),
                  "primary_dead",
                  {{"row", "primary_dead"}, {"guard hold_down", "allow"}}}};
  story.attempts = {
      {at(milliseconds{-301'360}), "promote primary", milliseconds{270}, ActionOutcome::ok,
       "timeline 3 begins at 0/5000000"},
      {at(milliseconds{-301'090}), "switch bud", milliseconds{153}, ActionOutcome::ok, "moved"}};
  story.to_rebuild = {"replica-1 has WAL that nobody else has: rebuild it as a standby"};
  story.acknowledged = Acknowledgement{at(seconds{-200}), "uid 1000", "seen"};
  story.told = {{NotifierName{"oncall"}, "x"}};
  story.closed_at = at(seconds{-290});
  return story;
}

Incident open_incident() {
  Incident story;
  story.id = IncidentId{12};
  story.subject = "host";
  story.severity = Severity::warning;
  story.cause = "over_threshold";
  story.why = "disk is 85 % full";
  story.marks[0] = at(seconds{-65});
  story.marks[1] = at(seconds{-60});
  story.needs_human = true;
  story.asked = "make room on the disk, then: pointsman ack 12";
  story.left_out = 3;
  return story;
}

void add_operation(Snapshot& snapshot) {
  for (const Incident& story : {closed_incident(), open_incident()}) {
    snapshot.incidents.emplace(story.id, std::make_shared<const Incident>(story));
  }
  snapshot.incidents_open = 1;

  LadderView ladder;
  ladder.phase = "step";
  ladder.since = at(seconds{-20});
  ladder.triggered = true;
  ladder.step = 1;
  ladder.steps = 3;
  ladder.attempt = 1;
  ladder.step_text = "approve \"may the workers be restarted?\"";
  ladder.approval = ActionId{77};
  ladder.incident = IncidentId{12};
  ladder.until = at(seconds{40});
  ladder.guards = {{"limits", true, "1 today", "6 a day", std::nullopt}};
  ladder.runs = 4;
  ladder.skipped = 1;
  ladder.last_end = "recovered after step 2";
  snapshot.ladders.emplace(LadderName{"host"}, ladder);

  snapshot.flags.emplace(
      FlagName{"maintenance_page"},
      FlagView{
          at(seconds{-15}), "database is down", "ladder host", std::nullopt, {LadderName{"host"}}});
  snapshot.flags.emplace(FlagName{"no_cache"},
                         FlagView{at(seconds{-10}), "", "uid 0", at(seconds{590}), {}});
  snapshot.automation = AutomationSet{true, "moving racks", "uid 1000", at(seconds{1200})};
  snapshot.drain = DrainSet{true, "moving racks", "uid 1000"};
  snapshot.requests.emplace(RequestId{3}, RequestView{RouteName{"bud"},
                                                      at(seconds{-300}),
                                                      RequestState::done,
                                                      {"move bud to primary", "done: moved"}});
  snapshot.requests.emplace(
      RequestId{4},
      RequestView{RouteName{"bud"}, at(seconds{-1}), RequestState::running, {"hold the clients"}});
  snapshot.actions[{"promote", ActionOutcome::ok}] = 1;
  snapshot.actions[{"exec", ActionOutcome::failed}] = 2;
}

std::shared_ptr<const PolicySet> policy() {
  auto set = std::make_shared<PolicySet>();
  ProbePolicy primary;
  primary.name = ProbeName{"primary"};
  primary.kind = ProbeKind::postgres;
  primary.interval = primary.down_interval = seconds{5};
  primary.fast_interval = seconds{1};
  primary.timeout = seconds{2};
  primary.labels = {{"team", "storage"}};
  set->probes.emplace(primary.name, primary);
  RoutePolicy bud;
  bud.name = RouteName{"bud"};
  bud.via = {ViaKind::pgbouncer};
  bud.candidates = {ProbeName{"primary"}, ProbeName{"replica-1"}};
  bud.require = Require::writable;
  set->routes.emplace(bud.name, bud);
  set->notify.emplace(NotifierName{"oncall"}, NotifierPolicy{NotifierName{"oncall"}, false, true});
  return set;
}

}  // namespace

MonoTime at(Duration since_ten) {
  return MonoTime{hours{1} + since_ten};
}

TimeScale fixed_times() {
  return TimeScale{at({}), WallTime{std::chrono::milliseconds{1'795'514'400'000}}};
}

Snapshot one_of_everything() {
  Snapshot snapshot;
  snapshot.at = at({});
  snapshot.generation = 42;
  snapshot.overall = State::degraded;
  snapshot.overall_since = at(seconds{-60});
  snapshot.policy = policy();
  add_probes(snapshot);
  add_services(snapshot);
  add_route(snapshot);
  add_operation(snapshot);
  return snapshot;
}

ShellView shell_view() {
  ShellView shell;
  shell.node = "web-1";
  shell.version = "0.1.0";
  shell.commit = "abc1234";
  shell.loop_lag = microseconds{250};
  shell.journal_writable = false;
  shell.journal_error = "disk full";
  shell.journal_errors_total = 5;
  shell.notifiers = {{"oncall", "alertmanager", 2, 1, 10, 3, 0, fixed_times().wall - seconds{30},
                      "connection refused"}};
  return shell;
}

Serving serving_ok() {
  return Serving{.ok = true, .reason = {}};
}

Snapshot many_probes(int count) {
  Snapshot snapshot;
  snapshot.at = at({});
  for (int i = 0; i < count; ++i) {
    const std::string name = "http-" + std::to_string(i);
    HttpFacts facts;
    facts.status_code = 200;
    facts.dns = facts.connect = facts.first_byte = facts.total = microseconds{350};
    facts.address = "127.0.0.1";
    auto view = probe(ProbeKind::http, State::healthy, 10);
    view.sample = sample(name, Outcome::pass, Reason::ok, "200", facts);
    view.counters.samples[{Outcome::pass, Reason::ok}] = 1000;
    view.counters.duration_buckets[1] = 1000;
    snapshot.probes.emplace(ProbeName{name}, view);
  }
  return snapshot;
}

}  // namespace pointsman::test
