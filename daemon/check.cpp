#include "daemon/check.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "daemon/app.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/report.hpp"

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
                const Config* config) {
  boost::json::object out{
      {"ok", errors.empty()}, {"errors", list(errors, false)}, {"warnings", list(warnings, true)}};
  if (config) out["configuration"] = describe_json(*config);
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

int check_config(const std::filesystem::path& file, CheckOutput output, Strictness strictness) {
  auto loaded = load_config(file);
  const auto* failure = std::get_if<LoadFailure>(&loaded);
  const Config* config = std::get_if<Config>(&loaded);
  const std::vector<Diagnostic> none;
  const auto& errors = failure ? failure->errors : none;
  const auto& warnings = failure ? failure->warnings : config->warnings;
  if (output == CheckOutput::json) {
    print_json(errors, warnings, config);
  } else {
    print_text(errors, warnings, config);
  }
  const bool strict = strictness == Strictness::warnings_are_errors;
  return !errors.empty() || (strict && !warnings.empty()) ? exit_config : exit_fine;
}

}  // namespace pointsman
