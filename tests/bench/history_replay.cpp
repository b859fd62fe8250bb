// How long it takes to try a policy on a month: 50 probes each 5 s (26 million samples), a failure
// of one of them every two hours, recorded, written to a journal.db, read and replayed.
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "daemon/journal/history_reader.hpp"
#include "daemon/journal/store.hpp"
#include "policies/simulation/recorder.hpp"
#include "policies/simulation/replay.hpp"
#include "probes/clock.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

constexpr int probe_count = 50;
constexpr Duration month = std::chrono::hours{24 * 30}, interval = 5s, failure_every = 2h,
                   failure_lasts = 25s;

std::string name_of(int number) {
  if (number == 0) return "primary";
  return (number < 3 ? "replica-" : "probe-") + std::to_string(number);
}

std::shared_ptr<const PolicySet> make_policy() {
  auto set = std::make_shared<PolicySet>();
  ServicePolicy service;
  service.name = ServiceName("all");
  for (int i = 0; i < probe_count; ++i) {
    ProbePolicy probe;
    probe.name = ProbeName(name_of(i));
    probe.kind = i < 3 ? ProbeKind::postgres : ProbeKind::tcp;
    probe.interval = probe.down_interval = interval;
    probe.fast_interval = 1s;
    probe.timeout = 2s;
    if (i < 3) probe.endpoint = Endpoint{"10.0.1." + std::to_string(i), 5432};
    service.members.emplace_back(probe.name);
    set->probes.emplace(probe.name, std::move(probe));
  }
  service.need = probe_count;
  set->services.emplace(service.name, std::move(service));
  RoutePolicy route;
  route.name = RouteName("bud");
  route.via = {ViaKind::pgbouncer};
  route.candidates = {ProbeName("primary"), ProbeName("replica-1"), ProbeName("replica-2")};
  route.require = Require::writable;
  set->routes.emplace(route.name, std::move(route));
  return set;
}

Finding finding_of(int number, Duration passed) {
  if (number >= 3) return {Outcome::pass, Reason::ok, "", {}};
  PostgresFacts facts;
  facts.role = number == 0 ? PostgresRole::primary : PostgresRole::standby;
  facts.timeline = 1;
  facts.lsn = static_cast<std::uint64_t>(passed / 1ms) * 20;
  facts.system_id = "761";
  if (number > 0) {
    facts.receiving = true;
    facts.lag_seconds = 0s;
  }
  return {Outcome::pass, Reason::ok, "", facts};
}

/// One of the probes that are no databases fails for a while, another each time.
bool fails(int number, Duration passed) {
  const auto which = passed / failure_every;
  return passed % failure_every < failure_lasts && passed > 1h &&
         number == 3 + static_cast<int>(which % (probe_count - 3));
}

struct Writing {
  Store& store;
  Batch batch{};
  std::size_t rows = 0;
  void add(std::vector<RecordedRow> more) {
    for (RecordedRow& row : more) batch.records.emplace_back(HistoryRow{std::move(row)});
    if (batch.records.size() >= 1000) flush();
  }
  void flush() {
    rows += batch.records.size();
    if (store.write(batch, false)) std::abort();
    batch = {};
  }
};

std::uint64_t record_month(Store& store, const std::shared_ptr<const PolicySet>& policy) {
  const MonoTime begin{wall_now().time_since_epoch() - month};
  Recorder recorder(1, Duration{0});
  Writing to{store};
  to.add(recorder.take(begin, PolicyLoaded{policy}));
  PoolerObservation seen;
  seen.reachable = seen.listed = true;
  seen.addresses = {{"10.0.1.0", 5432}};
  seen.file = FileState::as_wanted;
  std::uint64_t samples = 0;
  for (Duration passed = 1s; passed < month; passed += interval) {
    for (int i = 0; i < probe_count; ++i) {
      const Duration at = passed + i * 90ms;
      const Finding found = fails(i, at)
                                ? Finding{Outcome::fail, Reason::connect_refused, "down", {}}
                                : finding_of(i, at);
      const MonoTime began = begin + at;
      to.add(recorder.take(began + 2ms,
                           SampleTaken{{ProbeName(name_of(i)), began, began + 2ms, found}}));
      ++samples;
    }
    to.add(recorder.take(begin + passed + 4700ms, RouteObserved{RouteName("bud"), {seen}}));
  }
  to.add(recorder.flush());
  to.flush();
  std::printf("%zu rows written\n", to.rows);
  return samples;
}

double seconds_since(MonoTime began) {
  return std::chrono::duration<double>(mono_now() - began).count();
}

}  // namespace

int main() {
  const auto file =
      std::filesystem::temp_directory_path() /
      ("history-replay-" + std::to_string(mono_now().time_since_epoch().count()) + ".db");
  const auto policy = make_policy();
  {
    Store store(file);
    std::vector<std::string> notices;
    if (store.open(wall_now(), notices)) return 1;
    const MonoTime began = mono_now();
    const std::uint64_t samples = record_month(store, policy);
    std::printf("recorded in %.2f s: %llu samples\n", seconds_since(began),
                static_cast<unsigned long long>(samples));
  }
  std::printf("%.1f MB of journal.db\n",
              static_cast<double>(std::filesystem::file_size(file)) / 1e6);
  MonoTime began = mono_now();
  const auto past = read_past(file, WallTime{});
  std::printf("read in %.2f s\n", seconds_since(began));
  if (!past.ok()) return 1;
  began = mono_now();
  const Replayed replayed = replay(policy, past.value().history);
  std::printf("replayed in %.2f s: %llu samples, %llu steps of the engine, %zu records\n",
              seconds_since(began), static_cast<unsigned long long>(replayed.samples),
              static_cast<unsigned long long>(replayed.steps), replayed.records.size());
  std::filesystem::remove(file);
  return 0;
}
