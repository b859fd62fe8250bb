#include "daemon/cli/cli.hpp"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "daemon/cli/commands.hpp"
#include "daemon/cli/words.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

constexpr const char* about =
    "Pointsman watches what an application depends on, answers the load balancer, and moves the\n"
    "application to something that works when something fails.";
constexpr const char* exit_codes =
    "Exit: 0 fine (degraded included), 1 unhealthy or refused, 2 usage, 3 no daemon answers,\n"
    "78 configuration.\n\n"
    "A daemon's socket: --control PATH, then POINTSMAN_CONTROL, then listen.control of\n"
    "/etc/pointsman/pointsman.yaml, then /run/pointsman/control.sock.\n\n"
    "`pointsman COMMAND --help` tells more, with examples.";

/// Everything that the arguments can fill in.
struct Arguments {
  RunOptions run;
  CheckOptions check;
  ProbeOptions probe;
  StatusOptions status;
  WhyOptions why;
  std::string control;
};

void add_control(CLI::App& command, Arguments& to) {
  command.add_option("--control", to.control, "the daemon's control socket")->type_name("PATH");
}

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
  check->footer(
      "Prints inferred scopes and, for each route, how long detecting and recovering takes.\n\n"
      "Examples:\n"
      "  pointsman check\n"
      "  pointsman check --strict ./pointsman.yaml     in a pipeline\n"
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
  why->add_option("ROUTE", to.why.route, "the route, as the configuration names it")->required();
  why->add_flag("--json", to.why.json, "for programs: the daemon's /v1/why/ROUTE");
  add_control(*why, to);
  why->footer(
      "Examples:\n"
      "  pointsman why bud\n"
      "  pointsman why bud --json | jq '.guards[] | select(.allow | not)'");

  auto* reload = app.add_subcommand("reload", "Let the daemon read its configuration again");
  add_control(*reload, to);
  reload->footer(
      "A bad file changes nothing: its errors are printed, and the exit is 78.\n\n"
      "Examples:\n"
      "  pointsman check && pointsman reload");

  app.add_subcommand("version", "Print the version")->footer("Example:\n  pointsman version");
}

std::string name_of(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? "" : chosen.front()->get_name();
}

int explain_usage(const CLI::App& app, const CLI::ParseError& wrong,
                  const std::vector<std::string>& arguments, const Surroundings& around) {
  const auto command = name_of(app);
  std::string text = wrong.what();
  if (command.empty() && !arguments.empty() && arguments.front().rfind("-", 0) != 0) {
    std::vector<std::string> known;
    for (const auto* one : app.get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(one->get_name());
    }
    const auto meant = nearest(arguments.front(), known);
    text = fmt::format("there is no command '{}'{}", printable(arguments.front()),
                       meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant));
  }
  fmt::print(around.err, "pointsman: {}\nSee: pointsman{}{} --help\n", printable(text),
             command.empty() ? "" : " ", command);
  return exit_code::usage;
}

int dispatch(const std::string& command, Arguments& given, const CliHooks& hooks,
             const Surroundings& around) {
  if (command == "run") return hooks.run(std::move(given.run));
  if (command == "check") return hooks.check(std::move(given.check));
  if (command == "probe") return hooks.probe(std::move(given.probe));
  if (command == "version") {
    fmt::print(around.out, "pointsman {}{}\n", hooks.version,
               hooks.commit.empty() ? "" : fmt::format(" ({})", hooks.commit));
    return exit_code::fine;
  }
  const auto socket = find_control_socket(given.control, hooks, around);
  if (command == "status") return show_status(socket, given.status, around);
  if (command == "why") return explain_route(socket, given.why, around);
  return reload(socket, around);
}

}  // namespace

int run_cli(const std::vector<std::string>& arguments, const CliHooks& hooks,
            const Surroundings& around) {
  CLI::App app(about, "pointsman");
  Arguments given;
  app.require_subcommand(1);
  app.footer(exit_codes);
  add_hooked(app, given);
  add_asking(app, given);
  if (arguments.empty()) {
    fmt::print(around.err, "{}", app.help());
    return exit_code::usage;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    fmt::print(around.out, "{}", chosen.empty() ? app.help() : chosen.front()->help());
    return exit_code::fine;
  } catch (const CLI::ParseError& wrong) {
    return explain_usage(app, wrong, arguments, around);
  }
  return dispatch(name_of(app), given, hooks, around);
}

int run_cli(int argc, char** argv, const CliHooks& hooks) {
  Surroundings around;
  around.terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (around.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
    around.columns = size.ws_col;
  around.environment = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
  around.now = wall_now;
  around.pause = [] {
    const timespec second{1, 0};
    return ::nanosleep(&second, nullptr) == 0;
  };
  return run_cli(std::vector<std::string>(argv + 1, argv + argc), hooks, around);
}

}  // namespace pointsman
