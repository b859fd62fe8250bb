#include "daemon/http/event_streams.hpp"

#include <algorithm>

#include "daemon/http/connection.hpp"
#include "probes/clock.hpp"

namespace pointsman {

void EventStreams::add(Connection& connection) {
  listeners_.push_back(&connection);
  if (listeners_.size() == 1) arm();
}

void EventStreams::remove(Connection& connection) {
  listeners_.erase(std::remove(listeners_.begin(), listeners_.end(), &connection),
                   listeners_.end());
  if (listeners_.empty()) timer_.cancel();
}

void EventStreams::arm() {
  timer_.expires_after(poll_);
  timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](const error_code& error) {
    if (!error && !alive.expired()) look();
  });
}

void EventStreams::look() {
  // Each may end, and leave, while it is served.
  std::vector<Connection::Ref> all(listeners_.begin(), listeners_.end());
  const MonoTime now = mono_now();
  for (const Connection::Ref& connection : all) connection->look_for_events(now);
  if (!listeners_.empty()) arm();
}

}  // namespace pointsman
