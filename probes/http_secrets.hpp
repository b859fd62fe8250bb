// What a receiver could echo of a request, and nobody else is to read: its header values, its body,
// its query, and its path where that is a secret.
//
// What a receiver answers goes into attempts, the journal, the log and alerts: a 401 that says
// "invalid token abc" would tell the token there. Each value counts whole and word by word, since
// "Bearer abc" comes back as "abc"; as of a command's environment (exec.hpp) words shorter than
// min_redacted are let be. Pure; holds no state; of an answer the first max_echo bytes are looked
// at.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "probes/secret.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// As much of an answer as is kept of a command's output.
inline constexpr std::size_t max_echo = 4096;

/// In the order in which redact() is to take them: a longer one may hold a shorter one.
/// `with_path`: the path is a secret too. `more`: whole values that are not in `spec`.
std::vector<Secret> request_secrets(const HttpSpec& spec, bool with_path,
                                    const std::vector<Secret>& more = {});

/// The first line of an answer without the secrets, fit for a message.
std::string echoed_line(std::string_view body, const std::vector<Secret>& secrets);

}  // namespace pointsman
