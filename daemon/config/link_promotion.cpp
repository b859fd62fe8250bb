// What can only be said of a promotion when the route is known whole: is there someone to promote,
// do the hooks make sense, can its times be kept, does no other route promote over the same
// servers?
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
  PromotionLinker(const RouteDraft& route, Draft& draft)
      : route_(route),
        policy_(route.policy),
        probes_(draft.probes),
        reader_(draft.findings, route.node, route.path, route.at) {}

  void check() {
    if (!route_.require_given || !reader_.node()) return;
    check_role();
    if (!wants_the_writer(policy_)) return;
    check_hooks();
    if (!policy_.promote) return;
    check_candidates();
    check_times();
    check_sessions();
  }

  /// `other` comes before it by name. Each route judges and promotes by itself: over one server
  /// both would, and perhaps not the same standby.
  bool check_against(const RouteDraft& other) {
    if (!may_promote(route_) || !may_promote(other)) return false;
    for (const ProbeName& ours : policy_.candidates) {
      for (const ProbeName& theirs : other.policy.candidates) {
        if (!is_one_server(ours, theirs)) continue;
        reader_.error("promote", fmt::format("the routes '{}' and '{}' both promote over {}: let "
                                             "one promote and the other follow",
                                             other.policy.name.text, policy_.name.text,
                                             servers_text(ours, theirs)));
        return true;
      }
    }
    return false;
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

  /// One that was told to stop is waited for (restart_grace) because its kept session said so.
  void check_sessions() {
    for (const ProbeName& name : policy_.candidates) {
      const auto probe = probes_.find(name.text);
      if (probe == probes_.end() || !probe->second.spec) continue;
      const auto* spec = std::get_if<PostgresSpec>(&*probe->second.spec);
      if (!spec || spec->session == SessionUse::kept) continue;
      reader_.warn(
          "promote",
          fmt::format("'{}' has `session: fresh`: without a kept session a planned restart "
                      "of it cannot be told from a crash, and is not waited for "
                      "(restart_grace)",
                      name.text));
    }
  }

  static bool may_promote(const RouteDraft& route) {
    return route.require_given && wants_the_writer(route.policy) && route.policy.promote &&
           !route.policy.promote->when.empty();
  }

  const std::optional<Endpoint>& endpoint_of(const ProbeName& name) const {
    return probes_.at(name.text).policy.endpoint;
  }

  bool is_one_server(const ProbeName& a, const ProbeName& b) const {
    return a == b || (endpoint_of(a) && endpoint_of(a) == endpoint_of(b));
  }

  std::string servers_text(const ProbeName& ours, const ProbeName& theirs) const {
    if (ours == theirs) return fmt::format("'{}'", ours.text);
    return fmt::format("one server ('{}' is '{}')", theirs.text, ours.text);
  }

  const RouteDraft& route_;
  const RoutePolicy& policy_;
  const std::map<std::string, ProbeDraft>& probes_;
  MapReader reader_;
};

}  // namespace

void link_promotion(Draft& draft) {
  for (auto it = draft.routes.begin(); it != draft.routes.end(); ++it) {
    PromotionLinker linker(it->second, draft);
    linker.check();
    for (auto other = draft.routes.begin(); other != it; ++other) {
      if (linker.check_against(other->second)) break;  // one is enough for a person to act on
    }
  }
}

}  // namespace pointsman
