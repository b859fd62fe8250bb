// The command line: reads the arguments, runs what was asked for and gives the exit code.
//
// `run`, `check`, `probe` and `simulate` are given by daemon/main as hooks; the others are here and
// talk to a daemon over its control socket. Nothing here knows the configuration, the engine or the
// journal (but for the diagnosis tables, which `why --table` prints). CLI11 is used in this folder
// only. Runs on the main thread and may block: each request to a daemon ends within
// ControlClient::patience.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "policies/model/time.hpp"

namespace pointsman {

/// SPEC section 12.
namespace exit_code {
inline constexpr int fine = 0;       ///< degraded included
inline constexpr int unhealthy = 1;  ///< or refused
inline constexpr int usage = 2;
inline constexpr int unreachable = 3;     ///< no daemon answers
inline constexpr int configuration = 78;  ///< EX_CONFIG
}  // namespace exit_code

inline constexpr const char* default_config_file = "/etc/pointsman/pointsman.yaml";
inline constexpr const char* default_control_socket = "/run/pointsman/control.sock";

struct RunOptions {
  std::string config = default_config_file;
};
struct CheckOptions {
  std::string file = default_config_file;
  bool json = false;
  bool strict = false;  ///< warnings are errors: 78
  bool live = false;    ///< also try each connection and right
};
struct ProbeOptions {
  std::string name;
  std::string config = default_config_file;
  bool verbose = false;  ///< step by step
  bool json = false;
};

struct SimulateOptions {
  std::string config;                  ///< empty: the scenario's own
  std::vector<std::string> scenarios;  ///< one at least, or a history
  std::string history;                 ///< a journal.db
  std::string since = "30d";           ///< how far back
  bool all = false;
  bool json = false;
};

/// What the command line calls; each gives the exit code.
struct CliHooks {
  std::function<int(RunOptions)> run;
  std::function<int(CheckOptions)> check;
  std::function<int(ProbeOptions)> probe;
  std::function<int(SimulateOptions)> simulate;
  /// listen.control of the configuration, read without its secrets; nothing when it can not be
  /// read.
  std::function<std::optional<std::string>()> control_from_config;
  std::string version = "unknown";  ///< "0.1.0"
  std::string commit;               ///< empty: not known
};

/// What the command line is in the middle of; replaced by tests.
struct Surroundings {
  std::FILE* out = stdout;
  std::FILE* err = stderr;
  bool terminal = false;  ///< colours, and tables cut to the width
  int columns = 0;        ///< of the terminal; 0: not known, nothing is cut
  std::function<std::optional<std::string>(const char*)> environment;
  std::function<WallTime()> now;
  /// Between two pictures of --watch: waits a second; false ends it.
  std::function<bool()> pause;
  std::function<void(Duration)> sleep;
  /// How often Ctrl-C was pressed since the first call, from which on it ends nothing by itself.
  std::function<int()> interrupts;
};

int run_cli(int argc, char** argv, const CliHooks& hooks);
/// `arguments` without the program's name.
int run_cli(const std::vector<std::string>& arguments, const CliHooks& hooks,
            const Surroundings& surroundings);

}  // namespace pointsman
