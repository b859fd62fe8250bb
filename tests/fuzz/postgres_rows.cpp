// What a PostgreSQL, or a stranger on its port, answers: rows to facts, and errors to reasons.
#include "daemon/journal/json_text.hpp"
#include "probes/pg_message.hpp"
#include "probes/postgres_facts.hpp"
#include "tests/fuzz/rows.hpp"

using namespace pointsman;

namespace {

PostgresSpec spec_of(std::uint8_t bits) {
  PostgresSpec spec;
  if ((bits & 1U) != 0) spec.expect = PostgresExpect::writable;
  if ((bits & 2U) != 0) spec.expect = PostgresExpect::standby;
  if ((bits & 4U) != 0) spec.max_lag = Lag{Duration{std::chrono::seconds{10}}};
  if ((bits & 8U) != 0) spec.max_lag = Lag{std::uint64_t{1} << 20U};
  return spec;
}

void read_messages(std::string_view text, bool needs_password) {
  for (const PgStep step : {PgStep::connecting, PgStep::negotiating_tls, PgStep::logging_in}) {
    const PgError error = classify_login_failure(text, step, needs_password, "127.0.0.1:5432");
    FUZZ_REQUIRE(error.message.find('\n') == std::string::npos);
    finding_of_pg_error(error, "127.0.0.1:5432", std::chrono::seconds{1});
  }
  finding_of_pg_error(classify_query_failure(text), "127.0.0.1:5432", std::chrono::seconds{1});
  const auto space = std::min(text.find(' '), text.size());
  classify_session_end(text.substr(0, space), text.substr(space));
  ends_session(text.substr(0, space), text.substr(space));
  redact_conninfo_error(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const std::uint8_t bits = bytes.byte();
  const PgRows constants_rows = fuzz::read_rows(bytes);
  const PgRows rows = fuzz::read_rows(bytes);
  const PostgresConstants constants = read_constants(constants_rows, bytes.until('\n'));
  if (auto facts = read_postgres_facts(rows, constants)) {
    std::optional<MonoTime> caught_up_at;
    if ((bits & 16U) != 0) caught_up_at = MonoTime{std::chrono::seconds{60}};
    bound_lag(*facts, MonoTime{std::chrono::hours{1}}, caught_up_at);
    const Finding finding = judge_postgres(spec_of(bits), *facts);
    FUZZ_REQUIRE(finding.outcome != Outcome::inconclusive);
    facts_json(finding.facts);
  }
  read_messages(bytes.rest(), (bits & 32U) != 0);
  return 0;
}
