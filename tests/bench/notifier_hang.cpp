// How much later do probes run while a notifier never answers? SPEC section 7: it is off their
// path; the limit is 10 ms.
//
// One loop, as in the daemon: a tcp probe every 10 ms, first alone, then beside 25 notifiers whose
// receiver takes the connection and says nothing, with 1,000 alerts for the first of them, 1,000
// alerts for a port where nobody listens, and changes of all every 100 ms. Prints how late probes
// began, how long they took, and how much of a delay was the loop's own work: the lesser of the
// delay and the processor time that the loop has used since the probe before. The rest is what else
// runs on the machine.
//
//   build/.../bench_notifier_hang [SECONDS]      default 12: a try's deadline is among them
//   notifier_hang.py runs it for long enough and judges
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "daemon/notify/notifiers.hpp"
#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/http_call.hpp"
#include "probes/kinds.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman {
namespace {

using Tcp = asio::ip::tcp;
using namespace std::chrono_literals;

constexpr Duration probe_interval{10ms};
constexpr std::uint64_t alerts = 1000;
constexpr int silent_notifiers = 25;

struct Bench {
  asio::io_context loop{1};
  Resolver resolver{loop.get_executor()};
  TlsContexts tls;
  Tcp::acceptor probed{loop, {asio::ip::make_address("127.0.0.1"), 0}};
  Tcp::acceptor silent{loop, {asio::ip::make_address("127.0.0.1"), 0}};
  std::list<Tcp::socket> held;  // connections to the silent one, never read

  ProberServices services() { return {loop.get_executor(), resolver, tls}; }
};

struct Figures {
  std::vector<Duration> late, took, own;
};

/// Processor time of this thread, which is the loop's.
Duration thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

std::string silent_name(int number) {
  return fmt::format("silent-{}", number);
}

asio::awaitable<void> async_accept(Tcp::acceptor& acceptor, std::list<Tcp::socket>* held) {
  while (true) {
    auto [ec, socket] = co_await acceptor.async_accept(as_result);
    if (ec) co_return;
    if (held != nullptr) held->push_back(std::move(socket));
  }
}

asio::awaitable<void> async_probe(Bench& bench, Figures& figures, MonoTime end) {
  co_await asio::this_coro::throw_if_cancelled(false);
  TcpSpec spec;
  spec.host = "127.0.0.1";
  spec.port = bench.probed.local_endpoint().port();
  const auto prober = make_tcp_prober(spec, bench.services());
  Duration used = thread_time();
  for (MonoTime due = mono_now(); due < end; due += probe_interval) {
    co_await async_sleep_until(due);
    const MonoTime started = mono_now();
    figures.own.push_back(std::min(started - due, thread_time() - used));
    RunContext context;
    context.deadline = started + 2s;
    co_await prober->async_run(context);
    figures.late.push_back(started - due);
    figures.took.push_back(mono_now() - started);
    used = thread_time();
  }
  bench.loop.stop();
}

Alert alert_of(const std::string& notifier, std::uint64_t incident, int change) {
  Alert alert;
  alert.notifier = NotifierName(notifier);
  alert.incident = IncidentId{incident};
  alert.subject = "database";
  alert.starts = mono_now();
  alert.summary = fmt::format("database is unhealthy, change {}", change);
  alert.annotations = {{"attempts", std::string(2000, 'x')}};
  return alert;
}

asio::awaitable<void> async_change(Notifiers& notifiers, MonoTime end) {
  int change = 0;
  for (MonoTime due = mono_now(); due < end; due += 100ms) {
    co_await async_sleep_until(due);
    ++change;
    for (std::uint64_t i = 1; i <= 10; ++i) {
      notifiers.send(alert_of(silent_name(0), i, change));
      notifiers.send(alert_of("closed", i, change));
    }
    for (int i = 1; i < silent_notifiers; ++i) {
      notifiers.send(alert_of(silent_name(i), 1, change));
    }
  }
}

Figures measure(Bench& bench, Duration time) {
  Figures figures;
  bench.loop.restart();
  asio::co_spawn(bench.loop, async_probe(bench, figures, mono_now() + time), asio::detached);
  bench.loop.run();
  return figures;
}

void print(const char* what, std::vector<Duration> values) {
  std::sort(values.begin(), values.end());
  const auto ms = [&values](double share) {
    const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
    return std::chrono::duration<double, std::milli>(values[at]).count();
  };
  fmt::print("  {:<14} median {:7.3f} ms   99 % {:7.3f} ms   most {:7.3f} ms\n", what, ms(0.5),
             ms(0.99), ms(1));
}

void print(const char* what, const Figures& figures) {
  fmt::print("{} ({} probes)\n", what, figures.late.size());
  print("began late by", figures.late);
  print("took", figures.took);
  print("own delay", figures.own);
}

HttpSpec http_at(std::uint16_t port) {
  return http_spec_of(fmt::format("http://127.0.0.1:{}/", port)).value();
}

void run(Duration time) {
  Bench bench;
  asio::co_spawn(bench.loop, async_accept(bench.probed, nullptr), asio::detached);
  asio::co_spawn(bench.loop, async_accept(bench.silent, &bench.held), asio::detached);
  print("alone", measure(bench, std::min(time, Duration{15s})));

  NotifySurroundings around{bench.services(), "bench", {}, {}, {}, {}};
  around.store.put = [](const NotifierName&, IncidentId, const std::string&) {};
  around.store.remove = [](const NotifierName&, IncidentId) {};
  around.spawn = [&bench](asio::awaitable<void> task) {
    asio::co_spawn(bench.loop, std::move(task), asio::detached);
  };
  around.random = [] { return 0.5; };
  around.warn = [](const std::string&) {};
  Notifiers notifiers(std::move(around));
  WebhookSpec silent{http_at(bench.silent.local_endpoint().port()), "", std::nullopt};
  WebhookSpec closed{http_at(1), "", std::nullopt};
  std::map<NotifierName, NotifierSpec> specs{{NotifierName("closed"), closed}};
  for (int i = 0; i < silent_notifiers; ++i) specs.emplace(NotifierName(silent_name(i)), silent);
  notifiers.configure(specs);
  const MonoTime started = mono_now();
  for (std::uint64_t i = 1; i <= alerts; ++i) {
    notifiers.send(alert_of(silent_name(0), i, 0));
    notifiers.send(alert_of("closed", i, 0));
  }
  const Duration per_alert = (mono_now() - started) / static_cast<Duration::rep>(2 * alerts);
  asio::co_spawn(bench.loop, async_change(notifiers, mono_now() + time), asio::detached);
  print("beside notifiers that hang and fail", measure(bench, time));
  std::uint64_t hung = 0, refused = 0;
  for (const auto& [name, status] : notifiers.status()) {
    (name.text == "closed" ? refused : hung) += status.failed;
  }
  fmt::print("an alert is taken in {:.3f} ms; tries that hung: {}, that were refused: {}\n",
             std::chrono::duration<double, std::milli>(per_alert).count(), hung, refused);
}

}  // namespace
}  // namespace pointsman

int main(int argc, char** argv) {
  const long seconds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 12;
  pointsman::run(std::chrono::seconds{std::clamp(seconds, 1L, 3700L)});
  return 0;
}
