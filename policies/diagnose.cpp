#include "policies/diagnose.hpp"

#include <array>
#include <vector>

#include "policies/diagnosis_tables.hpp"
#include "policies/model/invariant.hpp"

namespace pointsman {
namespace {

template <class Row, class Facts>
const Diagnosis& first_match(std::span<const Row> table, const Facts& facts) {
  for (const Row& row : table) {
    if (row.matches(facts)) return row.diagnosis;
  }
  invariant_broken("a diagnosis table has no last row", __FILE__, __LINE__);
}

/// "target refused or silent"; nothing where any value will do.
template <class Fact>
void add_condition(std::string& text, std::string_view name, const Any<Fact>& any) {
  if (any.bits == 0) return;
  text += text.empty() ? "" : ", ";
  text += std::string(name) + " ";
  bool first = true;
  for (unsigned value = 0; value < 32; ++value) {
    if ((any.bits >> value & 1u) == 0) continue;
    if (!first) text += " or ";
    first = false;
    text += to_text(static_cast<Fact>(value));
  }
}

std::string conditions(const TargetRow& row) {
  std::string text;
  add_condition(text, "trust", row.trust);
  add_condition(text, "pooler", row.pooler);
  add_condition(text, "target", row.target);
  add_condition(text, "settled", row.settled);
  add_condition(text, "rival", row.rival);
  add_condition(text, "standbys", row.standbys);
  add_condition(text, "cluster", row.cluster);
  add_condition(text, "candidate", row.candidate);
  return text.empty() ? "otherwise" : text;
}

std::string conditions(const BalancedRow& row) {
  std::string text;
  add_condition(text, "trust", row.trust);
  add_condition(text, "pooler", row.pooler);
  add_condition(text, "replicas", row.replicas);
  add_condition(text, "fallback", row.fallback);
  return text.empty() ? "otherwise" : text;
}

template <class Row>
void print_rows(std::string& text, std::string_view title, std::span<const Row> rows) {
  text += std::string(title) + "\n";
  int number = 0;
  for (const Row& row : rows) {
    const Diagnosis& d = row.diagnosis;
    text += "\n" + std::to_string(++number) + ". " + std::string(d.id);
    if (!d.master_id.empty()) text += " (Redis: " + std::string(d.master_id) + ")";
    text += " -> " + std::string(to_text(d.plan)) + "\n";
    text += "   when: " + conditions(row) + "\n";
    text += "   why:  " + std::string(d.why) + "\n";
  }
}

}  // namespace

const Diagnosis& diagnose_primary(const TargetFacts& facts) {
  return first_match(primary_rows(), facts);
}
const Diagnosis& diagnose_target(const TargetFacts& facts) {
  return first_match(target_rows(), facts);
}
const Diagnosis& diagnose_balanced(const BalancedFacts& facts) {
  return first_match(balanced_rows(), facts);
}

std::span<const Diagnosis* const> all_diagnoses() {
  static const auto all = [] {
    std::vector<const Diagnosis*> rows;
    for (const auto& row : primary_rows()) rows.push_back(&row.diagnosis);
    for (const auto& row : target_rows()) rows.push_back(&row.diagnosis);
    for (const auto& row : balanced_rows()) rows.push_back(&row.diagnosis);
    return rows;
  }();
  return all;
}

bool is_promotable(std::string_view id) {
  for (const auto& row : primary_rows()) {
    const Diagnosis& d = row.diagnosis;
    if (d.plan == Plan::promote && (d.id == id || d.master_id == id)) return true;
  }
  return false;
}

std::string print_diagnosis_table() {
  std::string text =
      "The first row whose conditions all hold is the diagnosis. A condition that is not named "
      "does "
      "not matter.\nPlans are carried out only when every guard allows it.\n\n";
  print_rows(text, "== routes with `require: writable` or `master`", primary_rows());
  text += "\n";
  print_rows(text, "== other routes with one target at a time", target_rows());
  text += "\n";
  print_rows(text, "== balanced routes", balanced_rows());
  return text;
}

std::string_view to_text(Plan plan) {
  static constexpr std::array<std::string_view, 9> words{
      "hold", "keep", "repair", "follow", "move", "promote", "demote", "spread", "fall_back"};
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
  static constexpr std::array<std::string_view, 6> words{"none", "older", "older_read_only",
                                                         "same", "newer", "several"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(StandbysFact fact) {
  static constexpr std::array<std::string_view, 6> words{
      "none_answers", "receiving", "silent", "silent_long", "not_receiving", "not_receiving_long"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(ClusterFact fact) {
  return fact == ClusterFact::same ? "same" : "foreign";
}
std::string_view to_text(CandidateFact fact) {
  static constexpr std::array<std::string_view, 5> words{"not_asked", "none", "forked", "lagging",
                                                         "ready"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(ReplicasFact fact) {
  static constexpr std::array<std::string_view, 4> words{"unseen", "none", "some", "all"};
  return words[static_cast<std::size_t>(fact)];
}
std::string_view to_text(FallbackFact fact) {
  return fact == FallbackFact::none ? "none" : "fits";
}

}  // namespace pointsman
