// The servers of the simulated world: what each is, how WAL flows between them, and what a probe
// finds when it asks one. The truth, as nobody in the world can know it.
//
// Pure. Owned by World. Between two changes everything moves evenly, so `settle` may be called at
// any instants: they change nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"
#include "policies/simulation/change.hpp"

namespace pointsman::sim {

inline constexpr std::uint64_t redis_offset_start = 1'000;
inline constexpr std::uint64_t lsn_start = 100'000;

struct ClusterSetup {
  std::uint64_t write_rate = 20'000;  ///< bytes a second, on whichever server takes writes
  Duration receiver_timeout{std::chrono::seconds{60}};
  bool monitor = true;      ///< our role may see when a receiver last heard something
  bool may_promote = true;  ///< our role may call pg_promote
};

enum class Liveness { up, down, gone, frozen, starting, saturated };
enum class Role { primary, standby };

struct Server {
  ProbeName name;
  ProbeKind kind = ProbeKind::tcp;
  Liveness liveness = Liveness::up;
  bool slow = false;

  // PostgreSQL and Redis (master and replica; timelines are counted for both, and not shown of it)
  Role role = Role::standby;
  std::string system_id;
  std::uint32_t timeline = 1;
  std::uint64_t position = 0;  ///< written, or received
  std::uint64_t replayed = 0;
  std::uint64_t forked_at = 0;  ///< where its timeline began
  std::uint64_t part = 0;       ///< of a byte that is written next, in its 10^9ths
  bool read_only = false, lagging = false;
  ProbeName follows;         ///< a standby: whom it is set to follow
  bool receiving = false;    ///< it has a receiver
  MonoTime last_heard{};     ///< of its receiver, from its primary
  MonoTime lagging_since{};  ///< valid while lagging

  /// What every other probe finds.
  Finding finding{Outcome::pass, Reason::ok, "", {}};

  bool is_database() const { return kind == ProbeKind::postgres || kind == ProbeKind::redis; }
  /// It takes writes of whoever reaches it.
  bool writable() const {
    return is_database() && liveness == Liveness::up && role == Role::primary && !read_only;
  }
};

/// What a run of a probe finds, and how long it takes.
struct Answer {
  Finding finding;
  Duration takes{};
};

class Servers {
 public:
  Servers(std::vector<const PolicySet*> policies, ClusterSetup cluster, MonoTime start);

  /// Lets WAL flow until `now`. Called before anything is asked or changed.
  void settle(MonoTime now);
  void become(const ProbeName& name, Becomes state, const std::optional<Finding>& finding);
  void cut(const Cut& cut);
  /// Does a packet from one place get to another?
  bool passes(const std::string& from, const std::string& to) const;
  bool connects(const std::string& from, const std::string& to) const {
    return passes(from, to) && passes(to, from);
  }

  /// What an agent's probe finds now; `timeout` is the probe's.
  Answer ask(const std::string& agent, const ProbePolicy& probe) const;
  /// A standby becomes a primary on the next timeline.
  void promote(const ProbeName& name);
  /// Every standby that can is set to follow this one.
  void follow(const ProbeName& primary);
  /// One server becomes a standby of `primary`, rebuilt where it has to be.
  void rebuild(const ProbeName& name, const ProbeName& primary);
  /// Commits on it are impossible from now on.
  void fence(const ProbeName& name) { at(name).liveness = Liveness::down; }

  const Server& get(const ProbeName& name) const { return servers_.at(name); }
  const std::map<ProbeName, Server>& all() const { return servers_; }
  /// The newest primary of a server's cluster that runs; empty where none does.
  ProbeName newest_primary(const ProbeName& of) const;
  /// Candidates that belong together, by the policies.
  const std::vector<std::set<ProbeName>>& clusters() const { return clusters_; }
  bool is_foreign(const ProbeName& name) const;
  /// Is a standby hearing from a primary that lives?
  /// A Redis replica lags by what it has not heard: its link stands, and nothing comes.
  bool hears(const ProbeName& standby) const {
    const Server& server = get(standby);
    return streams(server) && !(server.kind == ProbeKind::redis && server.lagging);
  }

 private:
  Server& at(const ProbeName& name);
  void join(const RoutePolicy& route, std::vector<ProbeName>& primaries);
  bool runs(const Server& server) const;
  bool streams(const Server& standby) const;
  void receive(Server& standby, MonoTime now, Duration passed);
  Finding describe(const Server& server, const ProbePolicy& probe) const;

  std::map<ProbeName, Server> servers_;
  std::vector<std::set<ProbeName>> clusters_;
  std::set<std::pair<std::string, std::string>> cuts_;
  ClusterSetup cluster_;
  MonoTime settled_{};
};

}  // namespace pointsman::sim
