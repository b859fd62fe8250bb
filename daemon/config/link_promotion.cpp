// What can only be said of a promotion when the route is known whole: is there someone to promote,
// do the hooks make sense, can its times be kept?
#include <fmt/format.h>

#include "daemon/config/draft.hpp"

namespace pointsman {
namespace {

/// FACTS section 8: a standby that is just reconnecting sleeps out wal_retrieve_retry_interval
/// (5 s by default) before it notices that it is to be promoted.
constexpr Duration slow_promotion = std::chrono::milliseconds{5100};

bool wants_the_writer(const RoutePolicy& route) {
  return route.require == Require::writable || route.require == Require::master;
}

class PromotionLinker {
 public:
  PromotionLinker(const RouteDraft& route, Findings& findings)
      : route_(route), policy_(route.policy), reader_(findings, route.node, route.path, route.at) {}

  void check() {
    if (!route_.require_given || !reader_.node()) return;
    check_role();
    if (!wants_the_writer(policy_)) return;
    check_hooks();
    if (!policy_.promote) return;
    check_candidates();
    check_times();
  }

 private:
  void check_role() {
    if (wants_the_writer(policy_)) return;
    const auto wrong = [this](std::string_view key) {
      reader_.error(key, fmt::format("`require: {}` never wants a promotion: only writable and "
                                     "master routes promote",
                                     to_text(policy_.require)));
    };
    if (policy_.promote) wrong("promote");
    for (const HookKind hook : policy_.hooks) wrong(to_text(hook));
  }

  void check_hooks() {
    const auto has = [this](HookKind hook) { return policy_.hooks.count(hook) != 0; };
    if (policy_.promote && !has(HookKind::fence)) {
      reader_.warn("promote",
                   "no `fence:`: an old primary that returns can still be written by whoever asks "
                   "it directly");
    }
    if (!policy_.promote && has(HookKind::fence)) {
      reader_.warn("fence",
                   "never run: it comes before an automatic promotion, and the route has "
                   "no `promote:`");
    }
    if (has(HookKind::undemote) && !has(HookKind::demote)) {
      reader_.warn("undemote", "never run: there is no `demote:` that it could undo");
    }
    if (has(HookKind::demote) && !has(HookKind::undemote)) {
      reader_.warn("demote",
                   "no `undemote:`: where a planned switch is cancelled after it, the old primary "
                   "stays as the hook left it until a person sees to it");
    }
  }

  void check_candidates() {
    if (route_.candidates.size() != 1) return;
    reader_.error("promote", "there is one candidate only: nobody could be promoted in its place");
  }

  void check_times() {
    const PromotePolicy& promote = *policy_.promote;
    if (policy_.require == Require::writable && promote.timeout <= slow_promotion) {
      reader_.warn(
          "promote",
          fmt::format(
              "the timeout ({}) is not longer than what a promotion can take (5100ms: the "
              "standbys' wal_retrieve_retry_interval, 5 s by default, and 0.1 s): what came "
              "of it would be unknown",
              yaml_duration(promote.timeout)));
    }
    if (policy_.hold_down < promote.timeout) {
      reader_.warn(
          reader_.has("hold_down") ? "hold_down" : "promote",
          fmt::format("the hold-down ({}) is over before the promotion's timeout ({}): another "
                      "could begin as soon as one was given up",
                      yaml_duration(policy_.hold_down), yaml_duration(promote.timeout)));
    }
  }

  const RouteDraft& route_;
  const RoutePolicy& policy_;
  MapReader reader_;
};

}  // namespace

void link_promotion(Draft& draft) {
  for (const auto& [name, route] : draft.routes) {
    PromotionLinker(route, draft.findings).check();
  }
}

}  // namespace pointsman
