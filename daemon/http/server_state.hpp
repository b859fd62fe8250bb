// What the connections and listeners of one server share. Kept alive by each of them.
#pragma once

#include <functional>

#include "daemon/http/answers.hpp"
#include "daemon/http/connection_set.hpp"
#include "daemon/http/event_streams.hpp"
#include "daemon/http/health_answer.hpp"
#include "daemon/http/source.hpp"

namespace pointsman {

struct ServerState {
  ServerState(asio::io_context& context, HttpSource from, HttpSettings settings)
      : io(context),
        source(std::move(from)),
        limits(settings.limits),
        health(source, settings.limits.answer_max_age),
        answers(source, health, settings),
        streams(context, limits.event_streams, limits.event_poll),
        tcp(limits.connections, limits.quiet),
        control(limits.control_connections, limits.quiet),
        agent(limits.control_connections, limits.quiet) {}
  ServerState(const ServerState&) = delete;
  ServerState& operator=(const ServerState&) = delete;

  bool idle() const { return tcp.empty() && control.empty() && agent.empty(); }
  bool full() const { return tcp.is_full() || control.is_full() || agent.is_full(); }

  asio::io_context& io;
  HttpSource source;
  HttpLimits limits;
  HealthAnswer health;
  Answers answers;
  EventStreams streams;
  ConnectionSet tcp, control, agent;
};

}  // namespace pointsman
