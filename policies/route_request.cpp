// What a person (pointsman switch) or a ladder's step asks of a route: judged, planned, carried
// out.
//
// A target that already fits is only moved to. One that has to be promoted while the old one lives
// needs the `demote:` hook, which makes commits on the old one impossible; where the old one is
// dead it is promoted as an automatic failover would be, on the person's word instead of the
// guards'.
#include <algorithm>

#include "policies/explain.hpp"
#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

/// It takes writes, or nearly: what is done to it is planned.
bool is_alive(TargetFact target) {
  return target == TargetFact::serving || target == TargetFact::lagging ||
         target == TargetFact::read_only;
}

void add_guards(const std::vector<Guard>& guards, std::vector<std::string>& lines) {
  for (const Guard& guard : guards) {
    lines.push_back("guard " + std::string(guard.name) + ": " +
                    (guard.allow ? "allow" : "would hold an automatic act") + ", " + guard.value +
                    " (limit: " + guard.limit + ")");
  }
}

}  // namespace

RequestAnswer RouteKeeper::request(const RouteContext& context, const SwitchRequested& asked,
                                   SwitchCause cause) {
  const RequestPlan plan = plan_request(context, asked, cause);
  if (plan.is_there) {
    return {true, true, {policy_.name.text + " leads to " + plan.to.text + " already"}};
  }
  settle_guards(context, std::nullopt);
  if (asked.dry_run) {
    RequestAnswer answer{plan.refusal.empty(), true, {"dry run: nothing is done"}};
    if (!plan.refusal.empty()) answer.lines.push_back("refused: " + plan.refusal);
    answer.lines.insert(answer.lines.end(), plan.lines.begin(), plan.lines.end());
    add_guards(guards_, answer.lines);
    return answer;
  }
  if (!plan.refusal.empty()) return {false, true, {"refused: " + plan.refusal}};
  request_ = Request{asked, cause, plan.to, ActionId{}};
  context.effects.push_back(Record{RecordKind::operation,
                                   policy_.name.text,
                                   "switch to " + plan.to.text + " asked for by " +
                                       (asked.by.empty() ? "a person" : asked.by) +
                                       (asked.unfenced ? ", unfenced" : "") +
                                       (asked.allow_data_loss ? ", data loss allowed" : ""),
                                   evidence_details(context),
                                   {}});
  return {true, false, plan.lines};
}

/// Is the server one that the route could be led to as it is?
bool RouteKeeper::fits_now(const RouteContext& context, const ProbeName& name) const {
  const ProbeEntry* e = entry(context, name);
  const Sample* sample = evidence(context, name);
  return e && sample && !foreign(*sample) && !is_outdated(*sample) &&
         fits(policy_.require, max_lag(*e), sample->finding);
}

/// The candidate that is asked for, else the best other one.
std::optional<ProbeName> RouteKeeper::requested_target(const RouteContext& context,
                                                       const SwitchRequested& asked) const {
  if (asked.to) return asked.to;
  for (const ProbeName& name : policy_.candidates) {
    if (!is_target(name) && fits_now(context, name)) return name;
  }
  if (candidate_) return candidate_->name;
  return std::nullopt;
}

RouteKeeper::RequestPlan RouteKeeper::plan_request(const RouteContext& context,
                                                   const SwitchRequested& asked,
                                                   SwitchCause cause) {
  RequestPlan plan;
  if (balanced()) {
    return plan.refuse("route " + policy_.name.text +
                       " is balanced: it always leads to all candidates that fit");
  }
  if (request_ || promotion_ || switchover_ || acting_) {
    return plan.refuse("a switch of " + policy_.name.text + " is under way; wait for its end");
  }
  if (context.mode == Mode::observe && !asked.dry_run) {
    return plan.refuse("the mode is observe: nothing is touched");
  }
  std::vector<ProbeName> rivals;
  const TargetFacts facts = gather_facts(context, rivals);
  const auto to = requested_target(context, asked);
  if (!to) return plan.refuse("no other candidate answers and fits");
  plan.to = *to;
  if (!is_candidate(*to)) {
    return plan.refuse(to->text + " is not a candidate of " + policy_.name.text + "; those are " +
                       join_names(policy_.candidates));
  }
  if (targets_.size() == 1 && targets_.front() == *to && effect_shown_) {
    plan.is_there = true;
    return plan;
  }
  const Sample* sample = evidence(context, *to);
  if (!sample || !answered(sample->finding)) {
    return plan.refuse(to->text + " does not answer: " + describe_sample(sample, context.now));
  }
  if (foreign(*sample)) return plan.refuse(to->text + " belongs to another cluster");
  if (is_outdated(*sample)) {
    return plan.refuse(to->text +
                       " is a primary from before the one that this route has led to, and lacks "
                       "what was written since: rebuild it as a standby");
  }

  const bool fits_already = fits_now(context, *to);
  if (cause == SwitchCause::recovery && is_alive(facts.target) && !fits_already) {
    return plan.refuse(join_names(targets_) + " is alive and no other candidate fits");
  }
  if (fits_already) {
    plan.lines.push_back("move " + policy_.name.text + " to " + to->text + ", which fits already");
    return plan;
  }
  if (!wants_the_writer(policy_.require) || !is_standby(sample->finding)) {
    return plan.refuse(to->text +
                       " does not fit `require: " + std::string(to_text(policy_.require)) +
                       "` and can not be promoted: " + describe_sample(sample, context.now));
  }
  if (cause == SwitchCause::recovery && asked.by != "promote") {
    return plan.refuse("no candidate fits; a ladder's `promote` step would promote");
  }
  // A ladder is automatic: it promotes what a route that drives would, for the same reasons.
  if (cause == SwitchCause::recovery) {
    if (!diagnosis_ || diagnosis_->plan != Plan::promote) {
      return plan.refuse("nothing is promoted for " + std::string(diagnosis()) + ": " + why_);
    }
    if (const Guard* denied = denied_to_ladder(context)) {
      return plan.refuse("held by guard " + std::string(denied->name) + ": " + denied->value +
                         " (limit: " + denied->limit + ")");
    }
  }
  if (may_live(context, facts.target) && !asked.unfenced) {
    return plan.refuse(join_names(targets_) + " does not serve but may be at work (" +
                       std::string(diagnosis()) +
                       "): what it still commits would be lost. Stop it first, or wait, or "
                       "override with --unfenced (recorded)");
  }
  return is_alive(facts.target) ? plan_switchover(asked, std::move(plan))
                                : plan_failover(asked, facts, *sample, std::move(plan));
}

/// Of what holds an automatic promotion, but for `switch: on_request`.
const Guard* RouteKeeper::denied_to_ladder(const RouteContext& context) {
  settle_guards(context, std::nullopt);
  return first_denied_asked(guards_, promotion_gates());
}

/// It does not serve, yet it may be at work: what it still commits would be lost.
bool RouteKeeper::may_live(const RouteContext& context, TargetFact target) const {
  switch (target) {
    case TargetFact::unseen:
    case TargetFact::starting:
    case TargetFact::saturated:
    case TargetFact::failing:
      return true;
    case TargetFact::stopping: {  // unless it has stopped by now
      const Sample* sample = evidence(context, targets_.front());
      return !sample || sample->finding.reason != Reason::connect_refused;
    }
    default:
      return false;
  }
}

/// The current target lives: in the order of FACTS section 9(a).
RouteKeeper::RequestPlan RouteKeeper::plan_switchover(const SwitchRequested& asked,
                                                      RequestPlan plan) const {
  const std::string from = join_names(targets_), to = plan.to.text;
  plan.lines.push_back("1. hold the clients of " + policy_.name.text);
  plan.lines.push_back(is_redis()       ? "2. pause writes on " + from
                       : asked.unfenced ? "2. UNFENCED: " + from +
                                              " is not stopped; what it commits from here is lost"
                                        : "2. demote " + from + " by the hook");
  plan.lines.push_back("3. wait until " + to + " has all of it");
  plan.lines.push_back("4. promote " + to);
  plan.lines.push_back("5. lead " + policy_.name.text + " there, let the clients go, prove it");
  if (!is_redis() && !policy_.hooks.contains(HookKind::demote) && !asked.unfenced) {
    return plan.refuse(from +
                       " is alive, and without a `demote:` hook nothing makes commits on it "
                       "impossible: rows would be lost. Configure the hook, or stop it yourself, "
                       "or override with --unfenced (recorded)");
  }
  return plan;
}

RouteKeeper::RequestPlan RouteKeeper::plan_failover(const SwitchRequested& asked,
                                                    const TargetFacts& facts, const Sample& sample,
                                                    RequestPlan plan) const {
  const std::uint64_t missing = missing_of(sample);
  const std::string from = join_names(targets_), to = plan.to.text;
  plan.lines.push_back("promote " + to +
                       (positions_.empty()
                            ? " (how far " + from + " had written is not known)"
                            : " (" + std::to_string(missing) + " bytes of what was last seen on " +
                                  from + " are missing)"));
  plan.lines.push_back("lead " + policy_.name.text + " there and prove it");
  if (facts.standbys == StandbysFact::receiving) {
    return plan.refuse(from +
                       " fails from here, yet a standby still receives from it: promoting would "
                       "split the brain");
  }
  // The fact is of the best candidate; who is asked for may be another.
  const bool too_far = exceeds_lag(position_of(sample.finding).value_or(0), missing);
  if (too_far && !asked.allow_data_loss) {
    return plan.refuse(to + " lacks " + std::to_string(missing) +
                       " bytes of what was last seen on " + from +
                       "; --allow-data-loss accepts that, once");
  }
  return plan;
}

/// Carries the request out as soon as nothing else is under way. True while it has the floor.
bool RouteKeeper::start_request(const RouteContext& context) {
  if (!request_) return false;
  if (request_->action != ActionId{} || promotion_ || switchover_) return false;
  if (acting_ || look_first_) return true;
  const ProbeName to = request_->to;
  const ProbeEntry* e = entry(context, to);
  const Sample* sample = evidence(context, to);
  if (!e || !sample || !answered(sample->finding)) {
    end_request(false, to.text + " no longer answers");
    return false;
  }
  std::vector<ProbeName> rivals;
  const TargetFacts facts = gather_facts(context, rivals);
  if (foreign(*sample) || is_outdated(*sample)) {
    end_request(false, to.text + " is not what it was when it was asked for");
    return false;
  }
  if (fits(policy_.require, max_lag(*e), sample->finding)) {
    const Choice choice{{to},
                        promoted_ == to ? SwitchCause::follow : request_->cause,
                        is_dead(facts.target) ? OldTargets::dead : OldTargets::alive};
    act(context, choice);
    if (acting_) request_->action = acting_->id;
    return true;
  }
  if (promoted_ == to) return true;  // its probe has not seen it yet
  if (!is_alive(facts.target)) {
    if (facts.trust != TrustFact::trusted) return true;  // until all have run again
    const bool by_ladder = request_->cause == SwitchCause::recovery;
    if (const Guard* denied = by_ladder ? denied_to_ladder(context) : nullptr) {
      end_request(false, "held by guard " + std::string(denied->name) + ": " + denied->value);
      return false;
    }
    Promotion promotion;
    promotion.to = to;
    promotion.asked_by = by_ladder ? AskedBy::ladder : AskedBy::person;
    promotion.allow_data_loss = request_->asked.allow_data_loss;
    begin_promotion(context, std::move(promotion));
    return true;
  }
  SwitchOver order;
  order.id = request_->action = ActionId{++context.last_action_id};
  order.request = request_->asked.request;
  order.route = policy_.name;
  order.kind = is_redis() ? ServerKind::redis : ServerKind::postgres;
  order.from = target_of(context, targets_.front());
  order.to = target_of(context, to);
  order.others = others_of(context, to);
  order.system_id = system_id_;
  order.timeline = timeline_;
  order.epoch = ++epoch_;
  order.fenced = !request_->asked.unfenced;
  order.promote_timeout = policy_.promote ? policy_.promote->timeout : PromotePolicy{}.timeout;
  context.effects.push_back(Record{RecordKind::decision,
                                   policy_.name.text,
                                   "switchover from " + join_names(targets_) + " to " + to.text,
                                   evidence_details(context),
                                   {}});
  switchover_ = order;
  acting_since_ = context.now;
  context.effects.push_back(std::move(order));
  return true;
}

void RouteKeeper::take_switchover_outcome(const RouteContext& context,
                                          const ActionFinished& finished) {
  const SwitchOver order = *switchover_;
  switchover_.reset();
  look_first_ = true;
  observe_at_ = context.now;
  look_wanted_ = true;
  ++context.actions[{"switchover", finished.outcome}];
  const Duration took = context.now - acting_since_;
  const std::string text = "switchover to " + order.to.probe.text + " " +
                           std::string(to_text(finished.outcome)) + ": " + finished.message;
  context.effects.push_back(Record{
      RecordKind::outcome,
      policy_.name.text,
      text,
      {{"took", print_duration(took)}, {"verified", std::string(to_text(finished.verified))}},
      {}});
  last_switch_ = SwitchView{context.now,      targets_, {order.to.probe}, SwitchCause::request,
                            finished.outcome, took,     finished.message};
  ++counters_.switches[{SwitchCause::request, finished.outcome}];
  if (finished.outcome == ActionOutcome::ok) {
    if (is_redis()) replaced_.insert(order.from.probe);
    if (is_redis()) replaced_.erase(order.to.probe);
    targets_ = {order.to.probe};
    timeline_ = std::max(timeline_, finished.timeline.value_or(0));
    positions_.clear();
    replid_.clear();
    promoted_.reset();  // whoever else was promoted is not what the route is about any more
    run_after_promote(context, order.from.probe, order.to.probe);
    verified_ = finished.verified;
    mark_arrival(context, finished);
    last_switch_at_ = switched_over_at_ = context.now;
    failures_ = 0;
    remember(context);
    // It was a standby a moment ago: no failure of the target that it is now.
    begin_trouble(context);
    tracks_[order.to.probe].unfit_streak = 0;
  } else if (finished.outcome == ActionOutcome::unknown) {
    unsettled_ =
        PromotionMemory{policy_.name, order.from.probe, order.to.probe, timeline_, context.now};
    verified_ = Verified::no;
  }
  end_request(finished.outcome == ActionOutcome::ok, text);
}

bool RouteKeeper::cancel(const RouteContext& context, RequestId request) {
  if (!request_ || request_->asked.request != request) return false;
  if (switchover_) {
    context.effects.push_back(CancelSwitchOver{switchover_->id});
    return true;
  }
  if (acting_ || (promotion_ && promotion_->phase == Promotion::Phase::promoting)) return false;
  if (promotion_) give_up_promotion(context, "cancelled");
  if (request_) end_request(false, "cancelled");
  return true;
}

void RouteKeeper::end_request(bool ok, std::string text) {
  if (!request_) return;
  ended_ = Ended{request_->asked.request, ok, std::move(text)};
  request_.reset();
}

}  // namespace pointsman
