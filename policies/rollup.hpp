// Services from their members, the overall state, and the answer to the load balancer (SPEC 4 and
// 5).
//
// Pure. A disabled probe is no member; a service all of whose members are disabled stays unknown.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "policies/model/policy.hpp"
#include "policies/model/snapshot.hpp"

namespace pointsman {

/// State of a member; absent when it does not count (a disabled probe).
using MemberState = std::function<std::optional<State>(const Member&)>;

State roll_up(const ServicePolicy& service, const MemberState& state_of);

/// What is less than healthy counts for the overall state wherever it stands: `anything_worse` says
/// whether some probe or route outside the services is degraded or unhealthy.
State roll_up_overall(const PolicySet& policy, const std::map<ServiceName, State>& services,
                      bool anything_worse);

/// Remembers what /health needs between the verdicts of one critical service of scope node.
struct NodeVerdict {
  bool given = false;  ///< it had a verdict once
  bool ok = false;     ///< the last one that was not unknown
};

/// The answer to the load balancer. `why` gives the reason for one service that is unhealthy.
Serving judge_serving(const PolicySet& policy, const std::map<ServiceName, State>& services,
                      std::map<ServiceName, NodeVerdict>& verdicts,
                      const std::function<std::string(const ServiceName&)>& why);

}  // namespace pointsman
