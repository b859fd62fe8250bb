// The HTTP server alone, with a source that never changes: what tests/bench/http_serve.py measures
// when there is no daemon to measure (POINTSMAN_BIN). Prints its port and serves until it is
// terminated.
//
//   bench_health_server [PROBES]
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <boost/asio/signal_set.hpp>

#include "daemon/http/server.hpp"
#include "probes/clock.hpp"

using namespace pointsman;

namespace {

std::shared_ptr<const Snapshot> make_snapshot(int probes) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->at = mono_now();
  snapshot->generation = 1;
  snapshot->overall = State::healthy;
  snapshot->serving = Serving{.ok = true, .reason = {}};
  for (int i = 0; i < probes; ++i) {
    const ProbeName name{"http-" + std::to_string(i)};
    ProbeView view;
    view.kind = ProbeKind::http;
    view.state = State::healthy;
    view.since = snapshot->at;
    HttpFacts facts;
    facts.status_code = 200;
    facts.dns = facts.connect = facts.first_byte = facts.total = std::chrono::microseconds{350};
    facts.address = "127.0.0.1";
    view.sample = Sample{name, snapshot->at, snapshot->at + std::chrono::milliseconds{1},
                         Finding{Outcome::pass, Reason::ok, "200", facts}};
    view.counters.samples[{Outcome::pass, Reason::ok}] = 1000;
    view.counters.duration_buckets[1] = 1000;
    snapshot->probes.emplace(name, view);
  }
  return snapshot;
}

}  // namespace

int main(int argc, char** argv) {
  asio::io_context context(1);
  const auto snapshot = make_snapshot(argc > 1 ? std::atoi(argv[1]) : 10);
  MonoTime tick = mono_now();

  HttpSource source;
  source.snapshot = [&] { return snapshot; };
  source.shell = [] {
    ShellView shell;
    shell.node = "bench";
    shell.version = "0.1.0";
    return shell;
  };
  source.serving = [] { return Serving{.ok = true, .reason = {}}; };
  source.last_tick = [&] { return tick; };
  HttpServer server(context, source, HttpSettings{});
  if (const Status opened = server.listen_tcp({"127.0.0.1", 0}); !opened) {
    std::fprintf(stderr, "%s\n", opened.error().message.c_str());
    return 1;
  }
  std::printf("%d\n", static_cast<int>(server.local_endpoints().front().port));
  std::fflush(stdout);

  asio::steady_timer timer(context);  // the loop ticks once a second, as the daemon's does
  std::function<void(const error_code&)> on_tick = [&](const error_code& error) {
    if (error) return;
    tick = mono_now();
    timer.expires_after(std::chrono::seconds{1});
    timer.async_wait(on_tick);
  };
  on_tick({});
  asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const error_code&, int) { context.stop(); });
  context.run();
}
