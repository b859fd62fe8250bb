// The journal with its thread: what is recorded, events and their numbers, kills, what it costs.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/journal/journal_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

TEST_CASE("records, samples, intents and outcomes are there after a restart") {
  TestFolder state, runtime;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  {
    Daemon daemon(state.path, runtime.path);
    daemon.journal->record(event_of("a decision"), wall_now());
    Record route = memory_of(4, 11);
    std::get<RouteMemory>(route.memory).last_seen = SeenPosition{90'000'000, mono_now() - 5s};
    std::get<RouteMemory>(route.memory).last_switch = mono_now() - 1h;
    daemon.journal->record(route, wall_now());
    Sample sample;
    sample.probe = ProbeName("primary");
    daemon.journal->sample(sample, wall_now());
    const auto act = daemon.act();
    CHECK(act.durability == Durability::database);
    first = act.id;
    second = daemon.act().id;
    CHECK(second > first);
    CHECK(second < (std::uint64_t{1} << 53));
    daemon.journal->outcome(first, ActionOutcome::ok, "done", wall_now());
    CHECK(daemon.journal->health().writable);
  }
  Daemon daemon(state.path, runtime.path);
  REQUIRE(daemon.memory.unfinished.size() == 1);
  CHECK(daemon.memory.unfinished[0].id == second);
  REQUIRE(daemon.memory.routes.size() == 1);
  const RouteMemory& route = daemon.memory.routes[0];
  CHECK(route.timeline == 4);
  REQUIRE(route.last_seen);
  CHECK(route.last_seen->position == 90'000'000);
  CHECK(route.last_seen->at <= mono_now() - 5s);
  CHECK(route.last_seen->at > mono_now() - 30min);
  REQUIRE(route.last_switch);
  CHECK(*route.last_switch <= mono_now() - 59min);
  CHECK(daemon.journal->next_intent_id() > second);
  CHECK(number(daemon.file(), "SELECT count(*) FROM events") == 2);
  CHECK(number(daemon.file(), "SELECT count(*) FROM samples") == 1);
  CHECK(daemon.runtime_files() == 0);
}

TEST_CASE("a lone record is written soon, a kept sample within a minute") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  Sample sample;
  sample.probe = ProbeName("primary");
  daemon.journal->sample(sample, wall_now());
  daemon.run_for(700ms);
  CHECK(daemon.journal->health().queued == 1);
  daemon.journal->record(event_of("x"), wall_now());
  CHECK(daemon.until([&] { return daemon.journal->health().queued == 0; }, 2s));
}

TEST_CASE("killed at any moment: it opens, is whole, and has every intent that was acknowledged") {
  constexpr int kills = 50;
  TestFolder state, runtime;
  std::vector<std::uint64_t> acknowledged;
  int with_acknowledged = 0;
  for (int n = 0; n < kills; ++n) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      Daemon daemon(state.path, runtime.path);
      for (int round = 0;; ++round) {
        for (int k = 0; k < 20; ++k) daemon.journal->record(event_of("x"), wall_now());
        daemon.journal->record(memory_of(1, 1), wall_now());
        const auto act = daemon.act();
        if (act.durability == Durability::database) (void)!::write(ends[1], &act.id, sizeof act.id);
        if (round % 2 == 0) {
          daemon.journal->outcome(act.id, ActionOutcome::ok, "", wall_now());
        }
      }
    }
    ::close(ends[1]);
    // From within the very first steps to well into the work.
    ::usleep(static_cast<useconds_t>((n * 7919) % 150'000 + 200));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint64_t id = 0;
    bool any = false;
    while (::read(ends[0], &id, sizeof id) == sizeof id) {
      acknowledged.push_back(id);
      any = true;
    }
    with_acknowledged += any ? 1 : 0;
    ::close(ends[0]);

    const auto file = state.path / "journal.db";
    if (!fs::exists(file)) {
      REQUIRE(acknowledged.empty());
      continue;
    }
    REQUIRE(text(file, "PRAGMA integrity_check") == "ok");
    REQUIRE(files_named(state.path, "damaged").empty());
    for (const auto known : acknowledged) {
      REQUIRE(number(file, fmt::format("SELECT count(*) FROM intents WHERE id={}", known)) == 1);
    }
  }
  INFO(acknowledged.size() << " intents acknowledged");
  CHECK(with_acknowledged > kills / 2);
}

TEST_CASE("killed at any moment: what was written stands, the last of each") {
  constexpr int kills = 25;
  TestFolder state, runtime;
  std::uint64_t reached = 0;  // the last number that is known to be on the disk, whole
  std::uint64_t begun = 0;    // the last of which a part is
  int told_something = 0;
  for (int n = 0; n < kills; ++n) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      Daemon daemon(state.path, runtime.path);
      for (std::uint64_t round = begun + 1;; ++round) {
        auto flag = flag_of("f");
        flag.reason = std::to_string(round);
        daemon.journal->record(keeping(flag), wall_now());
        daemon.journal->record(keeping(AutomationSet{round % 2 == 0, "r", "uid 0", {}}),
                               wall_now());
        daemon.journal->incident(incident_of(round, IncidentState::closed), wall_now());
        // What was queued before an intent is on the disk with it.
        if (daemon.act().durability == Durability::database) {
          (void)!::write(ends[1], &round, sizeof round);
        }
      }
    }
    ::close(ends[1]);
    ::usleep(static_cast<useconds_t>((n * 7919) % 100'000 + 20'000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto before = reached;
    while (::read(ends[0], &reached, sizeof reached) == sizeof reached) {
    }
    ::close(ends[0]);
    told_something += reached > before ? 1 : 0;
    begun = std::max(begun, reached);
    if (reached == 0) continue;

    Daemon daemon(state.path, runtime.path);
    REQUIRE(daemon.journal->health().writable);
    const MemoryRestored back = daemon.restored();
    REQUIRE(back.flags.size() == 1);
    const auto stands = std::stoull(back.flags[0].reason);
    // The round that was killed may have come to the disk too.
    REQUIRE(stands >= begun);
    REQUIRE(stands <= begun + 1);
    REQUIRE(back.last_incident >= reached);
    if (stands == reached) {
      const bool paused = back.automation.has_value();
      REQUIRE((paused == (reached % 2 == 0) || back.last_incident > reached));
    }
    begun = stands;
  }
  CHECK(told_something > kills / 2);
}

TEST_CASE("events: told at once with their numbers, which grow over restarts and are the file's") {
  TestFolder state, runtime;
  std::uint64_t last = 0;
  {
    Daemon daemon(state.path, runtime.path);
    CHECK(daemon.memory.last_event == 0);
    daemon.journal->record(event_of("one"), wall_now());
    daemon.journal->record(event_of("two"), wall_now());
    REQUIRE(daemon.told.size() == 2);
    CHECK(daemon.told[0].seq == 1);
    CHECK(daemon.told[1].text == "two");
    last = daemon.told[1].seq;
  }
  Daemon daemon(state.path, runtime.path);
  REQUIRE(daemon.memory.events.size() == 2);
  CHECK(daemon.memory.events[1].seq == last);
  CHECK(daemon.memory.events[1].text == "two");
  CHECK(daemon.memory.last_event > last + Journal::max_queued);
  daemon.journal->record(event_of("three"), wall_now());
  REQUIRE(daemon.told.size() == 1);
  CHECK(daemon.told[0].seq == daemon.memory.last_event + 1);
  CHECK(daemon.until([&] {
    return number(daemon.file(), fmt::format("SELECT count(*) FROM events WHERE seq={} AND "
                                             "text='three'",
                                             daemon.told[0].seq)) == 1;
  }));
}

TEST_CASE("events are told while nothing can be written, and the journal's own lines too") {
  TestFolder state, runtime;
  write_file(state.path / "state", "not a folder");
  Daemon daemon(state.path / "state", runtime.path);
  daemon.journal->record(event_of("x"), wall_now());
  daemon.run_for(20ms);
  REQUIRE(daemon.told.size() >= 2);
  CHECK(daemon.told[0].text == "x");
  CHECK(daemon.told[1].kind == "journal");
  CHECK(daemon.told[0].seq > 1'000'000'000);  // above whatever the file has
}

TEST_CASE(
    "a journal that was removed while we run is begun anew, with what is known of the routes") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  daemon.journal->record(memory_of(6, 2), wall_now());
  daemon.journal->record(keeping(flag_of("f")), wall_now());
  daemon.journal->incident(incident_of(1, IncidentState::open), wall_now());
  REQUIRE(daemon.act().durability == Durability::database);
  for (const auto& file : files_named(state.path, "journal.db")) fs::remove(file);
  REQUIRE(daemon.act().durability == Durability::database);
  CHECK(number(daemon.file(), "SELECT timeline FROM route_memory") == 6);
  CHECK(number(daemon.file(), "SELECT count(*) FROM kept") == 2);
  CHECK(number(daemon.file(), "SELECT count(*) FROM intents") == 1);
}

TEST_CASE("the journal's threads block every signal") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  int others = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::getpid())) continue;
    const auto status = contents_of(task.path() / "status");
    const auto at = status.find("SigBlk:");
    REQUIRE(at != std::string::npos);
    const auto mask = std::stoull(status.substr(at + 7, 20), nullptr, 16);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE}) {
      CHECK((mask >> (signal - 1) & 1) == 1);
    }
    ++others;
  }
  CHECK(others >= 1);
}

TEST_CASE("at rest: eleven probes at five seconds cost hardly anything", "[.bench]") {
  TestFolder state, runtime;
  const auto memory_before = anonymous_kib();
  Daemon daemon(state.path, runtime.path);
  daemon.run_for(200ms);
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  // A day of samples, as fast as they can be given: 11 x 17280.
  const auto began = mono_now();
  auto at = wall_now();
  for (int n = 0; n < 17'280; ++n) {
    for (int p = 0; p < 11; ++p) {
      Sample sample;
      sample.probe = ProbeName("probe-" + std::to_string(p));
      sample.finished = MonoTime{n * 5s};
      sample.finding.outcome = Outcome::pass;
      sample.finding.facts = PostgresFacts{};
      daemon.journal->sample(sample, at);
    }
    at += 5s;
    if (n % 500 == 0) daemon.run_for(20ms);
  }
  REQUIRE(daemon.until([&] { return daemon.journal->health().queued < 1000; }));
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  const auto cpu = [](const rusage& r) {
    return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
  };
  WARN("a day of samples: " << cpu(after) - cpu(before) << " s of CPU in "
                            << std::chrono::duration<double>(mono_now() - began).count()
                            << " s, file " << fs::file_size(daemon.file()) / 1024
                            << " KiB, anonymous memory " << anonymous_kib() - memory_before
                            << " KiB more than before open()");
}
