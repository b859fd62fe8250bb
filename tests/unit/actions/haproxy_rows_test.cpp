// What HAProxy's runtime API answers, taken from a running 2.6.12, and which entries lead where.
#include <catch2/catch.hpp>

#include "daemon/actions/haproxy_proof.hpp"
#include "daemon/actions/haproxy_redis.hpp"
#include "daemon/actions/haproxy_rows.hpp"
#include "daemon/actions/haproxy_steps.hpp"

using namespace pointsman;

namespace {

constexpr std::string_view states =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
    "srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health "
    "srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord "
    "srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"
    "3 redis 1 active 127.0.0.1 0 1 1 1 1 1 0 0 0 0 0 0 - 34463 - 0 0 - - 0\n"
    "3 redis 2 other ::1 2 4 1 1 0 1 0 0 8 0 0 0 - 4 - 0 0 - - 0\n"
    "4 web 1 named 127.0.0.1 0 5 1 1 3 1 0 0 8 0 0 0 localhost 29113 - 0 0 - - 0\n\n";

HaproxyRow row(std::string server, std::uint16_t port, int admin_state = 0) {
  return {"redis", std::move(server), "10.0.0.1", port, 2, admin_state};
}

HaproxyTarget target(std::uint16_t port) {
  return {{"10.0.0.1", port}, {"10.0.0.1"}};
}

/// "a 1 ready, b 2 maint"
std::string planned(const std::vector<HaproxyRow>& rows,
                    const std::vector<HaproxyTarget>& targets) {
  const auto slots = plan_slots(rows, targets);
  if (!slots) return slots.error().message;
  std::string text;
  for (const auto& slot : slots.value()) {
    text += (text.empty() ? "" : ", ") + slot.server + " " + std::to_string(slot.address.port) +
            (slot.ready ? " ready" : " maint");
  }
  return text;
}

}  // namespace

TEST_CASE("show servers state is read by its header's names", "[haproxy]") {
  const auto rows = read_servers_state(states);
  REQUIRE(rows.ok());
  REQUIRE(rows.value().size() == 3);
  CHECK(rows.value()[0] == HaproxyRow{"redis", "active", "127.0.0.1", 34463, 0, 1});
  CHECK_FALSE(rows.value()[0].is_ready());
  CHECK_FALSE(rows.value()[0].is_up());
  // 4 only says that the configuration has `disabled`; it serves all the same.
  CHECK(rows.value()[1] == HaproxyRow{"redis", "other", "::1", 4, 2, 4});
  CHECK(rows.value()[1].is_ready());
  CHECK(rows.value()[1].is_up());

  const auto slots = find_slots(rows.value(), "redis", {"other", "active"});
  REQUIRE(slots.ok());
  CHECK(slots.value().front().server == "other");
  CHECK(find_slots(rows.value(), "redis", {"named"}).error().message ==
        "HAProxy's backend redis has no server named; it has: active, other");

  std::string later(states);
  later.replace(later.find("be_id be_name"), 5, "be_id new_column");
  later.replace(later.find("3 redis 1"), 1, "3 x");
  CHECK_FALSE(read_servers_state("Can't find backend.\n\n").ok());
  CHECK(read_servers_state("Can't find backend.\n\n").error().message ==
        "HAProxy said: Can't find backend.");
  CHECK_FALSE(read_servers_state("").ok());
  CHECK_FALSE(read_servers_state("1\n# be_name srv_name\n").ok());
  CHECK_FALSE(read_servers_state(later).ok());  // a line that is shorter than its header
}

TEST_CASE("HAProxy's words for done and not done", "[haproxy]") {
  CHECK(complaint_about_address("no need to change the addr, port changed from '1' to '2' by "
                                "'stats socket command'")
            .empty());
  CHECK(complaint_about_address("IP changed from '::1' to '127.0.0.1', no need to change the port "
                                "by 'stats socket command'")
            .empty());
  CHECK(complaint_about_address("Invalid addr 'localhost' by 'stats socket command'") ==
        "Invalid addr 'localhost' by 'stats socket command'");
  CHECK_FALSE(complaint_about_address("no need to change the addr, problem converting port 'abc' "
                                      "to an int by 'stats socket command'")
                  .empty());
  CHECK(complaint_about_address("No such server.") == "No such server.");
  CHECK_FALSE(complaint_about_address("").empty());
  CHECK(complaint_about_state("").empty());
  CHECK(complaint_about_state("No such server.\nmore") == "No such server.");
}

TEST_CASE("one entry: its address changes", "[haproxy]") {
  CHECK(planned({row("a", 1)}, {target(2)}) == "a 2 ready");
  CHECK(planned({row("a", 1)}, {target(1)}) == "a 1 ready");
  CHECK(planned({row("a", 1, 1)}, {target(1)}) == "a 1 ready");
  CHECK_THAT(planned({row("a", 1)}, {target(1), target(2)}),
             Catch::StartsWith("2 targets, but `server:` names 1 of HAProxy's servers"));
}

TEST_CASE("two entries: the one in maintenance takes over", "[haproxy]") {
  CHECK(planned({row("a", 1), row("b", 2, 5)}, {target(2)}) == "a 1 maint, b 2 ready");
  CHECK(planned({row("a", 1, 1), row("b", 2)}, {target(1)}) == "a 1 ready, b 2 maint");
  CHECK(planned({row("a", 1), row("b", 2, 1)}, {target(3)}) == "a 1 maint, b 3 ready");
  // Both serve, as after a crash between the two: the wanted one stays.
  CHECK(planned({row("a", 1), row("b", 2)}, {target(2)}) == "a 1 maint, b 2 ready");
  // Both lead there: the one that serves is kept, so that no session breaks.
  CHECK(planned({row("a", 1, 1), row("b", 1)}, {target(1)}) == "a 1 maint, b 1 ready");
  CHECK(planned({row("a", 1), row("b", 2)}, {target(3)}) == "a 3 ready, b 2 maint");
}

TEST_CASE("several targets: those that have an entry keep it", "[haproxy]") {
  const std::vector<HaproxyRow> rows{row("a", 1), row("b", 2), row("c", 9, 1)};
  CHECK(planned(rows, {target(2), target(3)}) == "a 1 maint, b 2 ready, c 3 ready");
  CHECK(planned(rows, {target(1), target(2), target(3)}) == "a 1 ready, b 2 ready, c 3 ready");
  CHECK(planned(rows, {target(4), target(5), target(6)}) == "a 5 ready, b 6 ready, c 4 ready");
}

TEST_CASE("a name with several addresses", "[haproxy]") {
  const HaproxyTarget named{{"redis.local", 6379}, {"10.0.0.7", "10.0.0.8"}};
  const std::vector<HaproxyRow> rows{{"redis", "a", "10.0.0.8", 6379, 2, 0}};
  const auto kept = plan_slots(rows, {named});
  REQUIRE(kept.ok());
  CHECK(kept.value().front().address == Endpoint{"10.0.0.8", 6379});
  CHECK(plan_slots({row("a", 1)}, {named}).value().front().address == Endpoint{"10.0.0.7", 6379});
}

TEST_CASE("what the journal keeps of a switch comes back whole", "[haproxy]") {
  const HaproxySteps steps{"cache",
                           "/run/haproxy/admin.sock",
                           "redis",
                           {{"a", {"10.0.0.1", 6379}, true}, {"b", {"::1", 65535}, false}},
                           {{"a", {"10.0.0.1", 6379}, false}, {"b", {"10.0.0.2", 1}, true}}};
  CHECK(haproxy_steps_of_json(to_json(steps)) == steps);
  CHECK_FALSE(haproxy_steps_of_json(R"({"adapter":"pgbouncer"})"));
  CHECK_FALSE(haproxy_steps_of_json("not JSON"));
}

TEST_CASE("INFO's values", "[haproxy]") {
  const std::string_view info = "# Server\r\nredis_version:7\r\nrun_id:abc\r\n\r\nrole:slave\r\n";
  CHECK(info_value(info, "run_id") == "abc");
  CHECK(info_value(info, "role") == "slave");
  CHECK(info_value(info, "run").empty());
  CHECK(info_value("run_id:cut", "run_id") == "cut");
  CHECK(info_value("", "run_id").empty());
}

TEST_CASE("what is asked through HAProxy follows from what the route requires", "[haproxy]") {
  using Talk = HaproxyVerify::Talk;
  CHECK(talk_for(Require::master, "") == Talk::redis);
  CHECK(talk_for(Require::replica, "x") == Talk::redis);
  CHECK(talk_for(Require::writable, "app") == Talk::postgres);
  CHECK(talk_for(Require::writable, "") == Talk::tcp);
  CHECK(talk_for(Require::any, "app") == Talk::tcp);
}
