// The intents of one act. They share its fate: the outcome is written for each that was made.
//
// On the loop's thread. Each step of an act is an intent of its own, since the journal keeps what
// it was given first under an id. A step is over once the next one is durable, so that a kill
// between the two leaves both, never none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/adapter.hpp"
#include "daemon/journal/journal.hpp"
#include "daemon/runtime/task_group.hpp"

namespace pointsman {

class ActIntents : public std::enable_shared_from_this<ActIntents> {
 public:
  /// `subject`: the route or ladder. Held by shared_ptr alone.
  ActIntents(const TaskGroup& tasks, Journal& journal, std::string subject)
      : tasks_(tasks), journal_(journal), subject_(std::move(subject)) {}

  /// A chain of steps of one kind; those of another kind, or of another pooler, are another chain.
  Intend of_kind(std::string kind);
  /// What a stop of the daemon cut short is left to the next start as a kill leaves it: an outcome
  /// would say that it is over, and nobody would look at what may still happen.
  void end(ActionOutcome outcome, const std::string& message);

 private:
  using Id = std::shared_ptr<std::uint64_t>;
  static asio::awaitable<void> async_make(std::shared_ptr<ActIntents> self, std::string kind,
                                          Id last, std::string steps);

  const TaskGroup& tasks_;
  Journal& journal_;
  const std::string subject_;
  std::vector<std::uint64_t> made_;
};

}  // namespace pointsman
