// A session with one Redis that is there to act on it: logged in, one command at a time.
//
// The probe asks all its questions in one round trip on a connection of its own; this is for acts
// (promotion, demotion, a planned change), where each command waits for what the one before said.
// After a command whose answer did not come whole the session is closed: nothing that arrives later
// is taken for another's answer. Never sends a command twice. No password is ever in a message.
// Loop's thread only; an answer is at most RedisDecoder's size.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probes/dial.hpp"
#include "probes/redis_codec.hpp"

namespace pointsman {

/// `reply` may be an error of Redis's: then it was answered all the same.
struct RedisAnswer {
  bool answered = false;
  bool was_sent = false;  ///< not answered, but it may have been carried out
  RedisReply reply;
  std::string message;  ///< why not answered, or Redis's error: one line, names the server

  /// Answered, and not by an error.
  bool ok() const { return answered && !reply.is_error(); }
};

class RedisSession {
 public:
  RedisSession(ProberServices services, RedisSpec spec);
  ~RedisSession();
  RedisSession(const RedisSession&) = delete;
  RedisSession& operator=(const RedisSession&) = delete;

  /// Connects and logs in where that has not been done. The caller must have called
  /// throw_if_cancelled(false); the same for async_command.
  asio::awaitable<RedisAnswer> async_open(MonoTime deadline);
  /// Opens first. Words may hold secrets: they are never shown.
  asio::awaitable<RedisAnswer> async_command(std::vector<std::string> words, MonoTime deadline);

  void close();
  bool is_open() const { return socket_ != nullptr || tls_ != nullptr; }
  /// "10.0.1.20:6379", or the socket's path.
  const std::string& where() const { return where_; }

 private:
  asio::awaitable<RedisAnswer> async_connect(MonoTime deadline);
  asio::awaitable<RedisAnswer> async_exchange(std::vector<std::string> words);
  template <class Stream>
  asio::awaitable<RedisAnswer> async_talk(Stream& stream, std::string bytes);

  const RedisSpec spec_;
  const ProberServices services_;
  const DialTarget target_;
  const std::string where_;
  std::unique_ptr<StreamSocket> socket_;
  std::shared_ptr<asio::ssl::context> tls_context_;
  std::unique_ptr<TlsStream> tls_;
};

}  // namespace pointsman
