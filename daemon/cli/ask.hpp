// What the commands that talk to a daemon share: one question, its answer as JSON, and the exit
// code where there is none. Says on the error stream what went wrong. Blocks; main thread.
#pragma once

#include <optional>
#include <string>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "daemon/cli/cli.hpp"
#include "daemon/cli/control_client.hpp"
#include "daemon/cli/table.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

Style style_of(const Surroundings& around);
/// "pointsman: TEXT" on the error stream.
void complain(const Surroundings& around, const std::string& text);

/// The answer's JSON; nothing, and said why, when there is none.
std::optional<boost::json::value> parsed(const ControlAnswer& answer, const Surroundings& around);
/// The daemon's own words, else its status.
std::string error_text(const boost::json::value& body, int status);

/// A question and what became of it. With `code` fine `body` is the answer, of a status below 300;
/// else it was said what went wrong.
struct Asked {
  int code = exit_code::unreachable;
  int status = 0;
  boost::json::value body;
  std::string text;  ///< the body as it came, with a line feed at its end
};
Asked asked(const Result<ControlAnswer>& answer, const Surroundings& around);

/// 400 is a wrong argument (2), all else that is no success a refusal (1).
int code_of(int status);

}  // namespace pointsman
