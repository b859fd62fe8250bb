#include "daemon/config/findings.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace pointsman {
namespace {

std::vector<Diagnostic> sorted(std::vector<Diagnostic> list,
                               const std::vector<std::string>& files) {
  const auto rank = [&files](const Diagnostic& d) {
    return std::find(files.begin(), files.end(), d.at.file) - files.begin();
  };
  const auto same = [](const Diagnostic& a, const Diagnostic& b) {
    return a.at.file == b.at.file && a.at.line == b.at.line && a.at.column == b.at.column &&
           a.path == b.path && a.text == b.text;
  };
  std::stable_sort(list.begin(), list.end(), [&rank](const Diagnostic& a, const Diagnostic& b) {
    return std::tuple(rank(a), a.at.line, a.at.column) <
           std::tuple(rank(b), b.at.line, b.at.column);
  });
  list.erase(std::unique(list.begin(), list.end(), same), list.end());
  return list;
}

}  // namespace

std::vector<Diagnostic> Findings::sorted_errors(const std::vector<std::string>& files) const {
  return sorted(errors_, files);
}

std::vector<Diagnostic> Findings::sorted_warnings(const std::vector<std::string>& files) const {
  return sorted(warnings_, files);
}

std::string to_text(const Diagnostic& diagnostic, bool warning) {
  std::string text = diagnostic.at.file;
  if (diagnostic.at.line > 0) {
    text += fmt::format(":{}:{}", diagnostic.at.line, diagnostic.at.column);
  }
  text += warning ? ": warning: " : ": error: ";
  if (!diagnostic.path.empty()) text += diagnostic.path + ": ";
  return text + diagnostic.text;
}

}  // namespace pointsman
