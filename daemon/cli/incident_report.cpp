#include <map>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "daemon/cli/json_read.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/cli/words.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr std::size_t label_width = 12;

/// A label and a text that wraps behind it; nothing for an empty text.
std::string line(std::string_view label, const std::string& text, const Style& style) {
  if (text.empty()) return {};
  return paint(label, Tone::quiet, style) + std::string(label_width - label.size(), ' ') +
         wrapped(text, label_width, style) + "\n";
}

std::string section(std::string_view title, const std::string& text, const Style& style) {
  return text.empty() ? std::string{} : "\n" + paint(title, Tone::strong, style) + "\n" + text;
}

Tone tone_of_incident(const json::value& incident) {
  if (text_member(incident, "state") != "open") return Tone::good;
  return text_member(incident, "severity") == "critical" ? Tone::bad : Tone::warning;
}

/// "10:00:00.123Z" of a time on the same day as `day`, else the whole.
std::string clock_text(const json::value& object, std::string_view name, const std::string& day) {
  auto text = text_member(object, name);
  constexpr std::size_t date_length = 11;
  const bool same =
      text.size() > date_length && text.compare(0, date_length, day, 0, date_length) == 0;
  return same ? text.substr(date_length) : text;
}

/// "+0.620 s", counted from the story's begin.
std::string offset_text(const json::value& object, WallTime zero) {
  const auto at = time_member(object, "at");
  if (!at) return "-";
  return *at < zero ? "-" + precise_duration(zero - *at) : "+" + precise_duration(*at - zero);
}

WallTime zero_of(const json::value& incident) {
  const auto& marks = member(incident, "marks");
  if (marks.is_array()) {
    for (const auto& mark : marks.get_array()) {
      if (const auto at = time_member(mark, "at")) return *at;
    }
  }
  return time_member(incident, "began_at").value_or(WallTime{});
}

std::string rto_text(const json::value& incident) {
  const auto& rto = member(incident, "rto_ms");
  if (!rto.is_number()) return {};
  return precise_duration(milliseconds{integer_member(incident, "rto_ms")});
}

std::string over_text(const json::value& incident, WallTime now) {
  const auto rto = rto_text(incident);
  if (text_member(incident, "state") == "open") {
    return rto.empty() ? "not yet"
                       : fmt::format("works again after {} (RTO, T9 - T0), but is still open", rto);
  }
  auto text = fmt::format("{}, {} ago", text_member(incident, "closed_at"),
                          age_member(incident, "closed_at", now));
  if (!rto.empty()) text += fmt::format("; recovered within {} (RTO, T9 - T0)", rto);
  return text;
}

std::string led_text(const json::value& incident) {
  const auto from = text_member(incident, "old_target");
  const auto to = text_member(incident, "new_target");
  if (from.empty() && to.empty()) return {};
  return fmt::format("from {} to {}", from.empty() ? "nowhere" : from,
                     to.empty() ? "nowhere yet" : to);
}

std::string rpo_text(const json::value& incident, const std::string& day) {
  const auto& rpo = member(incident, "rpo");
  if (!rpo.is_object()) return {};
  const bool bounded = member(rpo, "upper_bytes").is_number();
  const auto lower = integer_member(rpo, "lower_bytes");
  const auto upper = integer_member(rpo, "upper_bytes");
  if (bounded && lower == 0 && upper == 0) {
    return true_member(rpo, "exact") ? "nothing; the old primary is back and shows it"
                                     : "nothing, as far as is known";
  }
  const auto window =
      text_member(rpo, "from").empty()
          ? fmt::format("rows committed until {} (since when is not known)",
                        clock_text(rpo, "to", day))
          : fmt::format("rows committed between {} and {} ({})", clock_text(rpo, "from", day),
                        clock_text(rpo, "to", day),
                        precise_duration(milliseconds{integer_member(rpo, "window_ms")}));
  std::string text;
  if (true_member(rpo, "exact")) {
    text = fmt::format("{}: exactly {} of WAL", window, byte_text(bounded ? upper : lower));
  } else if (bounded) {
    text = fmt::format("perhaps {}: {} to {} of WAL", window, byte_text(lower), byte_text(upper));
  } else {
    text = fmt::format("perhaps {}: {}how much WAL, is known once the old primary is back", window,
                       lower > 0 ? fmt::format("at least {}; ", byte_text(lower)) : "");
  }
  const auto promoted = integer_member(rpo, "promotion_lsn");
  if (promoted > 0) text += fmt::format("; the new timeline begins at {}", lsn_text(promoted));
  const auto last = integer_member(rpo, "old_last_lsn");
  if (last > 0) text += fmt::format(", {} was the last seen of the old primary", lsn_text(last));
  return text;
}

std::string acknowledged_text(const json::value& incident, WallTime now) {
  const auto& one = member(incident, "acknowledged");
  if (!one.is_object()) return {};
  return fmt::format("{} ago{}", age_member(one, "at", now), because_text(one));
}

std::string marks(const json::value& incident, const std::string& day, const Style& style) {
  const auto& all = member(incident, "marks");
  if (!all.is_array()) return {};
  Table table({"", "", "AT", "AFTER"});
  for (const auto& mark : all.get_array()) {
    const bool reached = member(mark, "at").is_string();
    const auto after = milliseconds{integer_member(mark, "after_ms")};
    table.add({{text_member(mark, "mark"), Tone::strong},
               {text_member(mark, "text"), reached ? Tone::plain : Tone::quiet},
               {reached ? clock_text(mark, "at", day) : "-"},
               {reached ? precise_duration(after) : ""}});
  }
  return table.empty() ? std::string{} : table.text(style, "  ");
}

/// The evidence of that moment, a line each. What is as it was `shown` last is not said again.
std::string details_text(const json::value& note, std::map<std::string, std::string>& shown,
                         const Style& style) {
  constexpr std::size_t indent = 16;
  const auto& details = member(note, "details");
  if (!details.is_object()) return {};
  std::string text;
  for (const auto& [name, value] : details.get_object()) {
    const auto said = printable(std::string_view(name));
    auto& last = shown[said];
    if (last == scalar_text(value)) continue;
    last = scalar_text(value);
    const auto one = said + ": " + last;
    text += std::string(indent, ' ') + wrapped(one, indent + 2, style) + "\n";
  }
  return text;
}

std::string notes(const json::value& incident, WallTime zero, const Style& style) {
  const auto& all = member(incident, "notes");
  if (!all.is_array()) return {};
  constexpr std::size_t indent = 14;
  std::map<std::string, std::string> shown;
  std::string text;
  for (const auto& note : all.get_array()) {
    const auto offset = offset_text(note, zero);
    text += "  " + offset +
            std::string(indent - 2 > offset.size() ? indent - 2 - offset.size() : 1, ' ') +
            wrapped(text_member(note, "text"), indent, style) + "\n";
    text += details_text(note, shown, style);
  }
  return text;
}

std::string attempts(const json::value& incident, WallTime zero, const Style& style) {
  const auto& all = member(incident, "attempts");
  if (!all.is_array()) return {};
  Table table({"AT", "WHAT", "RESULT", "TOOK"});
  for (const auto& attempt : all.get_array()) {
    const auto outcome = text_member(attempt, "outcome");
    table.add({{offset_text(attempt, zero)},
               {text_member(attempt, "action")},
               {outcome, outcome == "ok" ? Tone::good : Tone::bad},
               {precise_duration(milliseconds{integer_member(attempt, "took_ms")})}});
    table.add_note(text_member(attempt, "message"));
  }
  return table.empty() ? std::string{} : table.text(style, "  ");
}

std::string left_to_do(const json::value& incident, const Style& style) {
  std::vector<std::string> all;
  if (const auto asked = text_member(incident, "asked"); !asked.empty()) all.push_back(asked);
  for (auto& one : texts_member(incident, "to_rebuild")) all.push_back(std::move(one));
  const bool waits = text_member(incident, "state") == "open" &&
                     true_member(incident, "needs_human") &&
                     !member(incident, "acknowledged").is_object();
  if (waits) {
    all.push_back(
        fmt::format("say that you are on it: pointsman ack {}", integer_member(incident, "id")));
  }
  std::string text;
  for (const auto& one : all) text += "  - " + wrapped(one, 4, style) + "\n";
  return text;
}

}  // namespace

std::string incidents_report(const json::value& incidents, WallTime now, const Style& style) {
  const auto& all = member(incidents, "incidents");
  if (!all.is_array() || all.get_array().empty()) return "no incidents\n";
  Table table({"ID", "STATE", "SEVERITY", "SUBJECT", "CAUSE", "BEGAN", "RTO"});
  for (const auto& incident : all.get_array()) {
    const bool open = text_member(incident, "state") == "open";
    const bool acknowledged = member(incident, "acknowledged").is_object();
    const auto rto = rto_text(incident);
    const auto began = age_member(incident, "began_at", now);
    table.add({{text_member(incident, "id")},
               {open && acknowledged ? "open, acknowledged" : text_member(incident, "state"),
                tone_of_incident(incident)},
               {text_member(incident, "severity")},
               {text_member(incident, "subject")},
               {text_member(incident, "cause")},
               {began == "-" ? began : began + " ago"},
               {rto.empty() ? "-" : rto}});
    if (!open) continue;
    table.add_note(text_member(incident, "why"));
    if (!acknowledged) table.add_note(text_member(incident, "asked"));
  }
  const auto shown = static_cast<std::int64_t>(all.get_array().size());
  const auto total = integer_member(incidents, "total");
  return table.text(style) +
         (total > shown ? fmt::format("{} more: --limit {}\n", total - shown, total) : "");
}

std::string incident_report(const json::value& incident, WallTime now, const Style& style) {
  const auto zero = zero_of(incident);
  const auto day = text_member(incident, "began_at");
  std::string text =
      fmt::format("Incident {}: {}, {}, {}\n\n", text_member(incident, "id"),
                  paint(text_member(incident, "subject"), Tone::strong, style),
                  paint(text_member(incident, "state"), tone_of_incident(incident), style),
                  text_member(incident, "severity"));
  text += line("What",
               fmt::format("{}: {}", text_member(incident, "cause"), text_member(incident, "why")),
               style);
  text += line("Began",
               fmt::format("{}, {} ago", text_member(incident, "began_at"),
                           age_member(incident, "began_at", now)),
               style);
  text += line("Over", over_text(incident, now), style);
  text += line("Led", led_text(incident), style);
  text += line("Lost", rpo_text(incident, day), style);
  text += line("Down by it", join(texts_member(incident, "members"), ", "), style);
  text += line("Known", acknowledged_text(incident, now), style);
  text += line("Told", join(texts_member(incident, "told"), ", "), style);
  text += section("Left to do", left_to_do(incident, style), style);
  text += section("When", marks(incident, day, style), style);
  text += section("What happened", notes(incident, zero, style), style);
  text += section("What was tried", attempts(incident, zero, style), style);
  const auto left_out = integer_member(incident, "left_out");
  if (left_out > 0) {
    text += fmt::format("\n{} further entries were not kept; the journal has them\n", left_out);
  }
  return text;
}

std::string event_line(const json::value& event, const Style& style) {
  const auto subject = text_member(event, "subject");
  return fmt::format("{} {:<13} {}{}{}\n", paint(text_member(event, "at"), Tone::quiet, style),
                     text_member(event, "kind"), paint(subject, Tone::strong, style),
                     subject.empty() ? "" : ": ", text_member(event, "text"));
}

}  // namespace pointsman
