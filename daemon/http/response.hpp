// The bytes of an answer: status line and header fields, written by hand into one string.
//
// Pure. Every answer but a stream of events has a length, so that a connection can be kept; every
// answer says no-store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "policies/model/time.hpp"

namespace pointsman {

/// What is answered to one request, whatever the connection does afterwards.
struct Answer {
  int status = 200;
  std::string_view content_type = "application/json";
  std::shared_ptr<const std::string> body{};  ///< never null once made
  std::string_view allow{};                   ///< with 405: the methods that would do
  /// A head without an end: what follows are the events after this number.
  std::optional<std::uint64_t> stream_after{};
  /// Set: there is no answer yet, and all the above means nothing. Calling it has one made.
  std::function<void(std::function<void(Answer)>)> later{};
};

/// What follows the answer, and how the client has to be told.
enum class After {
  keep,  ///< HTTP/1.1 says so by saying nothing
  close,
  keep_http_1_0,  ///< HTTP/1.0 must be told
};

std::string_view reason_phrase(int status);
/// "Tue, 24 Nov 2026 10:00:00 GMT"
std::string to_http_date(WallTime at);
/// Appends the head, up to and including the empty line.
void append_head(std::string& out, const Answer& answer, After after, WallTime now);

/// {"error":"TEXT"} and a line feed.
Answer error_answer(int status, std::string_view text);

}  // namespace pointsman
