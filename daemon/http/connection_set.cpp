#include "daemon/http/connection_set.hpp"

#include <utility>

namespace pointsman {

void ConnectionSet::add(Connection& connection) {
  intrusive_ptr_add_ref(&connection);
  open_.push_back(connection);
}

void ConnectionSet::remove(Connection& connection) {
  open_.erase(open_.iterator_to(connection));
  for (const auto& on_room : std::exchange(waiting_, {})) on_room();
  intrusive_ptr_release(&connection);
}

void ConnectionSet::touch(Connection& connection) {
  open_.splice(open_.end(), open_, open_.iterator_to(connection));
}

bool ConnectionSet::make_room(MonoTime now, const std::function<void()>& on_room) {
  if (!is_full()) return true;
  if (now - open_.front().active() >= quiet_) {
    open_.front().close();
    return true;
  }
  waiting_.push_back(on_room);
  return false;
}

template <class Act>
void ConnectionSet::for_each(Act act) {
  for (auto at = open_.begin(); at != open_.end();) {
    const Connection::Ref connection{&*at};
    ++at;  // before it may leave the list; acting on one removes no other
    act(*connection);
  }
}

void ConnectionSet::sweep(MonoTime now) {
  for_each([now](Connection& connection) {
    if (connection.overdue(now)) connection.on_deadline(now);
  });
  const bool some_silent = !open_.empty() && now - open_.front().active() >= quiet_;
  if (!waiting_.empty() && some_silent) {
    for (const auto& on_room : std::exchange(waiting_, {})) on_room();
  }
}

void ConnectionSet::finish_all() {
  for_each([](Connection& connection) { connection.finish(); });
}

void ConnectionSet::close_all() {
  for_each([](Connection& connection) { connection.close(); });
}

}  // namespace pointsman
