#include "daemon/http/response.hpp"

#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "daemon/http/json_writer.hpp"

namespace pointsman {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Answer";
  }
}

std::string to_http_date(WallTime at) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[utc.tm_wday], utc.tm_mday,
                     months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

void append_head(std::string& out, const Answer& answer, After after, WallTime now) {
  auto to = std::back_inserter(out);
  fmt::format_to(
      to, "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n",
      answer.status, reason_phrase(answer.status), to_http_date(now), answer.content_type);
  if (answer.stream_after) {
    out += "X-Accel-Buffering: no\r\n";  // nginx would keep events until it has a page full
  } else {
    fmt::format_to(to, "Content-Length: {}\r\n", answer.body->size());
  }
  if (!answer.allow.empty()) fmt::format_to(to, "Allow: {}\r\n", answer.allow);
  if (after == After::close) out += "Connection: close\r\n";
  if (after == After::keep_http_1_0) out += "Connection: keep-alive\r\n";
  out += "\r\n";
}

Answer error_answer(int status, std::string_view text) {
  JsonWriter json;
  json.begin_object().key("error").text(text).end_object();
  return Answer{.status = status, .body = std::make_shared<const std::string>(json.take_line())};
}

}  // namespace pointsman
