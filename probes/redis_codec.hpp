// Redis's protocol (RESP 2) as plain values: hiredis's reader does the parsing, Asio owns the
// socket.
//
// Pure: no I/O. Whatever a stranger on that port sends ends in `broken`, never in memory: a decoder
// takes at most `max_bytes`, an array at most `max_elements`, all of them `max_elements_in_all`,
// and hiredis nests seven deep. One decoder for each connection; loop's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman {

struct RedisReply {
  enum class Kind { nil, text, integer, array, error };
  Kind kind = Kind::nil;
  std::string text;  ///< also of an error: "WRONGPASS invalid username-password pair"
  std::int64_t integer = 0;
  std::vector<RedisReply> elements;
  friend bool operator==(const RedisReply&, const RedisReply&) = default;

  bool is_error() const { return kind == Kind::error; }
};

/// A command as Redis reads it. Any bytes may be in its words.
std::string encode_redis_command(const std::vector<std::string>& words);

class RedisDecoder {
 public:
  static constexpr std::size_t max_bytes = 256 * 1024;
  static constexpr int max_elements = 1024;
  static constexpr int max_elements_in_all = 16 * 1024;

  RedisDecoder();
  ~RedisDecoder();
  RedisDecoder(const RedisDecoder&) = delete;
  RedisDecoder& operator=(const RedisDecoder&) = delete;

  void feed(std::string_view bytes);
  /// The next whole reply; nothing while it is not all there, or the decoder is broken.
  std::optional<RedisReply> next();
  /// Why what came is not RESP; empty while it is.
  const std::string& broken() const { return broken_; }

 private:
  struct Reader;
  std::unique_ptr<Reader> reader_;
  std::size_t taken_ = 0;
  std::string broken_;
};

}  // namespace pointsman
