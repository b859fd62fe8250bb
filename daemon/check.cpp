#include "daemon/check.hpp"

#include <csignal>
#include <optional>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "daemon/app.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/live_report.hpp"
#include "daemon/config/report.hpp"
#include "daemon/runtime/live_check.hpp"

namespace pointsman {
namespace {

boost::json::array list(const std::vector<Diagnostic>& diagnostics, bool warning) {
  boost::json::array array;
  for (const Diagnostic& d : diagnostics) {
    array.push_back(boost::json::object{{"severity", warning ? "warning" : "error"},
                                        {"file", d.at.file},
                                        {"line", d.at.line},
                                        {"column", d.at.column},
                                        {"path", d.path},
                                        {"text", d.text}});
  }
  return array;
}

void print_json(const std::vector<Diagnostic>& errors, const std::vector<Diagnostic>& warnings,
                const Config* config, const std::vector<LiveLine>* live) {
  boost::json::object out{
      {"ok", errors.empty()}, {"errors", list(errors, false)}, {"warnings", list(warnings, true)}};
  if (config) out["configuration"] = describe_json(*config);
  if (live) out["live"] = live_json(*live);
  fmt::print("{}\n", boost::json::serialize(out));
}

void print_text(const std::vector<Diagnostic>& errors, const std::vector<Diagnostic>& warnings,
                const Config* config) {
  for (const Diagnostic& d : errors) fmt::print(stderr, "{}\n", to_text(d, false));
  for (const Diagnostic& d : warnings) fmt::print(stderr, "{}\n", to_text(d, true));
  if (config) fmt::print("{}", describe(*config));
  if (!errors.empty())
    fmt::print(stderr, "{} error(s), {} warning(s)\n", errors.size(), warnings.size());
}

}  // namespace

int check_config(const std::filesystem::path& file, CheckOutput output, Strictness strictness,
                 CheckReach reach) {
  auto loaded = load_config(file);
  const auto* failure = std::get_if<LoadFailure>(&loaded);
  const Config* config = std::get_if<Config>(&loaded);
  const std::vector<Diagnostic> none;
  const auto& errors = failure ? failure->errors : none;
  const auto& warnings = failure ? failure->warnings : config->warnings;
  std::optional<std::vector<LiveLine>> live;
  if (config && reach == CheckReach::live) {
    std::signal(SIGPIPE, SIG_IGN);
    live = judge_live(*config, look_live(*config));
  }
  if (output == CheckOutput::json) {
    print_json(errors, warnings, config, live ? &*live : nullptr);
  } else {
    print_text(errors, warnings, config);
    if (live) fmt::print("{}", describe_live(*live));
  }
  const bool strict = strictness == Strictness::warnings_are_errors;
  if (!errors.empty() || (strict && !warnings.empty())) return exit_config;
  const bool unwell = live && (has_level(*live, LiveLevel::error) ||
                               (strict && has_level(*live, LiveLevel::warning)));
  return unwell ? exit_unhealthy : exit_fine;
}

}  // namespace pointsman
