#include "probes/http_response.hpp"

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "probes/asio.hpp"

namespace pointsman {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;

constexpr std::size_t last_chunk_size = std::string_view("0\r\n\r\n").size();

}  // namespace

/// Beast calls back for each part; only what the reader keeps is kept.
struct HttpResponseReader::Parser final : http::basic_parser<false> {
  explicit Parser(HttpResponseReader& reader) : reader_(reader) {
    eager(true);
    header_limit(static_cast<std::uint32_t>(HttpResponseReader::header_limit));
    body_limit(boost::none);
    skip(reader.wanted_.is_head);
  }

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { code_ = code; }
  void on_field_impl(http::field field, string_view name, string_view value, error_code&) override {
    if (field == http::field::location) location_.assign(value.data(), value.size());
    if (reader_.wanted_.headers) reader_.headers_.emplace_back(name, value);
  }
  void on_header_impl(error_code&) override {
    reader_.status_ = code_;
    reader_.location_ = std::move(location_);
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override {
    reader_.body_size_ += body.size();
    if (reader_.wanted_.body) {
      const std::size_t room = HttpResponseReader::body_limit - reader_.body_.size();
      reader_.body_.append(body.data(), std::min(room, body.size()));
    }
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    return on_body_impl(body, ec);
  }
  void on_finish_impl(error_code&) override {}

  HttpResponseReader& reader_;
  int code_ = 0;
  std::string location_;
};

HttpResponseReader::HttpResponseReader(Wanted wanted)
    : wanted_(wanted), parser_(std::make_unique<Parser>(*this)) {}

HttpResponseReader::~HttpResponseReader() = default;

HttpResponseReader::Progress HttpResponseReader::after_header() {
  header_done_ = true;
  if (wanted_.body) return Progress::need_more;
  const auto length = parser_->content_length();
  const bool is_far = length && *length > body_limit;
  return parser_->need_eof() || is_far ? Progress::complete : Progress::need_more;
}

/// Of a last chunk that it has begun to read Beast demands the whole line and the empty one.
bool HttpResponseReader::is_too_short(std::size_t rest) const {
  return parser_->is_header_done() && parser_->chunked() && rest < last_chunk_size;
}

HttpResponseReader::Progress HttpResponseReader::advance(std::string_view bytes,
                                                         std::size_t& used) {
  error_code ec;
  used += parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (ec && ec != http::error::need_more) {
    error_ = ec.message();
    return Progress::bad;
  }
  if (!parser_->is_header_done()) return Progress::need_more;
  if (!header_done_ && status_ >= 200) {
    if (after_header() == Progress::complete) return Progress::complete;
  }
  if (parser_->is_done() || body_size_ > body_limit) {
    cut_ = body_size_ > body_limit;
    return Progress::complete;
  }
  return Progress::need_more;
}

HttpResponseReader::Progress HttpResponseReader::feed(std::string_view bytes) {
  if (bytes.empty()) return Progress::need_more;
  got_any_ = true;
  // Mostly the whole answer comes at once, and nothing is copied.
  std::string joined;
  if (!pending_.empty()) {
    joined = std::move(pending_);
    joined.append(bytes);
    if (is_too_short(joined.size())) {
      pending_ = std::move(joined);
      return Progress::need_more;
    }
    bytes = joined;
  }
  std::size_t used = 0;
  while (true) {
    const std::size_t before = used;
    const Progress progress = advance(bytes.substr(used), used);
    const bool is_interim = progress == Progress::complete && status_ < 200 && status_ != 101;
    if (is_interim) {
      if (++interim_ > max_interim) {
        error_ = "too many 1xx responses";
        return Progress::bad;
      }
      parser_ = std::make_unique<Parser>(*this);
      location_.clear();
      headers_.clear();
      if (used < bytes.size()) continue;
      return Progress::need_more;
    }
    if (progress != Progress::need_more) return progress;
    if (used == bytes.size() || used == before || is_too_short(bytes.size() - used)) break;
  }
  if (bytes.size() - used > header_limit) {
    error_ = "a header or chunk header is too long";
    return Progress::bad;
  }
  pending_.assign(bytes.substr(used));
  return Progress::need_more;
}

HttpResponseReader::Progress HttpResponseReader::feed_eof() {
  error_code ec;
  if (!parser_->got_some()) {
    error_ = got_any_ ? "closed in mid-answer" : "closed without an answer";
    return Progress::bad;
  }
  parser_->put_eof(ec);
  if (ec) {
    error_ = "closed in mid-answer";
    return Progress::bad;
  }
  return Progress::complete;
}

}  // namespace pointsman
