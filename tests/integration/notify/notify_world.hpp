// Notifiers on a loop of their own, with an outbox that outlives them, as the journal does: a test
// kills one world, without a word to it, and starts the next from what was put.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>

#include "daemon/notify/notifiers.hpp"
#include "probes/clock.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman::test {

/// What was put and not removed.
class Outbox {
 public:
  OutboxStore store() {
    OutboxStore made;
    made.put = [this](const NotifierName& notifier, IncidentId incident, const std::string& text) {
      rows_[{notifier, incident}] = text;
      ++puts;
    };
    made.remove = [this](const NotifierName& notifier, IncidentId incident) {
      rows_.erase({notifier, incident});
    };
    if (holds_up) made.async_put = holds_up;
    return made;
  }
  std::vector<OutboxRow> rows() const {
    std::vector<OutboxRow> all;
    for (const auto& [key, text] : rows_) all.push_back({key.first, key.second, text});
    return all;
  }
  std::size_t size() const { return rows_.size(); }
  int puts = 0;
  /// What an entry's first try waits for; empty: nothing.
  std::function<asio::awaitable<void>(NotifierName, IncidentId, std::string)> holds_up;

 private:
  std::map<std::pair<NotifierName, IncidentId>, std::string> rows_;
};

class World {
 public:
  using Specs = std::map<NotifierName, NotifierSpec>;

  /// `loop` may be shared with receivers, which outlive the world.
  World(asio::io_context& loop, Outbox& outbox, const Specs& specs)
      : loop_(loop), resolver_(loop.get_executor()) {
    NotifySurroundings around{
        {loop.get_executor(), resolver_, tls_}, "web-1", outbox.store(), {}, {}, {}};
    around.spawn = [this](asio::awaitable<void> task) { spawn(std::move(task)); };
    around.random = [] { return 0.5; };
    around.warn = [this](const std::string& line) { warnings.push_back(line); };
    notifiers = std::make_unique<Notifiers>(std::move(around));
    notifiers->configure(specs);
  }
  /// As the daemon stops: tasks are cancelled and awaited. For a kill, copy the outbox before.
  ~World() {
    for (auto task = tasks_.begin(); task != tasks_.end();) {
      const auto current = task++;  // a task may end, and leave the list, inside emit
      current->signal.emit(asio::cancellation_type::terminal);
    }
    run_until("the tasks ended", [this] { return tasks_.empty(); });
  }

  /// Runs the loop until it is true; throws "not within ...".
  void run_until(std::string_view what, const std::function<bool()>& is_true,
                 std::chrono::milliseconds limit = std::chrono::seconds{15}) {
    const MonoTime end = mono_now() + limit;
    while (!is_true()) {
      if (mono_now() > end) throw std::runtime_error("not within the limit: " + std::string(what));
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds{10});
    }
  }
  void run_for(std::chrono::milliseconds time) {
    const MonoTime end = mono_now() + time;
    run_until("time", [end] { return mono_now() >= end; });
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(loop_, async_store(std::move(work), result), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    run_until("a result", [&result] { return result.has_value(); });
    return std::move(*result);
  }

  NotifierStatus status(const std::string& name) const {
    return notifiers->status().at(NotifierName(name));
  }
  ProberServices services() { return {loop_.get_executor(), resolver_, tls_}; }
  std::size_t running() const { return tasks_.size(); }

  std::unique_ptr<Notifiers> notifiers;
  std::vector<std::string> warnings;

 private:
  struct Task {
    asio::cancellation_signal signal;
  };
  template <class T>
  static asio::awaitable<void> async_store(asio::awaitable<T> work, std::optional<T>& result) {
    result.emplace(co_await std::move(work));
  }
  void spawn(asio::awaitable<void> task) {
    tasks_.emplace_back();
    const auto self = std::prev(tasks_.end());
    asio::co_spawn(
        loop_, std::move(task),
        asio::bind_cancellation_slot(self->signal.slot(), [this, self](std::exception_ptr error) {
          tasks_.erase(self);
          if (error) std::rethrow_exception(error);
        }));
  }

  asio::io_context& loop_;
  Resolver resolver_;
  TlsContexts tls_;
  std::list<Task> tasks_;
};

inline Alert alert_for(const std::string& notifier, std::uint64_t incident = 7) {
  Alert alert;
  alert.notifier = NotifierName(notifier);
  alert.incident = IncidentId{incident};
  alert.alertname = "PointsmanIncident";
  alert.subject = "database";
  alert.severity = Severity::critical;
  alert.starts = mono_now() - std::chrono::seconds{5};
  alert.summary = "database is unhealthy: the primary is dead";
  alert.annotations = {{"cause", "primary_dead"}, {"asked", "look at replica-1"}};
  return alert;
}
inline Alert resolved(Alert alert) {
  alert.state = AlertState::resolved;
  alert.summary = "database is healthy again";
  return alert;
}

}  // namespace pointsman::test
