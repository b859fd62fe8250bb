// The open connections of one kind, those silent longest first, and their limit.
//
// When it is full, one that has been silent for `quiet` makes room, so that whoever holds
// connections without using them can not lock out the load balancer; when all are busy, accepting
// waits (the kernel's backlog holds the others). Intrusive: no allocation beside the connections.
// Loop's thread.
#pragma once

#include <functional>

#include <boost/intrusive/list.hpp>

#include "daemon/http/connection.hpp"

namespace pointsman {

class ConnectionSet {
 public:
  ConnectionSet(int limit, Duration quiet) : limit_(limit), quiet_(quiet) {}
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  void add(Connection& connection);
  void remove(Connection& connection);
  /// It was active just now: last in the order.
  void touch(Connection& connection);

  /// Is there room for one more? May close a silent one for it. When not, `on_room` is called once,
  /// when one has gone.
  bool make_room(MonoTime now, const std::function<void()>& on_room);
  /// Ends those whose deadline has passed.
  void sweep(MonoTime now);
  void finish_all();
  void close_all();
  bool empty() const { return open_.empty(); }
  bool is_full() const { return open_.size() >= static_cast<std::size_t>(limit_); }
  std::size_t size() const { return open_.size(); }

 private:
  template <class Act>
  void for_each(Act act);

  boost::intrusive::list<Connection> open_;
  int limit_;
  Duration quiet_;
  std::vector<std::function<void()>> waiting_;  ///< at most one each listener
};

}  // namespace pointsman
