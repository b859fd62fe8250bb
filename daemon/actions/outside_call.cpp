#include "daemon/actions/outside_call.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <boost/beast/core/string.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/dial.hpp"
#include "probes/exec.hpp"
#include "probes/http_secrets.hpp"

namespace pointsman {
namespace {

constexpr const char* search_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A killed process is gone within this, unless its own call hangs in the kernel.
constexpr Duration reap_limit = std::chrono::milliseconds{500};

bool is_wanted(const HttpSpec& spec, int status) {
  return std::any_of(spec.status.begin(), spec.status.end(), [&](const StatusRange& range) {
    return status >= range.from && status <= range.to;
  });
}

/// RFC 9110, 9.2.2: asked for twice, these do what they do once. What is not known may not.
bool is_idempotent(const std::string& method) {
  constexpr std::string_view known[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  return std::find(std::begin(known), std::end(known), method) != std::end(known);
}

/// It says that it did nothing: it can not (501), or it asks to be asked again.
bool says_undone(const HttpCallResult& result) {
  return result.status == 501 || (result.status == 503 && result.header("Retry-After"));
}

std::string with_line(std::string text, const std::string& line) {
  return line.empty() ? std::move(text) : fmt::format("{}: {}", text, line);
}

struct Ended {
  std::optional<ChildEnd> end;
};

asio::awaitable<Ended> async_end_of(std::shared_ptr<Child> child) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Ended ended;
  ended.end = co_await child->async_wait();
  co_return ended;
}

}  // namespace

std::string header_name(std::string_view variable) {
  std::string name = "X-";
  bool is_start = true;
  for (const char c : variable) {
    const auto letter = static_cast<unsigned char>(c);
    name +=
        c == '_' ? '-' : static_cast<char>(is_start ? std::toupper(letter) : std::tolower(letter));
    is_start = c == '_';
  }
  return name;
}

std::vector<std::string> call_environment(const ExecSpec& spec, const CallVariables& variables) {
  std::vector<std::string> environment;
  const auto has = [&](const std::string& name) {
    return std::any_of(environment.begin(), environment.end(),
                       [&](const std::string& entry) { return entry.starts_with(name + "="); });
  };
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  for (const auto& [name, value] : spec.environment) {
    if (!has(name)) environment.push_back(name + "=" + value.reveal());
  }
  if (!has("PATH")) environment.push_back(std::string("PATH=") + search_path);
  return environment;
}

ActReport judge_exec_call(const ChildEnd& end, const std::string& command,
                          const std::string& line) {
  switch (end.how) {
    case ChildEnd::How::exited:
      if (end.code == 0) return {ActionOutcome::ok, with_line(command + " succeeded", line)};
      return {ActionOutcome::failed,
              with_line(fmt::format("{} ended with exit code {}", command, end.code), line)};
    case ChildEnd::How::killed:
      return {ActionOutcome::unknown,
              with_line(fmt::format("{} was ended by signal {}", command, end.code), line)};
    case ChildEnd::How::not_started:
      return {ActionOutcome::failed,
              fmt::format("{} could not be started: {}: {}", command, end.failed_step,
                          std::system_category().message(end.code))};
    case ChildEnd::How::wrote_too_much:
      return {ActionOutcome::unknown, fmt::format("{} was killed: it wrote more than {} MiB",
                                                  command, Child::max_bytes >> 20)};
    case ChildEnd::How::lost:
      break;
  }
  return {ActionOutcome::unknown, fmt::format("how {} ended is not known", command)};
}

ActReport judge_http_call(const HttpSpec& spec, const std::string& shown,
                          const HttpCallResult& result, const std::vector<Secret>& secrets) {
  if (!result.answered()) {
    if (!result.was_sent) return {ActionOutcome::failed, result.message};
    return {ActionOutcome::unknown,
            result.message + "; the request was sent, so what it asks for may have been done"};
  }
  std::string text = fmt::format("{} answered {}", shown, result.status);
  if (is_wanted(spec, result.status)) return {ActionOutcome::ok, text};
  text = with_line(std::move(text), echoed_line(result.body, secrets));
  if (result.status < 500 || is_idempotent(spec.method) || says_undone(result)) {
    return {ActionOutcome::failed, text};
  }
  return {ActionOutcome::unknown, text + "; what it asks for may have been done all the same"};
}

HttpSpec http_call_spec(HttpSpec spec, const CallVariables& variables) {
  const bool takes_body = spec.method == "POST" || spec.method == "PUT" || spec.method == "PATCH";
  for (const auto& [name, value] : variables) {
    spec.headers.emplace_back(header_name(name), Secret(value));
  }
  if (!takes_body || !spec.body.empty()) return spec;
  boost::json::object body;
  for (const auto& [name, value] : variables) body[name] = value;
  spec.body = Secret(boost::json::serialize(body));
  const bool has_type = std::any_of(
      spec.headers.begin(), spec.headers.end(),
      [](const auto& header) { return boost::beast::iequals(header.first, "Content-Type"); });
  if (!has_type) spec.headers.emplace_back("Content-Type", Secret("application/json"));
  return spec;
}

OutsideCall::OutsideCall(ProberServices services, HookSpec spec)
    : services_(services), spec_(std::move(spec)) {
  if (const auto* http = std::get_if<HttpSpec>(&spec_.call)) {
    secrets_ = request_secrets(*http, http->target_secret);
    return;
  }
  const auto& exec = std::get<ExecSpec>(spec_.call);
  for (const auto& [name, value] : exec.environment) {
    if (value.reveal().size() >= min_redacted) secrets_.push_back(value);
  }
  if (exec.command.empty()) unusable_ = "no command is configured";
  if (exec.user.empty()) return;
  const auto user = find_user(exec.user);
  if (!user) {
    unusable_ = user.error().message;
  } else if (::geteuid() == 0) {
    user_ = user.value();
  } else if (user.value().uid != ::geteuid()) {
    unusable_ = fmt::format("only root may run a command as {}", exec.user);
  }
}

OutsideCall::~OutsideCall() = default;

asio::awaitable<ActReport> OutsideCall::async_run(CallVariables variables, MonoTime deadline) {
  if (!unusable_.empty()) co_return ActReport{ActionOutcome::failed, unusable_};
  if (std::holds_alternative<ExecSpec>(spec_.call)) {
    co_return co_await async_exec(std::move(variables), deadline);
  }
  co_return co_await async_http(std::move(variables), deadline);
}

asio::awaitable<ActReport> OutsideCall::async_exec(CallVariables variables, MonoTime deadline) {
  const auto& spec = std::get<ExecSpec>(spec_.call);
  const std::string& command = spec.command.front();
  if (unreaped_ && !unreaped_->is_reaped()) {
    co_return ActReport{ActionOutcome::failed,
                        fmt::format("{} was not run: process {} of an earlier run cannot be killed",
                                    command, unreaped_->pid())};
  }
  unreaped_.reset();
  ChildSpec child_spec;
  child_spec.command = spec.command;
  child_spec.environment = call_environment(spec, variables);
  child_spec.user = user_;
  const MonoTime started = mono_now();
  const auto child = Child::start(services_.executor, child_spec);
  if (!child) {
    co_return ActReport{ActionOutcome::failed,
                        fmt::format("{} could not be started: {}", command, child.error().message)};
  }
  auto work = async_end_of(child.value());
  const Ended ended = co_await async_until(deadline, std::move(work));
  if (ended.end) {
    // Redacted first: a line that is cut short could end within a secret.
    auto line = printable_first_line(redact(ended.end->output, secrets_));
    if (line.empty()) line = printable_first_line(redact(ended.end->errors, secrets_));
    co_return judge_exec_call(*ended.end, command, line);
  }
  child.value()->kill();
  const std::string ran = duration_text(mono_now() - started);
  if (co_await child.value()->async_reap(reap_limit)) {
    co_return ActReport{ActionOutcome::unknown,
                        fmt::format("{} was killed: it had not ended after {}", command, ran)};
  }
  unreaped_ = child.value();
  co_return ActReport{ActionOutcome::unknown,
                      fmt::format("{} had not ended after {}, and process {} cannot be killed",
                                  command, ran, child.value()->pid())};
}

asio::awaitable<ActReport> OutsideCall::async_http(CallVariables variables, MonoTime deadline) {
  HttpSpec spec = http_call_spec(std::get<HttpSpec>(spec_.call), variables);
  if (!spec_.hmac_key.empty()) sign_http(spec, spec_.hmac_key, wall_now());
  HttpRequest request = make_http_request(spec);
  const std::string shown = request.shown;
  const HttpCallResult result = co_await async_http_call(services_, std::move(request), deadline);
  co_return judge_http_call(spec, shown, result, secrets_);
}

}  // namespace pointsman
