// `check` on ladders and notifiers: what is done when, how long until then, and who is told.
#include <boost/json/array.hpp>

#include <fmt/format.h>

#include "daemon/config/report_parts.hpp"
#include "policies/explain.hpp"

namespace pointsman {
namespace {

std::string step_text(const StepPolicy& step) {
  std::string text(to_text(step.kind));
  if (step.kind == StepKind::approve) return text + " \"" + step.name + "\"";
  if (!step.name.empty()) text += " " + step.name;
  if (step.until_recovered) text += " until recovered";
  if (step.kind == StepKind::set_flag && step.hold) text += " for " + print_duration(*step.hold);
  return text;
}

std::string steps_text(const LadderPolicy& ladder) {
  std::string text = join(ladder.steps, step_text, ", then ");
  if (!ladder.escalate.empty()) {
    text += text.empty() ? "tells " : ", then tells ";
    text += join(ladder.escalate, [](const NotifierName& name) { return name.text; });
  }
  return text.empty() ? "does nothing" : text;
}

std::string limits_text(const LadderPolicy& ladder) {
  std::string text = fmt::format("at most once in {}", print_duration(ladder.cooldown));
  if (ladder.max_per_hour) text += fmt::format(", {} times an hour", *ladder.max_per_hour);
  if (ladder.max_per_day) text += fmt::format(", {} times a day", *ladder.max_per_day);
  return text;
}

std::string describe_notifiers(const Config& config) {
  std::string text;
  const std::size_t width = widest_name(config.policy->notify);
  for (const auto& [name, notifier] : config.policy->notify) {
    if (text.empty()) text = "notify\n";
    const auto spec = config.notifiers.find(name);
    const std::string_view kind = spec == config.notifiers.end() ? "?" : kind_of(spec->second);
    std::string when = "when a step or `escalate` names it";
    if (notifier.on_warning && notifier.on_critical)
      when = "of every warning and critical incident";
    else if (notifier.on_critical)
      when = "of every critical incident";
    else if (notifier.on_warning)
      when = "of every warning";
    text += fmt::format("  {:{}}  {}, told {}\n", name.text, width, kind, when);
  }
  return text;
}

}  // namespace

std::string describe_recovery(const Config& config) {
  std::string text;
  const std::size_t width = widest_name(config.policy->recovery);
  const std::string indent(width + 4, ' ');
  for (const auto& [name, ladder] : config.policy->recovery) {
    if (text.empty()) text = "recovery\n";
    text += fmt::format("  {:{}}  {} {} for {}: {}\n", name.text, width,
                        to_text(ladder.when.subject), to_text(ladder.when.state),
                        print_duration(ladder.when.hold), steps_text(ladder));
    text += fmt::format("{}{}\n", indent, limits_text(ladder));
    const LadderTiming timing = ladder_timing(ladder, bounds_input(config));
    std::vector<TimeRow> rows{{"the failure is noticed", timing.noticed},
                              {"the first step begins", timing.begun}};
    if (ladder.steps.empty()) {
      rows.back().what = "a human is told";
    } else {
      rows.push_back({"well again, where it helps", timing.recovered});
      rows.push_back({"nothing helped, a human is told", timing.exhausted});
    }
    text += time_table(rows, indent);
  }
  return text + describe_notifiers(config);
}

boost::json::object ladders_json(const Config& config) {
  boost::json::object ladders;
  for (const auto& [name, ladder] : config.policy->recovery) {
    const LadderTiming timing = ladder_timing(ladder, bounds_input(config));
    boost::json::array steps, escalate;
    for (const auto& step : ladder.steps) steps.emplace_back(step_text(step));
    for (const auto& notifier : ladder.escalate) escalate.emplace_back(notifier.text);
    ladders[name.text] = boost::json::object{{"subject", to_text(ladder.when.subject)},
                                             {"state", std::string(to_text(ladder.when.state))},
                                             {"steps", std::move(steps)},
                                             {"escalate", std::move(escalate)},
                                             {"noticed", span_json(timing.noticed)},
                                             {"begun", span_json(timing.begun)},
                                             {"recovered", span_json(timing.recovered)},
                                             {"exhausted", span_json(timing.exhausted)}};
  }
  return ladders;
}

}  // namespace pointsman
