#include "daemon/notify/destination.hpp"

#include <fmt/format.h>

#include "probes/http_call.hpp"

namespace pointsman {
namespace {

std::string address(const HttpSpec& to) {
  return fmt::format("{}\n{}\n{}\n{}\n", to.tls ? "https" : "http", to.host, to.port, to.target);
}

std::string text_of(const AlertmanagerSpec& spec) {
  return address(spec.to);
}
std::string text_of(const PagerdutySpec& spec) {
  return address(spec.to) + spec.routing_key.reveal();
}
std::string text_of(const SlackSpec& spec) {
  return address(spec.to) + (spec.token.empty() ? "hook" : "bot") + "\n" + spec.channel;
}
std::string text_of(const WebhookSpec& spec) {
  return address(spec.to) + spec.to.method;
}
/// Whom a command tells is in its arguments or its environment.
std::string text_of(const ExecSpec& spec) {
  std::string text;
  for (const std::string& argument : spec.command) text += argument + "\n";
  for (const auto& [name, value] : spec.environment) text += name + "=" + value.reveal() + "\n";
  return text;
}

}  // namespace

std::string destination_of(const NotifierSpec& spec) {
  constexpr std::size_t kept = 16;  // hex digits: enough to tell two apart
  const std::string text = std::visit([](const auto& one) { return text_of(one); }, spec);
  const std::string kind(kind_of(spec));
  return hmac_sha256(Secret(text), "destination of " + kind).substr(0, kept);
}

}  // namespace pointsman
