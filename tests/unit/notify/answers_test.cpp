// What an answer means, how long a notifier waits, and what messages may show.
#include <catch2/catch.hpp>

#include "daemon/notify/backoff.hpp"
#include "daemon/notify/sender.hpp"
#include "probes/http_secrets.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;
using How = Delivered::How;

How how_of(int status) {
  HttpCallResult answer;
  answer.was_sent = true;
  answer.status = status;
  return judge_answer(answer, "POST http://x").how;
}

TEST_CASE("an answer is taken, refused or tried again") {
  for (const int status : {200, 201, 202, 204}) CHECK(how_of(status) == How::told);
  for (const int status : {400, 410, 413, 415, 422}) CHECK(how_of(status) == How::refused);
  for (const int status : {0, 301, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504}) {
    CHECK(how_of(status) == How::retry);
  }
}

TEST_CASE("a message says what was answered, and heeds Retry-After") {
  HttpCallResult answer;
  answer.status = 429;
  answer.headers = {{"Retry-After", "30"}};
  answer.body = "\n  slow\x1b down\nsecond line";
  const Delivered delivered = judge_answer(answer, "POST http://x");
  CHECK(delivered.message == "POST http://x answered 429:   slow down");
  CHECK(delivered.retry_after == Duration{30s});
}

TEST_CASE("waits double up to the cap, each 20 % more or less") {
  Backoff low, high, middle;
  const double seconds[] = {1, 2, 4, 8, 16, 32, 64, 128, 250, 250, 250};
  for (const double expected : seconds) {
    const auto in_seconds = [](Duration wait) {
      return std::chrono::duration<double>(wait).count();
    };
    CHECK(in_seconds(low.next(0)) == Approx(expected * 0.8));
    CHECK(in_seconds(middle.next(0.5)) == Approx(expected));
    const Duration longest = high.next(1);
    CHECK(in_seconds(longest) == Approx(expected * 1.2));
    CHECK(longest <= longest_backoff + 1ms);
  }
  low.reset();
  CHECK(low.next(0.5) == Duration{1s});
}

TEST_CASE("a receiver that asks for time gets it, within an hour") {
  Backoff backoff;
  CHECK(backoff.next(0, 30s) == Duration{30s});
  CHECK(backoff.next(0.5, 1s) == Duration{2s});
  CHECK(backoff.next(0, 24h) == Duration{1h});
}

TEST_CASE("hosts that are all asked for the same time come back spread over it, none sooner") {
  CHECK(Backoff().next(0.5, 30s) == Duration{33s});
  CHECK(Backoff().next(1, 30s) == Duration{36s});
  CHECK(Backoff().next(1, 24h) == Duration{72min});
}

TEST_CASE("what a receiver echoes of a secret is not in the message") {
  HttpCallResult answer;
  answer.was_sent = true;
  answer.status = 401;
  answer.body = "invalid token xoxb-correct-horse for /services/T0/S3CRET";
  HttpSpec spec;
  spec.target = "/services/T0/S3CRET";
  const auto secrets = request_secrets(spec, true, {Secret("xoxb-correct-horse")});
  CHECK(judge_answer(answer, "POST http://x", secrets).message ==
        "POST http://x answered 401: invalid token *** for ***");
}

TEST_CASE("a path that may be a secret is not shown") {
  HttpSpec spec;
  spec.host = "hooks.slack.com";
  spec.port = 443;
  spec.target = "/services/T0/B0/SECRET";
  spec.tls = TlsSpec{};
  CHECK(shown_without_path(spec) == "POST https://hooks.slack.com");
  spec.port = 8443;
  spec.method = "PUT";
  CHECK(shown_without_path(spec) == "PUT https://hooks.slack.com:8443");
}

TEST_CASE("paths are joined with one slash") {
  CHECK(joined_path("/", "/api/v2/alerts") == "/api/v2/alerts");
  CHECK(joined_path("/am/", "/api/v2/alerts") == "/am/api/v2/alerts");
  CHECK(joined_path("/am?x=1", "/api") == "/am/api");
}

}  // namespace
}  // namespace pointsman
