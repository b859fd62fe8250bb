// Small policies for the engine's fuzz target, made of a few bits each. Always valid: what the
// configuration's reader refuses is not the engine's to bear.
#pragma once

#include <memory>

#include "policies/model/policy.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace pointsman::fuzz {

/// Three PostgreSQL servers and two Redis; routes bud, bud_ro and cache; two ladders.
std::shared_ptr<const PolicySet> make_policy(Bytes& bytes);

}  // namespace pointsman::fuzz
