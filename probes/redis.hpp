// The redis probe: a new connection each run, all questions in one round trip.
//
// The connection of the last run that was answered is kept open, unused, and watched: when the
// server closes it (it died, or cut its clients on a demotion) the probe is told at once and runs
// again. A server that merely ends idle clients (its `timeout` setting) is told apart: after
// `max_false_alarms` ends in a row that each found it well, it is watched no more until it fails.
// Holds at most two connections, for the length of a run; never sends anything on the kept one.
// TLS, names and addresses: probes/dial.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "probes/dial.hpp"
#include "probes/prober.hpp"
#include "probes/redis_facts.hpp"

namespace pointsman {

class RedisProber final : public Prober {
 public:
  static constexpr int max_false_alarms = 2;

  RedisProber(const ProbeName& name, RedisSpec spec, ProberServices services);
  ~RedisProber() override;
  asio::awaitable<Finding> async_run(RunContext& context) override;
  void on_session_end(std::function<void(SessionEnd)> ended) override;
  void close() override;

 private:
  struct Watch;

  asio::awaitable<Finding> async_over_tls(Dialed dialed, RunContext& context);
  template <class Stream>
  asio::awaitable<Finding> async_talk(Stream& stream, const RunContext& context);
  Finding unanswered(const error_code& ec, bool cancelled, bool heard) const;
  RedisToken make_token() const;
  void drop_watch();
  void conclude(const Finding& finding, StreamSocket& socket);

  const std::string key_prefix_;
  const RedisSpec spec_;
  const ProberServices services_;
  const DialTarget target_;
  const std::string endpoint_;
  std::function<void(SessionEnd)> ended_;
  std::shared_ptr<Watch> watch_;
  bool was_alarmed_ = false;  ///< the kept connection ended since the last run
  int false_alarms_ = 0;
};

}  // namespace pointsman
