// The exec probe's pure half: what a command's end means, and its first line as it may be shown.
//
// Exit codes as monitoring plugins have them: 0 pass, 1 warn, 2 fail; any other, a signal, or a
// command that cannot be started says nothing about what it checks: inconclusive. The prober
// (make_exec_prober) runs it as a Child; at the deadline its process group is killed, and the
// finding is `timeout`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policies/model/sample.hpp"
#include "probes/child.hpp"
#include "probes/secret.hpp"

namespace pointsman {

/// The longest first line that is kept.
inline constexpr std::size_t max_first_line = 256;
/// Values of the environment that are at least so long are not shown when a command prints them.
inline constexpr std::size_t min_redacted = 8;

/// The first line that is not empty, in valid UTF-8 without control characters.
std::string printable_first_line(std::string_view output);
std::string redact(std::string text, const std::vector<Secret>& secrets);

/// `line` is printable_first_line of what it wrote.
Finding judge_exec(const ChildEnd& end, const std::string& command, const std::string& line);

}  // namespace pointsman
