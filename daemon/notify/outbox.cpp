#include "daemon/notify/outbox.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "daemon/notify/text.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

constexpr int document_version = 1;

std::int64_t to_number(WallTime at) {
  return at.time_since_epoch().count();
}
WallTime to_time(std::int64_t number) {
  return WallTime{std::chrono::milliseconds{number}};
}

Severity severity_of(std::string_view text) {
  return text == to_text(Severity::warning) ? Severity::warning : Severity::critical;
}

void add(Annotations& to, std::string name, std::string value) {
  const auto same = std::find_if(to.begin(), to.end(),
                                 [&name](const auto& known) { return known.first == name; });
  if (same == to.end())
    to.emplace_back(std::move(name), std::move(value));
  else
    same->second += "\n" + value;
}

/// Names made fit for a label, no name twice, all together within the limits.
Annotations fitting(const Annotations& given) {
  Annotations annotations;
  std::size_t room = annotation_bytes, left_out = 0;
  for (const auto& [name, value] : given) {
    std::string label = label_name(name);
    std::string text = clean_text(value);
    const bool fits = annotations.size() < annotations_limit && label.size() + 4 < room;
    if (!fits) {
      ++left_out;
      continue;
    }
    // A unit is at most three bytes.
    if (label.size() + text.size() > room) text = cut_text(text, (room - label.size()) / 3);
    room -= std::min(room, label.size() + text.size());
    add(annotations, std::move(label), std::move(text));
  }
  if (left_out > 0) annotations.emplace_back("left_out", std::to_string(left_out));
  return annotations;
}

}  // namespace

std::optional<std::string> OutboxEntry::annotation(std::string_view name) const {
  for (const auto& [known, value] : annotations) {
    if (known == name) return value;
  }
  return std::nullopt;
}

OutboxEntry make_entry(const Alert& alert, WallTime starts, WallTime now) {
  OutboxEntry entry;
  entry.incident = alert.incident;
  entry.state = alert.state;
  entry.alertname = alert.alertname.empty() ? "PointsmanIncident" : clean_text(alert.alertname);
  entry.subject = clean_text(alert.subject);
  entry.severity = entry.told_severity = alert.severity;
  // A clock that was set back must not make an alert that ends before it starts.
  entry.starts = std::min(starts, now);
  entry.summary = cut_text(clean_text(alert.summary), summary_units);
  if (entry.summary.empty()) entry.summary = "incident of " + entry.subject;
  entry.annotations = fitting(alert.annotations);
  if (alert.state == AlertState::resolved) entry.resolved = now;
  return entry;
}

bool update_entry(OutboxEntry& entry, const OutboxEntry& next) {
  const OutboxEntry before = entry;
  const bool still_resolved = next.resolved && entry.resolved;
  entry.state = next.state;
  entry.severity = next.severity;
  entry.summary = next.summary;
  entry.annotations = next.annotations;
  if (!still_resolved) entry.resolved = next.resolved;
  return entry != before;
}

std::string content_of(const OutboxEntry& entry, Detail detail) {
  std::string all =
      fmt::format("{}\n{}\n{}\n", to_text(entry.state), to_text(entry.severity), entry.summary);
  for (const auto& [name, value] : entry.annotations) {
    const bool counts = detail == Detail::everything || name == asked_annotation;
    if (counts) all += name + "\n" + value + "\n";
  }
  return fingerprint_of(all);
}

std::string to_document(const OutboxEntry& entry) {
  json::object annotations;
  for (const auto& [name, value] : entry.annotations) annotations[name] = value;
  json::object document;
  document["version"] = document_version;
  document["state"] = to_text(entry.state);
  document["alertname"] = entry.alertname;
  document["subject"] = entry.subject;
  document["starts"] = to_number(entry.starts);
  document["severity"] = to_text(entry.severity);
  document["summary"] = entry.summary;
  document["annotations"] = std::move(annotations);
  if (entry.resolved) document["resolved"] = to_number(*entry.resolved);
  document["told"] = static_cast<int>(entry.told);
  document["told_severity"] = to_text(entry.told_severity);
  document["told_content"] = entry.told_content;
  document["told_to"] = entry.told_to;
  document["reference"] = entry.reference;
  return json::serialize(document);
}

Result<OutboxEntry> entry_of_document(IncidentId incident, const std::string& document) {
  try {
    const json::value parsed = json::parse(document);
    const json::object& from = parsed.as_object();
    const auto text = [&from](const char* name) {
      const json::string& value = from.at(name).as_string();
      return std::string(value.data(), value.size());
    };
    if (from.at("version").as_int64() != document_version) {
      return Error{"it was written by another version of pointsman"};
    }
    OutboxEntry entry;
    entry.incident = incident;
    entry.state =
        text("state") == to_text(AlertState::resolved) ? AlertState::resolved : AlertState::firing;
    entry.alertname = text("alertname");
    entry.subject = text("subject");
    entry.starts = to_time(from.at("starts").as_int64());
    entry.severity = severity_of(text("severity"));
    entry.summary = text("summary");
    for (const auto& item : from.at("annotations").as_object()) {
      const json::string& value = item.value().as_string();
      entry.annotations.emplace_back(item.key(), std::string(value.data(), value.size()));
    }
    if (from.contains("resolved")) entry.resolved = to_time(from.at("resolved").as_int64());
    if (entry.state == AlertState::resolved && !entry.resolved) entry.resolved = entry.starts;
    const std::int64_t told = from.at("told").as_int64();
    if (told >= 0 && told <= static_cast<int>(Told::acknowledged)) {
      entry.told = static_cast<Told>(told);
    }
    entry.told_severity = severity_of(text("told_severity"));
    entry.told_content = text("told_content");
    if (from.contains("told_to")) entry.told_to = text("told_to");
    entry.reference = text("reference");
    return entry;
  } catch (const std::exception& e) {
    return Error{fmt::format("it cannot be read: {}", e.what())};
  }
}

}  // namespace pointsman
