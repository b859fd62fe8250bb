// What must never be done to a route: the rules of switches and promotions (checkers.hpp). One for
// each route of each agent; it outlives the agent's restarts. Pure.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policies/simulation/agent_view.hpp"
#include "policies/simulation/server.hpp"

namespace pointsman::sim {

/// What the rules look at besides the route's own past.
struct RouteSight {
  const AgentView& agent;
  const RoutePolicy& route;
  const Servers& servers;
  const std::vector<ProbeName>& leads;  ///< whom the pooler leads to, by the truth
  MonoTime at{};                        ///< world time
  Duration unchanged{};                 ///< the world has stood still for so long
  std::vector<Violation>& found;
};

class RouteChecks {
 public:
  void take(const RouteSight& sight, const Event& event);
  void take(const RouteSight& sight, const Effect& effect);
  /// The agent's clock began anew, and shows so much more: for what outlives a restart.
  void shift(Duration by);

 private:
  struct Act {
    ActionId id{};
    bool promotes = false, repairs = false, fences = false, planned = false;
    ProbeName to{};
    MonoTime since{};
  };
  struct Decision {  ///< to promote
    ProbeName to;
    MonoTime at{};
    bool fenced = false;
  };
  struct Asked {
    ProbeName to;
    bool by_person = false, allow_data_loss = false;
    MonoTime at{};
  };

  void take_sample(const RouteSight& sight, const Sample& sample);
  void take_outcome(const RouteSight& sight, const ActionFinished& finished);
  void begin_trouble(const RouteSight& sight);
  void take_record(const RouteSight& sight, const Record& record);
  void keep(const RouteSight& sight, const Incident& story);
  void check_switch(const RouteSight& sight, const SwitchRoute& order);
  void check_writer(const RouteSight& sight, const SwitchRoute& order);
  void check_left(const RouteSight& sight, const SwitchRoute& order, const std::string& what) const;
  bool is_the_writer(const RouteSight& sight, const ProbeName& name) const;
  void check_begun(const RouteSight& sight, ActionId id, const ProbeName& to,
                   const std::string& what) const;
  void check_hook(const RouteSight& sight, const RunHook& order);
  void check_promotion(const RouteSight& sight, const PromoteServer& order);
  void check_decision(const RouteSight& sight, const Decision& decision);
  void check_doubt(const RouteSight& sight, const PromoteServer& order);
  void check_standby(const RouteSight& sight, const PromoteServer& order, bool data_may_be_lost);
  void check_nobody_serves(const RouteSight& sight, const ProbeName& old_one,
                           const ProbeName& new_one, const std::string& what) const;
  void check_demotion(const RouteSight& sight, const DemoteServer& order) const;
  void check_one_act(const RouteSight& sight, ActionId id) const;
  void begin(const RouteSight& sight, Act act);
  const Asked* asked_for(const RouteSight& sight, const ProbeName& to) const;
  void report(const RouteSight& sight, const char* rule, std::string text) const;

  std::vector<Act> acts_;  ///< under way, of this life
  std::vector<ProbeName> targets_;
  std::uint32_t newest_ = 0;  ///< timeline that it has led to
  std::string system_id_;
  std::optional<std::uint64_t> position_;  ///< last seen on the target
  struct Kept {                            ///< what the journal has to know after a restart
    std::vector<ProbeName> targets;
    std::optional<std::uint64_t> position;
  } kept_;
  IncidentId kept_for_{};  ///< the last incident that was opened
  std::optional<MonoTime> trouble_since_;
  int goods_ = 0;         ///< of the target, in a row
  bool follows_ = false;  ///< the pooler led to the target at the last look
  std::optional<MonoTime> last_switch_, last_failure_;
  std::deque<MonoTime> promotions_;
  std::optional<Decision> decision_;
  std::optional<Asked> asked_;
  std::optional<SwitchRequested> person_;
  struct Doubt {
    ProbeName to;
    MonoTime at{};
  };
  std::optional<Doubt> doubt_;
};

}  // namespace pointsman::sim
