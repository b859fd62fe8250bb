// Names to addresses without ever blocking the loop: getaddrinfo runs on at most `max_threads`
// threads of its own, each started when first needed and ended when long idle.
//
// A numeric host never leaves the loop's thread. A caller that is cancelled stops waiting; the
// thread goes on and its answer is dropped. When every thread is stuck and `max_queue` callers
// wait, a further one gets `overloaded` at once, and so does one that is cancelled before a thread
// was free for it: a fault of ours, so the probe is inconclusive.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "probes/asio.hpp"
#include "probes/spec.hpp"

namespace pointsman {

enum class ResolveError { none, not_found, temporary, overloaded, cancelled };

struct Resolved {
  ResolveError error = ResolveError::none;
  std::string message;                       ///< getaddrinfo's own words
  std::vector<asio::ip::address> addresses;  ///< in getaddrinfo's order, no duplicates
};

class Resolver {
 public:
  static constexpr int max_threads = 4;
  static constexpr int max_queue = 64;

  /// What a thread calls; may block for as long as it likes. The default asks getaddrinfo.
  using Lookup = std::function<Resolved(const std::string& host, IpVersion version)>;

  explicit Resolver(asio::any_io_executor executor);
  Resolver(asio::any_io_executor executor, Lookup lookup);
  /// Never joins a thread that is stuck in getaddrinfo.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  asio::awaitable<Resolved> async_resolve(std::string host, IpVersion version = IpVersion::any);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace pointsman
