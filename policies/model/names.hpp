// Strong names: a probe's name can not be handed where a route's is wanted.
//
// Names are the ids of the core: they are what the YAML, the journal, the metrics and the JSON use,
// so an event that was stored can be read, compared and replayed as it stands.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

namespace pointsman {

template <class Tag>
struct Name {
  std::string text;

  Name() = default;
  explicit Name(std::string name) : text(std::move(name)) {}
  bool empty() const { return text.empty(); }
  friend auto operator<=>(const Name&, const Name&) = default;
  friend bool operator==(const Name&, const Name&) = default;
};

using ProbeName = Name<struct ProbeTag>;
using ServiceName = Name<struct ServiceTag>;
using RouteName = Name<struct RouteTag>;
using LadderName = Name<struct LadderTag>;
using FlagName = Name<struct FlagTag>;
using NotifierName = Name<struct NotifierTag>;

/// One act on the world. Unique for the life of the daemon; the journal adds its start to it.
enum class ActionId : std::uint64_t {};
/// Counted up over restarts (the journal remembers the last); printed as a plain number.
enum class IncidentId : std::uint64_t {};
/// What an operator asked for over the control socket; made by the shell.
enum class RequestId : std::uint64_t {};

/// Where a server is, as the pooler is told: a host (name or numeric) or the folder of a unix
/// socket.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// "host:port", with brackets around an IPv6 host.
std::string to_text(const Endpoint& endpoint);

}  // namespace pointsman
