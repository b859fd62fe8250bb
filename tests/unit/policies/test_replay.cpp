// The past once more: what was recorded gives the same decisions to the same policy, with the calm
// stretches left out or not, and others to another policy.
#include <catch2/catch.hpp>

#include "policies/simulation/history_builder.hpp"
#include "policies/simulation/recorder.hpp"
#include "policies/simulation/replay.hpp"
#include "policies/simulation/replay_memory.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

/// A record's time in tenths of a second, kind, subject and sentence.
using Line = std::string;

struct Past : World {
  explicit Past(PolicySet first) : policy(std::move(first)) {
    on_event = [this](const Event& event) {
      keep(recorder.take(now, event));
      journal.end(event);
    };
    on_effect = [this](const Effect& effect) {
      keep(recorder.take(now, effect));
      journal.take(now, effect);
      if (const auto* record = std::get_if<Record>(&effect)) lines.push_back(line(now, *record));
    };
    set_up_bud();
  }
  void live() {
    load(policy);
    give(MemoryRestored{});
  }
  /// Killed, and started again with what its journal kept.
  MemoryRestored live_again() {
    keep(recorder.flush());
    engine = Engine{};
    recorder = Recorder{2'000'000, Duration{0}};
    const MemoryRestored remembered = journal.restored();
    journal.forget_intents();
    load(policy);
    give(remembered);
    return remembered;
  }
  void keep(std::vector<RecordedRow> rows) {
    for (RecordedRow& row : rows) {
      ++written;
      const auto key = row.key;
      kept.insert_or_assign(key, std::move(row));
    }
  }
  History history() {
    keep(recorder.flush());
    HistoryBuilder builder;
    for (const auto& [key, row] : kept) builder.add(row);
    return builder.take();
  }
  static Line line(MonoTime at, const Record& record) {
    return std::to_string(at.time_since_epoch() / Duration{100ms}) + " " +
           std::string(to_text(record.kind)) + " " + record.subject + ": " + record.text;
  }
  std::vector<Line> replayed(ReplayPace pace, const PolicySet& by) {
    last = replay(std::make_shared<const PolicySet>(by), history(), pace);
    std::vector<Line> result;
    for (const auto& one : last.records) result.push_back(line(one.at, one.record));
    return result;
  }
  std::vector<Line> replayed(ReplayPace pace = ReplayPace::whole) { return replayed(pace, policy); }

  PolicySet policy;
  Recorder recorder{1000, Duration{0}};
  ReplayMemory journal;
  std::map<std::uint64_t, RecordedRow> kept;
  std::size_t written = 0;
  std::vector<Line> lines;
  Replayed last;
};

PolicySet driving() {
  PolicySet set = bud_policy();
  PromotePolicy promote;
  promote.when = {"primary_dead", "primary_frozen"};
  promote.sole_promoter = true;
  set.routes[RouteName("bud")].promote = promote;
  return set;
}

void fail_over(Past& past, Duration watched = 2min) {
  past.kill_primary();
  past.pass_time(watched);
}

bool has(const std::vector<Line>& lines, const std::string& kind, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(), [&](const Line& line) {
    return line.find(" " + kind + " ") != Line::npos && line.find(part) != Line::npos;
  });
}

}  // namespace

TEST_CASE("a recorded failover: the same policy decides the same, at the same instants",
          "[replay]") {
  Past past(driving());
  past.live();
  past.pass_time(20min);
  fail_over(past);
  REQUIRE(past.promotions.size() == 1);
  past.pass_time(30min);
  CHECK(past.replayed() == past.lines);
  CHECK(past.last.not_recorded.empty());
}

TEST_CASE("leaving the calm out changes no decision, and spares nearly all steps", "[replay]") {
  Past past(driving());
  past.live();
  past.pass_time(6h);
  fail_over(past);
  past.pass_time(5h);
  past.give(AutomationSet{true, "moving racks", "uid 0", past.now + 30min});
  past.pass_time(5h);
  past.set("replica-1", fail(Reason::connect_timeout));
  past.pass_time(7h);
  const auto whole = past.replayed(ReplayPace::whole);
  const auto steps = past.last.steps;
  const auto samples = past.last.samples;
  CHECK(whole == past.lines);
  CHECK(past.replayed(ReplayPace::leave_out_calm) == whole);
  CHECK(past.last.steps < steps / 5);
  CHECK(past.last.samples > samples * 9 / 10);
}

TEST_CASE("a probe that no route leads to changes: it alone is recorded in detail", "[replay]") {
  PolicySet set = bud_policy();
  for (const char* name : {"disk", "memory"}) {
    set.probes[ProbeName(name)] = probe_policy(name, ProbeKind::tcp);
  }
  Past past(set);
  past.live();
  past.pass_time(1h);
  past.kept.clear();
  past.set("disk", fail(Reason::read_only));
  past.pass_time(5min);
  past.set("disk", pass());
  past.pass_time(5min);
  const auto rows = [&past](const char* subject) {
    return std::count_if(past.kept.begin(), past.kept.end(),
                         [subject](const auto& row) { return row.second.subject == subject; });
  };
  CHECK(rows("disk") > 20);
  CHECK(rows("memory") <= 1);
  CHECK(rows("primary") <= 1);
}

TEST_CASE("what is no database fails and is well again: the replay is the same", "[replay]") {
  PolicySet set = bud_policy();
  set.probes[ProbeName("app")] = probe_policy("app", ProbeKind::http);
  ServicePolicy host;
  host.name = ServiceName("host");
  host.members = {ProbeName("app")};
  host.scope = Scope::node;
  set.services[host.name] = host;
  Past past(set);
  past.live();
  for (int i = 0; i < 10; ++i) {
    past.pass_time(20min);
    past.set("app", fail(Reason::timeout));
    past.pass_time(3min + i * 7s);
    past.set("app", pass());
  }
  past.pass_time(20min);
  CHECK(past.replayed(ReplayPace::whole) == past.lines);
  CHECK(past.replayed(ReplayPace::leave_out_calm) == past.lines);
}

TEST_CASE("a probe that begins with a pass takes one row, written at once; else its first minute",
          "[replay]") {
  PolicySet set = bud_policy();
  for (const char* name : {"well", "ill"}) {
    set.probes[ProbeName(name)] = probe_policy(name, ProbeKind::tcp);
  }
  Past past(set);
  past.set("ill", fail(Reason::connect_refused));
  past.live();
  past.pass_time(30s);
  const auto rows = [&past](const char* subject) {
    return std::count_if(past.kept.begin(), past.kept.end(),
                         [subject](const auto& row) { return row.second.subject == subject; });
  };
  CHECK(rows("well") == 1);
  CHECK(rows("ill") > 5);
  past.pass_time(10min);
  CHECK(rows("well") == 1);
  CHECK(past.replayed() == past.lines);
}

TEST_CASE("a calm day takes a few rows", "[replay]") {
  Past past(bud_policy());
  past.live();
  past.pass_time(1h);
  past.written = 0;
  past.kept.clear();
  past.pass_time(23h);
  CHECK(past.kept.size() == 5);        // three probes and two routes, one open row each
  CHECK(past.written <= 5 * 23 * 60);  // each written again once a minute
}

TEST_CASE("another policy: it follows where the old one promoted, and the pooler stays with it",
          "[replay]") {
  Past past(driving());
  past.live();
  past.pass_time(5min);
  fail_over(past);
  past.pass_time(10min);
  REQUIRE(has(past.lines, "decision", "promote"));
  PolicySet cautious = past.policy;
  cautious.mode = Mode::observe;
  const auto lines = past.replayed(ReplayPace::leave_out_calm, cautious);
  CHECK_FALSE(has(lines, "outcome", ""));
  CHECK(has(lines, "denied", "mode"));
}

TEST_CASE("another policy: slower to call a probe down, it rides out what the old one did not",
          "[replay]") {
  Past past(bud_policy());
  past.live();
  past.pass_time(5min);
  past.set("replica-2", fail(Reason::timeout));
  past.pass_time(4s);
  past.set("replica-2", standby());
  past.pass_time(10s);
  past.set("replica-2", fail(Reason::timeout));
  past.pass_time(12s);
  past.set("replica-2", standby());
  past.pass_time(5min);
  REQUIRE(has(past.lines, "probe_state", "to unhealthy"));
  PolicySet patient = past.policy;
  patient.probes[ProbeName("replica-2")].fall = 30;
  CHECK_FALSE(has(past.replayed(ReplayPace::whole, patient), "probe_state", "to unhealthy"));
}

TEST_CASE("a probe that was not recorded is named, and stays unknown", "[replay]") {
  Past past(bud_policy());
  past.live();
  past.pass_time(2min);
  PolicySet more = past.policy;
  more.probes[ProbeName("new")] = probe_policy("new", ProbeKind::tcp);
  past.replayed(ReplayPace::whole, more);
  CHECK(past.last.not_recorded == std::set<ProbeName>{ProbeName("new")});
}

TEST_CASE("two lives of the daemon: the second remembers what the first did", "[replay]") {
  Past past(driving());
  past.live();
  past.pass_time(5min);
  fail_over(past);
  REQUIRE(past.promotions.size() == 1);
  const auto before = static_cast<std::ptrdiff_t>(past.lines.size());
  const MemoryRestored remembered = past.live_again();
  CHECK(remembered.promotions.empty());
  past.pass_time(5min);
  const std::vector<Line> second(past.lines.begin() + before, past.lines.end());
  CHECK_FALSE(has(second, "decision", "promote"));
  CHECK(past.replayed(ReplayPace::whole) == past.lines);
  CHECK(past.replayed(ReplayPace::leave_out_calm) == past.lines);
}

TEST_CASE("two lives of the daemon, killed during a promotion: the second holds the next as it did",
          "[replay]") {
  Past past(driving());
  past.promote_hangs = true;
  past.live();
  past.pass_time(5min);
  fail_over(past, 15s);
  REQUIRE(past.promotions.size() == 1);
  const PromoteServer order = past.promotions.front();
  const MemoryRestored remembered = past.live_again();
  REQUIRE(remembered.promotions.size() == 1);
  const PromotionMemory& intent = remembered.promotions.front();
  CHECK(intent.route == order.route);
  CHECK(intent.from == order.from.probe);
  CHECK(intent.to == order.to.probe);
  CHECK(intent.timeline == order.timeline);
  CHECK(past.now - intent.at < 15s);
  past.promote_hangs = false;
  past.pass_time(8s);  // the one in doubt has 10 s to show
  CHECK(past.promotions.size() == 1);
  past.pass_time(5min);
  CHECK(past.promotions.size() == 2);
  CHECK(past.replayed(ReplayPace::whole) == past.lines);
  CHECK(past.replayed(ReplayPace::leave_out_calm) == past.lines);
}

TEST_CASE("what a start remembers of a switchover without an answer, and on another clock",
          "[replay]") {
  ReplayMemory memory;
  SwitchOver order;
  order.id = ActionId{7};
  order.route = RouteName("bud");
  order.from.probe = ProbeName("primary");
  order.to.probe = ProbeName("replica-1");
  order.timeline = 3;
  const MonoTime at{1h};
  memory.take(at, order);
  RouteMemory route{RouteName("bud"), {ProbeName("primary")}, "S", 3, 1};
  route.last_switch = at - 1min;
  memory.take(at, Record{RecordKind::route, "bud", "", {}, route});
  Incident story;
  story.id = IncidentId{1};
  story.attempts = {{at - 2min, "promote replica-1", 1s, ActionOutcome::unknown, ""}};
  memory.take(at, StoreIncident{story});
  memory.shift(-59min);
  const MemoryRestored restored = memory.restored();
  REQUIRE(restored.promotions.size() == 1);
  CHECK(restored.promotions.front() ==
        PromotionMemory{order.route, order.from.probe, order.to.probe, 3, MonoTime{1min}});
  CHECK(restored.routes.at(0).last_switch == MonoTime{0s});
  CHECK(restored.incidents.at(0)->attempts.at(0).at == MonoTime{-1min});
  memory.end(ActionFinished{order.id, order.route, ActionOutcome::ok, "", Verified::no, false});
  CHECK(memory.restored().promotions.empty());
}

TEST_CASE("a probe that flaps without end is recorded within its limit of rows", "[replay]") {
  Past past(bud_policy());
  past.live();
  past.pass_time(2min);
  past.kept.clear();
  for (int i = 0; i < 3000; ++i) {
    past.set("replica-2", i % 2 ? standby() : fail(Reason::timeout));
    past.pass_time(1s);
  }
  const auto rows = std::count_if(past.kept.begin(), past.kept.end(), [](const auto& row) {
    return row.second.subject == "replica-2";
  });
  CHECK(rows <= Recorder::detail_rows + 3000 / 6 + 1);
}
