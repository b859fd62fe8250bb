#include "daemon/http/answers.hpp"

#include <catch2/catch.hpp>

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
