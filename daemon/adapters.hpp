// The adapters of all routes, whatever they lead through, made from the configuration.
//
// Lives as long as the process, so that a reload keeps what adapters share (consoles, files,
// sockets) while a switch of the old configuration may still run. Loop's thread.
#pragma once

#include "daemon/actions/file_adapter.hpp"
#include "daemon/actions/haproxy_adapter.hpp"
#include "daemon/actions/pgbouncer_adapter.hpp"
#include "daemon/config/config.hpp"
#include "daemon/runtime/route_runner.hpp"

namespace pointsman {

class AllAdapters {
 public:
  AllAdapters(ProberServices services, ActWorker& worker)
      : pgbouncer_(services.executor, services.resolver, worker),
        haproxy_(services, worker),
        file_(services, worker) {}

  /// In the order of each route's `via`.
  RouteRunner::Adapters make(const Config& config);

 private:
  PgbouncerAdapters pgbouncer_;
  HaproxyAdapters haproxy_;
  FileAdapters file_;
};

}  // namespace pointsman
