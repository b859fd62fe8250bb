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

RequestAnswer refused(std::string why) {
  return {false, true, {"refused: " + std::move(why)}};
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
  if (balanced()) {
    return refused("route " + policy_.name.text +
                   " is balanced: it always leads to all candidates that fit");
  }
  if (request_ || promotion_ || switchover_ || acting_) {
    return refused("a switch of " + policy_.name.text + " is under way; wait for its end");
  }
  if (context.mode == Mode::observe && !asked.dry_run) {
    return refused("the mode is observe: nothing is touched");
  }
  std::vector<ProbeName> rivals;
  const TargetFacts facts = gather_facts(context, rivals);
  const auto fits_now = [&](const ProbeName& name) {
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = evidence(context, name);
    return e && sample && !foreign(*sample) && !replaced_.contains(name) &&
           fits(policy_.require, max_lag(*e), sample->finding);
  };
  std::optional<ProbeName> to = asked.to;
  if (to && !is_candidate(*to)) {
    return refused(to->text + " is not a candidate of " + policy_.name.text + "; those are " +
                   join_names(policy_.candidates));
  }
  if (!to) {
    for (const ProbeName& name : policy_.candidates) {
      if (!to && !is_target(name) && fits_now(name)) to = name;
    }
    if (!to && candidate_) to = candidate_->name;
    if (!to) return refused("no other candidate answers and fits");
  }
  if (targets_.size() == 1 && targets_.front() == *to && effect_shown_) {
    return {true, true, {policy_.name.text + " leads to " + to->text + " already"}};
  }
  const Sample* sample = evidence(context, *to);
  if (!sample || !answered(sample->finding)) {
    return refused(to->text + " does not answer: " + describe_sample(sample, context.now));
  }
  if (foreign(*sample)) return refused(to->text + " belongs to another cluster");

  RequestAnswer answer{true, false, {}};
  const bool alive = facts.target == TargetFact::serving || facts.target == TargetFact::lagging ||
                     facts.target == TargetFact::read_only;
  const bool fits_already = fits_now(*to);
  const std::uint64_t missing = missing_of(*sample);
  if (cause == SwitchCause::recovery && alive && !fits_already) {
    return refused(join_names(targets_) + " is alive and no other candidate fits");
  }
  if (fits_already) {
    answer.lines.push_back("move " + policy_.name.text + " to " + to->text +
                           ", which fits already");
  } else if (!wants_the_writer(policy_.require) || !is_standby(sample->finding)) {
    return refused(to->text + " does not fit `require: " + std::string(to_text(policy_.require)) +
                   "` and can not be promoted: " + describe_sample(sample, context.now));
  } else if (cause == SwitchCause::recovery && asked.by != "promote") {
    return refused("no candidate fits; a ladder's `promote` step would promote");
  } else if (alive) {
    if (!is_redis() && !policy_.hooks.contains(HookKind::demote) && !asked.unfenced) {
      return refused(join_names(targets_) +
                     " is alive, and without a `demote:` hook nothing makes commits on it "
                     "impossible: rows would be lost. Configure the hook, or stop it yourself, or "
                     "override with "
                     "--unfenced (recorded)");
    }
    answer.lines.push_back("1. hold the clients of " + policy_.name.text);
    answer.lines.push_back(is_redis() ? "2. pause writes on " + join_names(targets_)
                           : asked.unfenced
                               ? "2. UNFENCED: " + join_names(targets_) +
                                     " is not stopped; what it commits from here is lost"
                               : "2. demote " + join_names(targets_) + " by the hook");
    answer.lines.push_back("3. wait until " + to->text + " has all of it");
    answer.lines.push_back("4. promote " + to->text);
    answer.lines.push_back("5. lead " + policy_.name.text + " there, let the clients go, prove it");
  } else {
    if (facts.standbys == StandbysFact::receiving) {
      return refused(join_names(targets_) +
                     " fails from here, yet a standby still receives from it: "
                     "promoting would split the brain");
    }
    const bool too_far = policy_.promote && facts.candidate == CandidateFact::lagging;
    if (too_far && !asked.allow_data_loss) {
      return refused(to->text + " lacks " + std::to_string(missing) +
                     " bytes of what was last seen on " + join_names(targets_) +
                     "; --allow-data-loss accepts that, once");
    }
    answer.lines.push_back("promote " + to->text + " (" + std::to_string(missing) +
                           " bytes of what was last seen on " + join_names(targets_) +
                           " are missing)");
    answer.lines.push_back("lead " + policy_.name.text + " there and prove it");
  }
  settle_guards(context, std::nullopt);
  if (asked.dry_run) {
    answer.lines.insert(answer.lines.begin(), "dry run: nothing is done");
    add_guards(guards_, answer.lines);
    answer.done = true;
    return answer;
  }
  request_ = Request{asked, cause, *to, ActionId{}};
  context.effects.push_back(Record{RecordKind::operation,
                                   policy_.name.text,
                                   "switch to " + to->text + " asked for by " +
                                       (asked.by.empty() ? "a person" : asked.by) +
                                       (asked.unfenced ? ", unfenced" : "") +
                                       (asked.allow_data_loss ? ", data loss allowed" : ""),
                                   evidence_details(context),
                                   {}});
  return answer;
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
  const bool alive = facts.target == TargetFact::serving || facts.target == TargetFact::lagging ||
                     facts.target == TargetFact::read_only;
  if (fits(policy_.require, max_lag(*e), sample->finding)) {
    const Choice choice{{to},
                        promoted_ == to ? SwitchCause::follow : request_->cause,
                        is_dead(facts.target) ? OldTargets::dead : OldTargets::alive};
    act(context, choice);
    if (acting_) request_->action = acting_->id;
    return true;
  }
  if (promoted_ == to) return true;  // its probe has not seen it yet
  if (!alive) {
    Promotion promotion;
    promotion.to = to;
    promotion.requested = true;
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
    verified_ = finished.verified;
    last_switch_at_ = context.now;
    failures_ = 0;
    remember(context);
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
