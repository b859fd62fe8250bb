#include "probes/notifier_template.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr std::string_view names[] = {"state",    "alertname", "node",   "subject", "incident",
                                      "severity", "summary",   "starts", "ends",    "json"};
constexpr std::string_view annotation = "annotation.";

bool is_known(std::string_view name) {
  if (name.substr(0, annotation.size()) == annotation) return name.size() > annotation.size();
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(' ');
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

/// The text before the next name, the name, and what comes after it.
struct Cut {
  std::string_view before, name, after;
  bool has_name = false, unended = false;
};

Cut cut_at_name(std::string_view text) {
  const auto open = text.find("{{");
  if (open == std::string_view::npos) return {text, {}, {}, false, false};
  const auto close = text.find("}}", open + 2);
  if (close == std::string_view::npos) return {text, {}, {}, false, true};
  return {text.substr(0, open), trimmed(text.substr(open + 2, close - open - 2)),
          text.substr(close + 2), true, false};
}

}  // namespace

Status check_notifier_template(std::string_view text) {
  if (text.size() > max_template_bytes) {
    return Error{fmt::format("is longer than {} KiB", max_template_bytes / 1024)};
  }
  for (Cut cut = cut_at_name(text);; cut = cut_at_name(cut.after)) {
    if (cut.unended) return Error{"has a {{ without its }}"};
    if (!cut.has_name) return Nothing{};
    if (is_known(cut.name)) continue;
    return Error{
        fmt::format("asks for {{{{{}}}}}, which there is not: there are {} and annotation.NAME",
                    cut.name.substr(0, 60), fmt::join(names, ", "))};
  }
}

std::string fill_notifier_template(std::string_view text,
                                   const std::function<std::string(std::string_view)>& value) {
  std::string out;
  for (Cut cut = cut_at_name(text);; cut = cut_at_name(cut.after)) {
    out += cut.before;
    if (!cut.has_name) return out;
    out += value(cut.name);
  }
}

}  // namespace pointsman
