#include "tests/simulation/recipe.hpp"

#include <array>
#include <sstream>
#include <utility>

namespace pointsman::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<std::pair<const char*, int Recipe::*>, 27> fields{{
    {"redis", &Recipe::redis},
    {"promotes", &Recipe::promotes},
    {"servers", &Recipe::servers},
    {"agents", &Recipe::agents},
    {"reads", &Recipe::reads},
    {"interval", &Recipe::interval},
    {"fast", &Recipe::fast},
    {"timeout", &Recipe::timeout},
    {"fall", &Recipe::fall},
    {"rise", &Recipe::rise},
    {"hold_down", &Recipe::hold_down},
    {"failback", &Recipe::failback},
    {"fence", &Recipe::fence},
    {"after_promote", &Recipe::after_promote},
    {"demote", &Recipe::demote},
    {"when_frozen", &Recipe::when_frozen},
    {"max_lag", &Recipe::max_lag},
    {"promote_timeout", &Recipe::promote_timeout},
    {"write_rate", &Recipe::write_rate},
    {"receiver_timeout", &Recipe::receiver_timeout},
    {"monitor", &Recipe::monitor},
    {"ladder", &Recipe::ladder},
    {"app_ladder", &Recipe::app_ladder},
    {"cooldown", &Recipe::cooldown},
    {"per_hour", &Recipe::per_hour},
    {"retries", &Recipe::retries},
    {"drift", &Recipe::drift},
}};

template <std::size_t n>
int one_of(Random& random, const std::array<int, n>& values) {
  return values[random.below(n)];
}

ProbePolicy probe_of(const Recipe& recipe, const std::string& name, ProbeKind kind) {
  ProbePolicy probe;
  probe.name = ProbeName(name);
  probe.kind = kind;
  probe.interval = probe.down_interval = milliseconds{recipe.interval};
  probe.fast_interval = milliseconds{recipe.fast};
  probe.timeout = milliseconds{recipe.timeout};
  probe.fall = recipe.fall;
  probe.rise = recipe.rise;
  probe.fingerprint = name;
  return probe;
}

StepPolicy step_of(const Recipe& recipe, StepKind kind, const std::string& name) {
  StepPolicy step;
  step.kind = kind;
  step.name = name;
  step.timeout = seconds{5};
  step.retries = recipe.retries;
  const bool of_route =
      kind == StepKind::reconnect || kind == StepKind::switch_route || kind == StepKind::promote;
  if (of_route) step.route = RouteName(name);
  return step;
}

LadderPolicy ladder_of(const Recipe& recipe, const std::string& name, Member subject) {
  LadderPolicy ladder;
  ladder.name = LadderName(name);
  ladder.when = {std::move(subject), State::unhealthy, seconds{5}};
  ladder.verify_within = seconds{10};
  ladder.retry_after = seconds{5};
  ladder.cooldown = seconds{recipe.cooldown};
  ladder.max_per_hour = recipe.per_hour;
  ladder.escalate = {NotifierName("oncall")};
  ladder.fingerprint = name;
  return ladder;
}

void add_database(const Recipe& recipe, PolicySet& set, bool promotes) {
  RoutePolicy writes;
  writes.name = RouteName("writes");
  writes.via = {ViaKind::pgbouncer};
  writes.require = recipe.redis != 0 ? Require::master : Require::writable;
  writes.hold_down = seconds{recipe.hold_down};
  writes.fingerprint = "writes";
  std::uint16_t port = 5001;
  for (const std::string& name : server_names(recipe)) {
    ProbePolicy probe =
        probe_of(recipe, name, recipe.redis != 0 ? ProbeKind::redis : ProbeKind::postgres);
    probe.endpoint = Endpoint{"127.0.0.1", port++};
    writes.candidates.push_back(probe.name);
    set.probes[probe.name] = probe;
  }
  RoutePolicy reads = writes;
  if (promotes) {
    PromotePolicy promote;
    const std::string what = recipe.redis != 0 ? "master" : "primary";
    promote.when = {what + "_dead"};
    if (recipe.when_frozen != 0) promote.when.push_back(what + "_frozen");
    promote.max_lag = static_cast<std::uint64_t>(recipe.max_lag);
    promote.timeout = seconds{recipe.promote_timeout};
    promote.sole_promoter = true;
    writes.promote = promote;
    if (recipe.fence != 0) writes.hooks.insert(HookKind::fence);
    if (recipe.after_promote != 0) writes.hooks.insert(HookKind::after_promote);
  }
  if (recipe.demote != 0) writes.hooks.insert(HookKind::demote);
  ServicePolicy database;
  database.name = ServiceName("database");
  database.members = {writes.name};
  set.routes[writes.name] = writes;
  if (recipe.reads != 0) {
    reads.name = RouteName("reads");
    reads.require = recipe.redis != 0 ? Require::replica : Require::standby;
    reads.balance = Balance::round_robin;
    reads.max_lag = Lag{Duration{seconds{5}}};
    reads.fallback = writes.name;
    if (recipe.failback > 0) reads.failback = seconds{recipe.failback};
    reads.fingerprint = "reads";
    database.members.push_back(reads.name);
    set.routes[reads.name] = reads;
  }
  database.need = static_cast<int>(database.members.size());
  set.services[database.name] = database;
}

void add_ladders(const Recipe& recipe, PolicySet& set, bool promotes) {
  if (recipe.ladder != 0) {
    LadderPolicy ladder = ladder_of(recipe, "database", ServiceName("database"));
    ladder.steps = {step_of(recipe, StepKind::reconnect, "writes"),
                    step_of(recipe, StepKind::switch_route, "writes"),
                    step_of(recipe, StepKind::restart_unit, "app.service")};
    StepPolicy flag = step_of(recipe, StepKind::set_flag, "maintenance_page");
    flag.until_recovered = true;
    if (recipe.ladder == 2) {
      ladder.steps.insert(ladder.steps.begin(), flag);
      if (promotes) ladder.steps.push_back(step_of(recipe, StepKind::promote, "writes"));
      StepPolicy wait = step_of(recipe, StepKind::wait, "");
      wait.hold = seconds{3};
      ladder.steps.push_back(wait);
      ladder.steps.push_back(step_of(recipe, StepKind::exec, "collect"));
    }
    set.recovery[ladder.name] = ladder;
  }
  if (recipe.app_ladder != 0) {
    LadderPolicy ladder = ladder_of(recipe, "app", ProbeName("app"));
    ladder.steps = {step_of(recipe, StepKind::http, "collect garbage"),
                    step_of(recipe, StepKind::restart_unit, "app.service")};
    if (recipe.app_ladder == 2) {
      StepPolicy ask = step_of(recipe, StepKind::approve, "restart the host?");
      ask.hold = seconds{20};
      ladder.steps.push_back(ask);
      ladder.steps.push_back(step_of(recipe, StepKind::exec, "reboot"));
    }
    set.recovery[ladder.name] = ladder;
  }
}

}  // namespace

Recipe random_recipe(Random& random) {
  Recipe r;
  r.redis = random.chance(25) ? 1 : 0;
  r.promotes = random.chance(70) ? 1 : 0;
  r.servers = one_of<4>(random, {2, 3, 3, 4});
  r.agents = one_of<4>(random, {1, 1, 2, 3});
  r.reads = random.chance(40) ? 1 : 0;
  r.interval = one_of<3>(random, {1000, 2000, 5000});
  r.fast = one_of<3>(random, {200, 500, 1000});
  r.timeout = one_of<3>(random, {300, 800, 1000});
  r.fall = one_of<3>(random, {1, 2, 3});
  r.rise = one_of<3>(random, {1, 2, 3});
  r.hold_down = one_of<3>(random, {5, 20, 60});
  r.failback = one_of<3>(random, {0, 10, 30});
  r.fence = random.chance(35) ? 1 : 0;
  r.after_promote = random.chance(80) ? 1 : 0;
  r.demote = random.chance(50) ? 1 : 0;
  r.when_frozen = random.chance(80) ? 1 : 0;
  r.max_lag = one_of<3>(random, {50'000, 200'000, 1'000'000});
  r.promote_timeout = one_of<2>(random, {5, 20});
  r.write_rate = one_of<3>(random, {1'000, 20'000, 100'000});
  r.receiver_timeout = one_of<3>(random, {5, 5, 60});
  r.monitor = random.chance(80) ? 1 : 0;
  r.ladder = one_of<4>(random, {0, 0, 1, 2});
  r.app_ladder = one_of<4>(random, {0, 0, 1, 2});
  r.cooldown = one_of<3>(random, {10, 30, 120});
  r.per_hour = one_of<3>(random, {1, 2, 5});
  r.retries = one_of<3>(random, {0, 0, 1});
  r.drift = one_of<4>(random, {0, 0, 500, -500});
  return r;
}

std::string to_text(const Recipe& recipe) {
  std::string line = "policy";
  for (const auto& [name, field] : fields) {
    line += std::string(" ") + name + "=" + std::to_string(recipe.*field);
  }
  return line;
}

std::optional<Recipe> recipe_of(const std::string& line) {
  std::istringstream in(line);
  std::string word;
  if (!(in >> word) || word != "policy") return std::nullopt;
  Recipe recipe;
  while (in >> word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) return std::nullopt;
    bool known = false;
    for (const auto& [name, field] : fields) {
      if (word.substr(0, equals) != name) continue;
      recipe.*field = std::stoi(word.substr(equals + 1));
      known = true;
    }
    if (!known) return std::nullopt;
  }
  return recipe;
}

std::string agent_name(int agent) {
  return "web-" + std::to_string(agent + 1);
}

std::vector<std::string> server_names(const Recipe& recipe) {
  std::vector<std::string> names;
  for (int i = 0; i < recipe.servers; ++i) names.push_back(std::string("db-") + char('a' + i));
  return names;
}

std::shared_ptr<const PolicySet> policy_of(const Recipe& recipe, int agent, Mode mode) {
  auto set = std::make_shared<PolicySet>();
  set->mode = mode;
  const bool promotes = recipe.promotes != 0 && agent == 0;
  add_database(recipe, *set, promotes);
  for (const auto& [name, kind] : {std::pair{"app", ProbeKind::http},
                                   {"disk", ProbeKind::disk},
                                   {"memory", ProbeKind::memory}}) {
    set->probes[ProbeName(name)] = probe_of(recipe, name, kind);
  }
  ServicePolicy host;
  host.name = ServiceName("host");
  host.members = {ProbeName("app"), ProbeName("disk"), ProbeName("memory")};
  host.need = 3;
  host.scope = Scope::node;
  set->services[host.name] = host;
  set->notify[NotifierName("oncall")] = NotifierPolicy{NotifierName("oncall")};
  add_ladders(recipe, *set, promotes);
  return set;
}

Setup setup_of(const Recipe& recipe, std::uint64_t seed) {
  Setup setup;
  for (int i = 0; i < recipe.agents; ++i) {
    setup.agents.push_back({agent_name(i), policy_of(recipe, i), i % 2 == 0 ? recipe.drift : 0});
  }
  setup.seed = seed;
  setup.cluster.write_rate = static_cast<std::uint64_t>(recipe.write_rate);
  setup.cluster.receiver_timeout = seconds{recipe.receiver_timeout};
  setup.cluster.monitor = recipe.monitor != 0;
  return setup;
}

}  // namespace pointsman::sim
