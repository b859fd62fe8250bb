#include "policies/simulation/route_checks.hpp"

#include <algorithm>
#include <set>

#include "policies/candidate.hpp"
#include "policies/explain.hpp"
#include "policies/guards.hpp"
#include "policies/route_words.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

/// Good samples of the target in a row after which nobody is in trouble any more.
constexpr int calm_goods = 5;
/// A word of a person or of a ladder that was not carried out by then counts no more.
constexpr Duration word_holds = std::chrono::minutes{2};
/// A promotion that has not come so long after its fence does not come any more.
constexpr Duration fence_counts = std::chrono::minutes{1};
/// Stale is judged when the house is kept, once a second.
constexpr Duration housekeeping_slack = 1100ms;

bool is_repair(SwitchCause cause) {
  return cause == SwitchCause::drift || cause == SwitchCause::adopt || cause == SwitchCause::verify;
}

bool starts_with(const std::string& text, std::string_view with) {
  return std::string_view(text).substr(0, with.size()) == with;
}

/// The word after `before`.
std::string word_after(const std::string& text, std::string_view before) {
  const std::size_t from = text.find(before);
  if (from == std::string::npos) return {};
  const std::size_t begin = from + before.size();
  return text.substr(begin, text.find(' ', begin) - begin);
}

const Sample* find(const std::map<ProbeName, Sample>& samples, const ProbeName& name) {
  const auto it = samples.find(name);
  return it == samples.end() ? nullptr : &it->second;
}

/// After so long without a change everybody has seen how it is.
Duration time_to_see(const RouteSight& sight) {
  Duration longest{};
  for (const ProbeName& name : sight.route.candidates) {
    const auto it = sight.agent.policy->probes.find(name);
    if (it == sight.agent.policy->probes.end()) continue;
    longest = std::max(longest, std::max(it->second.interval, it->second.down_interval) * 11 / 10 +
                                    it->second.timeout);
  }
  return longest + 1s;
}

}  // namespace

void RouteChecks::report(const RouteSight& sight, const char* rule, std::string text) const {
  sight.found.push_back({sight.at, sight.agent.name, rule,
                         "route " + sight.route.name.text + ": " + std::move(text)});
}

// --- what happened -----------------------------------------------------------------------------

void RouteChecks::take(const RouteSight& sight, const Event& event) {
  if (const auto* taken = std::get_if<SampleTaken>(&event)) take_sample(sight, taken->sample);
  if (const auto* ended = std::get_if<SessionEnded>(&event)) {
    if (targets_.size() == 1 && targets_.front() == ended->probe) begin_trouble(sight);
  }
  const auto* observed = std::get_if<RouteObserved>(&event);
  if (observed && observed->route == sight.route.name) {
    std::vector<Endpoint> wanted;
    for (const ProbeName& name : targets_) {
      const auto it = sight.agent.policy->probes.find(name);
      if (it != sight.agent.policy->probes.end() && it->second.endpoint) {
        wanted.push_back(*it->second.endpoint);
      }
    }
    follows_ = std::all_of(observed->poolers.begin(), observed->poolers.end(), [&](const auto& p) {
      return p.reachable && p.addresses == wanted && !p.paused && !p.disabled;
    });
  }
  const auto* finished = std::get_if<ActionFinished>(&event);
  if (finished && finished->route == sight.route.name) take_outcome(sight, *finished);
  const auto* asked = std::get_if<SwitchRequested>(&event);
  if (asked && asked->route == sight.route.name && !asked->dry_run) person_ = *asked;
  if (const auto* restored = std::get_if<MemoryRestored>(&event)) {
    for (const Act& act : acts_) {
      if (act.promotes) doubt_ = Doubt{act.to, sight.agent.now};
    }
    acts_.clear();
    targets_.clear();
    trouble_since_.reset();
    goods_ = 0;
    follows_ = false;
    position_.reset();
    decision_.reset();
    asked_.reset();
    person_.reset();
    last_failure_.reset();
    for (const RouteMemory& memory : restored->routes) {
      if (memory.route == sight.route.name) targets_ = memory.targets;
    }
    const bool fails_still = std::any_of(
        restored->incidents.begin(), restored->incidents.end(), [&](const auto& incident) {
          return incident->id == kept_for_ && incident->state == IncidentState::open;
        });
    // Redis' offsets may begin anew: those of a failure that is over need not be believed.
    const bool believed = fails_still || sight.route.require == Require::writable;
    if (believed && targets_ == kept_.targets) position_ = kept_.position;
  }
}

void RouteChecks::shift(Duration by) {
  if (last_switch_) *last_switch_ += by;
  for (MonoTime& at : promotions_) at += by;
  if (doubt_) doubt_->at += by;
}

void RouteChecks::take_sample(const RouteSight& sight, const Sample& sample) {
  const auto it = sight.agent.conclusive.find(sample.probe);
  const bool counts = it != sight.agent.conclusive.end() && it->second == sample;
  if (counts && doubt_ && doubt_->to == sample.probe && answered(sample.finding)) {
    const bool late = sample.started - doubt_->at >= promotion_settles;
    if (!is_standby(sample.finding) || late) doubt_.reset();
  }
  if (!counts || targets_.size() != 1 || targets_.front() != sample.probe) return;
  if (!fits(sight.route.require, std::nullopt, sample.finding)) {
    begin_trouble(sight);
    return;
  }
  if (const auto position = position_of(sample.finding)) position_ = position;
  ++goods_;
  if (goods_ >= calm_goods && follows_ && acts_.empty()) trouble_since_.reset();
}

void RouteChecks::begin_trouble(const RouteSight& sight) {
  goods_ = 0;
  if (!trouble_since_) trouble_since_ = sight.agent.now;
}

void RouteChecks::take_outcome(const RouteSight& sight, const ActionFinished& finished) {
  const auto it = std::find_if(acts_.begin(), acts_.end(),
                               [&](const Act& act) { return act.id == finished.id; });
  if (it == acts_.end()) return;
  const Act act = *it;
  acts_.erase(it);
  const bool ok = finished.outcome == ActionOutcome::ok;
  if (act.fences) {
    if (decision_ && ok) decision_ = Decision{decision_->to, sight.agent.now, true};
    if (!ok) decision_.reset();  // what rested on it is over
    return;
  }
  if (ok && !act.promotes && !act.repairs) last_switch_ = sight.agent.now;
  if (ok) {
    last_failure_.reset();
  } else if (!act.planned) {
    last_failure_ = sight.agent.now;
  }
  if (act.promotes && finished.outcome == ActionOutcome::unknown) {
    doubt_ = Doubt{act.to, sight.agent.now};
  }
}

void RouteChecks::take(const RouteSight& sight, const Effect& effect) {
  if (const auto* record = std::get_if<Record>(&effect)) take_record(sight, *record);
  if (const auto* order = std::get_if<SwitchRoute>(&effect)) {
    if (order->route == sight.route.name) check_switch(sight, *order);
  }
  if (const auto* order = std::get_if<PromoteServer>(&effect)) {
    if (order->route == sight.route.name) check_promotion(sight, *order);
  }
  if (const auto* order = std::get_if<SwitchOver>(&effect)) {
    if (order->route != sight.route.name) return;
    check_one_act(sight, order->id);
    if (sight.agent.observes()) report(sight, "hands_off", "a switchover in mode observe");
    begin(sight, {.id = order->id, .promotes = true, .planned = true, .to = order->to.probe});
  }
  if (const auto* stored = std::get_if<StoreIncident>(&effect)) keep(sight, stored->incident);
  if (const auto* order = std::get_if<DemoteServer>(&effect)) {
    if (order->route == sight.route.name) check_demotion(sight, *order);
  }
  if (const auto* order = std::get_if<RunHook>(&effect)) {
    if (order->route == sight.route.name) check_hook(sight, *order);
  }
}

/// From its opening on, an incident's route is remembered with what was last seen of its target.
void RouteChecks::keep(const RouteSight& sight, const Incident& story) {
  const bool own = story.subject == to_text(Member{sight.route.name});
  if (!own || story.state != IncidentState::open || story.id == kept_for_) return;
  kept_for_ = story.id;
  kept_ = {targets_, position_};
}

void RouteChecks::take_record(const RouteSight& sight, const Record& record) {
  if (record.subject != sight.route.name.text) return;
  if (const auto* memory = std::get_if<RouteMemory>(&record.memory)) {
    if (targets_ != memory->targets) position_.reset();
    targets_ = memory->targets;
    kept_ = {targets_, position_};
    newest_ = std::max(newest_, memory->timeline);
    if (!memory->system_id.empty()) system_id_ = memory->system_id;
  }
  if (record.kind == RecordKind::operation && starts_with(record.text, "switch to ")) {
    Asked asked;
    asked.to = ProbeName(word_after(record.text, "switch to "));
    const std::string by = word_after(record.text, " asked for by ");
    asked.by_person = !starts_with(by, "ladder") && !starts_with(by, "promote");
    asked.allow_data_loss = asked.by_person && person_ && person_->allow_data_loss;
    asked.at = sight.agent.now;
    asked_ = asked;
  }
  if (record.kind == RecordKind::decision && starts_with(record.text, "promote ")) {
    Decision next{ProbeName(word_after(record.text, "promote ")), sight.agent.now};
    // Behind the fence another may be the best: the same promotion goes on.
    if (decision_ && decision_->fenced && next.at - decision_->at < fence_counts) {
      next.at = decision_->at;
      next.fenced = true;
    }
    decision_ = next;
    check_decision(sight, *decision_);
  }
}

const RouteChecks::Asked* RouteChecks::asked_for(const RouteSight& sight,
                                                 const ProbeName& to) const {
  const bool counts = asked_ && asked_->to == to && sight.agent.now - asked_->at < word_holds;
  return counts ? &*asked_ : nullptr;
}

void RouteChecks::begin(const RouteSight& sight, Act act) {
  act.since = sight.agent.now;
  acts_.push_back(std::move(act));
}

// --- switches ----------------------------------------------------------------------------------

void RouteChecks::check_one_act(const RouteSight& sight, ActionId id) const {
  for (const Act& act : acts_) {
    if (act.id == id) continue;
    report(sight, "one_act", "an act begins while another is under way");
    return;
  }
}

void RouteChecks::check_switch(const RouteSight& sight, const SwitchRoute& order) {
  if (order.to.empty()) return report(sight, "leads_nowhere", "it is to lead to nothing");
  check_one_act(sight, order.id);
  begin(sight, {.id = order.id, .repairs = is_repair(order.cause)});
  if (order.cause == SwitchCause::verify) return;
  const AgentView& agent = sight.agent;
  // Who had it promoted had the route moved there, too.
  const Asked* asked = order.to.empty() ? nullptr : asked_for(sight, order.to.front().probe);
  const bool by_person = order.cause == SwitchCause::request || (asked && asked->by_person);
  const std::string what =
      "switch (" + std::string(to_text(order.cause)) + ") to " + order.to.front().probe.text;
  // Putting right what is in effect is no switch: planned work does not hold it.
  const bool held_by_maintenance = !is_repair(order.cause) && agent.in_maintenance();
  if (agent.observes() || (!by_person && (agent.is_paused() || held_by_maintenance))) {
    report(sight, "hands_off", what + " though " + std::string(agent.hands_off()));
  }
  if (agent.distrust_since && !by_person) {
    for (const ProbeName& name : sight.route.candidates) {
      if (agent.has_run_since(name, *agent.distrust_since)) continue;
      report(sight, "distrust", what + " though " + name.text + " has not run since the distrust");
    }
  }
  if (order.cause == SwitchCause::failback && last_switch_ &&
      agent.now - *last_switch_ < sight.route.hold_down) {
    report(sight, "hold_down", what + " within the hold-down");
  }
  if (last_failure_ && !by_person && order.cause != SwitchCause::recovery &&
      agent.now - *last_failure_ < retry_delay(1)) {
    report(sight, "retry_wait", what + " right after one that failed");
  }
  check_writer(sight, order);
  const bool on_request =
      asked || order.cause == SwitchCause::request || order.cause == SwitchCause::recovery;
  if (!on_request) check_left(sight, order, what);
  std::vector<ProbeName> to;
  for (const SwitchTarget& target : order.to) to.push_back(target.probe);
  if (to != targets_) position_.reset();
  targets_ = std::move(to);
}

/// A write route is led to a server that was seen to take writes, and does.
void RouteChecks::check_writer(const RouteSight& sight, const SwitchRoute& order) {
  if (!wants_the_writer(sight.route.require)) return;
  const ProbeName& name = order.to.front().probe;
  const Sample* sample = find(sight.agent.conclusive, name);
  const auto policy = sight.agent.policy->probes.find(name);
  if (!sample || policy == sight.agent.policy->probes.end()) {
    report(sight, "not_writable", "led to " + name.text + ", which was never seen to answer");
    return;
  }
  const ProbePolicy& probe = policy->second;
  const Duration age = sight.agent.now - sample->started;
  if (age >
      3 * std::max(probe.interval, probe.down_interval) + probe.timeout + housekeeping_slack) {
    report(sight, "stale", "led to " + name.text + ", seen " + print_duration(age) + " ago");
  }
  if (!fits(sight.route.require, std::nullopt, sample->finding)) {
    report(sight, "not_writable", "led to " + name.text + ", last seen not to take writes");
  }
  const std::string id = system_id_of(sample->finding);
  if (!id.empty() && !system_id_.empty() && id != system_id_) {
    report(sight, "foreign", "led to " + name.text + ", which belongs to another cluster");
  }
  if (timeline_of(sample->finding).value_or(newest_) < newest_) {
    report(sight, "old_primary", "led to " + name.text + ", which is on an older timeline");
  }
  if (sight.unchanged < time_to_see(sight)) return;
  if (!sight.servers.get(name).writable()) {
    report(sight, "not_writable", "led to " + name.text + ", which takes no writes");
  }
}

/// By the truth: writes go on where they go, as long as they can.
void RouteChecks::check_left(const RouteSight& sight, const SwitchRoute& order,
                             const std::string& what) const {
  if (!wants_the_writer(sight.route.require) || sight.unchanged < time_to_see(sight)) return;
  std::set<ProbeName> left(sight.leads.begin(), sight.leads.end());
  left.insert(targets_.begin(), targets_.end());
  for (const SwitchTarget& target : order.to) left.erase(target.probe);
  for (const ProbeName& name : left) {
    if (!is_the_writer(sight, name)) continue;
    report(sight, "left_serving", what + ", away from " + name.text + ", which serves");
  }
}

/// By the truth: the agent reaches it, it takes writes, and nobody's timeline is newer.
bool RouteChecks::is_the_writer(const RouteSight& sight, const ProbeName& name) const {
  const auto it = sight.servers.all().find(name);
  if (it == sight.servers.all().end()) return false;
  const Server& server = it->second;
  return server.writable() && !server.slow && server.timeline >= newest_ &&
         sight.servers.connects(sight.agent.name, name.text) &&
         sight.servers.newest_primary(name) == name;
}

// --- promotions --------------------------------------------------------------------------------

/// The decision itself: rests on what was seen since the trouble began, and keeps the hold-down.
void RouteChecks::check_decision(const RouteSight& sight, const Decision& decision) {
  if (asked_for(sight, decision.to)) return;
  if (last_switch_ && sight.agent.now - *last_switch_ < sight.route.hold_down) {
    report(sight, "hold_down", "a promotion is decided within the hold-down");
  }
  if (!trouble_since_) return;
  for (const ProbeName& name : sight.route.candidates) {
    const Sample* sample = find(sight.agent.last, name);
    if (name != decision.to || !sample || sample->started >= *trouble_since_) continue;
    report(sight, "old_evidence",
           "a promotion of " + name.text + " is decided on what it was before the trouble");
  }
}

/// The fence is part of a promotion, and may stop the old primary: what holds of one holds of both.
void RouteChecks::check_begun(const RouteSight& sight, ActionId id, const ProbeName& to,
                              const std::string& what) const {
  const AgentView& agent = sight.agent;
  const Asked* asked = asked_for(sight, to);
  const bool by_person = asked && asked->by_person;
  check_one_act(sight, id);
  if (agent.observes() || (!by_person && !agent.hands_off().empty())) {
    report(sight, "hands_off", what + " though " + std::string(agent.hands_off()));
  }
  if (!decision_ || decision_->to != to) {
    report(sight, "intent_first", what + ", and no decision was written down before");
  }
  if (!agent.distrust_since) return;
  for (const ProbeName& name : sight.route.candidates) {
    if (agent.has_run_since(name, *agent.distrust_since)) continue;
    report(sight, "distrust", what + " though " + name.text + " has not run since the distrust");
  }
}

void RouteChecks::check_hook(const RouteSight& sight, const RunHook& order) {
  if (order.hook == HookKind::after_promote && sight.agent.observes()) {
    report(sight, "hands_off", "the hook after_promote in mode observe");
  }
  if (order.hook != HookKind::fence) return;
  const ProbeName& to = order.new_target.probe;
  const std::string what = "fence for the promotion of " + to.text;
  check_begun(sight, order.id, to, what);
  check_nobody_serves(sight, order.old_target.probe, to, what);
  if (decision_) decision_->fenced = false;
  begin(sight, {.id = order.id, .fences = true, .to = to});
}

void RouteChecks::check_promotion(const RouteSight& sight, const PromoteServer& order) {
  const AgentView& agent = sight.agent;
  const std::string what = "promotion of " + order.to.probe.text;
  const Asked* asked = asked_for(sight, order.to.probe);
  const bool by_person = asked && asked->by_person;
  check_begun(sight, order.id, order.to.probe, what);
  if (decision_ && decision_->to == order.to.probe) {
    for (const ProbeName& name : sight.route.candidates) {
      const bool old_one = name == order.from.probe && !decision_->fenced;
      if (old_one || agent.has_run_since(name, decision_->at)) continue;
      report(sight, "second_look", what + " without another look at " + name.text);
    }
    if (sight.route.hooks.contains(HookKind::fence) && !decision_->fenced) {
      report(sight, "unfenced", what + ", and its fence did not end well before");
    }
  }
  decision_.reset();
  while (!promotions_.empty() && agent.now - promotions_.front() > 1h) promotions_.pop_front();
  if (!asked && promotions_.size() >= promotions_per_hour) {
    report(sight, "promotion_limit", what + ": one more than may be within an hour");
  }
  promotions_.push_back(agent.now);
  if (!by_person) check_doubt(sight, order);
  check_standby(sight, order, asked && asked->allow_data_loss);
  check_nobody_serves(sight, order.from.probe, order.to.probe, what);
  begin(sight, {.id = order.id, .promotes = true, .to = order.to.probe});
}

void RouteChecks::check_doubt(const RouteSight& sight, const PromoteServer& order) {
  if (!doubt_) return;
  report(sight, "promoted_twice",
         "promotion of " + order.to.probe.text + " though that of " + doubt_->to.text + ", asked " +
             print_duration(sight.agent.now - doubt_->at) + " ago, may still happen");
}

void RouteChecks::check_standby(const RouteSight& sight, const PromoteServer& order,
                                bool data_may_be_lost) {
  const std::string what = "promotion of " + order.to.probe.text;
  const Sample* sample = find(sight.agent.conclusive, order.to.probe);
  if (!sample || !is_standby(sample->finding)) {
    report(sight, "not_a_standby", what + ", which was not seen to be a standby");
    return;
  }
  const std::string id = system_id_of(sample->finding);
  if (!id.empty() && !system_id_.empty() && id != system_id_) {
    report(sight, "foreign", what + ", which belongs to another cluster");
  }
  const std::uint32_t timeline = timeline_of(sample->finding).value_or(0);
  if (timeline != 0 && newest_ != 0 && timeline != newest_) {
    report(sight, "forked", what + ", which is on another timeline than the route has led to");
  }
  const auto* limit =
      sight.route.promote ? std::get_if<std::uint64_t>(&sight.route.promote->max_lag) : nullptr;
  const std::uint64_t received = position_of(sample->finding).value_or(0);
  if (limit && !data_may_be_lost && position_ && *position_ > received + *limit) {
    report(sight, "lagging",
           what + ", which lacks " + std::to_string(*position_ - received) +
               " bytes of what was seen on the old one");
  }
}

/// By the truth: the old primary must not be one that a standby hears, and nobody else a primary.
void RouteChecks::check_nobody_serves(const RouteSight& sight, const ProbeName& old_one,
                                      const ProbeName& new_one, const std::string& what) const {
  if (sight.unchanged < time_to_see(sight)) return;
  const Server& to = sight.servers.get(new_one);
  for (const ProbeName& name : sight.route.candidates) {
    const Server& other = sight.servers.get(name);
    if (other.system_id != to.system_id) continue;
    const bool seen = sight.servers.connects(sight.agent.name, name.text) && !other.slow &&
                      other.liveness == Liveness::up;
    if (seen && other.writable() && other.timeline >= to.timeline) {
      report(sight, "promoted_twice", what + " though " + name.text + " takes writes");
    }
    if (seen && name != old_one && sight.servers.hears(name)) {
      report(sight, "primary_lives",
             what + " though " + name.text + " receives from " + other.follows.text);
    }
  }
}

/// Whom the route led to last is no old master, as long as it serves.
void RouteChecks::check_demotion(const RouteSight& sight, const DemoteServer& order) const {
  const ProbeName& name = order.server.probe;
  const std::string what = "demotion of " + name.text;
  if (const std::string_view why = sight.agent.hands_off(); !why.empty()) {
    report(sight, "hands_off", what + " though " + std::string(why));
  }
  const bool led_to = std::count(targets_.begin(), targets_.end(), name) > 0 ||
                      std::count(sight.leads.begin(), sight.leads.end(), name) > 0;
  if (led_to && is_the_writer(sight, name)) {
    report(sight, "left_serving", what + ", which the route leads to and which serves");
  }
}

}  // namespace pointsman::sim
