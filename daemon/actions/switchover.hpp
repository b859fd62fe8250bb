// A planned change of the server that takes a route's writes, in the order of FACTS section 9(a).
//
// Look; hold the clients on every pooler; fence the old server; wait until the new one has all;
// promote; lead the poolers there, which lets the clients go. Each step is told, has a deadline of
// its own, is in the journal before it is taken and has a fault point after it. Until the promotion
// a step that fails, a cancel or a deadline takes back what was done; from there on there is only
// forward. At most one for a route; made for one run. Loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/adapter.hpp"
#include "daemon/actions/switchover_side.hpp"
#include "daemon/actions/switchover_steps.hpp"

namespace pointsman {

/// Named deadlines. Those before the promotion add up to less than pgbouncer's query_wait_timeout
/// (120 s) with a demote hook of the usual length, which has a deadline of its own.
struct SwitchoverLimits {
  Duration check{std::chrono::seconds{3}};
  Duration hold{std::chrono::seconds{5}};  ///< the longest transaction that is waited for
  Duration position{std::chrono::seconds{2}};
  Duration catch_up{std::chrono::seconds{5}};
  Duration release{std::chrono::seconds{5}};
  Duration finish{std::chrono::seconds{3}};
  Duration recover_look{std::chrono::seconds{8}};  ///< above wal_retrieve_retry_interval + 2 s
};

struct SwitchoverTools {
  std::vector<std::shared_ptr<Adapter>> adapters;  ///< of the route, all its poolers
  ServerActs* acts = nullptr;
  HookRunner* hooks = nullptr;
  /// A new intent of this kind ("switchover", "hold", "switch"): each call of what it returns makes
  /// its steps durable. Whoever gives it writes the outcome of all of them when the run has ended.
  std::function<Intend(std::string kind)> new_intent;
  std::function<void(std::string line)> on_step;  ///< progress, one line; may be empty
  SwitchoverLimits limits;
};

/// ok: the new server takes writes and every pooler leads there. failed and rolled_back: nothing
/// has changed. failed without it: read the message. unknown: the promotion was asked for and not
/// seen, or a pooler does not lead there yet.
struct SwitchoverReport {
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;
  Verified verified = Verified::no;
  bool rolled_back = false;
  std::optional<std::uint32_t> timeline{};
  std::optional<std::uint64_t> promotion_lsn{};
  SwitchTimes times{};
};

class Switchover {
 public:
  Switchover(SwitchoverTools tools, SwitchOver order);
  Switchover(const Switchover&) = delete;
  Switchover& operator=(const Switchover&) = delete;

  /// Once. The caller must have called throw_if_cancelled(false). Cancelled before the promotion it
  /// undoes and then ends; afterwards it goes on to its end.
  asio::awaitable<SwitchoverReport> async_run();
  /// Instead of async_run, for what a start found unfinished: `holds` are the steps of the intents
  /// of kind "hold" of this route, which are not to be given to Adapter::async_recover; those of
  /// kind "switch" are, afterwards. Once.
  asio::awaitable<SwitchoverReport> async_recover(SwitchoverSteps found,
                                                  std::vector<std::string> holds);
  /// False when it is too late: the promotion was, or is about to be, asked for.
  bool cancel();

 private:
  asio::awaitable<SideStep> async_prepare();
  asio::awaitable<std::string> async_check_poolers();
  asio::awaitable<SideStep> async_hold();
  asio::awaitable<PromoteReport> async_promote();
  asio::awaitable<SwitchoverReport> async_go_forward();
  asio::awaitable<SwitchoverReport> async_leave(std::string why);
  asio::awaitable<SwitchoverReport> async_undo(std::string why);
  asio::awaitable<SwitchoverReport> async_look_and_go();
  asio::awaitable<SwitchoverReport> async_move(PromoteReport promoted);
  asio::awaitable<std::string> async_release();
  asio::awaitable<SwitchReport> async_switch(std::size_t adapter);
  asio::awaitable<void> async_record(SwitchoverStep step);
  void tell(const std::string& line) const;
  SideStep note(SideStep step);

  SwitchoverTools tools_;
  SwitchoverSteps steps_;
  std::unique_ptr<SwitchoverSide> side_;
  std::string no_side_;
  Intend intend_;
  asio::cancellation_signal stop_;
  MonoTime started_{};
  std::optional<MonoTime> held_since_;
  std::vector<bool> held_;   ///< each adapter: it may hold clients for us
  bool was_fenced_ = false;  ///< or begun
  bool cancelled_ = false, committed_ = false;
  std::string cancel_word_ = "it was cancelled";
};

}  // namespace pointsman
