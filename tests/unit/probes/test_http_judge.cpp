#include <catch2/catch.hpp>

#include "probes/http_judge.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

HttpAnswer answer(int status, std::string_view body = {}, bool is_cut = false) {
  return HttpAnswer{status, body, is_cut};
}

Verdict judged(const HttpSpec& spec, const HttpAnswer& of) {
  const HttpJudge judge(spec, "GET http://a/");
  REQUIRE(judge.status().ok());
  return judge.judge(of);
}

}  // namespace

TEST_CASE("status ranges decide, and the message says what was wanted") {
  HttpSpec spec;
  CHECK(judged(spec, answer(200)).outcome == Outcome::pass);
  CHECK(judged(spec, answer(399)).outcome == Outcome::pass);
  const Verdict verdict = judged(spec, answer(503));
  CHECK(verdict.outcome == Outcome::fail);
  CHECK(verdict.reason == Reason::status_mismatch);
  CHECK(verdict.message == "GET http://a/ answered 503, wanted 200-399");

  spec.status = {{200, 200}, {404, 404}};
  CHECK(judged(spec, answer(404)).outcome == Outcome::pass);
  CHECK(judged(spec, answer(204)).message == "GET http://a/ answered 204, wanted 200, 404");
}

TEST_CASE("warn_status is judged before status") {
  HttpSpec spec;
  spec.status = {{0, 499}};
  spec.warn_status = {{500, 999}};
  CHECK(judged(spec, answer(401)).outcome == Outcome::pass);
  const Verdict verdict = judged(spec, answer(500));
  CHECK(verdict.outcome == Outcome::warn);
  CHECK(verdict.reason == Reason::status_mismatch);
  CHECK(verdict.message == "GET http://a/ answered 500, which is a warning (>=500)");

  spec.status = {{200, 599}};
  CHECK(judged(spec, answer(500)).outcome == Outcome::warn);
}

TEST_CASE("ranges are printed as they are written") {
  CHECK(ranges_text({{0, 499}}) == "<500");
  CHECK(ranges_text({{500, 999}}) == ">=500");
  CHECK(ranges_text({{200, 200}, {300, 302}}) == "200, 300-302");
}

TEST_CASE("body_contains and body_matches") {
  HttpSpec spec;
  spec.body_contains = "ready";
  CHECK(judged(spec, answer(200, "not ready")).outcome == Outcome::pass);
  const Verdict verdict = judged(spec, answer(200, "down"));
  CHECK(verdict.reason == Reason::body_mismatch);
  CHECK(verdict.message == "GET http://a/ answered 200, but its body does not contain \"ready\"");
  CHECK(judged(spec, answer(500, "ready")).reason == Reason::status_mismatch);

  HttpSpec pattern;
  pattern.body_matches = "^v[0-9]+\\.[0-9]+$";
  CHECK(judged(pattern, answer(200, "v1.20")).outcome == Outcome::pass);
  CHECK(judged(pattern, answer(200, "v1")).reason == Reason::body_mismatch);
}

TEST_CASE("a long body neither overflows the stack nor holds the loop in a pattern") {
  HttpSpec spec;
  spec.body_matches = "(a|b|ab)*c";
  const std::string body(64 * 1024, 'a');
  const Verdict verdict = judged(spec, answer(200, body));
  CHECK(verdict.outcome != Outcome::pass);
}

TEST_CASE("a pattern that cannot be compiled makes the probe inconclusive, not its target bad") {
  HttpSpec spec;
  spec.body_matches = "(";
  CHECK_FALSE(HttpJudge(spec, "GET http://a/").status().ok());
}

TEST_CASE("json pointers") {
  HttpSpec spec;
  spec.json = {{"/status", "\"ok\""}, {"/db/lag", "3"}, {"/list/0", "true"}};
  CHECK(judged(spec, answer(200, R"({"status":"ok","db":{"lag":3.0},"list":[true]})")).outcome ==
        Outcome::pass);
  CHECK(judged(spec, answer(200, R"({"status":"down\n","db":{"lag":3},"list":[true]})")).message ==
        R"(GET http://a/ answered 200, but /status is "down\n", wanted "ok")");
  CHECK(judged(spec, answer(200, R"({"status":"ok","list":[true]})")).message ==
        "GET http://a/ answered 200, but its body has no /db/lag");
  CHECK(judged(spec, answer(200, "<html>")).message ==
        "GET http://a/ answered 200, but its body is not JSON");
  CHECK(judged(spec, answer(200, "{", true)).reason == Reason::body_mismatch);

  const std::string deep(5000, '[');
  CHECK(judged(spec, answer(200, deep)).reason == Reason::body_mismatch);

  HttpSpec word;
  word.json = {{"/status", "ok"}};
  CHECK(judged(word, answer(200, R"({"status":"ok"})")).outcome == Outcome::pass);
}

TEST_CASE("what is wanted and came from a reference is not quoted") {
  HttpSpec contains;
  contains.body_contains = "s3cret";
  contains.body_secret = true;
  CHECK(judged(contains, answer(200, "down")).message ==
        "GET http://a/ answered 200, but its body does not contain what is wanted");

  HttpSpec json;
  json.json = {{"/key", "\"s3cret\"", true}, {"/status", "\"ok\""}};
  CHECK(judged(json, answer(200, R"({"key":"S3cret","status":"ok"})")).message ==
        "GET http://a/ answered 200, but /key is not as wanted");
  CHECK(judged(json, answer(200, R"({"key":"s3cret","status":"no"})")).message ==
        R"(GET http://a/ answered 200, but /status is "no", wanted "ok")");

  HttpSpec pattern;
  pattern.body_matches = "s3cret(";
  pattern.body_secret = true;
  const HttpJudge judge(pattern, "GET http://a/");
  REQUIRE_FALSE(judge.status().ok());
  CHECK(judge.status().error().message.find("s3cret") == std::string::npos);
}

TEST_CASE("a certificate warns and fails before it expires") {
  const WallTime now{1'000'000'000'000ms};
  const CertLimits limits{21 * 24h, 3 * 24h};
  CHECK(judge_certificate(std::nullopt, now, limits).outcome == Outcome::pass);
  CHECK(judge_certificate(now + 22 * 24h, now, limits).outcome == Outcome::pass);
  const Verdict soon = judge_certificate(now + 20 * 24h, now, limits);
  CHECK(soon.outcome == Outcome::warn);
  CHECK(soon.reason == Reason::cert_expiring);
  CHECK(soon.message == "the certificate expires in 20 days");
  const Verdict late = judge_certificate(now + 30h, now, limits);
  CHECK(late.outcome == Outcome::fail);
  CHECK(late.reason == Reason::tls_expired);
  CHECK(late.message == "the certificate expires in 30 hours");
  CHECK(judge_certificate(now - 1h, now, limits).message == "the certificate has expired");
}

TEST_CASE("the worse verdict is the finding, the answer's where they are equal") {
  const Verdict pass{Outcome::pass, Reason::ok, "p"};
  const Verdict warn{Outcome::warn, Reason::cert_expiring, "w"};
  const Verdict fail{Outcome::fail, Reason::status_mismatch, "f"};
  const Verdict other{Outcome::fail, Reason::tls_expired, "o"};
  CHECK(worse(pass, warn).message == "w");
  CHECK(worse(fail, warn).message == "f");
  CHECK(worse(fail, other).message == "f");
  CHECK(worse(warn, other).message == "o");
}

TEST_CASE("what comes from outside is one printable line in a message") {
  CHECK(quote_for_message("a\r\nb\x7f") == "a..b.");
  CHECK(quote_for_message("\xe3\x81\x82\xe3\x81\x84", 4) == "\xe3\x81\x82...");
  CHECK(quote_for_message(std::string(100, 'x')).size() == 63);
}
