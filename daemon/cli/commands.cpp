#include "daemon/cli/commands.hpp"

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "daemon/cli/ask.hpp"
#include "daemon/cli/control_client.hpp"
#include "daemon/cli/json_read.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/cli/words.hpp"
#include "policies/diagnose.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

constexpr int status_ok = 200;
constexpr int status_not_found = 404;
constexpr int status_unprocessable = 422;

/// Moves to the top and erases what is left of the last picture: no flicker.
std::string redrawn(const std::string& text) {
  std::string picture = "\x1b[H";
  for (const char c : text) {
    if (c == '\n') picture += "\x1b[K";
    picture += c;
  }
  return picture + "\x1b[J";
}

struct Picture {
  int code = exit_code::unreachable;
  std::string text;  ///< the report or the JSON
  std::string error;
};

Picture look(const ControlClient& client, const StatusOptions& options,
             const Surroundings& around) {
  const auto answer = client.get("/v1/status");
  if (!answer) return {exit_code::unreachable, "", answer.error().message};
  const auto status = parsed(answer.value(), around);
  if (!status) return {exit_code::unreachable, "", ""};
  if (answer.value().status != status_ok) {
    return {exit_code::unhealthy, "", error_text(*status, answer.value().status)};
  }
  const bool unhealthy = text_member(*status, "overall") == "unhealthy";
  auto text = answer.value().body;
  if (!options.json) {
    text = status_report(*status, around.now(), style_of(around));
  } else if (text.empty() || text.back() != '\n') {
    text += '\n';
  }
  return {unhealthy ? exit_code::unhealthy : exit_code::fine, std::move(text), ""};
}

int watch_status(const ControlClient& client, const StatusOptions& options,
                 const Surroundings& around) {
  Picture picture;
  const bool draw = around.terminal && !options.json;
  do {
    picture = look(client, options, around);
    if (draw) {
      const auto body = picture.error.empty() ? picture.text : picture.error + "\n";
      fmt::print(around.out, "{}", redrawn(body + "\nevery second; Ctrl-C ends\n"));
    } else if (!picture.error.empty()) {
      complain(around, picture.error);
    } else {
      fmt::print(around.out, "{}{}", picture.text, options.json ? "" : "\n");
    }
    std::fflush(around.out);
  } while (around.pause());
  return picture.code;
}

std::string known_routes(const ControlClient& client, const std::string& asked) {
  const auto answer = client.get("/v1/status");
  if (!answer) return {};
  boost::system::error_code failed;
  const auto status = json::parse(answer.value().body, failed);
  if (failed) return {};
  std::vector<std::string> names;
  const auto& routes = member(status, "routes");
  if (routes.is_object()) {
    for (const auto& [name, route] : routes.get_object()) {
      names.push_back(printable(std::string_view(name)));
    }
  }
  if (names.empty()) return "; the configuration has no routes";
  const auto meant = nearest_word(asked, names);
  return (meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant)) +
         std::string(meant.empty() ? "; " : " ") + "known: " + join(names, ", ");
}

}  // namespace

std::string find_control_socket(const std::string& from_option, const CliHooks& hooks,
                                const Surroundings& around) {
  if (!from_option.empty()) return from_option;
  if (const auto named = around.environment("POINTSMAN_CONTROL"); named && !named->empty()) {
    return *named;
  }
  if (hooks.control_from_config) {
    if (const auto configured = hooks.control_from_config(); configured && !configured->empty()) {
      return *configured;
    }
  }
  return default_control_socket;
}

int show_status(const std::string& socket, const StatusOptions& options,
                const Surroundings& around) {
  const ControlClient client(socket);
  if (options.watch) return watch_status(client, options, around);
  const auto picture = look(client, options, around);
  if (!picture.error.empty()) complain(around, picture.error);
  fmt::print(around.out, "{}", picture.text);
  return picture.code;
}

int explain_route(const std::string& socket, const WhyOptions& options,
                  const Surroundings& around) {
  const ControlClient client(socket);
  const auto answer = client.get("/v1/why/" + percent_encoded(options.route));
  if (!answer) {
    complain(around, answer.error().message);
    return exit_code::unreachable;
  }
  if (answer.value().status == status_not_found) {
    complain(around, fmt::format("there is no route '{}'{}", printable(options.route),
                                 known_routes(client, options.route)));
    return exit_code::unhealthy;
  }
  const auto why = parsed(answer.value(), around);
  if (!why) return exit_code::unreachable;
  if (answer.value().status != status_ok) {
    complain(around, error_text(*why, answer.value().status));
    return exit_code::unhealthy;
  }
  if (options.json) {
    fmt::print(around.out, "{}", answer.value().body);
  } else {
    fmt::print(around.out, "{}", why_report(*why, around.now(), style_of(around)));
  }
  return exit_code::fine;
}

int print_tables(const Surroundings& around) {
  fmt::print(around.out, "{}", print_diagnosis_table());
  return exit_code::fine;
}

int reload(const std::string& socket, const Surroundings& around) {
  const auto answer = ControlClient(socket).post("/v1/reload");
  if (!answer) {
    complain(around, answer.error().message);
    return exit_code::unreachable;
  }
  const auto body = parsed(answer.value(), around);
  if (!body) return exit_code::unreachable;
  for (const auto& warning : texts_member(*body, "warnings")) {
    fmt::print(around.err, "{}\n", warning);
  }
  if (answer.value().status == status_ok) {
    const auto message = text_member(*body, "message");
    fmt::print(around.out, "{}\n", message.empty() ? "reloaded" : message);
    for (const auto& act : texts_member(*body, "at_once")) {
      fmt::print(around.out, "  {}\n", act);
    }
    return exit_code::fine;
  }
  const auto errors = texts_member(*body, "errors");
  for (const auto& error : errors) fmt::print(around.err, "{}\n", error);
  complain(around,
           "not reloaded, nothing has changed: " + error_text(*body, answer.value().status));
  return answer.value().status == status_unprocessable || !errors.empty() ? exit_code::configuration
                                                                          : exit_code::unhealthy;
}

}  // namespace pointsman
