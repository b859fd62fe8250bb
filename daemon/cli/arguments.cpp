#include "daemon/cli/arguments.hpp"

namespace pointsman {
namespace {

void add_control(CLI::App& command, Arguments& to) {
  command.add_option("--control", to.control, "the daemon's control socket")->type_name("PATH");
}

void add_switch(CLI::App& app, Arguments& to) {
  auto* command = app.add_subcommand("switch", "Lead a route to another server, as planned");
  command->add_option("ROUTE", to.switch_route.route, "the route")->required();
  command
      ->add_option("--to", to.switch_route.to, "the probe of the server; else the best other one")
      ->type_name("TARGET");
  command->add_flag("--dry-run", to.switch_route.dry_run,
                    "print the plan and every guard; do nothing");
  command->add_flag("--no-wait", to.switch_route.no_wait, "do not wait for the end");
  command->add_flag("--allow-data-loss", to.switch_route.allow_data_loss,
                    "also to a server that has not received all: what it lacks is lost");
  command->add_flag("--unfenced", to.switch_route.unfenced,
                    "promote although nothing stops writes on the old server; it is recorded");
  command->add_flag("--json", to.switch_route.json, "for programs: the request as it ended");
  add_control(*command, to);
  command->footer(
      "Tells each step as it is done. Ctrl-C asks to cancel: until the promotion, what was done "
      "is\n"
      "undone. Exit 0 when it is done, 1 when it failed or was refused.\n\n"
      "Examples:\n"
      "  pointsman switch bud --dry-run\n"
      "  pointsman switch bud --to replica-1");
}

void add_reason(CLI::App& command, Arguments& to) {
  command.add_option("--reason", to.operate.reason, "why, for whoever looks later")
      ->type_name("TEXT");
}

void add_hold(CLI::App& command, Arguments& to) {
  command
      .add_option("--for", to.operate.hold, "how long: 30s, 5m, 2h, 1d; else until it is undone")
      ->type_name("TIME");
}

void add_modes(CLI::App& app, Arguments& to) {
  auto* pause = app.add_subcommand("pause", "Let nothing automatic happen, for a while");
  add_reason(*pause, to);
  add_hold(*pause, to);
  add_control(*pause, to);
  pause->footer(
      "Probing and /health go on; routes stay where they are. Survives a restart.\n\n"
      "Examples:\n"
      "  pointsman pause --for 30m --reason 'moving racks'");
  auto* resume = app.add_subcommand("resume", "End a pause");
  add_reason(*resume, to);
  add_control(*resume, to);
  resume->footer("Example:\n  pointsman resume");

  auto* drain = app.add_subcommand("drain", "Take this host out of the load balancer");
  add_reason(*drain, to);
  add_control(*drain, to);
  drain->footer(
      "/health answers 503 until `pointsman undrain`. Survives a restart.\n\n"
      "Examples:\n"
      "  pointsman drain --reason 'kernel update'");
  auto* undrain = app.add_subcommand("undrain", "Put this host back into the load balancer");
  add_reason(*undrain, to);
  add_control(*undrain, to);
  undrain->footer("Example:\n  pointsman undrain");
}

void add_flags(CLI::App& app, Arguments& to) {
  auto* flag = app.add_subcommand("flag", "Set, clear or list flags, which other programs look at");
  flag->require_subcommand(1);
  flag->footer(
      "A flag is a file in the runtime folder's flags/, /flags/NAME over HTTP, and a metric. The "
      "flag\n"
      "`maintenance` also takes this host out of the load balancer.\n\n"
      "Examples:\n"
      "  pointsman flag set maintenance_page --for 10m --reason 'schema change'\n"
      "  pointsman flag clear maintenance_page\n"
      "  pointsman flag list");
  auto* set = flag->add_subcommand("set", "Set a flag");
  set->add_option("NAME", to.operate.name, "the flag")->required();
  add_reason(*set, to);
  add_hold(*set, to);
  add_control(*set, to);
  set->footer("Example:\n  pointsman flag set no_cache --for 10m");
  auto* clear = flag->add_subcommand("clear", "Clear a flag");
  clear->add_option("NAME", to.operate.name, "the flag")->required();
  add_reason(*clear, to);
  add_control(*clear, to);
  clear->footer("Example:\n  pointsman flag clear no_cache");
  auto* list = flag->add_subcommand("list", "List those that are set");
  list->add_flag("--json", to.operate.json, "for programs");
  add_control(*list, to);
  list->footer("Example:\n  pointsman flag list");
}

void add_answers(CLI::App& app, Arguments& to) {
  auto* ack = app.add_subcommand("ack", "Say that a person is on an incident");
  ack->add_option("ID", to.operate.id, "the incident's number")
      ->required()
      ->check(CLI::NonNegativeNumber);
  add_reason(*ack, to);
  add_control(*ack, to);
  ack->footer(
      "Ends the cool-down of a ladder that is exhausted, and stops its alert from being sent "
      "again.\n\n"
      "Examples:\n"
      "  pointsman ack 12 --reason 'new disk ordered'");
  auto* approve = app.add_subcommand("approve", "Let a ladder's step that asks go on");
  approve->add_option("ID", to.operate.id, "the number that `status` shows")
      ->required()
      ->check(CLI::NonNegativeNumber);
  add_control(*approve, to);
  approve->footer("Example:\n  pointsman approve 77");
  auto* refuse = app.add_subcommand("refuse", "Let a ladder's step that asks fail");
  refuse->add_option("ID", to.operate.id, "the number that `status` shows")
      ->required()
      ->check(CLI::NonNegativeNumber);
  add_control(*refuse, to);
  refuse->footer("Example:\n  pointsman refuse 77");

  auto* notify = app.add_subcommand("notify", "Try a notifier");
  notify->require_subcommand(1);
  notify->footer("Example:\n  pointsman notify test oncall");
  auto* test = notify->add_subcommand("test", "Send a real alert through a notifier");
  test->add_option("NAME", to.operate.name, "the notifier")->required();
  add_control(*test, to);
  test->footer(
      "Exit 1 where it was not taken, and why.\n\n"
      "Example:\n"
      "  pointsman notify test oncall");
}

void add_simulate(CLI::App& app, Arguments& to) {
  auto* command =
      app.add_subcommand("simulate", "Try a configuration: on a described world, or on the past");
  auto* scenario = command
                       ->add_option("--scenario", to.simulate.scenarios,
                                    "what happens, and what is expected of it; one or several")
                       ->type_name("FILE");
  auto* history = command
                      ->add_option("--history", to.simulate.history,
                                   "a journal.db: what would have been decided, beside what was")
                      ->type_name("DB")
                      ->excludes(scenario);
  command->add_option("--config", to.simulate.config, "the configuration; else the scenario's own")
      ->type_name("FILE");
  command->add_option("--since", to.simulate.since, "how far back: 12h, 30d")
      ->type_name("TIME")
      ->capture_default_str()
      ->needs(history);
  command
      ->add_flag("--all", to.simulate.all,
                 "of a history also each change of a probe's or a service's state")
      ->needs(history);
  command->add_flag("--json", to.simulate.json, "for programs: one object a scenario, or history");
  command->callback([&to] {
    if (to.simulate.scenarios.empty() && to.simulate.history.empty()) {
      throw CLI::RequiredError("--scenario FILE or --history DB");
    }
    if (!to.simulate.history.empty() && to.simulate.config.empty()) {
      throw CLI::RequiredError("--config FILE, the configuration to try,");
    }
  });
  command->footer(
      "The real engine in virtual time: nothing is asked, nothing is touched, no daemon is "
      "needed.\n"
      "Passwords and credentials of the configuration are not read. Exit 1 when an expectation\n"
      "fails, 78 when a file is wrong. The language of scenarios, and twelve of them:\n"
      "/usr/share/doc/pointsman/scenarios.\n\n"
      "Examples:\n"
      "  pointsman simulate --scenario primary-dies.yaml\n"
      "  pointsman simulate --config new.yaml --scenario scenarios/*.yaml      in a pipeline\n"
      "  pointsman simulate --config new.yaml --history /var/lib/pointsman/journal.db --since 30d\n"
      "  pointsman simulate --scenario flapping-disk.yaml --json | jq .failures");
}

}  // namespace

void add_hooked(CLI::App& app, Arguments& to) {
  auto* run = app.add_subcommand("run", "Run the daemon, in the foreground");
  run->add_option("--config", to.run.config, "the configuration")
      ->type_name("FILE")
      ->capture_default_str();
  run->footer(
      "Examples:\n"
      "  pointsman run\n"
      "  pointsman run --config ./pointsman.yaml");

  auto* check =
      app.add_subcommand("check", "Check the configuration, and print what follows from it");
  check->add_option("FILE", to.check.file, "the configuration")->capture_default_str();
  check->add_flag("--json", to.check.json, "for programs");
  check->add_flag("--strict", to.check.strict, "warnings are errors (exit 78)");
  check->add_flag("--live", to.check.live,
                  "also try each connection and right (exit 1 where one is missing)");
  check->footer(
      "Prints inferred scopes and, for each route, how long detecting and recovering takes.\n\n"
      "Examples:\n"
      "  pointsman check\n"
      "  pointsman check --strict ./pointsman.yaml     in a pipeline\n"
      "  pointsman check --live                        before switching to mode: act\n"
      "  pointsman check --json | jq .routes");

  auto* probe = app.add_subcommand("probe", "Run one probe once, and tell what it found");
  probe->add_option("NAME", to.probe.name, "the probe, as the configuration names it")->required();
  probe->add_flag("-v,--verbose", to.probe.verbose, "step by step");
  probe->add_option("--config", to.probe.config, "the configuration")
      ->type_name("FILE")
      ->capture_default_str();
  probe->add_flag("--json", to.probe.json, "for programs");
  probe->footer(
      "Needs no daemon. Exit 1 when the probe fails.\n\n"
      "Examples:\n"
      "  pointsman probe primary\n"
      "  pointsman probe -v openai     names resolved, connected, TLS, first byte");
  add_simulate(app, to);
}

void add_asking(CLI::App& app, Arguments& to) {
  auto* status = app.add_subcommand("status", "Show what the daemon sees, what is wrong first");
  status->add_flag("--watch", to.status.watch, "draw it again each second");
  status->add_flag("--json", to.status.json, "for programs: the daemon's /v1/status");
  add_control(*status, to);
  status->footer(
      "Exit 1 when the whole is unhealthy.\n\n"
      "Examples:\n"
      "  pointsman status\n"
      "  pointsman status --watch\n"
      "  pointsman status --json | jq '.routes.bud.targets'");

  auto* why = app.add_subcommand("why", "Explain a route: where it leads, why, and what holds it");
  why->add_option("ROUTE", to.why.route, "the route, as the configuration names it");
  why->add_flag("--table", to.why.table, "print the diagnosis tables instead; asks no daemon");
  why->add_flag("--json", to.why.json, "for programs: the daemon's /v1/why/ROUTE");
  add_control(*why, to);
  why->callback([&to] {
    if (to.why.route.empty() && !to.why.table) throw CLI::RequiredError("ROUTE");
  });
  why->footer(
      "Examples:\n"
      "  pointsman why bud\n"
      "  pointsman why --table\n"
      "  pointsman why bud --json | jq '.guards[] | select(.allow | not)'");

  auto* incidents = app.add_subcommand("incidents", "List incidents, or tell the story of one");
  incidents->add_option("ID", to.incidents.id, "its number; without one: a list")
      ->check(CLI::NonNegativeNumber);
  incidents->add_option("-n,--limit", to.incidents.limit, "how many")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  incidents->add_flag("--json", to.incidents.json, "for programs: the daemon's /v1/incidents");
  add_control(*incidents, to);
  incidents->footer(
      "The open ones come first, then the newest.\n\n"
      "Examples:\n"
      "  pointsman incidents\n"
      "  pointsman incidents 12        what happened, T0 to T9, what may be lost, what is left to "
      "do\n"
      "  pointsman incidents 12 --json | jq .rto_ms");

  auto* events = app.add_subcommand("events", "Print what has happened, and what happens");
  events->add_flag("-f,--follow", to.events.follow, "go on with each new one, until Ctrl-C");
  events->add_option("--since", to.events.since, "those after this number")
      ->type_name("SEQ")
      ->check(CLI::NonNegativeNumber);
  events->add_option("-n,--limit", to.events.limit, "how many of those that there are")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  events->add_flag("--json", to.events.json, "for programs: one object a line");
  add_control(*events, to);
  events->footer(
      "Examples:\n"
      "  pointsman events\n"
      "  pointsman events --follow\n"
      "  pointsman events --follow --json | jq 'select(.kind == \"decision\")'");
}

void add_operating(CLI::App& app, Arguments& to) {
  add_switch(app, to);
  add_modes(app, to);
  add_flags(app, to);
  add_answers(app, to);
  auto* reload = app.add_subcommand("reload", "Let the daemon read its configuration again");
  add_control(*reload, to);
  reload->footer(
      "A bad file changes nothing: its errors are printed, and the exit is 78.\n\n"
      "Examples:\n"
      "  pointsman check && pointsman reload");
}

}  // namespace pointsman
