// recovery: the ladders, what each says by itself. What their names lead to: link_recovery.cpp.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"
#include "daemon/config/fingerprint.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/section_steps.hpp"

namespace pointsman {
namespace {

struct Subject {
  std::string_view word;
  RefersTo kind;
};
constexpr std::array<Subject, 3> subjects{
    {{"service", RefersTo::service}, {"probe", RefersTo::probe}, {"route", RefersTo::route}}};

void read_subject(MapReader& when, LadderDraft& ladder) {
  int given = 0;
  for (const Subject& subject : subjects) {
    (void)when.find_section(subject.word);
    if (!when.has(subject.word)) continue;
    ++given;
    const auto text = when.text(subject.word);
    if (!text || given > 1) continue;
    ladder.subject_kind = subject.kind;
    ladder.subject = {
        .text = *text, .node = when.find(subject.word), .path = when.path_of(subject.word)};
  }
  if (given != 1 && when.node()) {
    when.findings().error(when.at(), when.path(),
                          given == 0 ? "says not of what: it needs one of service, probe, route"
                                     : "one of service, probe, route, not several");
  }
}

/// `{service|probe|route: NAME, state: unhealthy, for: 15s}`.
void read_trigger(MapReader& reader, LadderDraft& ladder) {
  const YamlNode* node = reader.require(
      "when", "what sets it off: `when: {service: database, state: unhealthy, for: 15s}`");
  if (!node) return;
  MapReader when(reader.findings(), node, reader.path_of("when"), reader.key_position("when"));
  read_subject(when, ladder);
  if (const YamlNode* state = when.require("state", "degraded or unhealthy")) {
    if (state->kind == YamlNode::Kind::scalar &&
        (state->text == "unknown" || state->text == "healthy")) {
      reject(when.findings(), *state, when.path_of("state"),
             state->text == "unknown"
                 ? "sets nothing off: what is not known is looked at, not acted upon; write "
                   "degraded or unhealthy"
                 : "is nothing to recover from: write degraded or unhealthy");
    } else {
      ladder.policy.when.state = when.choice<State>("state", {{"degraded", State::degraded},
                                                              {"unhealthy", State::unhealthy}})
                                     .value_or(State::unhealthy);
    }
  }
  ladder.policy.when.hold = when.duration("for", Duration{0}).value_or(Duration{0});
  when.finish();
}

void read_exhausted(MapReader& reader, LadderDraft& ladder) {
  const YamlNode* node = reader.find("exhausted");
  if (!node) return;
  MapReader map(reader.findings(), node, reader.path_of("exhausted"),
                reader.key_position("exhausted"));
  (void)map.require("escalate", "who is told: `exhausted: {escalate: oncall}`");
  const auto names = map.list("escalate", "[oncall, slack]");
  if (names.empty() && map.find("escalate")) {
    map.error("escalate", "tells nobody: name a notifier, or leave `exhausted` out");
  }
  for (const auto& [text, item] : names) {
    ladder.escalate.push_back({.text = text, .node = item, .path = map.path_of("escalate")});
  }
  map.finish();
}

struct RunLimit {
  std::string_view key;
  std::optional<std::int64_t> most;
  std::string_view each;
  Duration span;
};

/// The cool-down alone keeps runs so far apart that the limit says nothing.
void warn_of_unreached(MapReader& limits, const RunLimit& limit, const LadderPolicy& policy) {
  if (!limit.most || policy.cooldown <= Duration::zero()) return;
  const auto allowed = (limit.span + policy.cooldown - Duration{1}) / policy.cooldown;
  if (*limit.most <= allowed) return;
  limits.findings().warn(
      limits.key_position(limit.key), limits.path_of(limit.key),
      fmt::format("{} is never reached: with a cool-down of {} there {} {}", *limit.most,
                  yaml_duration(policy.cooldown),
                  allowed == 1 ? "is at most 1 run" : fmt::format("are at most {} runs", allowed),
                  limit.each));
}

void read_limits(MapReader& reader, LadderPolicy& policy) {
  const YamlNode* node = reader.find("limits");
  if (!node) return;
  MapReader limits(reader.findings(), node, reader.path_of("limits"),
                   reader.key_position("limits"));
  if (const auto cooldown = limits.duration("cooldown", Duration{0})) policy.cooldown = *cooldown;
  const auto hour = limits.integer("max_per_hour", 1, 1000);
  const auto day = limits.integer("max_per_day", 1, 10'000);
  if (hour) policy.max_per_hour = static_cast<int>(*hour);
  if (day) policy.max_per_day = static_cast<int>(*day);
  limits.finish();
  if (hour && day && *day < *hour) {
    limits.error("max_per_hour",
                 fmt::format("more than max_per_day ({}): it could never be reached", *day));
  }
  warn_of_unreached(limits, {"max_per_hour", hour, "an hour", std::chrono::hours{1}}, policy);
  warn_of_unreached(limits, {"max_per_day", day, "a day", std::chrono::hours{24}}, policy);
}

void read_ladder(const YamlEntry& entry, Draft& draft) {
  LadderDraft& ladder = draft.ladders[entry.key];
  ladder.at = ladder.verify_at = entry.key_at;
  ladder.path = join_path("recovery", entry.key);
  ladder.node = &entry.value;
  ladder.policy.name = LadderName(entry.key);
  const auto name = parse_name(entry.key);
  if (!name) {
    draft.findings.error(entry.key_at, ladder.path,
                         fmt::format("'{}' {}", redact_text(entry.key), name.error().message));
  }
  MapReader reader(draft.findings, &entry.value, ladder.path, entry.key_at);
  read_trigger(reader, ladder);
  ladder.steps = read_steps(reader);
  if (const auto within = reader.duration("verify_within")) ladder.policy.verify_within = *within;
  ladder.verify_at = reader.key_position("verify_within");
  if (const auto after = reader.duration("retry_after", Duration{0})) {
    ladder.policy.retry_after = *after;
  }
  read_exhausted(reader, ladder);
  read_limits(reader, ladder.policy);
  reader.finish();
  const bool notifies =
      std::any_of(ladder.steps.begin(), ladder.steps.end(),
                  [](const StepDraft& step) { return step.policy.kind == StepKind::notify; });
  if (reader.node() && !reader.has("exhausted") && !notifies) {
    draft.findings.warn(entry.key_at, ladder.path,
                        "no `exhausted: {escalate: ...}`: when nothing helps, no one is told");
  }
  Fingerprint fingerprint;
  fingerprint.add(entry.value);
  ladder.policy.fingerprint = fingerprint.text();
}

}  // namespace

void read_recovery(MapReader& root, Draft& draft) {
  MapReader section(draft.findings, root.find_section("recovery"), "recovery",
                    root.key_position("recovery"));
  if (!section.node()) return;
  for (const auto& entry : section.node()->entries) read_ladder(entry, draft);
}

}  // namespace pointsman
