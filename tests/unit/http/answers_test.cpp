#include "daemon/http/answers.hpp"

#include <catch2/catch.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/http/agent_check.hpp"
#include "probes/clock.hpp"
#include "tests/unit/http/world.hpp"

using namespace pointsman;
namespace http = beast::http;

namespace {

struct Desk {
  int renders = 0, reloads = 0;
  MonoTime now = test::at({});
  MonoTime tick = test::at({});
  Serving serving{.ok = true, .reason = {}};
  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>(test::one_of_everything());
  HttpSource source;
  HttpSettings settings;

  Desk() {
    source.snapshot = [this] { return snapshot; };
    source.shell = [this] {
      ++renders;
      return test::shell_view();
    };
    source.serving = [this] { return serving; };
    source.last_tick = [this] { return tick; };
    source.reload = [this] {
      ++reloads;
      return CommandAnswer{.status = 422, .body = {{"ok", false}}};
    };
    source.flag_set = [](const std::string& name) { return name == "maintenance_page"; };
  }

  HealthAnswer health{source, std::chrono::seconds{2}};

  /// As an operator, unless told otherwise.
  Answer ask(http::verb method, const std::string& target, Asker asker = {true, -1}) {
    Answers answers(source, health, settings);
    Request request;
    request.method = method;
    request.target = target;
    request.hosts = 1;
    return answers.answer(request, asker, now);
  }
};

}  // namespace

TEST_CASE("an outsider sees the three open paths and nothing else") {
  Desk desk;
  const Asker outsider{false, -1};  // no peer at all: nobody's address
  for (const char* open : {"/health", "/livez", "/readyz"}) {
    CHECK(desk.ask(http::verb::get, open, outsider).status == 200);
  }
  for (const char* closed :
       {"/health/detailed", "/metrics", "/v1/status", "/v1/config", "/flags/a", "/nowhere", "/"}) {
    INFO(closed);
    CHECK(desk.ask(http::verb::get, closed, outsider).status == 403);
  }
}

TEST_CASE("the token opens what the address does not, and only when it is right") {
  Desk desk;
  desk.settings.token = Secret{"s3cret"};
  Answers answers(desk.source, desk.health, desk.settings);
  Request request;
  request.method = http::verb::get;
  request.target = "/v1/status";
  request.hosts = 1;
  const auto status_with = [&](const std::string& authorization) {
    request.authorization = authorization;
    return answers.answer(request, {false, -1}, desk.now).status;
  };
  CHECK(status_with("Bearer s3cret") == 200);
  CHECK(status_with("bearer s3cret") == 200);
  CHECK(status_with("Bearer s3cre") == 403);
  CHECK(status_with("Bearer s3creT") == 403);
  CHECK(status_with("Bearer ") == 403);
  CHECK(status_with("Basic s3cret") == 403);
  CHECK(status_with("") == 403);
  desk.settings.token = Secret{};
  answers.set_access(desk.settings);
  CHECK(status_with("Bearer ") == 403);
  CHECK(status_with("Bearer s3cret") == 403);
}

TEST_CASE("methods") {
  Desk desk;
  CHECK(desk.ask(http::verb::post, "/health").status == 405);
  CHECK(desk.ask(http::verb::post, "/health").allow == "GET, HEAD");
  CHECK(desk.ask(http::verb::unknown, "/v1/status").status == 405);
  CHECK(desk.ask(http::verb::get, "/v1/reload").status == 405);
  CHECK(desk.ask(http::verb::get, "/v1/reload").allow == "POST");
  CHECK(desk.ask(http::verb::get, "/nowhere").status == 404);
  CHECK(desk.ask(http::verb::get, "/%").status == 400);
}

TEST_CASE("reload is the operator's, and its answer is passed on") {
  Desk desk;
  const Answer answer = desk.ask(http::verb::post, "/v1/reload");
  CHECK(answer.status == 422);
  CHECK(*answer.body == "{\"ok\":false}\n");
  CHECK(desk.reloads == 1);
  CHECK(desk.ask(http::verb::post, "/v1/reload", {false, -1}).status == 403);
  CHECK(desk.reloads == 1);
}

TEST_CASE("commands are the operator's, over the control socket, as one JSON object") {
  Desk desk;
  std::vector<std::string> heard;
  desk.source.command = [&](const std::string& name, const boost::json::object& body,
                            const std::string& by) {
    heard.push_back(name + " " + boost::json::serialize(body) + " by " + by);
    return CommandAnswer{.status = 202, .body = {{"request", 7}}};
  };
  Answers answers(desk.source, desk.health, desk.settings);
  const auto post = [&](const std::string& target, const std::string& body, Asker asker) {
    Request request;
    request.method = http::verb::post;
    request.target = target;
    request.hosts = 1;
    request.body = body;
    request.authorization = "Bearer s3cret";
    return answers.answer(request, asker, desk.now);
  };
  const Asker operators{true, -1};
  const Answer answer = post("/v1/switch", R"({"route":"bud"})", operators);
  CHECK(answer.status == 202);
  CHECK(*answer.body == "{\"request\":7}\n");
  CHECK(post("/v1/flags/set", "", operators).status == 202);
  CHECK(heard == std::vector<std::string>{R"(switch {"route":"bud"} by an unknown user)",
                                          "flags/set {} by an unknown user"});
  for (const char* bad : {"{", "[]", "7", "\"a\"", "null", R"({"a":1}x)"}) {
    INFO(bad);
    CHECK(post("/v1/pause", bad, operators).status == 400);
  }
  CHECK(desk.ask(http::verb::get, "/v1/switch").status == 405);
  CHECK(desk.ask(http::verb::get, "/v1/switch").allow == "POST");
  CHECK(post("/v1/flags", "{}", operators).status == 404);
  CHECK(post("/v1/flags/set/x", "{}", operators).status == 404);

  // Not over TCP: whatever the command, and whoever has the token.
  desk.settings.token = Secret{"s3cret"};
  answers.set_access(desk.settings);
  for (const char* target :
       {"/v1/switch", "/v1/switch/cancel", "/v1/pause", "/v1/resume", "/v1/drain", "/v1/undrain",
        "/v1/flags/set", "/v1/flags/clear", "/v1/ack", "/v1/approve", "/v1/refuse",
        "/v1/notify/test", "/v1/reload"}) {
    INFO(target);
    CHECK(post(target, "{}", {false, -1}).status == 403);
  }
  CHECK(heard.size() == 2);
  CHECK(desk.reloads == 0);
  desk.source.command = nullptr;
  CHECK(post("/v1/pause", "{}", operators).status == 503);
}

TEST_CASE("whoever drains and looks at /health sees it, before the next tick") {
  Desk desk;
  desk.source.command = [&](const std::string&, const boost::json::object&, const std::string&) {
    desk.serving = Serving{.ok = false, .reason = "drained"};
    return CommandAnswer{};
  };
  Answers answers(desk.source, desk.health, desk.settings);
  REQUIRE(desk.health.bytes(desk.now, After::keep, false).find(" 200 ") != std::string::npos);
  Request request;
  request.method = http::verb::post;
  request.target = "/v1/drain";
  request.hosts = 1;
  answers.answer(request, {true, -1}, desk.now);
  CHECK(desk.health.bytes(desk.now, After::keep, false).find(" 503 ") != std::string::npos);
}

TEST_CASE("a notifier's test is answered later, or refused at once") {
  Desk desk;
  CommandCallback waiting;
  desk.source.command_later = [&](const std::string& name, const boost::json::object&,
                                  CommandCallback answer) {
    CHECK(name == "notify/test");
    waiting = std::move(answer);
  };
  Answers answers(desk.source, desk.health, desk.settings);
  const auto post = [&](const std::string& body) {
    Request request;
    request.method = http::verb::post;
    request.target = "/v1/notify/test";
    request.hosts = 1;
    request.body = body;
    return answers.answer(request, {true, -1}, desk.now);
  };
  CHECK(post("{}").status == 400);
  CHECK(post(R"({"notifier":"nobody"})").status == 404);
  CHECK(post(R"({"notifier":"nobody"})").body->find("known: oncall") != std::string::npos);
  const Answer later = post(R"({"notifier":"oncall"})");
  REQUIRE(later.later);
  std::optional<Answer> made;
  later.later([&](Answer answer) { made = std::move(answer); });
  REQUIRE(waiting);
  CHECK_FALSE(made);
  waiting(CommandAnswer{.status = 200, .body = {{"message", "taken"}}});
  REQUIRE(made);
  CHECK(*made->body == "{\"message\":\"taken\"}\n");
}

TEST_CASE("incidents and requests are found by their number") {
  Desk desk;
  CHECK(desk.ask(http::verb::get, "/v1/incidents/11").status == 200);
  CHECK(desk.ask(http::verb::get, "/v1/requests/4").status == 200);
  CHECK(desk.ask(http::verb::get, "/v1/requests").status == 200);
  for (const char* none :
       {"/v1/incidents/99", "/v1/incidents/x", "/v1/incidents/11x", "/v1/incidents/-1",
        "/v1/requests/99", "/v1/requests/0x4", "/v1/incidents/99999999999999999999"}) {
    INFO(none);
    CHECK(desk.ask(http::verb::get, none).status == 404);
  }
  CHECK(desk.ask(http::verb::get, "/v1/incidents?limit=1").body->find("\"id\":11") ==
        std::string::npos);
  CHECK(desk.ask(http::verb::get, "/v1/incidents?limit=2").body->find("\"id\":11") !=
        std::string::npos);
  CHECK(desk.ask(http::verb::get, "/v1/incidents?limit=many").status == 400);
}

TEST_CASE("events: a stream from where the reader is, or a document") {
  Desk desk;
  desk.source.last_event = [] { return std::uint64_t{40}; };
  desk.source.events_since = [](std::uint64_t seq, std::size_t limit) {
    std::vector<StoredEventView> all;
    for (std::uint64_t n = seq + 1; n <= 40 && all.size() < limit; ++n) {
      all.push_back({n, {}, "decision", "bud", "text", {}});
    }
    return all;
  };
  const auto from = [&](const std::string& target) {
    return desk.ask(http::verb::get, target).stream_after;
  };
  CHECK(from("/v1/events") == 40);
  CHECK(from("/v1/events?since=7") == 7);
  CHECK(desk.ask(http::verb::get, "/v1/events").content_type == "text/event-stream");
  CHECK(desk.ask(http::verb::get, "/v1/events?since=x").status == 400);
  CHECK(desk.ask(http::verb::get, "/v1/events?limit=-1").status == 400);
  CHECK(desk.ask(http::verb::get, "/v1/events", {false, -1}).status == 403);

  Answers answers(desk.source, desk.health, desk.settings);
  Request request;
  request.method = http::verb::get;
  request.target = "/v1/events?since=7";
  request.hosts = 1;
  request.last_event_id = "9";  // a browser that comes back
  CHECK(answers.answer(request, {true, -1}, desk.now).stream_after == 9);

  const auto newest = boost::json::parse(*desk.ask(http::verb::get, "/v1/events?limit=2").body);
  CHECK(newest.at("last").as_int64() == 40);
  CHECK(newest.at("events").at(0).at("seq").as_int64() == 39);
  const auto since =
      boost::json::parse(*desk.ask(http::verb::get, "/v1/events?limit=2&since=7").body);
  CHECK(since.at("events").at(1).at("seq").as_int64() == 9);
}

TEST_CASE("flags are asked for by harmless names only") {
  Desk desk;
  int asked = 0;
  desk.source.flag_set = [&](const std::string& name) {
    ++asked;
    return name == "maintenance_page";
  };
  CHECK(desk.ask(http::verb::get, "/flags/maintenance_page").status == 200);
  CHECK(desk.ask(http::verb::get, "/flags/other").status == 404);
  CHECK(asked == 2);
  for (const char* bad : {"/flags/..%2fx", "/flags/.hidden", "/flags/a%20b"}) {
    CHECK(desk.ask(http::verb::get, bad).status == 404);
  }
  CHECK(asked == 2);
}

TEST_CASE("a document is rendered once for each generation") {
  Desk desk;
  Answers answers(desk.source, desk.health, desk.settings);
  Request request;
  request.method = http::verb::get;
  request.target = "/v1/status";
  request.hosts = 1;
  const auto ask = [&] { return answers.answer(request, {true, -1}, desk.now); };
  const auto first = ask();
  CHECK(ask().body == first.body);
  CHECK(desk.renders == 1);
  desk.snapshot->generation++;
  ask();
  CHECK(desk.renders == 2);
  desk.now += Answers::document_max_age;  // what the shell adds has no generation
  ask();
  CHECK(desk.renders == 3);
  desk.now += std::chrono::seconds{1};
  answers.forget_old(desk.now);
  CHECK(answers.idle());
}

TEST_CASE("/health/detailed is 503 when the whole is unhealthy, and speaks the draft when asked") {
  Desk desk;
  CHECK(desk.ask(http::verb::get, "/health/detailed").status == 200);
  desk.snapshot->overall = State::unhealthy;
  CHECK(desk.ask(http::verb::get, "/health/detailed").status == 503);

  Answers answers(desk.source, desk.health, desk.settings);
  Request request;
  request.method = http::verb::get;
  request.target = "/health/detailed";
  request.hosts = 1;
  request.accept = "application/health+json, */*";
  const Answer answer = answers.answer(request, {true, -1}, desk.now);
  CHECK(answer.status == 503);
  CHECK(answer.content_type == "application/health+json");
  CHECK(answer.body->find("\"status\":\"fail\"") != std::string::npos);
}

TEST_CASE("before the first snapshot there is /health and a clear 503") {
  Desk desk;
  desk.snapshot = nullptr;
  CHECK(desk.ask(http::verb::get, "/v1/status").status == 503);
  CHECK(desk.ask(http::verb::get, "/health").status == 200);
}

TEST_CASE("/health says 503 when the daemon's own loop is late") {
  Desk desk;
  CHECK(desk.health.answer(desk.now).status == 200);
  desk.now += std::chrono::seconds{2};
  CHECK(desk.health.answer(desk.now).status == 200);  // exactly 2 s is not older
  desk.now += std::chrono::milliseconds{1};
  CHECK(desk.health.answer(desk.now).status == 503);
  CHECK(desk.health.answer(desk.now).body->find("own loop is late") != std::string::npos);
  desk.tick = desk.now;
  CHECK(desk.health.answer(desk.now).status == 200);
  desk.serving = Serving{.ok = false, .reason = "drained"};
  CHECK(desk.health.answer(desk.now).status == 200);  // the answer changes with a tick
  desk.tick += std::chrono::nanoseconds{1};
  CHECK(desk.health.answer(desk.now).status == 503);
  CHECK(desk.health.answer(desk.now).body->find("\"reason\":\"drained\"") != std::string::npos);
}

TEST_CASE("before its first tick the daemon is starting") {
  Desk desk;
  desk.tick = MonoTime{};
  CHECK(desk.health.answer(desk.now).status == 503);
  CHECK(desk.health.answer(desk.now).body->find("starting") != std::string::npos);
}

TEST_CASE("the ready answer and its head agree") {
  Desk desk;
  const std::string whole(desk.health.bytes(desk.now, After::close, false));
  const std::string head(desk.health.bytes(desk.now, After::close, true));
  CHECK(whole.substr(0, head.size()) == head);
  CHECK(head.substr(head.size() - 4) == "\r\n\r\n");
  CHECK(head.find("Cache-Control: no-store\r\n") != std::string::npos);
  CHECK(head.find("Connection: close\r\n") != std::string::npos);
  CHECK(head.find("Content-Length: " + std::to_string(whole.size() - head.size())) !=
        std::string::npos);
}

TEST_CASE("the agent-check line") {
  CHECK(agent_check_line({.ok = true, .reason = {}}) == "up\n");
  CHECK(agent_check_line({.ok = false, .reason = "host is unhealthy"}) ==
        "down #host is unhealthy\n");
  CHECK(agent_check_line({.ok = false, .reason = "a\nup\r"}) == "down #a?up?\n");
  CHECK(agent_check_line({.ok = false, .reason = std::string(1000, 'x')}).size() <= 201);
}

TEST_CASE("dates are those of RFC 9110") {
  CHECK(to_http_date(WallTime{std::chrono::milliseconds{784'111'777'123}}) ==
        "Sun, 06 Nov 1994 08:49:37 GMT");
}
