// Who listens to /v1/events, and the timer that looks for new events while anybody does.
//
// No queue for a listener: each connection keeps the number that it has come to and takes more from
// memory once its socket has room, so that a slow one costs a number. One that takes nothing for
// HttpLimits::write_deadline is ended, one that falls behind the ring is told of the gap. Loop's
// thread.
#pragma once

#include <memory>
#include <vector>

#include "policies/model/time.hpp"
#include "probes/asio.hpp"

namespace pointsman {

class Connection;

class EventStreams {
 public:
  EventStreams(asio::io_context& context, int limit, Duration poll)
      : timer_(context), limit_(limit), poll_(poll) {}
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  bool full() const { return listeners_.size() >= static_cast<std::size_t>(limit_); }
  void add(Connection& connection);
  void remove(Connection& connection);

 private:
  void arm();
  void look();

  asio::steady_timer timer_;
  int limit_;
  Duration poll_;
  std::vector<Connection*> listeners_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for handlers that outlive this
};

}  // namespace pointsman
