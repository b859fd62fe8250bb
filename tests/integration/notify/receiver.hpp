// A local receiver of HTTP that keeps what it is sent and answers as the test says, and strict ones
// that hold each request against the published rules of PagerDuty's Events API v2 and of Slack.
//
// On the test's own loop. A breach of a rule is answered as the service would (400, 403, ok: false)
// and noted in `breaches`: a test checks that there is none.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>

#include "policies/model/time.hpp"
#include "probes/asio.hpp"

namespace pointsman::test {

struct Received {
  MonoTime at{};
  std::string method, target, body;
  std::map<std::string, std::string> headers;  ///< names in lower case

  boost::json::value json() const;
};

struct Reply {
  int status = 200;
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  bool never = false;  ///< keeps the connection and says nothing
};

class Receiver {
 public:
  using Answer = std::function<Reply(const Received&)>;

  Receiver(asio::io_context& loop, Answer answer, std::uint16_t port = 0);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const;

  std::vector<Received> received;
  std::vector<std::string> breaches;
  /// Answers that are given first, one for each request, before the rules are asked.
  std::deque<Reply> first;

 private:
  static asio::awaitable<void> async_accept(Receiver& self);
  static asio::awaitable<void> async_serve(Receiver& self, asio::ip::tcp::socket socket);

  asio::io_context& loop_;
  asio::ip::tcp::acceptor acceptor_;
  Answer answer_;
  std::uint16_t port_;
  asio::cancellation_signal stop_;
  std::list<asio::cancellation_signal> connections_;
};

/// Answers 202 to what keeps the rules of Events API v2, else 400.
Receiver::Answer pagerduty_rules(std::vector<std::string>& breaches, std::string routing_key);
/// An incoming webhook: 200 "ok", else 400 invalid_payload.
Receiver::Answer slack_hook_rules(std::vector<std::string>& breaches);
/// chat.postMessage and chat.update, which must name a message that was posted.
Receiver::Answer slack_api_rules(std::vector<std::string>& breaches, std::string token);

}  // namespace pointsman::test
