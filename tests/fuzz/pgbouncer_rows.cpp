// What pgbouncer's console, or a stranger on its port, answers: what the probe and a switch make of
// it.
#include "daemon/actions/console_rows.hpp"
#include "probes/pgbouncer.hpp"
#include "tests/fuzz/rows.hpp"

using namespace pointsman;

namespace {

void probe(const PgRows& pools, const PgRows& databases) {
  const auto state = read_pgbouncer(pools, databases);
  if (!state) return;
  FUZZ_REQUIRE(state->facts.maxwait >= Duration::zero());
  PgbouncerSpec spec;
  spec.max_wait_warn = std::chrono::seconds{1};
  spec.max_wait_fail = std::chrono::seconds{5};
  spec.max_waiting = 100;
  judge_pgbouncer(spec, *state);
  judge_pgbouncer(PgbouncerSpec{}, *state);
}

void plan_a_switch(const std::vector<DatabaseRow>& databases, const std::vector<ServerRow>& servers,
                   const std::vector<PoolRow>& pools, const std::vector<ClientRow>& clients) {
  std::vector<Place> places;
  for (const DatabaseRow& row : databases) {
    for (const Endpoint& endpoint : endpoints_of(row))
      places.push_back({endpoint, {endpoint.host}});
  }
  const ServersView view = view_servers(servers, places, databases.front().pool_size);
  FUZZ_REQUIRE(view.seen.size() == places.size());
  FUZZ_REQUIRE(view.stuck.size() <= view.foreign.size());
  find_owner_ids(clients, view.stuck);
  describe_holders(servers, clients);
  has_session_pooling(pools);
  is_settled(pools, servers);
  is_full(pools, databases.front(), "app");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const PgRows databases = fuzz::read_rows(bytes);
  const PgRows pools = fuzz::read_rows(bytes);
  const PgRows servers = fuzz::read_rows(bytes);
  const PgRows clients = fuzz::read_rows(bytes);
  const PgRows settings = fuzz::read_rows(bytes);
  probe(pools, databases);
  read_setting(settings, "server_login_retry");
  const auto rows = read_databases(databases);
  find_database(rows, "bud");
  if (!rows.empty()) {
    plan_a_switch(rows, read_servers(servers, "bud"), read_pools(pools, "bud"),
                  read_clients(clients));
  }
  return 0;
}
