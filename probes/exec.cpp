#include "probes/exec.hpp"

#include <unistd.h>

#include <csignal>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"

namespace pointsman {
namespace {

constexpr const char* search_path =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A killed process is gone within this, unless its own call hangs in the kernel.
constexpr std::chrono::milliseconds reap_limit{200};

/// The length of the valid UTF-8 sequence at the start, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xC2 && first < 0xE0 ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

bool is_control(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;  // C1 controls
}

std::string printable(std::string_view line) {
  std::string text;
  while (!line.empty() && text.size() < max_first_line) {
    const auto length = utf8_length(line);
    const auto sequence = line.substr(0, length == 0 ? 1 : length);
    line.remove_prefix(sequence.size());
    if (length == 0 || text.size() + length > max_first_line) continue;
    if (sequence == "\t") {
      text.push_back(' ');
    } else if (!is_control(sequence)) {
      text.append(sequence);
    }
  }
  const auto end = text.find_last_not_of(' ');
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

Finding inconclusive(Reason reason, std::string message, ExecFacts facts = {}) {
  return {Outcome::inconclusive, reason, std::move(message), std::move(facts)};
}

class ExecProber final : public Prober {
 public:
  ExecProber(const ProbeName& name, const ExecSpec& spec, ProberServices services);
  asio::awaitable<Finding> async_run(RunContext& context) override;

 private:
  asio::awaitable<Finding> async_kill(std::shared_ptr<Child> child, MonoTime started);

  ChildSpec child_;
  std::vector<Secret> secrets_;
  std::string unusable_;  // why the user cannot be had
  asio::any_io_executor executor_;
  std::shared_ptr<Child> unreaped_;
};

ExecProber::ExecProber(const ProbeName& name, const ExecSpec& spec, ProberServices services)
    : executor_(services.executor) {
  child_.command = spec.command;
  child_.environment = {search_path, "POINTSMAN_PROBE=" + name.text};
  for (const auto& [key, value] : spec.environment) {
    if (key == "PATH") child_.environment.front() = "PATH=" + value.reveal();
    if (key != "PATH") child_.environment.push_back(key + "=" + value.reveal());
    if (value.reveal().size() >= min_redacted) secrets_.push_back(value);
  }
  if (spec.user.empty()) return;
  const auto user = find_user(spec.user);
  if (!user) {
    unusable_ = user.error().message;
  } else if (::geteuid() == 0) {
    child_.user = user.value();
  } else if (user.value().uid != ::geteuid()) {
    unusable_ = fmt::format("only root may run a command as {}", spec.user);
  }
}

asio::awaitable<Finding> ExecProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (!unusable_.empty()) co_return inconclusive(Reason::prober_error, unusable_);
  if (unreaped_ && !unreaped_->is_reaped()) {
    co_return Finding{
        Outcome::fail,
        Reason::stuck,
        fmt::format("process {} of an earlier run cannot be killed", unreaped_->pid()),
        {}};
  }
  unreaped_.reset();
  const MonoTime started = mono_now();
  auto child = Child::start(executor_, child_);
  if (!child) co_return inconclusive(Reason::prober_error, child.error().message);
  context.tell(
      fmt::format("started {} as process {}", child_.command.front(), child.value()->pid()));
  const auto end = co_await child.value()->async_wait();
  if (!end) co_return co_await async_kill(child.value(), started);

  // Redacted first: a line that is cut short could end within a secret.
  auto line = printable_first_line(redact(end->output, secrets_));
  if (line.empty()) line = printable_first_line(redact(end->errors, secrets_));
  co_return judge_exec(*end, child_.command.front(), line);
}

asio::awaitable<Finding> ExecProber::async_kill(std::shared_ptr<Child> child, MonoTime started) {
  child->kill();
  const std::chrono::duration<double> ran = mono_now() - started;
  Finding finding{Outcome::fail, Reason::timeout,
                  fmt::format("no end after {:.1f} s, killed", ran.count()), ExecFacts{}};
  if (co_await child->async_reap(reap_limit)) co_return finding;
  unreaped_ = child;
  finding.reason = Reason::stuck;
  finding.message = fmt::format("no end after {:.1f} s, and process {} cannot be killed",
                                ran.count(), child->pid());
  co_return finding;
}

}  // namespace

std::string printable_first_line(std::string_view output) {
  while (!output.empty()) {
    const auto end = output.find('\n');
    auto line = printable(output.substr(0, end));
    if (!line.empty() || end == std::string_view::npos) return line;
    output.remove_prefix(end + 1);
  }
  return {};
}

std::string redact(std::string text, const std::vector<Secret>& secrets) {
  constexpr std::string_view instead = "***";
  for (const auto& secret : secrets) {
    if (secret.empty()) continue;
    for (auto at = text.find(secret.reveal()); at != std::string::npos;
         at = text.find(secret.reveal(), at + instead.size())) {
      text.replace(at, secret.reveal().size(), instead);
    }
  }
  return text;
}

Finding judge_exec(const ChildEnd& end, const std::string& command, const std::string& line) {
  ExecFacts facts{std::nullopt, line};
  switch (end.how) {
    case ChildEnd::How::not_started:
      return inconclusive(Reason::exec_failed,
                          fmt::format("cannot start {}: {}: {}", command, end.failed_step,
                                      std::system_category().message(end.code)));
    case ChildEnd::How::killed:
      return inconclusive(Reason::exec_failed,
                          fmt::format("ended by SIG{}", ::sigabbrev_np(end.code) != nullptr
                                                            ? ::sigabbrev_np(end.code)
                                                            : std::to_string(end.code)),
                          std::move(facts));
    case ChildEnd::How::wrote_too_much:
      return inconclusive(Reason::exec_failed,
                          fmt::format("wrote more than {} MiB, killed", Child::max_bytes >> 20),
                          std::move(facts));
    case ChildEnd::How::lost:
      return inconclusive(Reason::prober_error, "its exit code went to somebody else",
                          std::move(facts));
    case ChildEnd::How::exited:
      break;
  }
  facts.exit_code = end.code;
  auto message = line.empty() ? fmt::format("exit code {}", end.code) : line;
  switch (end.code) {
    case 0:
      return {Outcome::pass, Reason::ok, std::move(message), std::move(facts)};
    case 1:
      return {Outcome::warn, Reason::exec_failed, std::move(message), std::move(facts)};
    case 2:
      return {Outcome::fail, Reason::exec_failed, std::move(message), std::move(facts)};
    default:
      return inconclusive(Reason::exec_failed,
                          line.empty() ? message : fmt::format("exit code {}: {}", end.code, line),
                          std::move(facts));
  }
}

std::unique_ptr<Prober> make_exec_prober(const ProbeName& name, const ExecSpec& spec,
                                         ProberServices services) {
  return std::make_unique<ExecProber>(name, spec, services);
}

}  // namespace pointsman
