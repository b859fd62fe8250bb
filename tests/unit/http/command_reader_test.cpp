#include "daemon/http/command_reader.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/http/world.hpp"

using namespace pointsman;
using namespace pointsman::test;

namespace {

struct Desk {
  Snapshot snapshot = one_of_everything();

  Command read(const std::string& name, const std::string& body) const {
    const auto value = boost::json::parse(body);
    return read_command({name, value.get_object(), snapshot, "uid 1000", at({}), RequestId{9}});
  }
  int status(const std::string& name, const std::string& body) const {
    return read(name, body).answer.status;
  }
  std::string error(const std::string& name, const std::string& body) const {
    const Command command = read(name, body);
    CHECK_FALSE(command.event);
    return std::string(command.answer.body.at("error").as_string());
  }
  std::string message(const std::string& name, const std::string& body) const {
    const Command command = read(name, body);
    CHECK(command.answer.status == 200);
    return std::string(command.answer.body.at("message").as_string());
  }
  template <class Wanted>
  Wanted event(const std::string& name, const std::string& body) const {
    const Command command = read(name, body);
    REQUIRE(command.event);
    return std::get<Wanted>(*command.event);
  }
};

}  // namespace

TEST_CASE("switch: every option becomes part of the request") {
  const Desk desk;
  CHECK(desk.event<SwitchRequested>("switch", R"({"route":"bud"})") ==
        SwitchRequested{RequestId{9}, RouteName{"bud"}, std::nullopt, false, false, false,
                        "uid 1000"});
  CHECK(desk.event<SwitchRequested>("switch", R"({"route":"bud","to":"replica-1","dry_run":true,
                                    "allow_data_loss":true,"unfenced":true})") ==
        SwitchRequested{RequestId{9}, RouteName{"bud"}, ProbeName{"replica-1"}, true, true, true,
                        "uid 1000"});
  const Command command = desk.read("switch", R"({"route":"bud","to":null})");
  CHECK(command.answer.status == 202);
  CHECK(command.answer.body.at("request").to_number<int>() == 9);
}

TEST_CASE("switch: what is not there is told with what is") {
  const Desk desk;
  CHECK(desk.status("switch", R"({"route":"bdu"})") == 404);
  CHECK(desk.error("switch", R"({"route":"bdu"})") == "there is no route 'bdu'; known: bud");
  CHECK(desk.status("switch", R"({"route":"bud","to":"disk"})") == 422);
  CHECK(desk.error("switch", R"({"route":"bud","to":"disk"})") ==
        "'disk' is no candidate of the route bud; they are: primary, replica-1");
}

TEST_CASE("a body that is wrong is 400 and makes no event") {
  const Desk desk;
  const auto wrong = [&](const char* name, const char* body, const std::string& said) {
    INFO(name << " " << body);
    CHECK(desk.status(name, body) == 400);
    CHECK_THAT(desk.error(name, body), Catch::Contains(said));
  };
  wrong("switch", "{}", "'route' is missing");
  wrong("switch", R"({"route":7})", "'route' must be a text");
  wrong("switch", R"({"route":"bud","allow_dataloss":true})", "there is no 'allow_dataloss' here");
  wrong("switch", R"({"route":"bud","dry_run":"yes"})", "must be true or false");
  wrong("switch/cancel", R"({"request":"4"})", "must be a number");
  wrong("switch/cancel", R"({"request":-4})", "must be a number");
  wrong("pause", R"({"for":"5"})", "is not a duration");
  wrong("pause", R"({"for":"0s"})", "more than nothing");
  wrong("pause", R"({"for":"9999d"})", "too long");
  wrong("pause", R"({"reason":"a\nb"})", "one line");
  wrong("flags/set", "{}", "'name' is missing");
  wrong("flags/set", R"({"name":"../x"})", "can not be a flag's name");
  wrong("flags/clear", R"({"name":"a","for":"5m"})", "there is no 'for' here");
  wrong("ack", R"({"incident":"x"})", "must be a number");
  wrong("approve", "{}", "'id' is missing");
  CHECK(desk.status("pause", R"({"reason":")" + std::string(501, 'x') + "\"}") == 400);
  CHECK(desk.status("nonsense", "{}") == 404);
}

TEST_CASE("pause and resume") {
  Desk desk;
  CHECK(desk.event<AutomationSet>("pause", R"({"reason":"racks","for":"30m"})") ==
        AutomationSet{true, "racks", "uid 1000", at(std::chrono::minutes{30})});
  CHECK(desk.event<AutomationSet>("pause", "{}") ==
        AutomationSet{true, "", "uid 1000", std::nullopt});
  CHECK(desk.message("pause", R"({"for":"30m"})") ==
        "automation is paused for 30m: nothing automatic happens until then, or `pointsman "
        "resume`");
  CHECK_FALSE(desk.event<AutomationSet>("resume", "{}").paused);
  desk.snapshot.automation.reset();
  CHECK_FALSE(desk.read("resume", "{}").event);
  CHECK_THAT(desk.message("resume", "{}"), Catch::Contains("nothing to do"));
}

TEST_CASE("drain and undrain") {
  Desk desk;
  CHECK(desk.event<DrainSet>("drain", R"({"reason":"racks"})") ==
        DrainSet{true, "racks", "uid 1000"});
  CHECK_FALSE(desk.event<DrainSet>("undrain", "{}").drained);
  desk.snapshot.drain.reset();
  CHECK_FALSE(desk.read("undrain", "{}").event);
}

TEST_CASE("flags are set for a while or for good, and cleared") {
  const Desk desk;
  CHECK(desk.event<FlagSet>("flags/set", R"({"name":"no_cache","reason":"r","for":"10m"})") ==
        FlagSet{FlagName{"no_cache"}, true, "r", "uid 1000", at(std::chrono::minutes{10})});
  CHECK_FALSE(desk.event<FlagSet>("flags/clear", R"({"name":"no_cache"})").set);
  // Its file may be there all the same, where a start could not read who had set it.
  CHECK_FALSE(desk.event<FlagSet>("flags/clear", R"({"name":"other"})").set);
  CHECK(desk.message("flags/clear", R"({"name":"other"})") == "the flag other was not set");
  CHECK_THAT(desk.message("flags/set", R"({"name":"maintenance"})"),
             Catch::Contains("/health answers 503"));
}

TEST_CASE("an incident is acknowledged while it is open, as often as somebody does") {
  Desk desk;
  CHECK(desk.event<IncidentAcknowledged>("ack", R"({"incident":12,"reason":"mine"})") ==
        IncidentAcknowledged{IncidentId{12}, "uid 1000", "mine"});
  CHECK(desk.status("ack", R"({"incident":11})") == 409);
  CHECK(desk.status("ack", R"({"incident":99})") == 404);
  auto known = std::make_shared<Incident>(*desk.snapshot.incidents.at(IncidentId{12}));
  known->acknowledged = Acknowledgement{at({}), "uid 0", ""};
  desk.snapshot.incidents[IncidentId{12}] = known;
  // Its ladder may be exhausted again since: the engine has to hear of it.
  CHECK(desk.event<IncidentAcknowledged>("ack", R"({"incident":12})").incident == IncidentId{12});
  CHECK(desk.message("ack", R"({"incident":12})") == "incident 12 is acknowledged again");
}

TEST_CASE("only what waits can be approved or refused") {
  Desk desk;
  CHECK(desk.event<StepApproved>("approve", R"({"id":77})") ==
        StepApproved{ActionId{77}, true, "uid 1000"});
  CHECK_FALSE(desk.event<StepApproved>("refuse", R"({"id":77})").approved);
  CHECK(desk.status("approve", R"({"id":78})") == 404);
  CHECK_THAT(desk.error("approve", R"({"id":78})"), Catch::Contains("waiting: 77 (host: approve"));
  CHECK(desk.status("approve", R"({"id":0})") == 404);
  desk.snapshot.ladders.clear();
  CHECK_THAT(desk.error("refuse", R"({"id":77})"), Catch::Contains("waiting: nothing"));
}

TEST_CASE("a request is cancelled while it runs") {
  const Desk desk;
  CHECK(desk.event<SwitchCancelled>("switch/cancel", R"({"request":4})").request == RequestId{4});
  CHECK_FALSE(desk.read("switch/cancel", R"({"request":3})").event);
  CHECK(desk.message("switch/cancel", R"({"request":3})") ==
        "nothing to cancel: the request is done");
  CHECK(desk.status("switch/cancel", R"({"request":5})") == 404);
}

TEST_CASE("durations are those of the YAML") {
  using namespace std::chrono;
  CHECK(read_duration("500ms").value() == milliseconds{500});
  CHECK(read_duration("5s").value() == seconds{5});
  CHECK(read_duration("2m").value() == minutes{2});
  CHECK(read_duration("1h").value() == hours{1});
  CHECK(read_duration("30d").value() == hours{720});
  for (const char* bad : {"", "5", "s", "5 s", "-5s", "1.5h", "5M", "99999999999999999999s"}) {
    INFO(bad);
    CHECK_FALSE(read_duration(bad));
  }
}
