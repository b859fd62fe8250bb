// What an HTTP server, or a stranger on its port, answers the http probe: bytes in pieces through
// the reader, then the verdict.
#include "probes/http_response.hpp"
#include "probes/http_judge.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

HttpSpec spec_of(std::uint8_t bits) {
  HttpSpec spec;
  spec.warn_status = {{500, 599}};
  if ((bits & 1U) != 0) spec.body_contains = "ok";
  if ((bits & 2U) != 0) spec.body_matches = "status.{1,9}ok";
  if ((bits & 4U) != 0) spec.json = {{"/status", "\"ok\""}, {"/a/0", "3"}};
  return spec;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const std::uint8_t bits = bytes.byte();
  const std::size_t piece = 1 + bytes.pick(200);
  const HttpJudge judge(spec_of(bits), "GET http://10.0.0.1/health");
  using Progress = HttpResponseReader::Progress;
  HttpResponseReader reader(
      {.body = judge.wants_body(), .is_head = (bits & 8U) != 0, .headers = (bits & 16U) != 0});
  std::string_view rest = bytes.rest();
  Progress progress = Progress::need_more;
  while (!rest.empty() && progress == Progress::need_more) {
    progress = reader.feed(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  if (progress == Progress::need_more) progress = reader.feed_eof();
  FUZZ_REQUIRE(reader.body().size() <= HttpResponseReader::body_limit);
  if (progress != Progress::complete) return 0;
  FUZZ_REQUIRE(reader.status() >= 0 && reader.status() <= 999);
  const Verdict verdict = judge.judge({reader.status(), reader.body(), reader.is_cut()});
  FUZZ_REQUIRE(verdict.message.find('\n') == std::string::npos);
  return 0;
}
