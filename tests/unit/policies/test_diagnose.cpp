// The diagnosis tables, walked whole: every combination of facts, every row.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "policies/diagnose.hpp"
#include "policies/diagnosis_tables.hpp"

using namespace pointsman;

namespace {

template <class Walk>
void each_target_facts(const Walk& walk) {
  TargetFacts f;
  for (int trust = 0; trust < 2; ++trust)
    for (int pooler = 0; pooler < 5; ++pooler)
      for (int target = 0; target < target_fact_count; ++target)
        for (int settled = 0; settled < 2; ++settled)
          for (int rival = 0; rival < 6; ++rival)
            for (int standbys = 0; standbys < 6; ++standbys)
              for (int cluster = 0; cluster < 2; ++cluster)
                for (int candidate = 0; candidate < 5; ++candidate) {
                  f.trust = static_cast<TrustFact>(trust);
                  f.pooler = static_cast<PoolerFact>(pooler);
                  f.target = static_cast<TargetFact>(target);
                  f.settled = static_cast<SettledFact>(settled);
                  f.rival = static_cast<RivalFact>(rival);
                  f.standbys = static_cast<StandbysFact>(standbys);
                  f.cluster = static_cast<ClusterFact>(cluster);
                  f.candidate = static_cast<CandidateFact>(candidate);
                  walk(f);
                }
}

template <class Walk>
void each_balanced_facts(const Walk& walk) {
  BalancedFacts f;
  for (int trust = 0; trust < 2; ++trust)
    for (int pooler = 0; pooler < 5; ++pooler)
      for (int replicas = 0; replicas < 4; ++replicas)
        for (int fallback = 0; fallback < 2; ++fallback) {
          f.trust = static_cast<TrustFact>(trust);
          f.pooler = static_cast<PoolerFact>(pooler);
          f.replicas = static_cast<ReplicasFact>(replicas);
          f.fallback = static_cast<FallbackFact>(fallback);
          walk(f);
        }
}

/// What the facts are once the plan has worked.
TargetFacts after(Plan plan, TargetFacts facts) {
  switch (plan) {
    case Plan::repair:
      facts.pooler = PoolerFact::follows;
      break;
    case Plan::follow:
    case Plan::move:
      facts.pooler = PoolerFact::follows;
      facts.target = TargetFact::serving;
      facts.settled = SettledFact::no;
      facts.rival = RivalFact::none;
      break;
    case Plan::promote:
      facts.rival = RivalFact::newer;  // PostgreSQL; a Redis rival is the `same`
      break;
    case Plan::demote:
      facts.rival = RivalFact::none;
      break;
    default:
      break;
  }
  return facts;
}

bool is_act(Plan plan) {
  return plan != Plan::hold && plan != Plan::keep;
}

}  // namespace

TEST_CASE("every combination of facts has a diagnosis, and every row has a combination") {
  std::set<const Diagnosis*> hit;
  int combinations = 0;
  each_target_facts([&](const TargetFacts& f) {
    ++combinations;
    hit.insert(&diagnose_primary(f));
    hit.insert(&diagnose_target(f));
  });
  each_balanced_facts([&](const BalancedFacts& f) { hit.insert(&diagnose_balanced(f)); });
  CHECK(combinations == 100'800);
  for (const Diagnosis* row : all_diagnoses()) {
    INFO(row->id << ": " << row->why);
    CHECK(hit.contains(row));
  }
  CHECK(hit.size() == all_diagnoses().size());
}

TEST_CASE("no row's own act makes its own condition true again") {
  each_target_facts([&](const TargetFacts& f) {
    for (auto* diagnose : {&diagnose_primary, &diagnose_target}) {
      const Diagnosis& before = (*diagnose)(f);
      if (!is_act(before.plan)) continue;
      if (&(*diagnose)(after(before.plan, f)) == &before) {
        FAIL(before.id << " again after " << to_text(before.plan));
      }
    }
  });
}

TEST_CASE("nothing is done on distrust, on what was not seen, or for a server that is not dead") {
  each_target_facts([&](const TargetFacts& f) {
    const Diagnosis& d = diagnose_primary(f);
    const bool blind = f.trust == TrustFact::distrusted || f.pooler == PoolerFact::unseen ||
                       f.target == TargetFact::unseen;
    if (blind && d.plan != Plan::hold) FAIL(d.id << " acts blindly");
    if (d.plan != Plan::promote) return;
    const bool dead = f.target == TargetFact::refused || f.target == TargetFact::silent ||
                      f.target == TargetFact::frozen;
    const bool quiet =
        f.standbys != StandbysFact::none_answers && f.standbys != StandbysFact::receiving;
    const bool ready = f.candidate == CandidateFact::ready;
    const bool alone = f.rival == RivalFact::none || f.rival == RivalFact::older ||
                       f.rival == RivalFact::older_read_only;
    if (!dead || !quiet || !ready || !alone || f.settled != SettledFact::yes) {
      FAIL(d.id << " promotes too easily");
    }
  });
}

TEST_CASE("every sentence says something, and its names are filled in") {
  for (const Diagnosis* row : all_diagnoses()) {
    INFO(row->id);
    CHECK(row->why.size() > 10);
    CHECK(row->why.find("{target}{") == std::string_view::npos);
  }
}

TEST_CASE("the ids that promote.when may name") {
  CHECK(is_promotable("primary_dead"));
  CHECK(is_promotable("primary_frozen"));
  CHECK(is_promotable("master_dead"));
  CHECK(is_promotable("master_frozen"));
  CHECK_FALSE(is_promotable("primary_starting"));
  CHECK_FALSE(is_promotable("unknown"));
}

TEST_CASE("the table as `pointsman why --table` prints it") {
  const std::string path =
      std::string(POINTSMAN_SOURCE_DIR) + "/tests/golden/policies/diagnosis.txt";
  const std::string printed = print_diagnosis_table();
  if (std::getenv("POINTSMAN_GOLDEN_UPDATE") != nullptr) {
    std::ofstream(path) << printed;
  }
  std::ifstream file(path);
  std::stringstream golden;
  golden << file.rdbuf();
  CHECK(golden.str() == printed);
}
