#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "daemon/cli/json_read.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/cli/words.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

constexpr std::size_t label_width = 13;

std::string line(std::string_view label, const std::string& text, const Style& style,
                 Tone tone = Tone::plain) {
  std::string made =
      paint(label, Tone::quiet, style) + std::string(label_width - label.size(), ' ');
  // Painted line by line would be wrong where it wraps: only short texts are painted.
  return made +
         (tone == Tone::plain ? wrapped(text, label_width, style) : paint(text, tone, style)) +
         "\n";
}

std::string sentence(std::string text) {
  if (text.empty()) return text;
  if (text[0] >= 'a' && text[0] <= 'z' && text.find(' ') != std::string::npos) {
    // A probe's name stays as it is written: only plain words begin with a capital.
    const auto first = text.substr(0, text.find(' '));
    for (const char* word :
         {"the", "every", "not", "no", "several", "reads", "all", "our", "what"}) {
      if (first == word) text[0] = static_cast<char>(text[0] - 'a' + 'A');
    }
  }
  return text.back() == '.' ? text : text + ".";
}

std::string in_effect_text(const json::value& why) {
  if (true_member(why, "switching")) return "a switch is under way";
  if (!true_member(why, "in_effect")) {
    const auto error = text_member(why, "observe_error");
    return error.empty() ? "no: what is observed is not what is wanted, or was not proven yet"
                         : "not known: " + error;
  }
  const auto verified = text_member(why, "verified");
  if (verified == "query") return "yes, proven by a query through the pooler";
  if (verified == "servers") return "yes, proven by the pooler's list of servers only";
  return "yes";
}

/// The facts that decide about a candidate, where its probe reports them.
std::string facts_text(const json::value& candidate) {
  const auto& facts = member(candidate, "facts");
  std::vector<std::string> parts;
  const auto add = [&](std::string_view name, std::string_view label, std::string_view unit) {
    const auto text = text_member(facts, name);
    if (!text.empty()) parts.push_back(fmt::format("{}{}{}", label, text, unit));
  };
  add("role", "", "");
  add("timeline", "timeline ", "");
  add("lag_seconds", "lag ", " s");
  add("lag_bytes", "lag ", " bytes");
  if (true_member(facts, "read_only")) parts.emplace_back("read only");
  if (member(facts, "receiving").is_bool()) {
    parts.emplace_back(true_member(facts, "receiving") ? "receives" : "receives nothing");
  }
  return join(parts, ", ");
}

std::string candidates(const json::value& why, WallTime now, const Style& style) {
  const auto& all = member(why, "candidates");
  if (!all.is_array() || all.get_array().empty()) return {};
  Table table({"CANDIDATE", "STATE", "SINCE", "LAST SAMPLE"});
  for (const auto& candidate : all.get_array()) {
    const auto& sample = member(candidate, "sample");
    auto state = text_member(candidate, "state");
    const auto tone = tone_of_state(state);
    auto last = text_member(sample, "reason");
    const bool passed = text_member(sample, "outcome") == "pass";
    if (!last.empty()) last += fmt::format(", {} ago", age_member(sample, "at", now));
    table.add({{text_member(candidate, "probe")},
               {std::move(state), tone},
               {age_member(candidate, "since", now)},
               {last.empty() ? "none yet" : last, passed ? Tone::plain : Tone::warning}});
    if (!passed) table.add_note(text_member(sample, "message"));
    table.add_note(facts_text(candidate));
  }
  return "\n" + paint("Candidates, in order of preference", Tone::strong, style) + "\n" +
         table.text(style, "  ");
}

/// "10:03:02Z, in 48s".
std::string until_text(const json::value& guard, WallTime now) {
  const auto until = time_member(guard, "until");
  if (!until) return {};
  const auto clock = text_member(guard, "until").substr(11, 8);
  return *until > now ? fmt::format("{}Z, in {}", clock, short_duration(*until - now))
                      : fmt::format("{}Z, past", clock);
}

std::string guards(const json::value& why, WallTime now, const Style& style) {
  const auto& all = member(why, "guards");
  if (!all.is_array() || all.get_array().empty()) return {};
  int denied = 0;
  Table table({"GUARD", "", "FOUND", "LIMIT", "UNTIL"});
  for (const auto& guard : all.get_array()) {
    const bool allow = true_member(guard, "allow");
    denied += allow ? 0 : 1;
    table.add({{text_member(guard, "name")},
               {allow ? "allows" : "HOLDS", allow ? Tone::good : Tone::bad},
               {text_member(guard, "value")},
               {text_member(guard, "limit")},
               {until_text(guard, now)}});
  }
  const auto title =
      denied == 0 ? std::string("Guards: none holds an automatic switch")
      : denied == 1
          ? std::string("Guards: one holds automatic acts (which, depends on the act)")
          : fmt::format("Guards: {} hold automatic acts (which, depends on the act)", denied);
  return "\n" + paint(title, Tone::strong, style) + "\n" + table.text(style, "  ");
}

std::string last_switch_text(const json::value& why, WallTime now) {
  const auto& last = member(why, "last_switch");
  if (!last.is_object()) return "none since the daemon started";
  auto from = join(texts_member(last, "from"), ", ");
  auto text = fmt::format("{} ago ({}): {} -> {}, {}, took {} ms", age_member(last, "at", now),
                          text_member(last, "at"), from.empty() ? "elsewhere" : from,
                          join(texts_member(last, "to"), ", "), text_member(last, "cause"),
                          integer_member(last, "took_ms"));
  const auto& result = member(why, "last_switch_result");
  if (result.is_object()) {
    text += fmt::format("; {}", text_member(result, "outcome"));
    const auto message = text_member(result, "message");
    if (!message.empty()) text += ": " + message;
  }
  return text;
}

std::string incident_text(const json::value& why, WallTime now) {
  const auto& incident = member(why, "incident");
  if (!incident.is_object()) return {};
  const auto asked = text_member(incident, "asked");
  const auto id = integer_member(incident, "id");
  return fmt::format("{} ({}, {}, {} ago){}; the story: pointsman incidents {}", id,
                     text_member(incident, "subject"), text_member(incident, "severity"),
                     age_member(incident, "began_at", now), asked.empty() ? "" : ": " + asked, id);
}

}  // namespace

std::string why_report(const json::value& why, WallTime now, const Style& style) {
  const auto state = text_member(why, "state");
  std::string text =
      fmt::format("Route {}: {}\n\n", paint(text_member(why, "route"), Tone::strong, style),
                  paint(state, tone_of_state(state), style));
  const bool in_effect = true_member(why, "in_effect");
  text += line("Diagnosis", text_member(why, "diagnosis"), style,
               state == "healthy" ? Tone::good : Tone::bad);
  text += line("", sentence(text_member(why, "why")), style);
  text += line("Wanted", targets_text(why), style, Tone::strong);
  text += line("Observed", observed_text(why), style);
  text += line("In effect", in_effect_text(why), style, in_effect ? Tone::good : Tone::bad);
  text += line("Last switch", last_switch_text(why, now), style);
  const auto incident = incident_text(why, now);
  if (!incident.empty()) text += line("Incident", incident, style);
  return text + candidates(why, now, style) + guards(why, now, style);
}

}  // namespace pointsman
