#include <catch2/catch.hpp>

#include "policies/alerts.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

const NotifierName oncall{"oncall"}, chat{"chat"};

struct Desk {
  PolicySet policy;
  IncidentBook book;
  MonoTime now{1h};
  IncidentId id{};

  Desk() {
    policy.notify[oncall] = {oncall, false, false};
    policy.notify[chat] = {chat, false, false};
    OpenIncident what;
    what.subject = "database";
    what.cause = "unhealthy";
    what.why = "service database is unhealthy";
    what.severity = Severity::warning;
    id = book.open(now, what);
  }
  /// What is sent now; as the engine does, for each incident that changed.
  std::vector<Alert> send() {
    std::vector<Effect> effects;
    for (const IncidentId changed : book.take_changed()) {
      send_alerts(now, policy, changed, book, effects);
    }
    std::vector<Alert> alerts;
    for (const Effect& effect : effects) alerts.push_back(std::get<SendAlert>(effect).alert);
    return alerts;
  }
  static std::string annotation(const Alert& alert, const std::string& name) {
    for (const auto& [key, value] : alert.annotations) {
      if (key == name) return value;
    }
    return "(none)";
  }
};

}  // namespace

TEST_CASE("alerts: nothing is sent unless someone asked for it") {
  Desk d;
  CHECK(d.send().empty());
  d.book.needs_human(d.id, "help");
  CHECK(d.send().empty());
  d.book.close(d.id, d.now);
  CHECK(d.send().empty());
}

TEST_CASE("alerts: who was named by a ladder hears of each change that matters, and of the end") {
  Desk d;
  d.book.tell(d.id, oncall);
  auto sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].notifier == oncall);
  CHECK(sent[0].state == AlertState::firing);
  CHECK(sent[0].alertname == "PointsmanIncident");
  CHECK(sent[0].starts == d.now);
  CHECK(sent[0].summary == "database: service database is unhealthy");

  d.book.note(d.id, d.now, "something", {});
  CHECK(d.send().empty());  // that does not matter to whoever was told
  d.book.join(d.id, "site");
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(Desk::annotation(sent[0], "dependents") == "site");

  d.now += 12s;
  d.book.attempt(d.id, {d.now - 3s, "switch bud", 3s, ActionOutcome::failed, "none fits"});
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(Desk::annotation(sent[0], "attempts") == "+9s switch bud: failed after 3s: none fits");
  CHECK(Desk::annotation(sent[0], "dependents") == "site");
  CHECK(Desk::annotation(sent[0], "age") == "12s");
  CHECK(Desk::annotation(sent[0], "failure_type") == "unhealthy");

  d.book.needs_human(d.id, "put it right");
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].severity == Severity::critical);
  CHECK(Desk::annotation(sent[0], "asked") == "put it right");

  d.book.acknowledge(d.id, {d.now, "uid 1000", "on it"});
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(Desk::annotation(sent[0], "acknowledged") == "by uid 1000: on it");

  d.now += 1min;
  d.book.close(d.id, d.now);
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].state == AlertState::resolved);
  CHECK(sent[0].summary == "database is well again after 1m12s");
  CHECK(Desk::annotation(sent[0], "asked") == "(none)");
  d.book.note(d.id, d.now, "afterwards", {});
  CHECK(d.send().empty());
}

TEST_CASE("alerts: `on:` asks for incidents of a severity") {
  Desk d;
  d.policy.notify[chat].on_warning = true;
  d.policy.notify[oncall].on_critical = true;
  auto sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].notifier == chat);
  d.book.raise(d.id, Severity::critical);
  sent = d.send();
  REQUIRE(sent.size() == 2);  // who was told of it goes on being told
  d.book.close(d.id, d.now);
  CHECK(d.send().size() == 2);
}

TEST_CASE("alerts: a restart neither repeats nor forgets") {
  Desk d;
  d.book.tell(d.id, oncall);
  CHECK(d.send().size() == 1);
  IncidentBook restored;
  restored.restore({d.book.find(d.id)}, 1);
  d.book = restored;
  CHECK(d.send().empty());
  d.book.note(d.id, d.now, "looked again", {});
  CHECK(d.send().empty());
  d.book.close(d.id, d.now);
  const auto sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].state == AlertState::resolved);
}

TEST_CASE("alerts: who is called again is told again, and the summary says how often") {
  Desk d;
  d.book.call(d.id, oncall);
  auto sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].summary == "database: service database is unhealthy");
  d.book.tell(d.id, oncall);
  CHECK(d.send().empty());  // it was told that already
  d.book.call(d.id, oncall);
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].summary == "database: service database is unhealthy [call 2]");
  CHECK(d.send().empty());

  d.book.call(d.id, chat);  // nobody else hears of that
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].notifier == chat);
  CHECK(sent[0].summary == "database: service database is unhealthy");

  // The number goes on after a restart: a receiver never hears the same twice.
  IncidentBook restored;
  restored.restore({d.book.find(d.id)}, 1);
  d.book = restored;
  CHECK(d.send().empty());
  d.book.call(d.id, oncall);
  CHECK(d.send().at(0).summary == "database: service database is unhealthy [call 3]");
  d.book.close(d.id, d.now);
  sent = d.send();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].state == AlertState::resolved);
  d.book.call(d.id, oncall);  // too late
  CHECK(d.send().empty());
}

TEST_CASE("alerts: a human who is called anew for the same reason is told again") {
  Desk d;
  d.book.call_human(d.id, "put it right");
  d.book.tell(d.id, oncall);
  auto sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].summary == "database: service database is unhealthy (a human is needed)");
  d.book.needs_human(d.id, "put it right");
  CHECK(d.send().empty());  // that is asked already
  d.book.acknowledge(d.id, {d.now, "uid 1000", ""});
  CHECK(d.send().size() == 1);
  d.book.call_human(d.id, "put it right");
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].summary == "database: service database is unhealthy (a human is needed) [call 2]");
  CHECK(Desk::annotation(sent[0], "acknowledged") == "(none)");

  // A question is answered and the next one asked within a moment: that shows too.
  d.book.ask(d.id, "restart it?");
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].summary.ends_with(" [call 3]"));
  d.book.ask_nothing(d.id);
  d.book.ask(d.id, "and now?");
  sent = d.send();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].summary.ends_with(" [call 4]"));
}

TEST_CASE("alerts: a notifier that goes and comes back hears of what is open") {
  Desk d;
  d.book.tell(d.id, oncall);
  CHECK(d.send().size() == 1);
  const auto send_open = [&d] {
    std::vector<Effect> effects;
    send_alerts(d.now, d.policy, d.id, d.book, effects);
    return effects.size();
  };
  CHECK(send_open() == 0);
  const NotifierPolicy kept = d.policy.notify.at(oncall);
  d.policy.notify.erase(oncall);
  CHECK(send_open() == 0);
  CHECK(d.book.find(d.id)->told.at(0).gist.empty());
  SECTION("while it is open") {
    d.policy.notify[oncall] = kept;
    CHECK(send_open() == 1);
    CHECK(send_open() == 0);
  }
  SECTION("after it is over: its outbox went with it") {
    d.book.close(d.id, d.now);
    d.policy.notify[oncall] = kept;
    CHECK(send_open() == 0);
  }
}

TEST_CASE("alerts: one that opened and closed unheard is not resolved, nor is one of nobody") {
  Desk d;
  d.book.tell(d.id, oncall);
  d.book.tell(d.id, NotifierName("gone"));
  d.book.close(d.id, d.now);
  CHECK(d.send().empty());
}

TEST_CASE("alerts: what is lost and how long it took are said at the end; lists are cut") {
  Desk d;
  for (int i = 0; i < 13; ++i) {
    d.book.attempt(d.id, {d.now, "a" + std::to_string(i), Duration{}, ActionOutcome::ok, ""});
  }
  for (int i = 0; i < 25; ++i) d.book.join(d.id, "m" + std::to_string(i));
  d.book.mark(d.id, Mark::verified, d.now + 4s);
  Rpo rpo;
  rpo.lower_bytes = 100;
  rpo.to = d.now + 2s;
  rpo.from = d.now;
  d.book.set_rpo(d.id, rpo);
  const Alert alert = make_alert(*d.book.find(d.id), oncall, d.now);
  CHECK(Desk::annotation(alert, "rto") == "4s");
  CHECK(Desk::annotation(alert, "rpo") == "at least 100 bytes of WAL, commits within 2s");
  CHECK(Desk::annotation(alert, "attempts").starts_with("3 earlier\n+0ms a3: ok\n"));
  CHECK(Desk::annotation(alert, "dependents").ends_with("m19, and 5 more"));
  rpo.exact = true;
  d.book.set_rpo(d.id, rpo);
  CHECK(Desk::annotation(make_alert(*d.book.find(d.id), oncall, d.now), "rpo") ==
        "100 bytes of WAL, commits within 2s");
}
