// The bounds of ladders and of recoveries, for each kind of subject and of step.
#include <catch2/catch.hpp>

#include "policies/bounds.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

LadderPolicy ladder_on(Member subject, std::vector<StepKind> kinds) {
  LadderPolicy ladder;
  ladder.name = LadderName("one");
  ladder.when = {std::move(subject), State::unhealthy, 15s};
  for (const StepKind kind : kinds) {
    StepPolicy step;
    step.kind = kind;
    step.timeout = 20s;
    step.retries = 1;
    if (kind == StepKind::wait || kind == StepKind::approve) step.hold = Duration{5s};
    ladder.steps.push_back(step);
  }
  return ladder;
}

void check_ordered(const Span& span) {
  CHECK(span.best >= Duration::zero());
  CHECK(span.best <= span.typical);
  CHECK(span.typical <= span.worst);
}

}  // namespace

TEST_CASE(
    "bounds: of a ladder on a probe, a service and a route, each stage follows the one before") {
  const PolicySet policy = bud_policy();
  for (const Member& subject :
       {Member{ProbeName("primary")}, Member{ServiceName("database")}, Member{RouteName("bud")}}) {
    INFO(to_text(subject));
    const auto timing = ladder_timing(ladder_on(subject, {StepKind::exec}), {policy});
    check_ordered(timing.noticed);
    check_ordered(timing.begun);
    check_ordered(timing.recovered);
    check_ordered(timing.exhausted);
    CHECK(timing.begun.worst >= timing.noticed.worst + 15s);
    CHECK(timing.recovered.worst > timing.begun.worst);
    CHECK(timing.exhausted.worst > timing.begun.worst);
  }
}

TEST_CASE("bounds: a promotion that hangs holds the first step of a ladder over its route") {
  PolicySet policy = bud_policy();
  const LadderPolicy of_route = ladder_on(RouteName("bud"), {StepKind::exec});
  const LadderPolicy of_service = ladder_on(ServiceName("database"), {StepKind::exec});
  const LadderPolicy of_probe = ladder_on(ProbeName("primary"), {StepKind::exec});
  const auto begun = [&](const LadderPolicy& ladder, Duration fence) {
    BoundsInput input{policy};
    if (fence > Duration::zero()) input.fence_timeouts[RouteName("bud")] = fence;
    return ladder_timing(ladder, input).begun;
  };
  const Span follows = begun(of_route, 0s), service = begun(of_service, 0s);
  const Span probe = begun(of_probe, 0s);
  policy.routes[RouteName("bud")].promote = PromotePolicy{};
  const Duration timeout = PromotePolicy{}.timeout;
  for (const Duration fence : {Duration{0s}, Duration{30s}}) {
    CHECK(begun(of_route, fence).worst >= follows.worst + timeout + fence);
    CHECK(begun(of_route, fence).typical == follows.typical);
    CHECK(begun(of_service, fence).worst >= service.worst + timeout + fence);
    CHECK(begun(of_probe, fence).worst == probe.worst);
  }
}

TEST_CASE("bounds: what each kind of step adds until a human is told") {
  const PolicySet policy = bud_policy();
  const Member subject{ProbeName("primary")};
  const BoundsInput input{policy};
  const auto none = ladder_timing(ladder_on(subject, {}), input).exhausted;
  const auto with = [&](StepKind kind) {
    return ladder_timing(ladder_on(subject, {kind}), input).exhausted;
  };
  CHECK(with(StepKind::exec).worst >= none.worst + 2 * 20s + 30s);  // two tries, and the proof
  CHECK(with(StepKind::wait).best >= none.best + 5s);
  CHECK(with(StepKind::approve).worst >= none.worst + 5s);
  for (const StepKind kind :
       {StepKind::set_flag, StepKind::clear_flag, StepKind::drain, StepKind::notify}) {
    INFO(to_text(kind));
    CHECK(with(kind).worst < with(StepKind::exec).worst);
  }
  const auto both = ladder_timing(ladder_on(subject, {StepKind::exec, StepKind::exec}), input);
  CHECK(both.exhausted.worst > with(StepKind::exec).worst);
}

TEST_CASE("bounds: until all is seen healthy again, of what there is and of what there is not") {
  const PolicySet policy = bud_policy();
  const Span probe = recovery_timing(ProbeName("primary"), policy);
  const Span route = recovery_timing(RouteName("bud"), policy);
  const Span service = recovery_timing(ServiceName("database"), policy);
  for (const Span& span : {probe, route, service}) {
    check_ordered(span);
    CHECK(span.worst > Duration::zero());
  }
  CHECK(service.worst >= route.worst);
  CHECK(recovery_timing(ProbeName("nobody"), policy).worst == Duration::zero());
}
