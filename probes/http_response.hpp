// Reads one HTTP/1.x response, piece by piece: a pure function of the bytes, for tests and fuzzing.
//
// Beast's basic_parser does the parsing; nothing is stored but the status, Location and, where they
// are asked for, the headers and the first `body_limit` bytes of the body. Strict: garbage, two
// lengths, a header over `header_limit` or more than `max_interim` 1xx responses are errors. A body
// that nobody judges is read to its end only where that end is known and near, so that a cut answer
// is still noticed.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pointsman {

class HttpResponseReader {
 public:
  static constexpr std::size_t header_limit = 16 * 1024;
  static constexpr std::size_t body_limit = 64 * 1024;
  static constexpr int max_interim = 8;

  enum class Progress { need_more, complete, bad };
  struct Wanted {
    bool body = false;     ///< a body check asks for it
    bool is_head = false;  ///< the answer to HEAD: has no body, whatever it says
    bool headers = false;  ///< of the final answer, as they came
  };

  explicit HttpResponseReader(Wanted wanted);
  ~HttpResponseReader();
  HttpResponseReader(const HttpResponseReader&) = delete;
  HttpResponseReader& operator=(const HttpResponseReader&) = delete;

  /// Not after it has answered something else than need_more.
  Progress feed(std::string_view bytes);
  /// The peer has closed.
  Progress feed_eof();

  bool got_any() const { return got_any_; }
  /// 0 until the header has been read.
  int status() const { return status_; }
  const std::string& location() const { return location_; }
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }
  const std::string& body() const { return body_; }
  /// The body was longer than was kept.
  bool is_cut() const { return cut_; }
  /// After `bad`: what was wrong with it.
  const std::string& error() const { return error_; }

 private:
  struct Parser;
  bool is_too_short(std::size_t rest) const;
  Progress advance(std::string_view bytes, std::size_t& used);
  Progress after_header();

  const Wanted wanted_;
  std::unique_ptr<Parser> parser_;
  std::string pending_;  ///< bytes that need more before they can be parsed
  std::string location_, body_, error_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::size_t body_size_ = 0;
  int status_ = 0;
  int interim_ = 0;
  bool got_any_ = false, cut_ = false, header_done_ = false;
};

}  // namespace pointsman
