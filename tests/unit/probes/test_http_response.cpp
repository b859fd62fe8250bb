#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include <string>

#include "probes/http_response.hpp"

using namespace pointsman;
using Progress = HttpResponseReader::Progress;

namespace {

constexpr HttpResponseReader::Wanted just_status{};
constexpr HttpResponseReader::Wanted with_body{true, false};

/// Feeds `bytes` in pieces of `piece`, then, if that is not enough, the end.
Progress feed_all(HttpResponseReader& reader, std::string_view bytes, std::size_t piece) {
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    // A copy of just that size, so that a read past its end is seen by AddressSanitizer.
    const std::string part(bytes.substr(at, piece));
    const Progress progress = reader.feed(part);
    if (progress != Progress::need_more) return progress;
  }
  return reader.feed_eof();
}

}  // namespace

TEST_CASE("an answer comes out the same in one piece and byte by byte") {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLocation: /x\r\n\r\n"
      "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: 1\r\n\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    HttpResponseReader reader(with_body);
    CAPTURE(piece);
    REQUIRE(feed_all(reader, bytes, piece) == Progress::complete);
    CHECK(reader.status() == 200);
    CHECK(reader.location() == "/x");
    CHECK(reader.body() == "hello world");
    CHECK_FALSE(reader.is_cut());
  }
}

TEST_CASE("an empty body in chunks comes in any pieces, and one that stops short is noticed") {
  const std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    CAPTURE(piece);
    HttpResponseReader whole(with_body), cut(with_body);
    CHECK(feed_all(whole, bytes, piece) == Progress::complete);
    CHECK(whole.body().empty());
    CHECK(feed_all(cut, std::string_view(bytes).substr(0, bytes.size() - 1), piece) ==
          Progress::bad);
    CHECK(cut.error() == "closed in mid-answer");
  }
}

TEST_CASE("HTTP/1.0, a body that ends with the connection, and one that has no length") {
  HttpResponseReader body(with_body);
  CHECK(feed_all(body, "HTTP/1.0 200 OK\r\n\r\nall of it", 7) == Progress::complete);
  CHECK(body.body() == "all of it");

  // Nobody judges this body and no end is in sight: the header decides.
  HttpResponseReader status(just_status);
  CHECK(status.feed("HTTP/1.0 503 No\r\n\r\n") == Progress::complete);
  CHECK(status.status() == 503);
}

TEST_CASE("a known length is waited for, so that a cut answer is noticed") {
  HttpResponseReader cut(just_status);
  CHECK(cut.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel") == Progress::need_more);
  CHECK(cut.feed_eof() == Progress::bad);
  CHECK(cut.error() == "closed in mid-answer");

  HttpResponseReader whole(just_status);
  CHECK(whole.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") == Progress::complete);

  HttpResponseReader far(just_status);
  CHECK(far.feed("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n") == Progress::complete);
}

TEST_CASE("no body where none can be") {
  for (const char* bytes : {"HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 304 No\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    HttpResponseReader reader(with_body);
    CAPTURE(bytes);
    CHECK(reader.feed(bytes) == Progress::complete);
  }
  HttpResponseReader head({false, true});
  CHECK(head.feed("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n") == Progress::complete);
}

TEST_CASE("a body is kept up to its limit and no further") {
  HttpResponseReader reader(with_body);
  CHECK(reader.feed("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") == Progress::need_more);
  const std::string piece(10'000, 'x');
  Progress progress = Progress::need_more;
  int pieces = 0;
  for (; progress == Progress::need_more; ++pieces) progress = reader.feed(piece);
  CHECK(progress == Progress::complete);
  CHECK(pieces == 7);
  CHECK(reader.is_cut());
  CHECK(reader.body().size() == HttpResponseReader::body_limit);
}

TEST_CASE("what is not HTTP is told") {
  for (const std::string bytes :
       {"SSH-2.0-OpenSSH_9.2\r\n", "-ERR unknown command\r\n", "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "\x15\x03\x01", ""}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
      HttpResponseReader reader(with_body);
      CAPTURE(bytes, piece);
      CHECK(feed_all(reader, bytes, piece) == Progress::bad);
      CHECK_FALSE(reader.error().empty());
    }
  }
}

TEST_CASE("headers without end are not read without end") {
  HttpResponseReader reader(just_status);
  REQUIRE(reader.feed("HTTP/1.1 200 OK\r\n") == Progress::need_more);
  Progress progress = Progress::need_more;
  int lines = 0;
  for (; progress == Progress::need_more && lines < 10'000; ++lines) {
    progress = reader.feed("X-Filler: 0123456789\r\n");
  }
  CHECK(progress == Progress::bad);
  CHECK(lines < 1'000);

  HttpResponseReader chunk(with_body);
  REQUIRE(chunk.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;") ==
          Progress::need_more);
  progress = Progress::need_more;
  for (lines = 0; progress == Progress::need_more && lines < 100'000; ++lines) {
    progress = chunk.feed("extension");
  }
  CHECK(progress == Progress::bad);
}

TEST_CASE("interim responses have a limit, switching protocols is an answer") {
  HttpResponseReader endless(just_status);
  Progress progress = Progress::need_more;
  int sent = 0;
  for (; progress == Progress::need_more && sent < 100; ++sent) {
    progress = endless.feed("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  }
  CHECK(progress == Progress::bad);
  CHECK(sent == HttpResponseReader::max_interim + 1);

  HttpResponseReader switching(just_status);
  CHECK(switching.feed("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n") == Progress::complete);
  CHECK(switching.status() == 101);
}

TEST_CASE("any bytes in any pieces end without harm and within the limits") {
  rc::check([] {
    const auto tail = *rc::gen::container<std::string>(rc::gen::element(
        'H', 'T', 'P', '/', '1', '.', ' ', '2', '0', '\r', '\n', ':', 'a', ';', '\0', '\xff'));
    const auto head = *rc::gen::element<std::string>(
        "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 100 C\r\n\r\n");
    const auto piece = *rc::gen::inRange<std::size_t>(1, 40);
    HttpResponseReader reader(with_body);
    const Progress progress = feed_all(reader, head + tail, piece);
    RC_ASSERT(progress != Progress::need_more);
    RC_ASSERT(reader.body().size() <= HttpResponseReader::body_limit);
  });
}
