#include "daemon/cli/ask.hpp"

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include "daemon/cli/json_read.hpp"

namespace pointsman {

namespace json = boost::json;

Style style_of(const Surroundings& around) {
  const auto no_color = around.environment("NO_COLOR");
  Style style;
  style.colour = around.terminal && (!no_color || no_color->empty());
  style.columns = around.terminal ? around.columns : 0;
  return style;
}

void complain(const Surroundings& around, const std::string& text) {
  fmt::print(around.err, "pointsman: {}\n", text);
}

std::optional<json::value> parsed(const ControlAnswer& answer, const Surroundings& around) {
  boost::system::error_code failed;
  auto value = json::parse(answer.body, failed);
  if (!failed) return value;
  complain(around,
           fmt::format("the daemon answered with something else than JSON (status {}): is the "
                       "socket that of pointsman?",
                       answer.status));
  return std::nullopt;
}

std::string error_text(const json::value& body, int status) {
  const auto text = text_member(body, "error");
  return text.empty() ? fmt::format("the daemon answered {}", status) : text;
}

int code_of(int status) {
  if (status >= 200 && status < 300) return exit_code::fine;
  return status == 400 ? exit_code::usage : exit_code::unhealthy;
}

Asked asked(const Result<ControlAnswer>& answer, const Surroundings& around) {
  Asked found;
  if (!answer) {
    complain(around, answer.error().message);
    return found;
  }
  found.status = answer.value().status;
  auto body = parsed(answer.value(), around);
  if (!body) return found;
  found.code = code_of(found.status);
  if (found.code != exit_code::fine) complain(around, error_text(*body, found.status));
  found.body = std::move(*body);
  found.text = answer.value().body;
  if (found.text.empty() || found.text.back() != '\n') found.text += '\n';
  return found;
}

}  // namespace pointsman
