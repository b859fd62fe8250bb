// What a client sends: bytes in pieces to a real connection over a socket pair, through the parser,
// the router, the documents and the commands of an operator. Nothing listens and nothing waits.
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "daemon/http/command_reader.hpp"
#include "daemon/http/server_state.hpp"
#include "policies/engine.hpp"
#include "probes/clock.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

/// A daemon that watches one probe, for the documents to have something to say.
struct Daemon {
  Engine engine;
  MonoTime now = mono_now();

  Daemon() {
    PolicySet policy;
    ProbePolicy primary;
    primary.name = ProbeName("primary");
    primary.kind = ProbeKind::postgres;
    primary.interval = primary.fast_interval = primary.down_interval = std::chrono::seconds{5};
    primary.timeout = std::chrono::seconds{2};
    primary.endpoint = Endpoint{"127.0.0.1", 5432};
    policy.probes[primary.name] = primary;
    RoutePolicy bud;
    bud.name = RouteName("bud");
    bud.via = {ViaKind::pgbouncer};
    bud.candidates = {primary.name};
    policy.routes[bud.name] = bud;
    policy.notify[NotifierName("oncall")] = {};
    engine.step(now, PolicyLoaded{std::make_shared<const PolicySet>(std::move(policy))});
  }

  HttpSource source() {
    HttpSource source;
    source.snapshot = [this] { return engine.snapshot(now); };
    source.shell = [] { return ShellView{}; };
    source.serving = [this] { return engine.serving(); };
    source.last_tick = [] { return mono_now(); };
    source.reload = [] { return CommandAnswer{}; };
    source.flag_set = [](const std::string& name) { return name == "maintenance"; };
    source.command = [this](const std::string& name, const boost::json::object& body,
                            const std::string& by) {
      return read_command({.name = name,
                           .body = body,
                           .snapshot = *engine.snapshot(now),
                           .by = by,
                           .now = now,
                           .request = RequestId{1}})
          .answer;
    };
    source.command_later = [this](const std::string&, const boost::json::object& body,
                                  const CommandCallback& answer) {
      const auto read = read_notify_test(body, *engine.snapshot(now));
      const auto* refused = std::get_if<CommandAnswer>(&read);
      answer(refused ? *refused : CommandAnswer{});
    };
    source.events_since = [](std::uint64_t seq, std::size_t) {
      std::vector<StoredEventView> events;
      if (seq < 3) events.push_back({seq + 1, wall_now(), "decision", "bud", "text", {}});
      return events;
    };
    source.last_event = [] { return std::uint64_t{3}; };
    return source;
  }
};

std::string read_all(int descriptor) {
  std::string text;
  char part[65536];
  for (;;) {
    const auto got = ::recv(descriptor, part, sizeof part, MSG_DONTWAIT);
    if (got <= 0) return text;
    text.append(part, static_cast<std::size_t>(got));
  }
}

void run(asio::io_context& io) {
  io.restart();
  while (io.poll() > 0) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const bool is_operator = bytes.flag();
  const std::size_t piece = 1 + bytes.pick(256);
  std::string_view rest = bytes.rest();

  Daemon daemon;
  asio::io_context io;
  auto state = std::make_shared<ServerState>(io, daemon.source(), HttpSettings{});
  ConnectionSet& set = is_operator ? state->control : state->tcp;
  int ends[2];
  FUZZ_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  std::string answers;
  const auto open = [&] { return Connection::open(state, set, ends[1])->serve_requests(); };
  bool opened = false;
  while (!rest.empty()) {
    const auto sent = ::send(ends[0], rest.data(), std::min(piece, rest.size()), MSG_NOSIGNAL);
    if (sent <= 0) break;  // it has closed
    rest.remove_prefix(static_cast<std::size_t>(sent));
    if (!opened) open();
    opened = true;
    run(io);
    answers += read_all(ends[0]);
  }
  if (!opened) open();
  set.sweep(mono_now() + std::chrono::hours{1});  // all deadlines have passed
  set.finish_all();
  run(io);
  answers += read_all(ends[0]);
  set.close_all();
  FUZZ_REQUIRE(set.empty());
  run(io);
  ::close(ends[0]);
  FUZZ_REQUIRE(answers.empty() || answers.starts_with("HTTP/1."));
  return 0;
}
