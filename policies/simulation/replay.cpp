#include "policies/simulation/replay.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "policies/check_state.hpp"
#include "policies/engine.hpp"
#include "policies/simulation/replay_memory.hpp"
#include "policies/simulation/replay_source.hpp"

namespace pointsman {
namespace {

using std::chrono::seconds;

/// Nothing that began longer ago than this is still waited for by any timer of the policy.
Duration longest_timer(const PolicySet& policy) {
  Duration longest = seconds{120};  // a standby's silence, restart grace, retries of a switch
  const auto more = [&longest](Duration one) { longest = std::max(longest, one); };
  for (const auto& [name, route] : policy.routes) {
    more(route.hold_down);
    more(route.restart_grace);
    more(route.failback.value_or(Duration{0}));
    if (route.promote) more(route.promote->timeout);
  }
  for (const auto& [name, ladder] : policy.recovery) {
    for (const Duration one :
         {ladder.when.hold, ladder.verify_within, ladder.retry_after, ladder.cooldown}) {
      more(one);
    }
    for (const StepPolicy& step : ladder.steps) {
      more(step.timeout * (1 + step.retries));
      more(step.hold.value_or(Duration{0}));
      more(step.verify_within.value_or(Duration{0}));
    }
  }
  return longest + seconds{10};
}

/// Before a change every probe is run a few times, so that the engine meets it as it would have.
Duration run_up(const PolicySet& policy) {
  Duration longest{};
  for (const auto& [name, probe] : policy.probes) {
    if (probe.enabled) longest = std::max({longest, probe.interval, probe.down_interval});
  }
  return 4 * longest + seconds{20};
}

bool is_settled(const ProbeView& probe) {
  switch (probe.state) {
    case State::unknown:
      return !probe.sample.has_value();
    case State::unhealthy:
      return probe.streak < 0 && !probe.flapping;
    default:
      return probe.streak > 0 && !probe.flapping;
  }
}

/// No change is pending and nothing waits for a time.
bool is_calm(const Snapshot& seen) {
  const auto any = [](const auto& map, auto&& is) {
    return std::any_of(map.begin(), map.end(), [&is](const auto& one) { return is(one.second); });
  };
  return !seen.distrusted && !(seen.automation && seen.automation->until) &&
         !any(seen.probes, [](const ProbeView& probe) { return !is_settled(probe); }) &&
         !any(seen.routes, [](const RouteView& route) { return route.switching; }) &&
         !any(seen.ladders, [](const LadderView& ladder) { return ladder.until.has_value(); }) &&
         !any(seen.flags, [](const FlagView& flag) { return flag.until.has_value(); }) &&
         !any(seen.requests,
              [](const RequestView& one) { return one.state == RequestState::running; });
}

/// One life of the daemon, lived again.
class Life {
 public:
  Life(std::shared_ptr<const PolicySet> policy, const HistoryLife& life, ReplayMemory& memory,
       Replayed& result)
      : policy_(std::move(policy)),
        life_(life),
        memory_(memory),
        result_(result),
        source_(life, policy_),
        settle_(longest_timer(*policy_)),
        run_up_(run_up(*policy_)) {}

  void live(ReplayPace pace) {
    step(life_.began, PolicyLoaded{policy_});
    const MemoryRestored remembered = memory_.restored();
    memory_.forget_intents();
    step(life_.began, remembered);
    if (pace == ReplayPace::leave_out_calm) changes_ = source_.changes();
    while (const auto next = take_next()) {
      step(next->at, next->event);
      if (pace == ReplayPace::leave_out_calm) leave_out_calm(next->at);
    }
    for (const auto& [name, probe] : policy_->probes) {
      if (!source_.knows(name)) result_.not_recorded.insert(name);
    }
  }

 private:
  void step(MonoTime at, const Event& event) {
    if (std::holds_alternative<SampleTaken>(event)) ++result_.samples;
    ++result_.steps;
    Decision decision = engine_.step(at, event);
    wake_at_ = decision.wake_at;
    for (Effect& effect : decision.effects) run(at, effect);
    memory_.end(event);
  }

  void run(MonoTime at, const Effect& effect) {
    memory_.take(at, effect);
    std::optional<Answer> answer;
    if (const auto* probe = std::get_if<RunProbe>(&effect)) {
      answer = source_.run(*probe, at);
    } else if (const auto* look = std::get_if<ObserveRoute>(&effect)) {
      answer = source_.observe(*look, at);
    } else if (const auto* record = std::get_if<Record>(&effect)) {
      result_.records.push_back({at, *record});
      last_record_ = at;
    } else {
      answer = source_.act(effect, at);
    }
    if (answer) pending_.emplace(answer->at, std::move(answer->event));
  }

  /// What comes next, if it comes before the end: what was told then, an answer, or a wake.
  std::optional<Answer> take_next() {
    MonoTime at = wake_at_;
    const bool told =
        next_event_ < life_.events.size() && life_.events[next_event_].first <= wake_at_;
    if (told) at = life_.events[next_event_].first;
    if (!pending_.empty() && pending_.begin()->first < at) {
      auto node = pending_.extract(pending_.begin());
      if (node.key() > life_.ended) return std::nullopt;
      return Answer{node.key(), std::move(node.mapped())};
    }
    if (at > life_.ended) return std::nullopt;
    if (told) return Answer{at, life_.events[next_event_++].second};
    return Answer{at, Wake{}};
  }

  void leave_out_calm(MonoTime now) {
    if (now < look_at_ || now - last_record_ < settle_) return;
    look_at_ = now + seconds{1};
    while (next_change_ < changes_.size() && changes_[next_change_] <= now) ++next_change_;
    // What changed last may be on its way to the engine still.
    if (next_change_ > 0 && now - changes_[next_change_ - 1] < run_up_) return;
    const MonoTime until =
        (next_change_ < changes_.size() ? changes_[next_change_] : life_.ended) - run_up_;
    if (until < now + run_up_) {
      look_at_ = until + run_up_;  // nothing to be gained before that change
      return;
    }
    const bool acting = std::any_of(pending_.begin(), pending_.end(), [](const auto& one) {
      return std::holds_alternative<ActionFinished>(one.second) ||
             std::holds_alternative<StepFinished>(one.second);
    });
    if (acting || !is_calm(*engine_.snapshot(now))) return;
    leave_out(until);
  }

  void leave_out(MonoTime until) {
    for (const auto& [sample, times] : source_.pass_to(until)) {
      std::erase_if(pending_, [&sample = sample](const auto& one) {
        const auto* taken = std::get_if<SampleTaken>(&one.second);
        return taken && taken->sample.probe == sample.probe;
      });
      engine_.repeat_sample(sample, times);
      result_.samples += times;
    }
    step(until, Wake{});
  }

  std::shared_ptr<const PolicySet> policy_;
  const HistoryLife& life_;
  ReplayMemory& memory_;
  Replayed& result_;
  Engine engine_;
  ReplaySource source_;
  Duration settle_, run_up_;
  std::multimap<MonoTime, Event> pending_;
  std::size_t next_event_ = 0;
  MonoTime wake_at_{}, last_record_{}, look_at_{};
  std::vector<MonoTime> changes_;
  std::size_t next_change_ = 0;
};

}  // namespace

Replayed replay(const std::shared_ptr<const PolicySet>& policy, const History& history,
                ReplayPace pace) {
  Replayed result;
  ReplayMemory memory;
  for (const HistoryLife& life : history.lives) {
    Life(policy, life, memory, result).live(pace);
  }
  return result;
}

}  // namespace pointsman
