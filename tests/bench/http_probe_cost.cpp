// CPU per HTTP check: N probers, each run R times a second in batches of 10 ms as the engine does,
// against a server given by address. Prints µs of CPU per check and the resident memory.
//
//   bench_http_probe_cost http://127.0.0.1:8080/ [probers=1000] [runs a second and prober=1]
//   [seconds=10]
//
// tests/bench/http_probe_cost.sh starts nginx, and HAProxy with the same checks, and prints the
// ratio.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/url.hpp>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman {
namespace {

constexpr Duration batch = std::chrono::milliseconds{10};
constexpr Duration timeout = std::chrono::seconds{2};

struct Counts {
  std::uint64_t passed = 0, failed = 0, skipped = 0;
  std::string first_failure;
};

struct Slot {
  std::unique_ptr<Prober> prober;
  RunContext context;
  asio::cancellation_signal cancel;
  bool running = false;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long resident_kib() {
  std::ifstream statm("/proc/self/statm");
  long size = 0, resident = 0;
  statm >> size >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

void start(asio::io_context& loop, Slot& slot, Counts& counts) {
  if (slot.running) {
    ++counts.skipped;
    return;
  }
  slot.running = true;
  slot.context.deadline = mono_now() + timeout;
  asio::co_spawn(loop, slot.prober->async_run(slot.context),
                 asio::bind_cancellation_slot(
                     slot.cancel.slot(), [&](std::exception_ptr thrown, Finding finding) {
                       slot.running = false;
                       const bool passed = !thrown && finding.outcome == Outcome::pass;
                       ++(passed ? counts.passed : counts.failed);
                       if (!passed && counts.first_failure.empty()) {
                         counts.first_failure = finding.message;
                       }
                     }));
}

asio::awaitable<void> drive(asio::io_context& loop, std::vector<Slot>& slots, Counts& counts,
                            Duration each, MonoTime until) {
  asio::steady_timer timer(loop);
  MonoTime next = mono_now();
  std::size_t turn = 0;
  double due = 0;
  while (next < until) {
    due += static_cast<double>(slots.size()) * static_cast<double>(batch.count()) /
           static_cast<double>(each.count());
    for (; due >= 1; due -= 1) start(loop, slots[turn++ % slots.size()], counts);
    next += batch;
    timer.expires_at(to_steady(next));
    co_await timer.async_wait(as_result);
  }
}

HttpSpec spec_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  HttpSpec spec;
  if (!parsed) {
    std::fprintf(stderr, "not a URL: %s\n", url.c_str());
    std::exit(2);
  }
  spec.url = url;
  spec.host = std::string(parsed->host_address());
  if (parsed->scheme() == "https") {
    spec.tls.emplace();
    spec.tls->verify = false;
  }
  const auto usual = static_cast<std::uint16_t>(spec.tls ? 443 : 80);
  spec.port = parsed->has_port() ? parsed->port_number() : usual;
  spec.target = std::string(parsed->encoded_target());
  if (spec.target.empty()) spec.target = "/";
  return spec;
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s URL [probers] [runs a second] [seconds]\n", argv[0]);
    return 2;
  }
  const std::size_t probers = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1000;
  const double rate = argc > 3 ? std::strtod(argv[3], nullptr) : 1;
  const double seconds = argc > 4 ? std::strtod(argv[4], nullptr) : 10;

  asio::io_context loop(1);
  Resolver resolver(loop.get_executor());
  TlsContexts tls;
  const ProberServices services{loop.get_executor(), resolver, tls};
  const HttpSpec spec = spec_of(argv[1]);
  std::vector<Slot> slots(probers);
  for (Slot& slot : slots) slot.prober = make_http_prober(spec, services);

  Counts counts;
  const auto each = Duration{static_cast<Duration::rep>(1e9 / rate)};
  const MonoTime until = mono_now() + Duration{static_cast<Duration::rep>(seconds * 1e9)};
  const double before = cpu_seconds();
  asio::co_spawn(loop, drive(loop, slots, counts, each, until), asio::detached);
  loop.run();
  const double used = cpu_seconds() - before;
  const auto checks = counts.passed + counts.failed;
  std::printf("%.1f us CPU a check (%llu checks, %llu failed, %llu skipped), %ld KiB resident\n",
              used / static_cast<double>(checks) * 1e6, static_cast<unsigned long long>(checks),
              static_cast<unsigned long long>(counts.failed),
              static_cast<unsigned long long>(counts.skipped), resident_kib());
  if (counts.failed > 0) std::printf("first failure: %s\n", counts.first_failure.c_str());
  return counts.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace pointsman

int main(int argc, char** argv) {
  return pointsman::run(argc, argv);
}
