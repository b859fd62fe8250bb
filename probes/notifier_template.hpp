// The body template of a webhook notifier: text with {{names}} in it. Pure.
//
// Names: state, alertname, node, subject, incident, severity, summary, starts, ends (empty while it
// fires), annotation.NAME (empty where there is none), each as text escaped to stand between the
// quotes of a JSON string; and json, the whole document as it is. `{{` begins a name, always;
// spaces inside the braces are fine. Checked when the configuration is read.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "policies/model/result.hpp"

namespace pointsman {

inline constexpr std::size_t max_template_bytes = 64 * 1024;

/// An unknown name, a `{{` without its end, or too long: said with the name and what there is.
Status check_notifier_template(std::string_view text);

/// `value` is asked for each name, and gives what is put there as it stands. The template has been
/// checked.
std::string fill_notifier_template(std::string_view text,
                                   const std::function<std::string(std::string_view)>& value);

}  // namespace pointsman
