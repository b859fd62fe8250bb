// A command as a notifier: argv without a shell, the alert in its environment, exit code 0 is told.
//
// Standard input is /dev/null, as of every Child. At the deadline its process group is killed. One
// that can not be killed (its own call hangs in the kernel) holds up the next try, not the loop.
#include <unistd.h>

#include <fmt/format.h>

#include "daemon/notify/sender.hpp"
#include "probes/child.hpp"
#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/exec.hpp"

namespace pointsman {
namespace {

constexpr const char* search_path =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::chrono::milliseconds reap_limit{200};

asio::awaitable<std::optional<ChildEnd>> async_end(std::shared_ptr<Child> child) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_return co_await child->async_wait();
}

class ExecSender final : public Sender {
 public:
  ExecSender(ExecSpec spec, ProberServices services) : spec_(std::move(spec)), services_(services) {
    for (const auto& [name, value] : spec_.environment) {
      if (value.reveal().size() >= min_redacted) secrets_.push_back(value);
    }
    if (spec_.user.empty()) return;
    const auto user = find_user(spec_.user);
    if (!user) {
      unusable_ = user.error().message;
    } else if (::geteuid() == 0) {
      user_ = user.value();
    } else if (user.value().uid != ::geteuid()) {
      unusable_ = fmt::format("only root may run a command as {}", spec_.user);
    }
  }

  asio::awaitable<Delivered> async_send(const OutboxEntry& entry,
                                        const MessageContext& context) override {
    Delivered delivered;
    if (!unusable_.empty()) {
      delivered.message = unusable_;
      co_return delivered;
    }
    if (unreaped_ && !unreaped_->is_reaped()) {
      delivered.message =
          fmt::format("process {} of an earlier try can not be killed", unreaped_->pid());
      co_return delivered;
    }
    unreaped_.reset();
    auto child = Child::start(services_.executor, child_spec(entry, context));
    if (!child) {
      delivered.message = fmt::format("cannot start {}: {}", name(), child.error().message);
      co_return delivered;
    }
    const auto end = co_await async_until(mono_now() + try_limit, async_end(child.value()));
    if (end) co_return judge(*end);
    child.value()->kill();
    if (!co_await child.value()->async_reap(reap_limit)) unreaped_ = child.value();
    delivered.message =
        fmt::format("{} was not over within {}, killed", name(), duration_text(try_limit));
    co_return delivered;
  }

 private:
  const std::string& name() const { return spec_.command.front(); }

  ChildSpec child_spec(const OutboxEntry& entry, const MessageContext& context) const {
    ChildSpec child;
    child.command = spec_.command;
    child.user = user_;
    child.environment = exec_environment(entry, context);
    bool has_path = false;
    for (const auto& [variable, value] : spec_.environment) {
      has_path = has_path || variable == "PATH";
      child.environment.push_back(variable + "=" + value.reveal());
    }
    if (!has_path) child.environment.emplace_back(search_path);
    return child;
  }

  Delivered judge(const ChildEnd& end) const {
    Delivered delivered;
    std::string line = printable_first_line(redact(end.errors, secrets_));
    if (line.empty()) line = printable_first_line(redact(end.output, secrets_));
    const bool exited = end.how == ChildEnd::How::exited;
    if (exited && end.code == 0) {
      delivered.how = Delivered::How::told;
      delivered.message = fmt::format("{} ended with exit code 0", name());
      return delivered;
    }
    // The words are the probe's; whatever it was, it may be put right.
    delivered.message = exited ? fmt::format("{} ended with exit code {}{}", name(), end.code,
                                             line.empty() ? "" : ": " + line)
                               : judge_exec(end, name(), line).message;
    return delivered;
  }

  const ExecSpec spec_;
  const ProberServices services_;
  std::vector<Secret> secrets_;
  std::optional<UserIds> user_;
  std::string unusable_;
  std::shared_ptr<Child> unreaped_;
};

}  // namespace

std::shared_ptr<Sender> make_exec_sender(ExecSpec spec, ProberServices services) {
  return std::make_shared<ExecSender>(std::move(spec), services);
}

}  // namespace pointsman
