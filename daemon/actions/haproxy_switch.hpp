// One switch of one HAProxy backend, from the address to the proof.
//
// FACTS section 6: the new address first, then `ready`, the old entry into maintenance, and only
// then the old sessions cut, which would otherwise stay on the old server for ever. Where HAProxy's
// own check still holds the new server down, it is told that it is up: the engine has seen it
// answer. What is in effect afterwards is read back, written to the state file (so that a reload of
// HAProxy keeps it), and proven by a query through the frontend where one is configured. A change
// that is not proven goes back where the old servers are alive. Nothing is done twice blindly:
// what is so already is not asked for. Ends within `Limits::total` and a little. Loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/actions/act_worker.hpp"
#include "daemon/actions/adapter.hpp"
#include "daemon/actions/deadline.hpp"
#include "daemon/actions/haproxy_proof.hpp"
#include "daemon/actions/haproxy_socket.hpp"
#include "daemon/actions/haproxy_steps.hpp"

namespace pointsman {

struct HaproxyLimits {
  Duration total{std::chrono::seconds{12}};
  Duration command{std::chrono::seconds{2}};
  Duration resolve{std::chrono::seconds{2}};
  Duration save{std::chrono::seconds{3}};  ///< the state file
  Duration prove{std::chrono::seconds{6}};
  Duration one_try{std::chrono::seconds{1}};
  /// Another server answers, or one in another role: for so long it may be a change under way.
  Duration wrong_server{std::chrono::milliseconds{1500}};
};

/// One route's servers on one HAProxy.
struct HaproxyRoute {
  RouteName route;
  std::string socket;   ///< of the runtime API, absolute
  std::string backend;  ///< its name
  /// Server entries that are ours. One: its address is changed. Several: one is ready for each
  /// target, the others are in maintenance.
  std::vector<std::string> servers;
  std::string state_file;  ///< HAProxy's server-state-file; empty: not written
  std::optional<HaproxyVerify> verify;
  /// Where the route may lead: names here are what HAProxy's numeric addresses are told back as.
  std::vector<Endpoint> known;
};

/// One HAProxy process (its socket), shared by the routes that lead through it.
struct HaproxyInstance {
  HaproxyInstance(asio::any_io_executor executor, std::string path)
      : socket(std::move(executor), std::move(path)) {}
  HaproxySocket socket;
  /// Entries ("backend/server") whose address was changed, and whose old sessions were not cut yet.
  std::set<std::string> uncut;
  AsyncLock saving;        ///< from reading the states to writing them
  std::string save_error;  ///< of the last save
};

/// What a switch works with; all of it outlives the switch.
struct HaproxyTools {
  ProberServices services;
  ActWorker* worker = nullptr;
  std::shared_ptr<HaproxyInstance> instance;
  HaproxyLimits limits;
};

struct HaproxyView {
  std::string error;
  bool is_reachable = false;      ///< it answered: the error is about what it answered
  std::vector<HaproxyRow> slots;  ///< in the order of HaproxyRoute::servers
};

/// What is in effect. The caller must have called throw_if_cancelled(false), as for all of these.
asio::awaitable<HaproxyView> async_view_haproxy(HaproxyTools tools, HaproxyRoute route,
                                                MonoTime deadline);
/// Empty, or HAProxy's complaint.
asio::awaitable<std::string> async_cut_sessions(HaproxyTools tools, std::string backend,
                                                std::string server, MonoTime deadline);
/// The numeric addresses of a host, IPv4 first; empty where it does not resolve (`why` says so).
asio::awaitable<HaproxyTarget> async_resolve_target(HaproxyTools tools, Endpoint endpoint,
                                                    std::string& why);
/// Writes `show servers state` to the route's state file. Empty, or why not.
asio::awaitable<std::string> async_save_state(HaproxyTools tools, std::string file,
                                              MonoTime deadline);

class HaproxySwitch {
 public:
  HaproxySwitch(HaproxyTools tools, HaproxyRoute route, SwitchRoute order, Intend intend);
  HaproxySwitch(const HaproxySwitch&) = delete;
  HaproxySwitch& operator=(const HaproxySwitch&) = delete;

  /// Once. The caller must have called throw_if_cancelled(false).
  asio::awaitable<SwitchReport> async_run();

 private:
  asio::awaitable<bool> async_resolve();
  asio::awaitable<bool> async_plan();
  asio::awaitable<bool> async_apply(std::vector<HaproxySlot> from, std::vector<HaproxySlot> to);
  asio::awaitable<bool> async_set_address(HaproxySlot slot);
  asio::awaitable<bool> async_set_state(std::string server, std::string words);
  asio::awaitable<bool> async_cut(std::string server);
  asio::awaitable<bool> async_check();
  asio::awaitable<void> async_save();
  asio::awaitable<bool> async_prove();
  asio::awaitable<bool> async_roll_back();
  asio::awaitable<bool> async_is_shown(std::vector<HaproxySlot> wanted);
  bool take(const HaproxyProofAnswer& answer);
  bool fail(std::string why);
  void note(std::string text);
  MonoTime command_deadline() const;
  std::string name_of(const std::string& server) const { return route_.backend + "/" + server; }
  std::string destination() const;
  SwitchReport report(ActionOutcome outcome) const;

  HaproxyTools tools_;
  HaproxyRoute route_;
  SwitchRoute order_;
  Intend intend_;
  MonoTime started_{}, deadline_{};

  std::vector<HaproxyTarget> targets_;
  HaproxySteps steps_;
  bool changed_ = false;     ///< a command that changes something was sent
  bool is_unknown_ = false;  ///< and no answer came
  bool is_proof_over_ = false;
  std::optional<MonoTime> wrong_since_;
  std::string failure_;
  std::vector<std::string> notes_;
  Verified verified_ = Verified::no;
  SwitchTimes times_;
  std::optional<Duration> proven_after_;
};

}  // namespace pointsman
