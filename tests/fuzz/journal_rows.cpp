// What a start reads back: documents of the journal's tables and files of the runtime folder, which
// may be damaged or anybody's. What was understood is told to an engine, and is written again as it
// was.
#include "daemon/journal/json_text.hpp"
#include "daemon/journal/kept_json.hpp"
#include "daemon/journal/runtime_folder.hpp"
#include "policies/engine.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

const Clocks clocks{MonoTime{std::chrono::hours{1}}, WallTime{std::chrono::hours{24 * 365 * 56}}};

std::shared_ptr<const PolicySet> some_policy() {
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
  LadderPolicy ladder;
  ladder.name = LadderName("database");
  ladder.when = {bud.name, State::unhealthy, std::chrono::seconds{15}};
  ladder.steps = {StepPolicy{}, StepPolicy{}};
  policy.recovery[ladder.name] = ladder;
  return std::make_shared<const PolicySet>(std::move(policy));
}

void restore(const JournalMemory& memory) {
  const MemoryRestored restored = restored_of(memory, clocks);
  for (const auto& incident : restored.incidents) {
    const auto again = incident_of_json(kept_row_of(*incident, clocks).document, clocks);
    FUZZ_REQUIRE(again.has_value());
    FUZZ_REQUIRE(again->id == incident->id && again->notes.size() == incident->notes.size());
  }
  outbox_of(memory);
  Engine engine;
  MonoTime now = clocks.mono;
  engine.step(now, PolicyLoaded{some_policy()});
  engine.step(now, restored);
  for (int i = 0; i < 5; ++i) {
    now += std::chrono::seconds{10};
    engine.step(now, Wake{});
  }
  engine.snapshot(now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  JournalMemory memory;
  // Rows "KIND NAME\nDOCUMENT\n"; of the kind "file", the text of a file in the runtime folder.
  for (int i = 0; i < 16 && !bytes.empty(); ++i) {
    const std::string head(bytes.until('\n'));
    const std::string document(bytes.until('\n'));
    const auto space = std::min(head.find(' '), head.size());
    KeptRow row{head.substr(0, space), head.substr(std::min(space + 1, head.size())), document,
                clocks.wall};
    is_over(row);
    if (row.kind != "file") {
      memory.kept.push_back(std::move(row));
      continue;
    }
    RuntimeEntry entry;
    entry.raw = document;
    if (!read_entry(entry)) continue;
    for (const MemoryRow& found : entry.memories) memory.routes.push_back(memory_of(found, clocks));
    if (entry.kept) memory.kept.push_back(*entry.kept);
  }
  restore(memory);
  const std::string rest(bytes.rest());
  details_of_json(rest);
  targets_of_json(rest);
  return 0;
}
