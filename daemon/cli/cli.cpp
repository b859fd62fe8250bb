#include "daemon/cli/cli.hpp"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <fmt/format.h>

#include "daemon/cli/arguments.hpp"
#include "daemon/cli/words.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

constexpr const char* about =
    "Pointsman watches what an application depends on, answers the load balancer, and moves the\n"
    "application to something that works when something fails.";
volatile std::sig_atomic_t interrupts_seen = 0;

/// From the first call on, Ctrl-C is counted and ends nothing.
int count_interrupts() {
  static const bool installed = [] {
    struct sigaction act {};
    act.sa_handler = [](int) { interrupts_seen = interrupts_seen + 1; };
    return ::sigaction(SIGINT, &act, nullptr) == 0;
  }();
  return installed ? interrupts_seen : 0;
}

constexpr const char* exit_codes =
    "Exit: 0 fine (degraded included), 1 unhealthy or refused, 2 usage, 3 no daemon answers,\n"
    "78 configuration.\n\n"
    "A daemon's socket: --control PATH, then POINTSMAN_CONTROL, then listen.control of\n"
    "/etc/pointsman/pointsman.yaml, then /run/pointsman/control.sock.\n\n"
    "`pointsman COMMAND --help` tells more, with examples.";

/// The command that was chosen, and below it, where there is one: "flag set".
struct Chosen {
  std::string name;
  const CLI::App* app = nullptr;
};
Chosen chosen_of(const CLI::App& app) {
  Chosen chosen{{}, &app};
  for (auto below = app.get_subcommands(); !below.empty();
       below = below.front()->get_subcommands()) {
    chosen.app = below.front();
    chosen.name += (chosen.name.empty() ? "" : " ") + chosen.app->get_name();
  }
  return chosen;
}

int explain_usage(const CLI::App& app, const CLI::ParseError& wrong,
                  const std::vector<std::string>& arguments, const Surroundings& around) {
  const auto command = chosen_of(app).name;
  std::string text = wrong.what();
  if (command.empty() && !arguments.empty() && arguments.front().rfind("-", 0) != 0) {
    std::vector<std::string> known;
    for (const auto* one : app.get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(one->get_name());
    }
    const auto meant = nearest_word(arguments.front(), known);
    text = fmt::format("there is no command '{}'{}", printable(arguments.front()),
                       meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant));
  }
  fmt::print(around.err, "pointsman: {}\nSee: pointsman{}{} --help\n", printable(text),
             command.empty() ? "" : " ", command);
  return exit_code::usage;
}

/// The simple ones: what the command line calls them, and the API.
std::string operation_of(const std::string& command) {
  if (command == "flag set") return "flags/set";
  if (command == "flag clear") return "flags/clear";
  if (command == "notify test") return "notify/test";
  return command;
}

int print_version(const CliHooks& hooks, const Surroundings& around) {
  fmt::print(around.out, "pointsman {}{}\n", hooks.version,
             hooks.commit.empty() ? "" : fmt::format(" ({})", hooks.commit));
  return exit_code::fine;
}

int dispatch(const std::string& command, Arguments& given, const CliHooks& hooks,
             const Surroundings& around) {
  if (command == "run") return hooks.run(std::move(given.run));
  if (command == "check") return hooks.check(std::move(given.check));
  if (command == "probe") return hooks.probe(std::move(given.probe));
  if (command == "simulate") return hooks.simulate(std::move(given.simulate));
  if (command == "version") return print_version(hooks, around);
  if (command == "why" && given.why.table) return print_tables(around);
  const auto socket = find_control_socket(given.control, hooks, around);
  if (command == "status") return show_status(socket, given.status, around);
  if (command == "why") return explain_route(socket, given.why, around);
  if (command == "incidents") return show_incidents(socket, given.incidents, around);
  if (command == "events") return show_events(socket, given.events, around);
  if (command == "switch") return switch_route(socket, given.switch_route, around);
  if (command == "flag list") return list_flags(socket, given.operate, around);
  if (command == "reload") return reload(socket, around);
  return operate(socket, operation_of(command), given.operate, around);
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
  add_operating(app, given);
  app.add_subcommand("version", "Print the version")->footer("Example:\n  pointsman version");
  if (arguments.empty()) {
    fmt::print(around.err, "{}", app.help());
    return exit_code::usage;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    fmt::print(around.out, "{}", chosen_of(app).app->help());
    return exit_code::fine;
  } catch (const CLI::ParseError& wrong) {
    return explain_usage(app, wrong, arguments, around);
  }
  return dispatch(chosen_of(app).name, given, hooks, around);
}

namespace {

/// fmt throws where stdio only remembers: the disk below a redirection is full.
int run_cli_or_full(const std::vector<std::string>& arguments, const CliHooks& hooks,
                    const Surroundings& around) {
  try {
    return run_cli(arguments, hooks, around);
  } catch (const std::system_error&) {
    if (std::ferror(stdout) == 0) throw;
    return exit_code::unhealthy;
  }
}

/// Whoever redirects the output must hear that it is not all there.
int written(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  fmt::print(stderr, "pointsman: the output could not be written whole\n");
  return status == exit_code::fine ? exit_code::unhealthy : status;
}

}  // namespace

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
  around.sleep = [](Duration duration) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(duration);
    const timespec time{static_cast<time_t>(whole.count()),
                        static_cast<long>((duration - whole).count())};
    ::nanosleep(&time, nullptr);  // Ctrl-C ends it early
  };
  around.interrupts = count_interrupts;
  return written(run_cli_or_full(std::vector<std::string>(argv + 1, argv + argc), hooks, around));
}

}  // namespace pointsman
