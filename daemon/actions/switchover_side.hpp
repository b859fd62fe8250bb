// The servers' side of a planned change: what PostgreSQL and Redis do differently.
//
// The Switchover holds the clients, keeps the order, the deadlines and the journal; a side does one
// step at a time and says in one line what came of it. Everything before async_promote can be taken
// back by async_undo, also when it was only begun. Loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/actions/hook_runner.hpp"
#include "daemon/actions/server_acts.hpp"

namespace pointsman {

struct SideStep {
  bool ok = false;
  std::string text;  ///< what was done, or why not
};

class SwitchoverSide {
 public:
  virtual ~SwitchoverSide() = default;

  /// Looks, changes nothing.
  virtual asio::awaitable<SideStep> async_check(MonoTime deadline) = 0;
  /// The last position on the old server, read while its clients are held; 0 is not a failure.
  virtual asio::awaitable<SideStep> async_read_position(MonoTime deadline) = 0;
  /// Commits on the old server are impossible when this is ok (or it was not asked for).
  virtual asio::awaitable<SideStep> async_fence(MonoTime deadline) = 0;
  virtual asio::awaitable<SideStep> async_catch_up(MonoTime deadline) = 0;
  virtual asio::awaitable<PromoteReport> async_promote(Intend intend) = 0;
  /// After the poolers lead to the new server. What is said here does not make the change fail.
  virtual asio::awaitable<SideStep> async_finish(MonoTime deadline) = 0;
  /// Takes async_fence back; `ok` where the old server takes writes again.
  virtual asio::awaitable<SideStep> async_undo() = 0;

  /// For a start after a kill: does this server take writes? unknown: it does not say.
  enum class Writes { yes, no, unknown };
  virtual asio::awaitable<Writes> async_takes_writes(SwitchTarget server, MonoTime deadline) = 0;

  virtual Duration fence_limit() const = 0;
  std::uint64_t position() const { return position_; }
  void set_position(std::uint64_t position) { position_ = position; }

 protected:
  std::uint64_t position_ = 0;
};

/// `acts` and `hooks` outlive it. nullptr, and `why`, where a probe is no server of this kind.
std::unique_ptr<SwitchoverSide> make_switchover_side(ServerActs& acts, HookRunner& hooks,
                                                     const SwitchOver& order, std::string& why);

std::unique_ptr<SwitchoverSide> make_postgres_side(ServerActs& acts, HookRunner& hooks,
                                                   const SwitchOver& order, std::string& why);
std::unique_ptr<SwitchoverSide> make_redis_side(ServerActs& acts, const SwitchOver& order,
                                                std::string& why);

}  // namespace pointsman
