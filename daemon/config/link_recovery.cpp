// What can only be said of the ladders when everything has been read: do their names lead to
// something, can their steps do what they say, would they take every host out, can a step that
// worked be seen to have worked in time?
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/timing.hpp"

namespace pointsman {
namespace {

struct Section {
  std::string_view word;           ///< "service"
  std::vector<std::string> names;  ///< that are defined
};

Section section_of(RefersTo kind, const Draft& draft) {
  switch (kind) {
    case RefersTo::service:
      return {"service", names_of(draft.services)};
    case RefersTo::probe:
      return {"probe", names_of(draft.probes)};
    case RefersTo::route:
      return {"route", names_of(draft.routes)};
    case RefersTo::notifier:
      return {"notifier", names_of(draft.notifiers)};
    case RefersTo::backup:
      return {"backup", draft.backups};
  }
  return {};
}

/// Says so when a name leads nowhere, and whether it is another kind's.
bool leads_somewhere(RefersTo kind, const MemberDraft& name, Draft& draft) {
  const Section section = section_of(kind, draft);
  if (std::find(section.names.begin(), section.names.end(), name.text) != section.names.end()) {
    return true;
  }
  std::string hint = did_you_mean(name.text, section.names);
  const std::string_view prefix = "route:";
  if (kind == RefersTo::route && name.text.compare(0, prefix.size(), prefix) == 0 &&
      draft.routes.count(name.text.substr(prefix.size())) != 0) {
    hint = fmt::format(", did you mean '{}'?", name.text.substr(prefix.size()));
  }
  for (const RefersTo other : {RefersTo::service, RefersTo::probe, RefersTo::route}) {
    if (!hint.empty() || kind == RefersTo::notifier || kind == RefersTo::backup) break;
    const Section known = section_of(other, draft);
    if (std::find(known.names.begin(), known.names.end(), name.text) != known.names.end()) {
      hint = fmt::format("; there is a {} of this name", known.word);
    }
  }
  reject(draft.findings, *name.node, name.path, fmt::format("names no {}{}", section.word, hint));
  return false;
}

/// The policies so far, for the times that they lead to.
PolicySet policies_of(const Draft& draft) {
  PolicySet policy;
  for (const auto& [name, probe] : draft.probes) {
    policy.probes.emplace(ProbeName(name), probe.policy);
  }
  for (const auto& [name, service] : draft.services) {
    policy.services.emplace(ServiceName(name), service.policy);
  }
  for (const auto& [name, route] : draft.routes) {
    policy.routes.emplace(RouteName(name), route.policy);
  }
  return policy;
}

class LadderLinker {
 public:
  LadderLinker(LadderDraft& ladder, Draft& draft) : ladder_(ladder), draft_(draft) {}

  void link() {
    link_subject();
    for (auto& step : ladder_.steps) link_step(step);
    std::set<std::string> seen;
    for (const auto& name : ladder_.escalate) {
      if (!leads_somewhere(RefersTo::notifier, name, draft_)) continue;
      if (seen.insert(name.text).second) {
        ladder_.policy.escalate.emplace_back(name.text);
      } else {
        reject(draft_.findings, *name.node, name.path, "is listed twice");
      }
    }
  }

  bool has_subject() const { return has_subject_; }

  /// After link(), when nothing at all is wrong: then all names lead somewhere and nothing turns in
  /// a circle.
  void check_times(const PolicySet& policy) {
    const Span up = recovery_timing(ladder_.policy.when.subject, policy);
    const auto check = [&](Duration within, const Position& at, const std::string& path) {
      if (within >= up.worst) return;
      draft_.findings.error(
          at, path,
          fmt::format("{} is too short: {} needs up to {} to be seen healthy again, so a step that "
                      "worked would not count, and the next would be tried",
                      yaml_duration(within), to_text(ladder_.policy.when.subject),
                      rounded_up(up.worst)));
    };
    bool uses_own = false;
    for (const auto& step : ladder_.steps) {
      if (step.policy.verify_within) {
        check(*step.policy.verify_within, step.at, step.path + ".verify_within");
      } else {
        uses_own = true;
      }
    }
    if (uses_own) {
      check(ladder_.policy.verify_within, ladder_.verify_at, ladder_.path + ".verify_within");
    }
  }

 private:
  /// In tenths of a second, so that what is printed can be written into the YAML.
  static std::string rounded_up(Duration duration) {
    constexpr Duration grain = std::chrono::milliseconds{100};
    return yaml_duration((duration + grain - Duration{1}) / grain * grain);
  }

  void link_subject() {
    if (!ladder_.subject_kind || !leads_somewhere(*ladder_.subject_kind, ladder_.subject, draft_)) {
      return;
    }
    has_subject_ = true;
    const std::string& name = ladder_.subject.text;
    switch (*ladder_.subject_kind) {
      case RefersTo::service:
        ladder_.policy.when.subject = ServiceName(name);
        break;
      case RefersTo::route:
        ladder_.policy.when.subject = RouteName(name);
        break;
      default:
        ladder_.policy.when.subject = ProbeName(name);
        if (!draft_.probes.at(name).policy.enabled) {
          draft_.findings.warn(ladder_.subject.node->at, ladder_.subject.path,
                               fmt::format("'{}' has `enabled: false`: nothing ever sets this "
                                           "ladder off",
                                           name));
        }
    }
  }

  void link_step(StepDraft& step) {
    if (step.policy.kind == StepKind::drain || step.policy.name == "maintenance") {
      warn_of_all_hosts(step);
    }
    if (!step.refers_to || !leads_somewhere(*step.refers_to, step.target, draft_)) return;
    if (*step.refers_to == RefersTo::route) link_route_step(step);
  }

  void link_route_step(StepDraft& step) {
    const auto wrong = [&](const std::string& why) {
      reject(draft_.findings, *step.target.node, step.target.path, why);
    };
    const RouteDraft& route = draft_.routes.at(step.target.text);
    if (step.policy.kind == StepKind::switch_route && route.candidates.size() == 1 &&
        !route.fallback) {
      wrong("has one candidate only: there is nothing to switch to");
    }
    if (step.policy.kind == StepKind::promote && !route.policy.promote) {
      wrong("has no `promote:`: it follows, and promotes nothing");
    } else if (step.policy.kind == StepKind::promote) {
      give_promotion_time(step, route);
    }
  }

  /// A step whose time is over counts as unknown, though the promotion may still end well.
  void give_promotion_time(StepDraft& step, const RouteDraft& route) {
    constexpr Duration to_switch = std::chrono::seconds{10};
    Duration needed = route.policy.promote->timeout + to_switch;
    std::string parts = fmt::format("promote.timeout of '{}' {}", redact_text(step.target.text),
                                    yaml_duration(route.policy.promote->timeout));
    if (const auto fence = route.hooks.find(HookKind::fence); fence != route.hooks.end()) {
      needed += fence->second.timeout;
      parts += fmt::format(", its fence {}", yaml_duration(fence->second.timeout));
    }
    if (!step.timeout_given) step.policy.timeout = std::max(step.policy.timeout, needed);
    if (step.policy.timeout >= needed) return;
    draft_.findings.error(step.at, step.path + ".timeout",
                          fmt::format("{} is too short: {}, and {} to switch: write {} or more",
                                      yaml_duration(step.policy.timeout), parts,
                                      yaml_duration(to_switch), yaml_duration(needed)));
  }

  /// SPEC section 7: `maintenance` and drain take the host out of the balancer.
  void warn_of_all_hosts(const StepDraft& step) {
    const bool sets_flag =
        step.policy.kind == StepKind::set_flag && step.policy.name == "maintenance";
    if (!(sets_flag || step.policy.kind == StepKind::drain) || !is_shared()) return;
    draft_.findings.warn(
        step.at, step.path,
        fmt::format("'{}' is shared by all hosts, and {} takes this one out of the load balancer: "
                    "when it fails, every host goes at once{}",
                    ladder_.subject.text, sets_flag ? "the flag maintenance" : "drain",
                    sets_flag ? "; another flag, such as maintenance_page, does not" : ""));
  }

  bool is_shared() const {
    if (!has_subject_) return false;
    const std::string& name = ladder_.subject.text;
    switch (*ladder_.subject_kind) {
      case RefersTo::service:
        return draft_.services.at(name).policy.scope == Scope::shared;
      case RefersTo::probe:
        return !draft_.probes.at(name).local;
      default:
        return true;
    }
  }

  LadderDraft& ladder_;
  Draft& draft_;
  bool has_subject_ = false;
};

void warn_of_second(const LadderDraft& ladder, std::map<std::string, const LadderDraft*>& first,
                    Draft& draft) {
  const std::string subject = to_text(ladder.policy.when.subject);
  const auto [other, is_new] = first.emplace(subject, &ladder);
  if (is_new) return;
  draft.findings.warn(
      ladder.at, ladder.path,
      fmt::format("'{}' sets off the ladder '{}' too: they take turns, and what one heals the "
                  "other never tries",
                  redact_text(subject), other->second->policy.name.text));
}

}  // namespace

void link_recovery(Draft& draft) {
  std::map<std::string, const LadderDraft*> first;
  std::vector<LadderLinker> linkers;
  for (auto& [name, ladder] : draft.ladders) {
    LadderLinker linker(ladder, draft);
    linker.link();
    if (linker.has_subject()) warn_of_second(ladder, first, draft);
    linkers.push_back(linker);
  }
  if (draft.findings.failed()) return;  // times of what is not whole would only confuse
  const PolicySet policy = policies_of(draft);
  for (auto& linker : linkers) linker.check_times(policy);
}

}  // namespace pointsman
