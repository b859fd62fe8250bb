#include "probes/http_judge.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/regex.hpp>

namespace pointsman {
namespace {

namespace json = boost::json;

struct JsonCheck {
  std::string pointer;
  json::value wanted;
  bool secret = false;
};

bool holds(const std::vector<StatusRange>& ranges, int status) {
  return std::any_of(ranges.begin(), ranges.end(), [status](const StatusRange& range) {
    return range.from <= status && status <= range.to;
  });
}

/// Equal as JSON means it: 3 and 3.0 are the same number.
bool same_json(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number() && (a.is_double() || b.is_double())) {
    return std::fabs(a.to_number<double>() - b.to_number<double>()) <= 0;
  }
  return a == b;
}

std::string days_text(Duration left) {
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(left).count();
  return hours >= 48 ? fmt::format("{} days", hours / 24) : fmt::format("{} hours", hours);
}

}  // namespace

struct HttpJudge::Checks {
  boost::regex pattern;
  std::vector<JsonCheck> json;
};

HttpJudge::HttpJudge(const HttpSpec& spec, std::string what)
    : what_(std::move(what)),
      wanted_(spec.status),
      warned_(spec.warn_status),
      contains_(spec.body_contains),
      body_secret_(spec.body_secret) {
  wants_body_ = !spec.body_contains.empty() || !spec.body_matches.empty() || !spec.json.empty();
  if (spec.body_matches.empty() && spec.json.empty()) return;
  checks_ = std::make_unique<Checks>();
  try {
    if (!spec.body_matches.empty()) {
      checks_->pattern.assign(spec.body_matches, boost::regex::ECMAScript);
    }
  } catch (const boost::regex_error& error) {
    // Boost's words quote the pattern.
    status_ = Error{body_secret_ ? "body_matches is not a usable pattern"
                                 : fmt::format("body_matches is not a usable pattern: {}",
                                               quote_for_message(error.what(), 120))};
  }
  for (const JsonExpect& expect : spec.json) {
    json::error_code ec;
    json::value wanted = json::parse(expect.value, ec);
    // Not JSON: a word that somebody left unquoted.
    if (ec) wanted = json::string(expect.value);
    checks_->json.push_back(JsonCheck{expect.pointer, std::move(wanted), expect.secret});
  }
}

HttpJudge::~HttpJudge() = default;

Verdict HttpJudge::mismatch(const HttpAnswer& answer, std::string_view how) const {
  return Verdict{Outcome::fail, Reason::body_mismatch,
                 fmt::format("{} answered {}, but {}", what_, answer.status, how)};
}

Verdict HttpJudge::judge_json(const HttpAnswer& answer) const {
  if (answer.is_cut) return mismatch(answer, "its body is too long to be read as JSON");
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 64;
  const json::value document =
      json::parse(json::string_view(answer.body.data(), answer.body.size()), ec, {}, options);
  if (ec) return mismatch(answer, "its body is not JSON");
  for (const JsonCheck& check : checks_->json) {
    json::error_code missing;
    const json::value* found = document.find_pointer(check.pointer, missing);
    if (found == nullptr) {
      return mismatch(answer, fmt::format("its body has no {}", check.pointer));
    }
    if (!same_json(*found, check.wanted)) {
      // What was found may tell of the secret, too: another letter case, the one before.
      if (check.secret) return mismatch(answer, fmt::format("{} is not as wanted", check.pointer));
      return mismatch(answer, fmt::format("{} is {}, wanted {}", check.pointer,
                                          quote_for_message(json::serialize(*found)),
                                          quote_for_message(json::serialize(check.wanted))));
    }
  }
  return {};
}

Verdict HttpJudge::judge_body(const HttpAnswer& answer) const {
  if (!contains_.empty() && answer.body.find(contains_) == std::string_view::npos) {
    const std::string wanted =
        body_secret_ ? "what is wanted" : fmt::format("\"{}\"", quote_for_message(contains_));
    return mismatch(answer, fmt::format("its body does not contain {}{}", wanted,
                                        answer.is_cut ? " in the first 64 KiB" : ""));
  }
  if (!checks_) return {};
  if (!checks_->pattern.empty()) {
    try {
      if (!boost::regex_search(answer.body.begin(), answer.body.end(), checks_->pattern)) {
        return mismatch(answer, "its body does not match body_matches");
      }
    } catch (const std::exception&) {
      return Verdict{Outcome::inconclusive, Reason::prober_error,
                     fmt::format("{} answered {}, but body_matches is too costly for its body",
                                 what_, answer.status)};
    }
  }
  return checks_->json.empty() ? Verdict{} : judge_json(answer);
}

Verdict HttpJudge::judge(const HttpAnswer& answer) const {
  if (holds(warned_, answer.status)) {
    return Verdict{Outcome::warn, Reason::status_mismatch,
                   fmt::format("{} answered {}, which is a warning ({})", what_, answer.status,
                               ranges_text(warned_))};
  }
  if (!holds(wanted_, answer.status)) {
    return Verdict{
        Outcome::fail, Reason::status_mismatch,
        fmt::format("{} answered {}, wanted {}", what_, answer.status, ranges_text(wanted_))};
  }
  if (wants_body_) {
    Verdict verdict = judge_body(answer);
    if (verdict.outcome != Outcome::pass) return verdict;
  }
  return Verdict{Outcome::pass, Reason::ok, fmt::format("answered {}", answer.status)};
}

Verdict judge_certificate(std::optional<WallTime> expires, WallTime now, CertLimits limits) {
  if (!expires) return {};
  const Duration left = *expires - now;
  if (left <= Duration{}) {
    return Verdict{Outcome::fail, Reason::tls_expired, "the certificate has expired"};
  }
  if (left <= limits.fail) {
    return Verdict{Outcome::fail, Reason::tls_expired,
                   fmt::format("the certificate expires in {}", days_text(left))};
  }
  if (left <= limits.warn) {
    return Verdict{Outcome::warn, Reason::cert_expiring,
                   fmt::format("the certificate expires in {}", days_text(left))};
  }
  return {};
}

Verdict worse(Verdict first, Verdict second) {
  const auto weight = [](Outcome outcome) {
    switch (outcome) {
      case Outcome::pass:
        return 0;
      case Outcome::inconclusive:
        return 1;
      case Outcome::warn:
        return 2;
      case Outcome::fail:
        return 3;
    }
    return 0;
  };
  return weight(second.outcome) > weight(first.outcome) ? std::move(second) : std::move(first);
}

std::string ranges_text(const std::vector<StatusRange>& ranges) {
  std::string text;
  for (const StatusRange& range : ranges) {
    if (!text.empty()) text += ", ";
    if (range.from == range.to)
      text += fmt::format("{}", range.from);
    else if (range.from <= 0)
      text += fmt::format("<{}", range.to + 1);
    else if (range.to >= 999)
      text += fmt::format(">={}", range.from);
    else
      text += fmt::format("{}-{}", range.from, range.to);
  }
  return text;
}

std::string quote_for_message(std::string_view text, std::size_t limit) {
  std::string quoted;
  for (const char c : text.substr(0, limit)) {
    quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '.' : c;
  }
  if (text.size() > limit) {
    // Not in the middle of a character of several bytes.
    while (!quoted.empty() && (static_cast<unsigned char>(quoted.back()) & 0xc0) == 0x80) {
      quoted.pop_back();
    }
    if (!quoted.empty() && static_cast<unsigned char>(quoted.back()) >= 0xc0) quoted.pop_back();
    quoted += "...";
  }
  return quoted;
}

}  // namespace pointsman
