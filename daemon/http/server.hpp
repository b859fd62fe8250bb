// The HTTP side of the daemon: /health for the load balancer, the documents for people and
// scrapers, the control socket for operators, and HAProxy's agent-check line.
//
// Answers come from HttpSource and are ready made or cached: no lock, no probe, no file inside a
// request. One slow or hostile client costs the others nothing (README.md has the limits). Lives on
// the loop's thread; the io_context outlives it. Destroying it closes everything at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/http/settings.hpp"
#include "daemon/http/source.hpp"
#include "policies/model/names.hpp"
#include "policies/model/result.hpp"
#include "probes/asio.hpp"

namespace pointsman {

class HttpServer {
 public:
  HttpServer(asio::io_context& context, HttpSource source, HttpSettings settings);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Each can be called several times. An error says what to do.
  Status listen_tcp(const Endpoint& endpoint);
  Status listen_unix(const std::string& path);
  Status listen_agent_check(const Endpoint& endpoint);

  /// Where it listens over TCP, in the order of the calls; shows the port that 0 became.
  std::vector<Endpoint> local_endpoints() const;

  /// After a reload: who may read, from the next request on. The limits stay as they were.
  void set_access(const HttpSettings& settings);

  /// Accepts nobody any more, ends idle connections, lets answers that are under way finish for
  /// HttpLimits::drain, then ends those too and calls `closed`, once.
  void close(std::function<void()> closed);
  asio::awaitable<void> async_close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace pointsman
