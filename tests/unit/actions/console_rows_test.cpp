// What the admin console answers, of 1.18 and of later versions, and what a switch makes of it.
#include <catch2/catch.hpp>

#include "daemon/actions/console.hpp"
#include "daemon/actions/console_rows.hpp"

namespace pointsman {
namespace {

using Row = std::vector<std::optional<std::string>>;

PgRows rows_of(std::vector<std::string> columns, std::vector<Row> rows) {
  PgRows made;
  made.columns = std::move(columns);
  made.rows = std::move(rows);
  return made;
}

/// SHOW DATABASES of 1.18
PgRows databases_1_18() {
  return rows_of(
      {"name", "host", "port", "database", "force_user", "pool_size", "min_pool_size",
       "reserve_pool", "pool_mode", "max_connections", "current_connections", "paused", "disabled"},
      {{"bud", "10.0.1.10", "5432", "bud", std::nullopt, "20", "0", "0", std::nullopt, "50", "3",
        "0", "0"},
       {"ro", "10.0.1.11,10.0.1.12", "5433", "bud", "reader", "5", "0", "0", "session", "0", "0",
        "1", "0"},
       {"pgbouncer", std::nullopt, "6432", "pgbouncer", "pgbouncer", "2", "0", "0", "statement",
        "0", "0", "0", "0"}});
}

ServerRow server(std::string state, std::string addr, std::uint16_t port) {
  ServerRow row;
  row.database = "bud";
  row.user = "app";
  row.state = std::move(state);
  row.addr = std::move(addr);
  row.port = port;
  return row;
}

ClientRow client(std::string ptr, std::string link, std::string request_time) {
  ClientRow row;
  row.ptr = std::move(ptr);
  row.link = std::move(link);
  row.request_time = std::move(request_time);
  row.addr = "10.0.0.5";
  row.port = 40000;
  row.user = "app";
  return row;
}

const std::vector<Place> places{{Endpoint{"new", 5432}, {"10.0.1.11"}},
                                {Endpoint{"other", 5432}, {"10.0.1.12", "fd00::12"}}};

TEST_CASE("SHOW DATABASES is read by the names of its columns", "[console]") {
  const auto databases = read_databases(databases_1_18());
  REQUIRE(databases.size() == 3);
  const auto* bud = find_database(databases, "bud");
  REQUIRE(bud != nullptr);
  CHECK(bud->host == "10.0.1.10");
  CHECK(bud->port == 5432);
  CHECK(bud->dbname == "bud");
  CHECK(bud->pool_size == 20);
  CHECK(bud->max_connections == 50);
  CHECK(bud->current_connections == 3);
  CHECK_FALSE(bud->paused);
  const auto* ro = find_database(databases, "ro");
  CHECK(ro->paused);
  CHECK(ro->force_user == "reader");
  CHECK(endpoints_of(*ro) == std::vector<Endpoint>{{"10.0.1.11", 5433}, {"10.0.1.12", 5433}});
  CHECK(find_database(databases, "pgbouncer")->host.empty());
  CHECK(find_database(databases, "BUD") == nullptr);  // names keep their case
}

TEST_CASE("columns that a later version puts in between change nothing", "[console]") {
  const auto databases = read_databases(
      rows_of({"name", "host", "port", "database", "force_user", "pool_size", "min_pool_size",
               "reserve_pool_size", "server_lifetime", "pool_mode", "load_balance_hosts",
               "max_connections", "current_connections", "max_client_connections",
               "current_client_connections", "paused", "disabled"},
              {{"bud", "a", "1", "bud", std::nullopt, "20", "0", "0", "3600", "transaction",
                "round-robin", "7", "2", "100", "9", "1", "0"}}));
  REQUIRE(databases.size() == 1);
  CHECK(databases[0].max_connections == 7);
  CHECK(databases[0].current_connections == 2);
  CHECK(databases[0].paused);
  // And what is missing has its default, what is no number is 0.
  const auto odd = read_databases(rows_of({"name", "port"}, {{"x", "none"}}));
  CHECK(odd[0].port == 0);
  CHECK_FALSE(odd[0].paused);
}

TEST_CASE("pools are read by database, and where sessions are pooled", "[console]") {
  const auto shown =
      rows_of({"database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used",
               "sv_tested", "sv_login", "maxwait", "maxwait_us", "pool_mode"},
              {{"bud", "app", "1", "2", "0", "0", "0", "0", "1", "4", "500000", "transaction"},
               {"bud", "etl", "1", "2", "0", "1", "3", "0", "0", "0", "0", "session"},
               {"bud", "idle", "0", "0", "0", "0", "0", "0", "0", "0", "0", "transaction"},
               {"other", "app", "0", "0", "0", "0", "0", "0", "0", "0", "0", "session"}});
  const auto pools = read_pools(shown, "bud");
  REQUIRE(pools.size() == 3);
  CHECK(pools[0].cl_active == 1);
  CHECK(pools[0].cl_waiting == 2);
  CHECK(pools[0].maxwait == std::chrono::milliseconds{4500});
  CHECK(pools[1].sv_idle == 4);
  CHECK(has_session_pooling(pools));
  CHECK_FALSE(has_session_pooling({pools[0], pools[2]}));
  CHECK_FALSE(has_session_pooling({}));
}

TEST_CASE("a database is settled once no pool has to log in anew", "[console]") {
  PoolRow pool;
  pool.user = "app";
  CHECK(is_settled({}, {}));
  CHECK_FALSE(is_settled({pool}, {}));  // nobody waits: the last ones may have been sent away
  auto leaving = server("idle", "10.0.1.10", 5432);
  leaving.close_needed = true;
  CHECK_FALSE(is_settled({pool}, {leaving}));  // its next query needs a login
  const auto staying = server("used", "10.0.1.11", 5432);
  CHECK(is_settled({pool}, {leaving, staying}));
  pool.cl_waiting = 1;
  CHECK_FALSE(is_settled({pool}, {}));
  CHECK_FALSE(is_settled({pool}, {server("login", "10.0.1.11", 5432)}));  // serves nobody yet
  CHECK(is_settled({pool}, {staying}));
  auto of_another = staying;
  of_another.user = "etl";
  CHECK_FALSE(is_settled({pool}, {of_another}));
}

TEST_CASE("a setting is found by its key", "[console]") {
  const auto config = rows_of({"key", "value", "default", "changeable"},
                              {{"server_login_retry", "15", "15", "yes"}});
  CHECK(read_setting(config, "server_login_retry") == "15");
  CHECK_FALSE(read_setting(config, "server_login").has_value());
}

TEST_CASE("server connections are sorted by what a switch does about them", "[console]") {
  auto leaving = server("active", "10.0.1.11", 5432);
  leaving.close_needed = true;
  const auto view =
      view_servers({server("active", "10.0.1.10", 5432), server("idle", "10.0.1.10", 5432),
                    server("login", "10.0.1.10", 5432), server("active", "10.0.1.11", 5432),
                    server("login", "10.0.1.12", 5432), leaving, server("idle", "10.0.1.11", 5433)},
                   places, 5);
  CHECK(view.foreign.size() == 4);
  CHECK(view.stuck.size() == 1);  // idle ones and logins close by themselves
  CHECK(view.fresh == 1);
  CHECK(view.seen == std::vector<bool>{true, false});  // a login proves nothing
  CHECK_FALSE(view.is_exhausted);
}

TEST_CASE("a pool whose connections are all stuck is exhausted, of one user", "[console]") {
  auto servers = std::vector<ServerRow>(2, server("active", "10.0.1.10", 5432));
  CHECK(view_servers(servers, places, 2).is_exhausted);
  servers[0].user = "other";
  CHECK_FALSE(view_servers(servers, places, 2).is_exhausted);
  CHECK_FALSE(view_servers(servers, places, 0).is_exhausted);
}

TEST_CASE("a pool is full when its user waits and all is busy", "[console]") {
  DatabaseRow database;
  database.pool_size = 2;
  PoolRow pool;
  pool.user = "app";
  pool.cl_waiting = 1;
  pool.sv_active = 2;
  CHECK(is_full({pool}, database, "app"));
  CHECK_FALSE(is_full({pool}, database, "admin"));
  pool.sv_active = 1;
  CHECK_FALSE(is_full({pool}, database, "app"));
  PoolRow other;
  other.user = "etl";
  other.sv_active = 3;
  database.max_connections = 4;
  CHECK(is_full({pool, other}, database, "app"));
  pool.cl_waiting = 0;
  CHECK_FALSE(is_full({pool, other}, database, "app"));
}

TEST_CASE("KILL_CLIENT is chosen only where ids are shown for all that is stuck", "[console]") {
  auto stuck = server("active", "10.0.1.10", 5432);
  stuck.ptr = "s1";
  stuck.link = "c1";
  auto with_id = client("c1", "s1", "");
  with_id.id = "17";
  CHECK(find_owner_ids({client("c0", "s0", ""), with_id}, {stuck}) ==
        std::vector<std::string>{"17"});
  // Before 1.24 there is no such column; PostgreSQL's own words are no id either.
  CHECK(find_owner_ids({client("c1", "s1", "")}, {stuck}).empty());
  with_id.id = "17; SHUTDOWN";
  CHECK(find_owner_ids({with_id}, {stuck}).empty());
  // One without a client cannot be cut so: then all go by KILL.
  with_id.id = "17";
  auto tested = server("tested", "10.0.1.10", 5432);
  CHECK(find_owner_ids({with_id}, {stuck, tested}).empty());
  CHECK(find_owner_ids({with_id}, {}).empty());

  const auto read = read_clients(rows_of({"type", "user", "addr", "port", "ptr", "link", "id"},
                                         {{"C", "app", "unix", "6432", "c1", "s1", "17"}}));
  REQUIRE(read.size() == 1);
  CHECK(find_owner_ids(read, {stuck}) == std::vector<std::string>{"17"});
}

TEST_CASE("who holds a transaction open is named with address and age", "[console]") {
  auto first = server("active", "10.0.1.10", 5432);
  first.ptr = "s1";
  auto second = first;
  second.ptr = "s2";
  auto young = client("c1", "s1", "2026-11-24 23:59:58 UTC");
  auto old = client("c2", "s2", "2026-11-24 23:59:50 UTC");
  old.port = 40001;
  old.application_name = "report";
  auto console = client("c3", "", "2026-11-25 00:00:02 UTC");  // our own: it is now
  CHECK(describe_holders({first, second}, {young, old, console}) ==
        "client 10.0.0.5:40001 (user app, application report; its last query began 12 s ago) and 1 "
        "more");
  young.addr = "unix";
  CHECK(describe_holders({first}, {young, console}) ==
        "client over the unix socket (user app; its last query began 4 s ago)");
  young.request_time = "soon";
  CHECK(describe_holders({first}, {young, console}) == "client over the unix socket (user app)");
  CHECK(describe_holders({server("tested", "a", 1)}, {console}) ==
        "1 server connections in state tested");
  CHECK(describe_holders({}, {console}) == "no client is seen to keep it");
}

TEST_CASE("names and values are quoted for the console", "[console]") {
  CHECK(quote_name("my-db") == "\"my-db\"");
  CHECK(quote_name("a\"b") == "\"a\"\"b\"");
  CHECK(set_command("server_login_retry", "0.3") == "SET server_login_retry='0.3'");
  CHECK(set_command("x", "it's") == "SET x='it''s'");
}

}  // namespace
}  // namespace pointsman
