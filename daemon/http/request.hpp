// One request as it is read from a connection: Beast's parser, with only what we use kept.
//
// Derived from basic_parser, so that no container of header fields is built: at 200,000 requests a
// second that would cost more than the answer. Strings are kept from request to request with their
// memory. Limits: http_header_bytes, http_body_bytes.
#pragma once

#include <optional>
#include <string>

#include <boost/beast/http/basic_parser.hpp>

#include "daemon/http/settings.hpp"

namespace pointsman {

namespace beast = boost::beast;

struct Request {
  beast::http::verb method = beast::http::verb::unknown;
  bool http_1_0 = false;
  int hosts = 0;  ///< Host fields; more than one is an error (RFC 9112, 3.2)
  bool expects_continue = false;
  std::string target;  ///< as sent: any form, with its query
  std::string authorization;
  std::string accept;
  std::string last_event_id;
  std::string body;

  void clear();
};

class RequestParser final : public beast::http::basic_parser<true> {
 public:
  explicit RequestParser(Request& request);

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;

  void on_request_impl(beast::http::verb method, string_view method_text, string_view target,
                       int version, error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& error) override;
  std::size_t on_body_impl(string_view piece, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view piece, error_code&) override;
  void on_finish_impl(error_code&) override {}

  Request& request_;
};

/// The status with which a request that Beast refused is answered.
int status_of(const boost::beast::error_code& error);

}  // namespace pointsman
