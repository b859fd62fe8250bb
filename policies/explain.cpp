#include "policies/explain.hpp"

#include <array>

#include "policies/candidate.hpp"

namespace pointsman {

std::string print_duration(Duration duration) {
  using namespace std::chrono;
  if (duration < Duration::zero()) return "-" + print_duration(-duration);
  if (duration < seconds{1})
    return std::to_string(duration_cast<milliseconds>(duration).count()) + "ms";
  if (duration < seconds{10} && duration % seconds{1} >= milliseconds{100}) {
    const auto tenths = duration_cast<milliseconds>(duration).count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
  }
  struct Unit {
    Duration size;
    const char* name;
  };
  static constexpr std::array units{Unit{hours{24}, "d"}, Unit{hours{1}, "h"},
                                    Unit{minutes{1}, "m"}, Unit{seconds{1}, "s"}};
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (duration < units[i].size) continue;
    std::string text = std::to_string(duration / units[i].size) + units[i].name;
    if (i + 1 < units.size()) {
      const auto rest = (duration % units[i].size) / units[i + 1].size;
      if (rest > 0) text += std::to_string(rest) + units[i + 1].name;
    }
    return text;
  }
  return "0s";
}

std::string print_lsn(std::uint64_t lsn) {
  const auto hex = [](std::uint64_t number) {
    std::string text;
    do {
      text.insert(text.begin(), "0123456789ABCDEF"[number % 16]);
      number /= 16;
    } while (number != 0);
    return text;
  };
  return hex(lsn >> 32) + "/" + hex(lsn & 0xFFFFFFFFu);
}

std::string fill_in(std::string_view sentence, std::string_view target, std::string_view rival) {
  std::string text;
  while (!sentence.empty()) {
    if (sentence.starts_with("{target}")) {
      text += target;
      sentence.remove_prefix(8);
    } else if (sentence.starts_with("{rival}")) {
      text += rival;
      sentence.remove_prefix(7);
    } else {
      text += sentence.front();
      sentence.remove_prefix(1);
    }
  }
  return text;
}

std::string cut_text(std::string text, std::size_t limit) {
  constexpr std::string_view ellipsis = "…";
  if (text.size() <= limit) return text;
  std::size_t end = limit > ellipsis.size() ? limit - ellipsis.size() : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text.append(ellipsis);
}

std::string describe_sample(const Sample* sample, MonoTime now) {
  if (!sample) return "not probed since the start";
  const Finding& finding = sample->finding;
  std::string text(to_text(finding.outcome));
  if (finding.reason != Reason::ok) text += " " + std::string(to_text(finding.reason));
  text += ", " + print_duration(now - sample->finished) + " ago";
  if (const auto* pg = std::get_if<PostgresFacts>(&finding.facts)) {
    text += ", " + std::string(to_text(pg->role));
    if (pg->timeline) text += " on timeline " + std::to_string(*pg->timeline);
    if (pg->lsn) text += " at " + std::to_string(*pg->lsn);
  } else if (const auto* rd = std::get_if<RedisFacts>(&finding.facts)) {
    text += ", " + std::string(to_text(rd->role));
  }
  if (!finding.message.empty()) text += ": " + finding.message;
  return text;
}

}  // namespace pointsman
