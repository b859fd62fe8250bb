#include "policies/diagnose.hpp"

#include <array>
#include <vector>

#include "policies/model/invariant.hpp"

namespace pointsman {
namespace {

/// A set of values of one fact; an empty set means any.
template <class Fact>
struct Any {
  std::uint32_t bits = 0;
  constexpr Any() = default;
  template <class... Facts>
  constexpr Any(Facts... facts)  // NOLINT: a list of facts is a set of them
      : bits((... | (1u << static_cast<unsigned>(facts)))) {}
  constexpr bool has(Fact fact) const {
    return bits == 0 || (bits >> static_cast<unsigned>(fact) & 1u) != 0;
  }
};

struct TargetRow {
  Any<TrustFact> trust{};
  Any<PoolerFact> pooler{};
  Any<TargetFact> target{};
  Any<SettledFact> settled{};
  Any<RivalFact> rival{};
  Any<StandbysFact> standbys{};
  Any<ClusterFact> cluster{};
  Diagnosis diagnosis{};

  bool matches(const TargetFacts& f) const {
    return trust.has(f.trust) && pooler.has(f.pooler) && target.has(f.target) &&
           settled.has(f.settled) && rival.has(f.rival) && standbys.has(f.standbys) &&
           cluster.has(f.cluster);
  }
};

struct BalancedRow {
  Any<TrustFact> trust{};
  Any<PoolerFact> pooler{};
  Any<ReplicasFact> replicas{};
  Any<FallbackFact> fallback{};
  Diagnosis diagnosis{};

  bool matches(const BalancedFacts& f) const {
    return trust.has(f.trust) && pooler.has(f.pooler) && replicas.has(f.replicas) &&
           fallback.has(f.fallback);
  }
};

using T = TargetFact;

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
     .rival = {RivalFact::same, RivalFact::newer, RivalFact::several},
     .diagnosis =
         {"split_brain", Plan::hold,
          "{target} takes writes and so does {rival}: held on {target}; a person decides"}},
    {.target = {T::none},
     .rival = {RivalFact::several},
     .diagnosis = {"split_brain", Plan::hold,
                   "several servers take writes ({rival}) and the route leads to none of its "
                   "candidates: a person decides"}},
    {.rival = {RivalFact::several},
     .diagnosis =
         {"split_brain", Plan::hold,
          "{target} does not serve and several others take writes ({rival}): a person decides"}},
    pooler_dead,
    pooler_paused,
    pooler_not_following,
    {.target = {T::serving},
     .rival = {RivalFact::older},
     .diagnosis =
         {"old_primary_back", Plan::keep,
          "{rival} takes writes on an older timeline than {target}: it is never routed to; "
          "stop it or rebuild it as a standby"}},
    {.target = {T::serving},
     .cluster = {ClusterFact::foreign},
     .diagnosis =
         {"wrong_cluster", Plan::keep,
          "a candidate belongs to another cluster (system identifier) than {target}: it is "
          "never routed to"}},
    {.target = {T::serving},
     .diagnosis = {"ok", Plan::keep, "{target} serves and the pooler leads there"}},

    // Not serving, from here on.
    {.rival = {RivalFact::newer},
     .diagnosis = {"newer_primary", Plan::follow,
                   "{rival} takes writes on a newer timeline than {target}, which does not serve"}},
    {.target = {T::none, T::wrong_role, T::read_only, T::outdated},
     .rival = {RivalFact::same},
     .diagnosis = {"other_primary", Plan::move, "{rival} takes writes and {target} does not"}},
    {.target = {T::refused, T::silent, T::frozen, T::failing},
     .settled = {SettledFact::yes},
     .rival = {RivalFact::same},
     .diagnosis = {"other_primary", Plan::move, "{rival} takes writes and {target} is down"}},
    {.target = {T::none},
     .diagnosis = {"no_candidate", Plan::hold,
                   "the route leads to none of its candidates, and none of them takes writes"}},
    {.target = {T::wrong_role},
     .diagnosis = {"no_candidate", Plan::hold,
                   "{target} is a standby now, and no other takes writes"}},
    {.target = {T::outdated},
     .diagnosis =
         {"old_primary_back", Plan::hold,
          "{target} takes writes on an older timeline than this route has led to, and no newer "
          "primary answers: stop it or rebuild it as a standby"}},
    {.target = {T::read_only},
     .diagnosis = {"primary_read_only", Plan::hold,
                   "{target} is a primary that is set read only, and no other takes writes"}},
    {.target = {T::starting},
     .diagnosis = {"primary_starting", Plan::hold,
                   "{target} is starting up (57P03): it is not dead"}},
    {.target = {T::saturated},
     .diagnosis = {"primary_saturated", Plan::hold,
                   "all connections of {target} are in use (53300): it is not dead"}},
    {.target = {T::stopping},
     .diagnosis = {"primary_stopping", Plan::hold,
                   "{target} was told to stop by its administrator; it may come back"}},
    {.standbys = {StandbysFact::receiving},
     .diagnosis = {"primary_unreachable_from_here", Plan::hold,
                   "{target} fails from here, yet a standby still receives from it"}},
    {.target = {T::refused},
     .standbys = {StandbysFact::not_receiving},
     .diagnosis =
         {"primary_dead", Plan::hold,
          "{target} refuses connections and no standby receives from it; nothing else takes "
          "writes yet"}},
    {.target = {T::silent},
     .standbys = {StandbysFact::not_receiving, StandbysFact::silent},
     .diagnosis =
         {"primary_dead", Plan::hold,
          "{target} does not answer at all and the standbys hear nothing from it; nothing else "
          "takes writes yet"}},
    {.target = {T::frozen},
     .standbys = {StandbysFact::not_receiving, StandbysFact::silent},
     .diagnosis =
         {"primary_frozen", Plan::hold,
          "{target} accepts connections and then says nothing, and the standbys hear nothing "
          "from it; nothing else takes writes yet"}},
    {.diagnosis =
         {"unknown", Plan::hold,
          "{target} does not serve, and the standbys do not settle why; nothing else takes "
          "writes"}},
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

template <class Table, class Facts>
const Diagnosis& first_match(const Table& table, const Facts& facts) {
  for (const auto& row : table) {
    if (row.matches(facts)) return row.diagnosis;
  }
  invariant_broken("a diagnosis table has no last row", __FILE__, __LINE__);
}

}  // namespace

const Diagnosis& diagnose_primary(const TargetFacts& facts) {
  return first_match(primary_table, facts);
}
const Diagnosis& diagnose_target(const TargetFacts& facts) {
  return first_match(target_table, facts);
}
const Diagnosis& diagnose_balanced(const BalancedFacts& facts) {
  return first_match(balanced_table, facts);
}

std::span<const Diagnosis* const> all_diagnoses() {
  static const auto all = [] {
    std::vector<const Diagnosis*> rows;
    for (const auto& row : primary_table) rows.push_back(&row.diagnosis);
    for (const auto& row : target_table) rows.push_back(&row.diagnosis);
    for (const auto& row : balanced_table) rows.push_back(&row.diagnosis);
    return rows;
  }();
  return all;
}

std::string_view to_text(Plan plan) {
  static constexpr std::array<std::string_view, 7> words{"hold", "keep",   "repair",   "follow",
                                                         "move", "spread", "fall_back"};
  return words[static_cast<std::size_t>(plan)];
}
std::string_view to_text(TrustFact fact) {
  return fact == TrustFact::trusted ? "trusted" : "distrusted";
}
std::string_view to_text(PoolerFact fact) {
  static constexpr std::array<std::string_view, 5> words{"unseen", "unreachable", "paused",
                                                         "elsewhere", "follows"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(SettledFact fact) {
  return fact == SettledFact::yes ? "yes" : "no";
}
std::string_view to_text(RivalFact fact) {
  static constexpr std::array<std::string_view, 5> words{"none", "older", "same", "newer",
                                                         "several"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(StandbysFact fact) {
  static constexpr std::array<std::string_view, 4> words{"none_answers", "receiving", "silent",
                                                         "not_receiving"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(ClusterFact fact) {
  return fact == ClusterFact::same ? "same" : "foreign";
}

}  // namespace pointsman
