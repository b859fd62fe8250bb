#include "daemon/runtime/reload_answer.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "daemon/runtime/log.hpp"

namespace pointsman {
namespace {

bool listens_elsewhere(const Config& before, const Config& after) {
  return after.listen.http != before.listen.http ||
         after.listen.agent_check != before.listen.agent_check ||
         after.listen.control != before.listen.control || after.state_dir != before.state_dir;
}

}  // namespace

bool begins_to_act(const Config& before, const Config& after) {
  return before.policy->mode == Mode::observe && after.policy->mode == Mode::act;
}

CommandAnswer reload_refused(const LoadFailure& failure) {
  boost::json::array errors;
  for (const Diagnostic& d : failure.errors) {
    log_error("reload refused: " + to_text(d, false));
    errors.emplace_back(to_text(d, false));
  }
  boost::json::object answer;
  answer["error"] = "the configuration has errors; nothing was changed";
  answer["errors"] = std::move(errors);
  return {422, std::move(answer)};
}

CommandAnswer reload_done(const Config& before, const Config& after,
                          const std::vector<std::string>& at_once) {
  boost::json::array warnings;
  for (const Diagnostic& d : after.warnings) warnings.emplace_back(to_text(d, true));
  if (listens_elsewhere(before, after)) {
    const std::string text =
        "listen and state_dir are read at the start only: restart to change them";
    log_warn("reload: " + text);
    warnings.emplace_back(text);
  }
  boost::json::object answer;
  answer["reloaded"] = true;
  answer["warnings"] = std::move(warnings);
  if (begins_to_act(before, after)) {
    const std::string text = at_once.empty() ? "reloaded; acts from now on: nothing is to be done"
                                             : "reloaded; acts from now on, and at once:";
    log_info(text);
    boost::json::array lines;
    for (const std::string& line : at_once) {
      log_info("at once: " + line);
      lines.emplace_back(line);
    }
    answer["message"] = text;
    answer["at_once"] = std::move(lines);
  }
  return {200, std::move(answer)};
}

}  // namespace pointsman
