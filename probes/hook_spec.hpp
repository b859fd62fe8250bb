// What an `exec` or an `http` that acts consists of: a route's hook, a ladder's step.
//
// Plain values that daemon/config read and checked; the same shapes as the probes of these kinds,
// so that one runner of commands and one HTTP client serve both. What it is called with (the
// POINTSMAN_ variables) is added when it runs. Nothing here is ever printed: the headers, the body,
// the environment and the key are secrets.
#pragma once

#include <optional>
#include <variant>

#include "policies/model/time.hpp"
#include "probes/secret.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// exec: succeeds with exit code 0. http: with one of HttpSpec::status (default 200 to 299); its
/// method is POST where none was given.
using HookCall = std::variant<ExecSpec, HttpSpec>;

struct HookSpec {
  HookCall call;
  Secret hmac_key;  ///< http: signs the request; empty: unsigned
  Duration timeout{std::chrono::seconds{30}};
};

/// What a step of a ladder needs beyond its StepPolicy, which has its timeout: for exec and http
/// what to call, for all other kinds nothing.
struct StepSpec {
  std::optional<HookSpec> call;
};

}  // namespace pointsman
