#include "daemon/http/request.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

namespace pointsman {

namespace http = beast::http;

void Request::clear() {
  method = http::verb::unknown;
  http_1_0 = false;
  hosts = 0;
  expects_continue = false;
  target.clear();
  authorization.clear();
  accept.clear();
  last_event_id.clear();
  body.clear();
}

RequestParser::RequestParser(Request& request) : request_(request) {
  request_.clear();
  eager(true);
  header_limit(static_cast<std::uint32_t>(http_header_bytes));
  body_limit(http_body_bytes);
}

void RequestParser::on_request_impl(http::verb method, string_view, string_view target, int version,
                                    error_code&) {
  request_.method = method;
  request_.http_1_0 = version < 11;
  request_.target.assign(target.data(), target.size());
}

void RequestParser::on_field_impl(http::field name, string_view text, string_view value,
                                  error_code& error) {
  switch (name) {
    case http::field::host:
      ++request_.hosts;
      break;
    case http::field::authorization:
      request_.authorization.assign(value.data(), value.size());
      break;
    case http::field::accept:
      if (!request_.accept.empty()) request_.accept += ',';
      request_.accept.append(value.data(), value.size());
      break;
    case http::field::transfer_encoding:
      // Anything else leaves open where the request ends: Beast would take it for one without a
      // body.
      if (!beast::iequals(value, "chunked")) error = http::error::bad_transfer_encoding;
      break;
    case http::field::expect:
      request_.expects_continue = beast::iequals(value, "100-continue");
      break;
    default:
      if (beast::iequals(text, "Last-Event-ID")) {
        request_.last_event_id.assign(value.data(), value.size());
      }
      break;
  }
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) {}

std::size_t RequestParser::on_body_impl(string_view piece, error_code&) {
  request_.body.append(piece.data(), piece.size());
  return piece.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) {
  if (request_.body.size() + piece.size() > http_body_bytes) {
    error = http::error::body_limit;
    return 0;
  }
  return on_body_impl(piece, error);
}

int status_of(const boost::beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  return 400;
}

}  // namespace pointsman
