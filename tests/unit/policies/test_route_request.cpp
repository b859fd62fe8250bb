// What a person may ask of a route (pointsman switch): what is refused and why, what is planned,
// how it is carried out, cancelled, and what becomes of it.
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

struct Desk : World {
  explicit Desk(std::set<HookKind> configured = {}, Mode mode = Mode::act) {
    set_up_bud();
    set_ = bud_policy();
    set_.mode = mode;
    set_.routes[RouteName("bud")].hooks = std::move(configured);
    load(set_);
    pass_time(90s);
    switches.clear();
    records.clear();
  }
  SwitchRequested wish(const char* to = nullptr) {
    SwitchRequested asked;
    asked.request = RequestId{++last_};
    asked.route = RouteName("bud");
    if (to) asked.to = ProbeName(to);
    asked.by = "uid 1000";
    return asked;
  }
  /// The request as it stands once it has been asked for.
  RequestView ask(const SwitchRequested& asked) {
    give(asked);
    return request(asked.request);
  }
  RequestView request(RequestId id) { return see()->requests.at(id); }
  /// All its lines.
  static std::string text(const RequestView& view) {
    std::string all;
    for (const std::string& line : view.lines) all += line + "\n";
    return all;
  }
  void lose_primary() {
    kill_primary();
    pass_time(20s);
  }
  PolicySet set_;
  std::uint64_t last_ = 0;
};

void check_refused(const RequestView& view, const std::string& why) {
  INFO(Desk::text(view));
  CHECK(view.state == RequestState::refused);
  CHECK(Desk::text(view).find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("request: what can not be done is refused, with the reason") {
  Desk desk;
  SwitchRequested asked = desk.wish("replica-1");
  asked.route = RouteName("nowhere");
  check_refused(desk.ask(asked), "there is no route nowhere");
  asked = desk.wish();
  asked.route = RouteName("bud_ro");
  check_refused(desk.ask(asked), "is balanced");
  check_refused(desk.ask(desk.wish("disk")), "is not a candidate of bud");
  check_refused(desk.ask(desk.wish()), "without a `demote:` hook");  // the best other one
  check_refused(desk.ask(desk.wish("replica-1")), "without a `demote:` hook");
  desk.set("replica-1", fail(Reason::connect_refused));
  desk.pass_time(30s);
  check_refused(desk.ask(desk.wish("replica-1")), "replica-1 does not answer");
  desk.set("replica-1", standby(true, "another"));
  desk.pass_time(30s);
  check_refused(desk.ask(desk.wish("replica-1")), "belongs to another cluster");
  desk.set("replica-2", fail(Reason::connect_refused));
  desk.pass_time(30s);
  check_refused(desk.ask(desk.wish()), "no other candidate answers and fits");
  for (const SwitchRoute& one : desk.switches) CHECK(one.route.text != "bud");
  CHECK(desk.switchovers.empty());
  CHECK(desk.promotions.empty());
}

TEST_CASE("request: where it leads already nothing is done") {
  Desk desk;
  const RequestView view = desk.ask(desk.wish("primary"));
  CHECK(view.state == RequestState::done);
  CHECK(Desk::text(view) == "bud leads to primary already\n");
}

TEST_CASE("request: whoever only observes touches nothing, but tells the plan") {
  Desk desk({HookKind::demote}, Mode::observe);
  check_refused(desk.ask(desk.wish("replica-1")), "the mode is observe");
  SwitchRequested asked = desk.wish("replica-1");
  asked.dry_run = true;
  const RequestView view = desk.ask(asked);
  CHECK(view.state == RequestState::done);
  const std::string text = Desk::text(view);
  for (const char* part : {"dry run: nothing is done", "2. demote primary by the hook",
                           "4. promote replica-1", "guard mode: would hold an automatic act"}) {
    INFO(part << " in " << text);
    CHECK(text.find(part) != std::string::npos);
  }
  desk.pass_time(10s);
  CHECK(desk.switchovers.empty());
}

TEST_CASE("request: a dry run tells why it would be refused") {
  Desk desk;
  SwitchRequested asked = desk.wish("replica-1");
  asked.dry_run = true;
  check_refused(desk.ask(asked), "refused: primary is alive, and without a `demote:` hook");
}

TEST_CASE("request: a planned change with the hook leads to the standby, and says so") {
  Desk desk({HookKind::demote, HookKind::undemote});
  const SwitchRequested asked = desk.wish("replica-1");
  CHECK(desk.ask(asked).state == RequestState::running);
  desk.give(RequestNoted{asked.request, "the clients are held"});
  desk.pass_time(20s);
  REQUIRE(desk.switchovers.size() == 1);
  const SwitchOver& order = desk.switchovers[0];
  CHECK(order.from.probe.text == "primary");
  CHECK(order.to.probe.text == "replica-1");
  CHECK(order.fenced);
  REQUIRE(order.others.size() == 1);
  CHECK(order.others[0].probe.text == "replica-2");
  const RequestView view = desk.request(asked.request);
  INFO(Desk::text(view));
  CHECK(view.state == RequestState::done);
  CHECK(Desk::text(view).find("the clients are held") != std::string::npos);
  CHECK(desk.route("bud").targets.at(0).text == "replica-1");
  CHECK(desk.route("bud").in_effect);
}

TEST_CASE("request: unfenced is done and written down") {
  Desk desk;
  SwitchRequested asked = desk.wish("replica-1");
  asked.unfenced = true;
  const RequestView view = desk.ask(asked);
  CHECK(Desk::text(view).find("2. UNFENCED: primary is not stopped") != std::string::npos);
  desk.pass_time(20s);
  REQUIRE(desk.switchovers.size() == 1);
  CHECK_FALSE(desk.switchovers[0].fenced);
  CHECK(std::any_of(desk.records.begin(), desk.records.end(), [](const Record& record) {
    return record.kind == RecordKind::operation &&
           record.text.find("asked for by uid 1000, unfenced") != std::string::npos;
  }));
}

TEST_CASE("request: one at a time; an unknown end leaves the promotion in doubt") {
  Desk desk({HookKind::demote});
  const SwitchRequested first = desk.wish("replica-1");
  desk.switch_outcome = ActionOutcome::unknown;
  desk.ask(first);
  check_refused(desk.ask(desk.wish("replica-2")), "is under way; wait for its end");
  desk.pass_time(2s);
  CHECK(desk.request(first.request).state == RequestState::failed);
  const auto& guards = desk.route("bud").guards;
  const auto found = std::find_if(guards.begin(), guards.end(),
                                  [](const Guard& one) { return one.name == "unsettled"; });
  REQUIRE(found != guards.end());
  CHECK_FALSE(found->allow);
}

TEST_CASE("request: a failed planned change leaves the route where it was") {
  Desk desk({HookKind::demote});
  const SwitchRequested asked = desk.wish("replica-1");
  desk.switch_outcome = ActionOutcome::failed;
  desk.ask(asked);
  desk.pass_time(1s);
  CHECK(desk.request(asked.request).state == RequestState::failed);
  CHECK(desk.route("bud").targets.at(0).text == "primary");
}

TEST_CASE("request: a dead primary is replaced on a person's word, without the automatic guards") {
  Desk desk;  // the route does not drive
  desk.lose_primary();
  REQUIRE(desk.promotions.empty());
  desk.give(AutomationSet{true, "I do it myself", "uid 1000", std::nullopt});
  const SwitchRequested asked = desk.wish("replica-2");
  const RequestView view = desk.ask(asked);
  INFO(Desk::text(view));
  REQUIRE(view.state == RequestState::running);
  desk.pass_time(20s);
  REQUIRE(desk.promotions.size() == 1);
  CHECK(desk.promotions[0].to.probe.text == "replica-2");
  INFO(Desk::text(desk.request(asked.request)));
  CHECK(desk.request(asked.request).state == RequestState::done);
  CHECK(desk.route("bud").targets.at(0).text == "replica-2");
}

TEST_CASE("request: no promotion while a standby still receives from whom we do not reach") {
  Desk desk;
  desk.set("primary", fail(Reason::connect_timeout));
  for (std::uint64_t i = 0; i < 30; ++i) {
    desk.set("replica-1", standby_at(3000 + i, true));
    desk.set("replica-2", standby_at(3000 + i, true));
    desk.pass_time(1s);
  }
  check_refused(desk.ask(desk.wish("replica-1")), "would split the brain");
}

TEST_CASE("request: lost rows are accepted by name or not at all") {
  Desk desk;
  desk.set_.routes[RouteName("bud")].promote = PromotePolicy{};
  desk.set_.routes[RouteName("bud")].promote->max_lag = std::uint64_t{100};
  desk.set_.routes[RouteName("bud")].fingerprint = "bud with a limit";
  desk.load(desk.set_);
  desk.set("primary", primary_at(5000));
  desk.pass_time(30s);
  desk.set("primary", fail(Reason::connect_refused));
  desk.set("replica-1", standby_at(1000));
  desk.set("replica-2", standby_at(1000));
  desk.give(SessionEnded{ProbeName("primary"), SessionEnd::lost});
  desk.pass_time(20s);
  check_refused(desk.ask(desk.wish("replica-1")), "replica-1 lacks 4000 bytes");
  SwitchRequested asked = desk.wish("replica-1");
  asked.allow_data_loss = true;
  const RequestView view = desk.ask(asked);
  INFO(Desk::text(view));
  CHECK(view.state == RequestState::running);
  desk.pass_time(20s);
  REQUIRE(desk.promotions.size() == 1);
  CHECK(desk.promotions[0].to.probe.text == "replica-1");
}

TEST_CASE(
    "request: a cancel in time ends it; one that is too late, or of nothing, changes nothing") {
  Desk desk({HookKind::demote});
  const SwitchRequested asked = desk.wish("replica-1");
  desk.ask(asked);
  desk.give(SwitchCancelled{asked.request});
  CHECK(Desk::text(desk.request(asked.request)).find("cancel asked for") != std::string::npos);
  desk.pass_time(20s);
  const RequestView over = desk.request(asked.request);
  desk.give(SwitchCancelled{asked.request});
  CHECK(desk.request(asked.request).state == over.state);
  desk.give(SwitchCancelled{RequestId{99}});
  desk.give(RequestNoted{RequestId{99}, "nobody asked"});
  CHECK(desk.see()->requests.count(RequestId{99}) == 0);
}

TEST_CASE("request: only the last requests are kept") {
  Desk desk;
  for (std::size_t i = 0; i < kept_requests + 5; ++i) desk.ask(desk.wish("primary"));
  CHECK(desk.see()->requests.size() == kept_requests);
}
