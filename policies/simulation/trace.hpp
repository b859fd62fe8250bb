// What happened in a simulated world, one entry each, as plain values.
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/simulation/change.hpp"

namespace pointsman::sim {

/// An act of an agent took place in the world: at that instant, whatever it will be told.
struct Done {
  ActKind kind = ActKind::step;
  ActionId id{};
  std::string of;    ///< route or ladder
  ProbeName server;  ///< promoted, fenced or demoted; else empty
  friend bool operator==(const Done&, const Done&) = default;
};

/// When (world time), to whom (empty: to the world), and what.
struct Entry {
  MonoTime at{};
  std::string agent;
  MonoTime local{};  ///< the agent's own clock
  std::variant<Change, Event, Effect, Done> what;
};

using Watch = std::function<void(const Entry&)>;

}  // namespace pointsman::sim
