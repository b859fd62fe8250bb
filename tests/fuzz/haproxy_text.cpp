// What HAProxy's runtime API answers: the table of its servers, the plan that follows, its
// complaints.
#include "daemon/actions/haproxy_rows.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

void plan(const std::vector<HaproxyRow>& rows, std::size_t wanted) {
  std::vector<HaproxyTarget> targets;
  for (std::size_t i = 0; i < wanted; ++i) {
    const Endpoint at =
        i < rows.size() && i % 2 == 0 ? rows[i].endpoint() : Endpoint{"10.0.0.9", 7};
    targets.push_back({at, {at.host}});
  }
  const auto slots = plan_slots(rows, targets);
  FUZZ_REQUIRE(static_cast<bool>(slots) == (targets.size() <= rows.size()));
  if (!slots) return;
  std::size_t ready = 0;
  for (const HaproxySlot& slot : slots.value()) ready += slot.ready ? 1 : 0;
  FUZZ_REQUIRE(slots.value().size() == rows.size());
  FUZZ_REQUIRE(ready == targets.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const std::size_t wanted = bytes.pick(4);
  const std::string_view text = bytes.rest();
  complaint_about_address(text);
  complaint_about_state(text);
  const auto rows = read_servers_state(text);
  if (!rows) return 0;
  for (const HaproxyRow& row : rows.value()) slot_of(row);
  const auto ours = find_slots(rows.value(), "redis", {"active"});
  if (ours) plan(ours.value(), wanted);
  plan(rows.value(), wanted);
  return 0;
}
