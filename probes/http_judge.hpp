// What an HTTP answer and a certificate's expiry mean for a probe: pure, no socket and no clock.
//
// `warn_status` is judged before `status`; body checks only count for an answer whose status
// passes. The worse of the answer's verdict and the certificate's is the finding; of two equal ones
// the answer's. Messages never hold a header, a body that was sent, the query of a URL, or what
// came from a reference.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policies/model/result.hpp"
#include "policies/model/sample.hpp"
#include "probes/spec.hpp"

namespace pointsman {

struct HttpAnswer {
  int status = 0;
  std::string_view body;
  bool is_cut = false;  ///< the body was longer than what is here
};

struct Verdict {
  Outcome outcome = Outcome::pass;
  Reason reason = Reason::ok;
  std::string message;
};

/// The checks of one probe, compiled once.
class HttpJudge {
 public:
  /// `what` begins every message: "GET http://10.0.0.1/health".
  HttpJudge(const HttpSpec& spec, std::string what);
  ~HttpJudge();
  HttpJudge(const HttpJudge&) = delete;
  HttpJudge& operator=(const HttpJudge&) = delete;

  /// A pattern or a JSON value that cannot be used: the probe is inconclusive.
  const Status& status() const { return status_; }
  bool wants_body() const { return wants_body_; }
  Verdict judge(const HttpAnswer& answer) const;

 private:
  struct Checks;
  Verdict judge_body(const HttpAnswer& answer) const;
  Verdict judge_json(const HttpAnswer& answer) const;
  Verdict mismatch(const HttpAnswer& answer, std::string_view how) const;

  std::string what_;
  std::vector<StatusRange> wanted_, warned_;
  std::string contains_;
  bool body_secret_;
  std::unique_ptr<Checks> checks_;  ///< only where there is a pattern or a JSON check
  Status status_ = Nothing{};
  bool wants_body_ = false;
};

struct CertLimits {
  Duration warn{}, fail{};
};
/// Pass, `cert_expiring` (warn) or `tls_expired` (fail) for a certificate that is otherwise fine.
Verdict judge_certificate(std::optional<WallTime> expires, WallTime now, CertLimits limits);

/// The worse of the two; of equal ones the first.
Verdict worse(Verdict first, Verdict second);

/// "200-399, 404", "<500", ">=500".
std::string ranges_text(const std::vector<StatusRange>& ranges);

/// Text from outside as it may stand in a message: one line, printable, at most `limit` bytes.
std::string quote_for_message(std::string_view text, std::size_t limit = 60);

}  // namespace pointsman
