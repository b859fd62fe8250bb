#include "daemon/config/section_steps.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "daemon/config/redact.hpp"
#include "daemon/config/section_hooks.hpp"
#include "daemon/config/section_units.hpp"

namespace pointsman {
namespace {

constexpr Duration approval_expires = std::chrono::hours{1};
constexpr std::int64_t most_retries = 10;
constexpr std::size_t most_steps = 50;
constexpr std::size_t longest_question = 300;

/// A name of ours that becomes a file's name: of a flag.
std::string read_flag_name(MapReader& reader, const YamlNode& node, const std::string& path) {
  const auto text = scalar_text(reader.findings(), node, path, "a flag's name");
  if (!text) return {};
  const auto name = parse_name(*text);
  if (!name) {
    reject(reader.findings(), node, path, name.error().message);
  } else if (text->front() == '.') {
    reject(reader.findings(), node, path, "begins with a dot: a flag is a file that can be seen");
  } else {
    return name.value();
  }
  return {};
}

/// `NAME`, or `{name: NAME, for: 10m, until: recovered}`.
void read_set_flag(MapReader& reader, StepDraft& step) {
  const YamlNode* node = reader.find("set_flag");
  if (!node) return;
  const std::string path = reader.path_of("set_flag");
  if (node->kind == YamlNode::Kind::scalar) {
    step.policy.name = read_flag_name(reader, *node, path);
    return;
  }
  MapReader map(reader.findings(), node, path, reader.key_position("set_flag"));
  if (const YamlNode* name = map.require("name", "the flag's name: `name: maintenance_page`")) {
    step.policy.name = read_flag_name(map, *name, map.path_of("name"));
  }
  step.policy.hold = map.duration("for");
  step.policy.until_recovered = map.choice<bool>("until", {{"recovered", true}}).value_or(false);
  map.finish();
}

void read_clear_flag(MapReader& reader, StepDraft& step) {
  if (const YamlNode* node = reader.find("clear_flag")) {
    step.policy.name = read_flag_name(reader, *node, reader.path_of("clear_flag"));
  }
}

void read_reference(MapReader& reader, std::string_view key, RefersTo kind, StepDraft& step) {
  const auto text = reader.text(key);
  if (!text) return;
  step.refers_to = kind;
  step.target = {.text = *text, .node = reader.find(key), .path = reader.path_of(key)};
  step.policy.name = *text;
  if (kind == RefersTo::route) step.policy.route = RouteName(*text);
}

void read_unit_step(MapReader& reader, std::string_view key, StepDraft& step) {
  const auto unit = read_unit_name(reader, key);
  if (!unit) return;
  step.policy.name = *unit;
  if (*unit == "pointsman.service") {
    reader.error(key, "that is pointsman itself: it would end in the middle of its own ladder");
  }
}

void read_drain(MapReader& reader) {
  const auto drain = reader.boolean("drain");
  if (drain && !*drain) {
    reader.error("drain",
                 "only `drain: true` is a step: to take the host back (pointsman undrain) "
                 "is a person's decision");
  }
}

void read_wait(MapReader& reader, StepDraft& step) {
  step.policy.hold = reader.duration("wait");
  if (step.policy.hold) step.policy.name = yaml_duration(*step.policy.hold);
}

/// `timeout` beside it: how long an answer is waited for.
void read_approve(MapReader& reader, StepDraft& step) {
  const auto question =
      reader.required_text("approve", "what is asked: `approve: \"Restart the primary?\"`");
  if (question && question->size() > longest_question) {
    reader.error("approve", fmt::format("longer than {} characters", longest_question));
  }
  step.policy.name = question.value_or("");
  step.policy.hold = approval_expires;
}

/// What an exec or http step is called in texts: the command's own name; the method and the host.
std::string name_of(const HookCall& call) {
  if (const auto* exec = std::get_if<ExecSpec>(&call)) {
    const std::string& path = exec->command.front();
    return path.substr(path.rfind('/') + 1);
  }
  const auto& http = std::get<HttpSpec>(call);
  return http.method + " " + http.host;
}

void read_call_step(MapReader& reader, StepDraft& step) {
  step.spec.call = read_call(reader);
  if (step.spec.call) step.policy.name = redact_text(name_of(step.spec.call->call));
}

void read_kind(MapReader& reader, StepKind kind, StepDraft& step) {
  switch (kind) {
    case StepKind::reconnect:
    case StepKind::switch_route:
    case StepKind::promote:
      return read_reference(reader, to_text(kind), RefersTo::route, step);
    case StepKind::set_flag:
      return read_set_flag(reader, step);
    case StepKind::clear_flag:
      return read_clear_flag(reader, step);
    case StepKind::restart_unit:
    case StepKind::reload_unit:
      return read_unit_step(reader, to_text(kind), step);
    case StepKind::exec:
    case StepKind::http:
      return read_call_step(reader, step);
    case StepKind::drain:
      return read_drain(reader);
    case StepKind::notify:
      return read_reference(reader, "notify", RefersTo::notifier, step);
    case StepKind::backup:
      return read_reference(reader, "backup", RefersTo::backup, step);
    case StepKind::wait:
      return read_wait(reader, step);
    case StepKind::approve:
      return read_approve(reader, step);
  }
}

constexpr std::array<StepKind, 14> all_kinds{
    StepKind::reconnect,  StepKind::switch_route, StepKind::promote,     StepKind::set_flag,
    StepKind::clear_flag, StepKind::restart_unit, StepKind::reload_unit, StepKind::exec,
    StepKind::http,       StepKind::drain,        StepKind::notify,      StepKind::backup,
    StepKind::wait,       StepKind::approve};

/// Does it do something that can take long or fail, so that a timeout and another try make sense?
bool does_work(StepKind kind) {
  switch (kind) {
    case StepKind::wait:
    case StepKind::approve:
    case StepKind::set_flag:
    case StepKind::clear_flag:
    case StepKind::drain:
    case StepKind::notify:
      return false;
    default:
      return true;
  }
}

void read_common(MapReader& reader, StepDraft& step) {
  StepPolicy& policy = step.policy;
  const auto timeout = reader.duration("timeout");
  const auto retries = reader.integer("retries", 0, most_retries);
  policy.verify_within = reader.duration("verify_within");
  if (!step.known) return;
  if (timeout && policy.kind == StepKind::approve) {
    policy.hold = *timeout;
  } else if (timeout && !does_work(policy.kind)) {
    reader.error("timeout",
                 fmt::format("has no meaning beside `{}:`: leave it out", to_text(policy.kind)));
  } else if (timeout) {
    policy.timeout = *timeout;
    step.timeout_given = true;
  }
  if (retries && !does_work(policy.kind)) {
    reader.error("retries",
                 fmt::format("has no meaning beside `{}:`: leave it out", to_text(policy.kind)));
  } else {
    policy.retries = static_cast<int>(retries.value_or(0));
  }
  if (step.spec.call) step.spec.call->timeout = policy.timeout;
}

/// The one key that says what is done; the others are known too, so that "did you mean" finds them.
std::vector<StepKind> given_kinds(MapReader& reader) {
  std::vector<StepKind> given;
  for (const StepKind kind : all_kinds) {
    (void)reader.find_section(to_text(kind));
    if (reader.has(to_text(kind))) given.push_back(kind);
  }
  return given;
}

std::string all_words() {
  std::string words;
  for (const StepKind kind : all_kinds) {
    words += (words.empty() ? "" : ", ") + std::string(to_text(kind));
  }
  return words;
}

StepDraft read_step(MapReader& reader) {
  StepDraft step;
  step.at = reader.at();
  step.path = reader.path();
  if (!reader.node()) return step;
  const auto given = given_kinds(reader);
  if (given.size() > 1) {
    reader.error(to_text(given[1]), fmt::format("one step each: `{}:` stands in the same one; "
                                                "begin another with '- '",
                                                to_text(given[0])));
  }
  if (!given.empty()) {
    step.known = true;
    step.policy.kind = given.front();
    if (given.front() != StepKind::exec && given.front() != StepKind::http) {
      for (const char* key : {"user", "env"}) {
        (void)reader.find_section(key);
        if (reader.has(key)) reader.error(key, "only an `exec:` has it");
      }
    }
    if (given.size() == 1) read_kind(reader, given.front(), step);
  }
  read_common(reader, step);
  const std::size_t before = reader.findings().error_count();
  reader.finish();
  if (given.empty() && reader.findings().error_count() == before) {
    reader.findings().error(reader.at(), reader.path(),
                            "says not what is done: it needs one of " + all_words());
  }
  return step;
}

}  // namespace

std::vector<StepDraft> read_steps(MapReader& ladder) {
  std::vector<StepDraft> steps;
  const YamlNode* node = ladder.require(
      "steps",
      "what is tried, in order: `steps: [{reconnect: bud}]`; `steps: []` tells a human at "
      "once");
  if (!node) return steps;
  if (node->kind != YamlNode::Kind::sequence) {
    ladder.error("steps", fmt::format("a list of steps is wanted here, not {}", kind_text(*node)));
    return steps;
  }
  if (node->items.size() > most_steps) {
    ladder.error("steps", fmt::format("more than {} steps", most_steps));
    return steps;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    MapReader reader(ladder.findings(), &node->items[i],
                     fmt::format("{}[{}]", ladder.path_of("steps"), i), node->items[i].at);
    steps.push_back(read_step(reader));
  }
  return steps;
}

}  // namespace pointsman
