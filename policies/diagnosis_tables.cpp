#include "policies/diagnosis_tables.hpp"

namespace pointsman {
namespace {

using T = TargetFact;
using R = RivalFact;
using S = StandbysFact;
using C = CandidateFact;

// Rows that both tables of routes with one target begin with.
constexpr TargetRow self_suspect{
    .trust = {TrustFact::distrusted},
    .diagnosis = {
        "self_suspect", Plan::hold,
        "our own loop was late, suspended or its clock jumped; nothing is done until every "
        "candidate has been probed again"}};
constexpr TargetRow pooler_unseen{
    .pooler = {PoolerFact::unseen},
    .diagnosis = {"unknown", Plan::hold, "what the pooler has in effect has not been read yet"}};
constexpr TargetRow target_unseen{
    .target = {T::unseen},
    .diagnosis = {"unknown", Plan::hold,
                  "{target} has not been probed since the start, or too long ago"}};
constexpr TargetRow pooler_dead{
    .pooler = {PoolerFact::unreachable},
    .target = {T::serving},
    .diagnosis = {"pooler_dead", Plan::keep,
                  "the pooler's console does not answer; {target} itself serves"}};
constexpr TargetRow pooler_paused{
    .pooler = {PoolerFact::paused},
    .target = {T::serving},
    .diagnosis = {
        "pooler_paused", Plan::hold,
        "the database is paused or disabled on the pooler, and not by us; resume it there"}};
constexpr TargetRow pooler_not_following{
    .pooler = {PoolerFact::elsewhere},
    .target = {T::serving},
    .diagnosis = {"pooler_not_following", Plan::repair,
                  "the pooler does not lead to {target}, where this route should lead"}};

constexpr TargetRow primary_table[] = {
    self_suspect,
    pooler_unseen,
    target_unseen,
    {.target = {T::serving},
     .rival = {R::same, R::newer, R::several},
     .diagnosis = {"split_brain", Plan::hold,
                   "{target} takes writes and so does {rival}: held on {target}; a person decides",
                   "two_masters"}},
    {.target = {T::none},
     .rival = {R::several},
     .diagnosis = {"split_brain", Plan::hold,
                   "several servers take writes ({rival}) and the route leads to none of its "
                   "candidates: a person decides",
                   "two_masters"}},
    {.rival = {R::several},
     .diagnosis = {"split_brain", Plan::hold,
                   "{target} does not serve and several others take writes ({rival}): a person "
                   "decides",
                   "two_masters"}},
    pooler_dead,
    pooler_paused,
    pooler_not_following,
    {.target = {T::serving},
     .rival = {R::older},
     .diagnosis = {"old_primary_back", Plan::demote,
                   "{rival} takes writes as it did before {target} took over: it is never routed "
                   "to; stop it or rebuild it",
                   "old_master_back"}},
    {.target = {T::serving},
     .rival = {R::older_read_only},
     .diagnosis = {"old_primary_read_only", Plan::keep,
                   "{rival} came back as a primary that is set read only, from before {target} "
                   "took over: rebuild it as a standby",
                   "old_master_read_only"}},
    {.target = {T::serving},
     .cluster = {ClusterFact::foreign},
     .diagnosis = {"wrong_cluster", Plan::keep,
                   "a candidate belongs to another cluster (system identifier) than {target}: it "
                   "is never routed to"}},
    {.target = {T::serving},
     .candidate = {C::forked},
     .diagnosis = {"timeline_fork", Plan::keep,
                   "{target} serves, but no standby is on its timeline: none could take over"}},
    {.target = {T::serving},
     .standbys = {S::not_receiving_long},
     .diagnosis = {"replication_broken", Plan::keep,
                   "{target} serves, but no standby receives from it", "link_down"}},
    {.target = {T::serving},
     .candidate = {C::lagging},
     .diagnosis = {"replica_lagging", Plan::keep,
                   "{target} serves, but the best standby is further behind than a promotion "
                   "would accept"}},
    {.target = {T::serving},
     .diagnosis = {"ok", Plan::keep, "{target} serves and the pooler leads there"}},

    // Not serving, from here on.
    {.rival = {R::newer},
     .diagnosis = {"newer_primary", Plan::follow,
                   "{rival} takes writes on a newer timeline than {target}, which does not serve",
                   "newer_master"}},
    {.target = {T::none, T::wrong_role, T::read_only, T::outdated},
     .rival = {R::same},
     .diagnosis = {"other_primary", Plan::move, "{rival} takes writes and {target} does not",
                   "other_master"}},
    {.target = {T::refused, T::silent, T::frozen, T::failing},
     .settled = {SettledFact::yes},
     .rival = {R::same},
     .diagnosis = {"other_primary", Plan::move, "{rival} takes writes and {target} is down",
                   "other_master"}},
    {.target = {T::none},
     .diagnosis = {"no_candidate", Plan::hold,
                   "the route leads to none of its candidates, and none of them takes writes"}},
    {.target = {T::wrong_role},
     .diagnosis = {"no_candidate", Plan::hold,
                   "{target} is a standby now, and no other takes writes"}},
    {.target = {T::outdated},
     .diagnosis = {"old_primary_back", Plan::hold,
                   "{target} takes writes on an older timeline than this route has led to, and no "
                   "newer primary answers: stop it or rebuild it as a standby",
                   "old_master_back"}},
    {.target = {T::read_only},
     .diagnosis = {"primary_read_only", Plan::hold,
                   "{target} is a primary that is set read only, and no other takes writes",
                   "master_read_only"}},
    {.target = {T::starting},
     .diagnosis = {"primary_starting", Plan::hold, "{target} is starting up: it is not dead",
                   "loading"}},
    {.target = {T::saturated},
     .diagnosis = {"primary_saturated", Plan::hold,
                   "all connections of {target} are in use: it is not dead", "master_saturated"}},
    {.target = {T::stopping},
     .diagnosis = {"primary_stopping", Plan::hold,
                   "{target} was told to stop by its administrator; it may come back",
                   "master_stopping"}},
    {.standbys = {S::receiving},
     .diagnosis = {"primary_unreachable_from_here", Plan::hold,
                   "{target} fails from here, yet a standby still receives from it",
                   "master_unreachable_from_here"}},
    {.settled = {SettledFact::no},
     .diagnosis = {"primary_failing", Plan::hold, "{target} fails, but not for long enough yet",
                   "master_failing"}},
    {.target = {T::failing},
     .cluster = {ClusterFact::foreign},
     .diagnosis = {"wrong_cluster", Plan::hold,
                   "{target} does not serve, and a candidate, perhaps itself, belongs to another "
                   "cluster (system identifier) than this route has led to: a person decides"}},
    {.target = {T::refused},
     .standbys = {S::not_receiving, S::not_receiving_long},
     .candidate = {C::lagging},
     .diagnosis = {"no_candidate", Plan::hold,
                   "{target} refuses connections and no standby receives from it, but the best "
                   "standby lacks more of what it wrote than `promote.max_lag` accepts: a person "
                   "decides (pointsman switch --allow-data-loss)"}},
    {.target = {T::refused},
     .standbys = {S::not_receiving, S::not_receiving_long},
     .candidate = {C::forked},
     .diagnosis = {"timeline_fork", Plan::hold,
                   "{target} refuses connections and no standby receives from it, and those that "
                   "answer are on another timeline: a person decides"}},
    {.target = {T::refused},
     .standbys = {S::not_receiving, S::not_receiving_long},
     .candidate = {C::none, C::not_asked},
     .diagnosis = {"no_candidate", Plan::hold,
                   "{target} refuses connections and no standby receives from it, and there is no "
                   "standby that could be promoted"}},
    {.target = {T::refused},
     .standbys = {S::not_receiving, S::not_receiving_long},
     .diagnosis = {"primary_dead", Plan::promote,
                   "{target} refuses connections and no standby receives from it", "master_dead"}},
    {.target = {T::silent},
     .standbys = {S::silent_long, S::not_receiving_long},
     .candidate = {C::lagging},
     .diagnosis =
         {"no_candidate", Plan::hold,
          "{target} does not answer at all and the standbys have heard nothing from it for long, "
          "but the best standby lacks more of what it wrote than `promote.max_lag` accepts: a "
          "person decides (pointsman switch --allow-data-loss)"}},
    {.target = {T::silent},
     .standbys = {S::silent_long, S::not_receiving_long},
     .candidate = {C::forked},
     .diagnosis = {"timeline_fork", Plan::hold,
                   "{target} does not answer at all and the standbys have heard nothing from it "
                   "for long, and those that answer are on another timeline: a person decides"}},
    {.target = {T::silent},
     .standbys = {S::silent_long, S::not_receiving_long},
     .candidate = {C::none, C::not_asked},
     .diagnosis = {"no_candidate", Plan::hold,
                   "{target} does not answer at all and the standbys have heard nothing from it "
                   "for long, and there is no standby that could be promoted"}},
    {.target = {T::silent},
     .standbys = {S::silent_long, S::not_receiving_long},
     .diagnosis =
         {"primary_dead", Plan::promote,
          "{target} does not answer at all and the standbys have heard nothing from it for long",
          "master_dead"}},
    {.target = {T::frozen},
     .standbys = {S::silent, S::silent_long, S::not_receiving, S::not_receiving_long},
     .candidate = {C::lagging},
     .diagnosis =
         {"no_candidate", Plan::hold,
          "{target} accepts connections and then says nothing, and the standbys hear nothing from "
          "it, but the best standby lacks more of what it wrote than `promote.max_lag` accepts: a "
          "person decides (pointsman switch --allow-data-loss)"}},
    {.target = {T::frozen},
     .standbys = {S::silent, S::silent_long, S::not_receiving, S::not_receiving_long},
     .candidate = {C::forked},
     .diagnosis =
         {"timeline_fork", Plan::hold,
          "{target} accepts connections and then says nothing, and the standbys hear nothing from "
          "it, and those that answer are on another timeline: a person decides"}},
    {.target = {T::frozen},
     .standbys = {S::silent, S::silent_long, S::not_receiving, S::not_receiving_long},
     .candidate = {C::none, C::not_asked},
     .diagnosis = {"no_candidate", Plan::hold,
                   "{target} accepts connections and then says nothing, and the standbys hear "
                   "nothing from it, and there is no standby that could be promoted"}},
    {.target = {T::frozen},
     .standbys = {S::silent, S::silent_long, S::not_receiving, S::not_receiving_long},
     .diagnosis = {"primary_frozen", Plan::promote,
                   "{target} accepts connections and then says nothing, and the standbys hear "
                   "nothing from it",
                   "master_frozen"}},
    {.diagnosis = {"unknown", Plan::hold,
                   "{target} does not serve, and the standbys do not settle why; nothing else "
                   "takes writes"}},
};

constexpr TargetRow target_table[] = {
    self_suspect,
    pooler_unseen,
    target_unseen,
    pooler_dead,
    pooler_paused,
    pooler_not_following,
    {.target = {T::serving},
     .diagnosis = {"ok", Plan::keep, "{target} serves and the pooler leads there"}},
    {.target = {T::none},
     .rival = {RivalFact::same, RivalFact::newer, RivalFact::several},
     .diagnosis = {"target_missing", Plan::move,
                   "the route leads to none of its candidates; {rival} fits"}},
    {.target = {T::none},
     .diagnosis = {"no_candidate", Plan::hold,
                   "the route leads to none of its candidates; none fits"}},
    {.target = {T::saturated},
     .diagnosis = {"target_saturated", Plan::hold, "{target} is full: it is not dead"}},
    {.target = {T::wrong_role, T::read_only},
     .rival = {RivalFact::same, RivalFact::newer, RivalFact::several},
     .diagnosis = {"target_wrong_role", Plan::move, "{target} has another role now; {rival} fits"}},
    {.settled = {SettledFact::yes},
     .rival = {RivalFact::same, RivalFact::newer, RivalFact::several},
     .diagnosis = {"target_dead", Plan::move, "{target} is down; {rival} fits"}},
    {.settled = {SettledFact::no},
     .rival = {RivalFact::same, RivalFact::newer, RivalFact::several},
     .diagnosis = {"target_failing", Plan::hold, "{target} fails, but not for long enough yet"}},
    {.diagnosis = {"no_candidate", Plan::hold,
                   "{target} does not serve and no other candidate fits"}},
};

constexpr BalancedRow balanced_table[] = {
    {.trust = {TrustFact::distrusted}, .diagnosis = self_suspect.diagnosis},
    {.pooler = {PoolerFact::unseen}, .diagnosis = pooler_unseen.diagnosis},
    {.replicas = {ReplicasFact::unseen},
     .diagnosis = {"unknown", Plan::hold, "not every candidate has been probed since the start"}},
    {.pooler = {PoolerFact::unreachable},
     .replicas = {ReplicasFact::all, ReplicasFact::some},
     .diagnosis = {"pooler_dead", Plan::spread, "the pooler's console does not answer"}},
    {.pooler = {PoolerFact::paused},
     .diagnosis =
         {"pooler_paused", Plan::hold,
          "the database is paused or disabled on the pooler, and not by us; resume it there"}},
    {.replicas = {ReplicasFact::all}, .diagnosis = {"ok", Plan::spread, "every candidate fits"}},
    {.replicas = {ReplicasFact::some},
     .diagnosis = {"replica_missing", Plan::spread,
                   "not every candidate fits: spread over {target}"}},
    {.fallback = {FallbackFact::fits},
     .diagnosis = {"no_replica", Plan::fall_back, "no candidate fits: reads go to {rival}"}},
    {.diagnosis = {"no_candidate", Plan::hold,
                   "no candidate fits, and there is nothing to fall back to"}},
};

}  // namespace

std::span<const TargetRow> primary_rows() {
  return primary_table;
}
std::span<const TargetRow> target_rows() {
  return target_table;
}
std::span<const BalancedRow> balanced_rows() {
  return balanced_table;
}

}  // namespace pointsman
