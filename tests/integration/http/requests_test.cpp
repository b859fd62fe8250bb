// What a client may send, rightly or wrongly, and what it is told.
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <thread>

#include "tests/integration/http/running_server.hpp"

using namespace pointsman;
using namespace pointsman::test;

namespace {
bool has(const Reply& reply, const std::string& text) {
  return reply.head.find(text) != std::string::npos;
}
int count(const std::string& text, const std::string& what) {
  int found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}
/// The timestamp is the snapshot's: between two requests there may be a new one.
std::string without_time(const std::string& body) {
  return body.substr(0, body.find("\"timestamp\""));
}
}  // namespace

TEST_CASE("/health is answered, in every form") {
  RunningServer server;
  Client client(server.port());
  const Reply reply = client.ask(get("/health"));
  CHECK(reply.status == 200);
  CHECK(has(reply, "Cache-Control: no-store\r\n"));
  CHECK(has(reply, "Content-Type: application/json\r\n"));
  CHECK(reply.body.find("\"status\":\"ok\"") != std::string::npos);
  for (const char* target : {"/health?x=1", "/he%61lth", "http://any.host/health", "/readyz"}) {
    INFO(target);
    CHECK(without_time(client.ask(get(target)).body) == without_time(reply.body));
  }
  CHECK(client.ask(get("/livez")).status == 200);
}

TEST_CASE("/health follows the serving answer with the next tick") {
  RunningServer server;
  Client client(server.port());
  REQUIRE(client.ask(get("/health")).status == 200);
  server.serving = false;
  Reply reply;
  for (int i = 0; i < 1000 && reply.status != 503; ++i) reply = client.ask(get("/health"));
  CHECK(reply.status == 503);
  CHECK(reply.body.find("\"status\":\"unavailable\",\"reason\":\"drained\"") != std::string::npos);
  CHECK(client.ask(get("/livez")).status == 200);
}

TEST_CASE("HEAD is answered with the head alone") {
  RunningServer server;
  Client client(server.port());
  for (const char* path : {"/health", "/health?x", "/v1/status", "/nowhere"}) {
    INFO(path);
    REQUIRE(client.send("HEAD " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n\r\n"));
    const Reply reply = client.read_reply(true);
    CHECK(reply.status == (std::string(path) == "/nowhere" ? 404 : 200));
    CHECK(has(reply, "Content-Length: "));
  }
  CHECK(client.ask(get("/health")).status == 200);  // nothing was left over in between
}

TEST_CASE("HTTP/1.0 closes unless asked to keep the connection") {
  RunningServer server;
  Client plain(server.port());
  plain.send("GET /health HTTP/1.0\r\n\r\n");
  const auto all = plain.read_to_end();
  REQUIRE(all);
  CHECK(all->find("HTTP/1.1 200 OK") == 0);
  CHECK(all->find("Connection: close") != std::string::npos);

  Client kept(server.port());
  for (int i = 0; i < 3; ++i) {
    const Reply reply = kept.ask("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(reply.status == 200);
    CHECK(has(reply, "Connection: keep-alive\r\n"));
  }
}

TEST_CASE("Connection: close ends the connection after the whole answer") {
  RunningServer server;
  Client client(server.port());
  client.send(get("/v1/status", "Connection: close\r\n"));  // a large one
  const auto all = client.read_to_end();
  REQUIRE(all);
  CHECK(all->size() > 300'000);
  CHECK(all->substr(all->size() - 3) == "}}\n");
}

TEST_CASE("a hundred requests in one piece get a hundred answers in order") {
  RunningServer server;
  Client client(server.port());
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += get(i % 2 == 0 ? "/health" : "/nowhere");
  REQUIRE(client.send(requests));
  for (int i = 0; i < 100; ++i) {
    INFO(i);
    REQUIRE(client.read_reply().status == (i % 2 == 0 ? 200 : 404));
  }
}

TEST_CASE("pipelined large answers come whole and in order") {
  RunningServer server;
  Client client(server.port());
  REQUIRE(client.send(get("/v1/status") + get("/health") + get("/metrics") + get("/livez")));
  CHECK(client.read_reply().body.size() > 300'000);
  CHECK(client.read_reply().body.find("timestamp") != std::string::npos);
  CHECK(client.read_reply().body.find("pointsman_probe_state") != std::string::npos);
  CHECK(client.read_reply().body == "{\"status\":\"ok\"}\n");
}

TEST_CASE("a request may come byte by byte") {
  RunningServer server;
  Client client(server.port());
  for (const char c : "\r\n" + get("/health")) REQUIRE(client.send(std::string(1, c)));
  CHECK(client.read_reply().status == 200);
}

TEST_CASE("a client that has closed its half still gets its answers") {
  RunningServer server;
  Client client(server.port());
  client.send(get("/health") + get("/v1/status"));
  client.half_close();
  CHECK(client.read_reply().status == 200);
  CHECK(client.read_reply().body.size() > 300'000);
  CHECK(client.read_to_end());
}

TEST_CASE("garbage is answered with 400 and the end") {
  RunningServer server;
  const std::string tls_greeting("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  for (const std::string& garbage :
       {tls_greeting, std::string("\0\0\0\0", 4), std::string("\x80zz"),
        std::string("   GET /\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("GET /health\r\n\r\n"), std::string("GET /health HTTP/9.9\r\n\r\n"),
        std::string("GET /he alth HTTP/1.1\r\n\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        std::string("GET /health HTTP/1.1\r\nBad Name: x\r\n\r\n"),
        std::string("GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("GET /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string(
            "GET /health HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("GET /health HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n")}) {
    INFO(garbage);
    Client client(server.port());
    REQUIRE(client.send(garbage));
    const Reply reply = client.read_reply();
    CHECK(reply.status == 400);
    CHECK(has(reply, "Connection: close\r\n"));
    CHECK(client.read_to_end());
  }
  CHECK(Client(server.port()).ask(get("/health")).status == 200);
}

TEST_CASE("the Host field: tolerated where it lacks for /health, wanted once elsewhere") {
  RunningServer server;
  Client client(server.port());
  CHECK(client.ask("GET /health HTTP/1.1\r\n\r\n").status == 200);
  CHECK(client.ask("GET /v1/status HTTP/1.1\r\n\r\n").status == 400);
  CHECK(client.ask("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400);
  CHECK(client.ask(get("/health")).status == 200);
}

TEST_CASE("headers and bodies beyond their limits are refused with their own status") {
  RunningServer server;
  Client large_header(server.port());
  large_header.send(get("/health", "X: " + std::string(9000, 'x') + "\r\n"));
  CHECK(large_header.read_reply().status == 431);
  CHECK(large_header.read_to_end());

  Client fits(server.port());
  CHECK(fits.ask(get("/health", "X: " + std::string(8000, 'x') + "\r\n")).status == 200);

  Client large_body(server.control_path());
  large_body.send("POST /v1/reload HTTP/1.1\r\nHost: t\r\nContent-Length: 17000\r\n\r\n");
  CHECK(large_body.read_reply().status == 413);

  Client large_chunks(server.control_path());
  large_chunks.send("POST /v1/reload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20 && large_chunks.send("1000\r\n" + std::string(4096, 'x') + "\r\n"); ++i) {
  }
  CHECK(large_chunks.read_reply().status == 413);
  CHECK(server.reloads == 0);
}

TEST_CASE("a chunk's header, its extension or a trailer without end is refused at once") {
  RunningServer server;
  const std::string head =
      "POST /v1/reload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& endless :
       {std::string("1;x=") + std::string(9000, 'x'), std::string(9000, '0'),
        std::string("2\r\n{}\r\n0\r\nX: ") + std::string(9000, 'x')}) {
    INFO(endless.substr(0, 12));
    const auto start = std::chrono::steady_clock::now();
    Client client(server.control_path());
    client.send(head + endless);
    CHECK(client.read_reply().status == 431);
    CHECK(client.read_to_end());
    CHECK(seconds_since(start) < 5);  // not the body's deadline
  }
  CHECK(server.reloads == 0);
}

TEST_CASE("a body in chunks comes in any pieces") {
  RunningServer server;
  const std::string head =
      "POST /v1/reload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  int reloads = 0;
  for (const std::string& body : {std::string("0\r\n\r\n"), std::string("2\r\n{}\r\n0\r\n\r\n"),
                                  std::string("2\r\n{}\r\n000\r\nA: b\r\n\r\n")}) {
    for (std::size_t cut = 0; cut <= body.size(); ++cut) {
      INFO(body << " cut at " << cut);
      Client client(server.control_path());
      client.send(head + body.substr(0, cut));
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
      for (const char byte : body.substr(cut)) {
        client.send(std::string(1, byte));
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
      }
      CHECK(client.read_reply().status == 200);
      CHECK(server.reloads == ++reloads);
    }
  }
}

TEST_CASE("100-continue does not make the beginning of a last chunk be read twice") {
  RunningServer server;
  Client client(server.control_path());
  client.send(
      "POST /v1/reload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
      "Expect: 100-continue\r\n\r\n0\r\n");
  CHECK(client.read_reply().status == 100);
  CHECK(client.ask("\r\n").status == 200);
}

TEST_CASE("methods that do not fit are told which do, and the connection stays") {
  RunningServer server;
  Client client(server.port());
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW", "get"}) {
    INFO(method);
    const Reply reply = client.ask(std::string(method) + " /health HTTP/1.1\r\nHost: t\r\n\r\n");
    CHECK(reply.status == 405);
    CHECK(has(reply, "Allow: GET, HEAD\r\n"));
  }
  CHECK(client.ask("POST /health HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello").status ==
        405);
  CHECK(client.ask(get("/health", "Content-Length: 2\r\n") + "hi").status == 200);
  CHECK(client.ask(get("/health")).status == 200);
}

TEST_CASE("100-continue is said before the body is wanted") {
  RunningServer server;
  Client client(server.control_path());
  client.send(
      "POST /v1/reload HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.read_reply().status == 100);
  CHECK(client.ask("{}").status == 200);
  CHECK(server.reloads == 1);
}

TEST_CASE("the control socket reloads, the port does not") {
  RunningServer server;
  const std::string reload = "POST /v1/reload HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n";
  Client control(server.control_path());
  CHECK(control.ask(reload).body == "{\"ok\":true}\n");
  CHECK(control
            .ask("POST /v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "2\r\n{}\r\n0\r\n\r\n")
            .status == 200);
  CHECK(server.reloads == 2);
  CHECK(control.ask(get("/v1/status")).status == 200);
  CHECK(Client(server.port()).ask(reload).status == 403);
  CHECK(server.reloads == 2);
}

TEST_CASE("who is not of details_from is refused, but for what everybody may ask") {
  RunningServer server(HttpSettings{{"192.0.2.0/24"}, Secret{"s3cret"}, short_limits()});
  Client client(server.port());
  CHECK(client.ask(get("/v1/status")).status == 403);
  CHECK(client.ask(get("/v1/status", "X-Forwarded-For: 192.0.2.1\r\n")).status == 403);
  CHECK(client.ask(get("/health")).status == 200);
  CHECK(client.ask(get("/v1/status", "Authorization: Bearer s3cret\r\n")).status == 200);
  CHECK(Client(server.control_path()).ask(get("/v1/status")).status == 200);
  server.on_loop([&] {
    server.server().set_access(HttpSettings{{"127.0.0.1"}, {}, short_limits()});
  });
  CHECK(client.ask(get("/v1/status")).status == 200);
}

TEST_CASE("flags and documents are there") {
  RunningServer server;
  Client client(server.port());
  CHECK(client.ask(get("/flags/maintenance_page")).status == 200);
  CHECK(client.ask(get("/flags/other")).status == 404);
  CHECK(client.ask(get("/flags/..%2f..%2fetc%2fpasswd")).status == 404);
  for (const char* path : {"/health/detailed", "/v1/status", "/v1/probes", "/v1/services",
                           "/v1/routes", "/v1/incidents", "/v1/slos", "/v1/config"}) {
    INFO(path);
    CHECK(client.ask(get(path)).status == 200);
  }
  const Reply draft = client.ask(get("/health/detailed", "Accept: application/health+json\r\n"));
  CHECK(has(draft, "Content-Type: application/health+json\r\n"));
  const Reply root = client.ask(get("/"));
  CHECK(root.status == 404);
  CHECK(root.body.find("/v1/status") != std::string::npos);
  CHECK(client.ask(get("/v1/why/nope")).status == 404);
}

TEST_CASE("promtool has nothing to say about /metrics") {
  RunningServer server;
  const Reply reply = Client(server.port()).ask(get("/metrics"));
  REQUIRE(reply.status == 200);
  CHECK(has(reply, "Content-Type: text/plain; version=0.0.4"));
  const std::string file = server.control_path() + ".metrics";
  std::ofstream(file) << reply.body;
  std::FILE* pipe = ::popen(("promtool check metrics < " + file + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string said;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
  CHECK(::pclose(pipe) == 0);
  CHECK(said.empty());
  CHECK(count(reply.body, "\nprocess_open_fds ") == 1);
}

TEST_CASE("HAProxy's agent-check gets its line, whether it sends something or not") {
  RunningServer server;
  CHECK(Client(server.agent_port()).read_to_end() == "up\n");
  Client talks(server.agent_port());
  talks.send("bud/web-1\n");
  CHECK(talks.read_to_end() == "up\n");
  server.serving = false;
  std::optional<std::string> line;
  const auto start = std::chrono::steady_clock::now();
  while (line != "down #drained\n" && seconds_since(start) < 5) {  // with the next tick
    line = Client(server.agent_port()).read_to_end();
  }
  CHECK(line == "down #drained\n");
}
