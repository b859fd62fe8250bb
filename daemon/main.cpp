// The executable: the command line, joined with what needs the configuration or is the daemon. The
// daemon starts it once more to look at file systems (probes/mount_worker.hpp).
#include <string_view>

#include "daemon/app.hpp"
#include "daemon/check.hpp"
#include "daemon/cli/cli.hpp"
#include "daemon/config/config.hpp"
#include "daemon/probe_once.hpp"
#include "daemon/simulate.hpp"
#include "daemon/version.hpp"
#include "probes/mount_worker.hpp"

namespace {

using namespace pointsman;

/// Without its secrets: whoever asks for the status need not be able to read them.
std::optional<std::string> control_from_config() {
  const auto loaded = load_config(default_config_file, SecretUse::ignored);
  const auto* config = std::get_if<Config>(&loaded);
  if (config == nullptr) return std::nullopt;
  return config->listen.control;
}

int check(const CheckOptions& given) {
  return check_config(
      given.file, given.json ? CheckOutput::json : CheckOutput::text,
      given.strict ? Strictness::warnings_are_errors : Strictness::warnings_are_fine,
      given.live ? CheckReach::live : CheckReach::file_only);
}

int simulate(const SimulateOptions& given) {
  const auto output = given.json ? SimulateOutput::json : SimulateOutput::text;
  if (!given.history.empty()) {
    return simulate_history({given.config, given.history, given.since, given.all, output});
  }
  std::optional<std::filesystem::path> config;
  if (!given.config.empty()) config = given.config;
  return simulate_scenarios({given.scenarios.begin(), given.scenarios.end()}, config, output);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == MountWorker::argument) return MountWorker::run();
  CliHooks hooks;
  hooks.run = [](const RunOptions& given) { return run_daemon(given.config); };
  hooks.check = check;
  hooks.probe = [](const ProbeOptions& given) {
    return probe_once({given.config, given.name, given.verbose, given.json});
  };
  hooks.simulate = simulate;
  hooks.control_from_config = control_from_config;
  hooks.version = version_text;
  hooks.commit = version_commit;
  return run_cli(argc, argv, hooks);
}
