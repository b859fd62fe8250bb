// What whoever asked for a reload is told.
#include <catch2/catch.hpp>

#include <boost/json/serialize.hpp>

#include "daemon/runtime/reload_answer.hpp"

namespace pointsman {
namespace {

Config with_mode(Mode mode) {
  Config config;
  auto policy = std::make_shared<PolicySet>();
  policy->mode = mode;
  config.policy = std::move(policy);
  return config;
}

}  // namespace

TEST_CASE("only from observe to act it is told what is done at once", "[runtime]") {
  const Config observe = with_mode(Mode::observe), act = with_mode(Mode::act);
  CHECK(begins_to_act(observe, act));
  CHECK_FALSE(begins_to_act(act, act));
  CHECK_FALSE(begins_to_act(act, observe));

  const CommandAnswer told = reload_done(observe, act, {"bud: target_lost: from a to b"});
  CHECK(told.status == 200);
  CHECK(boost::json::serialize(told.body) ==
        R"({"reloaded":true,"warnings":[],"message":"reloaded; acts from now on, and at once:",)"
        R"("at_once":["bud: target_lost: from a to b"]})");
  CHECK(boost::json::serialize(reload_done(observe, act, {}).body).find("nothing is to be done") !=
        std::string::npos);
  CHECK(boost::json::serialize(reload_done(act, act, {}).body) ==
        R"({"reloaded":true,"warnings":[]})");
}

TEST_CASE("where it listens changes at a start only, and that is said", "[runtime]") {
  const Config before = with_mode(Mode::act);
  Config after = with_mode(Mode::act);
  after.listen.control = "/elsewhere.sock";
  const auto text = boost::json::serialize(reload_done(before, after, {}).body);
  CHECK(text.find("restart to change them") != std::string::npos);
}

TEST_CASE("a file with errors is 422 with each of them", "[runtime]") {
  LoadFailure failure;
  failure.errors = {{Position{}, "a.b", "wrong"}, {Position{}, "c", "wrong too"}};
  const CommandAnswer answer = reload_refused(failure);
  CHECK(answer.status == 422);
  CHECK(answer.body.at("errors").as_array().size() == 2);
  CHECK(answer.body.as_object().contains("error"));
}

}  // namespace pointsman
