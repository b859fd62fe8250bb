#include "daemon/cli/event_reader.hpp"

#include <utility>

namespace pointsman {

bool EventReader::read(std::string_view piece) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    line_.append(piece.substr(0, end));
    if (line_.size() + event_.data.size() > event_limit) return false;
    if (end == std::string_view::npos) return true;
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    on_line(line_);
    line_.clear();
    piece.remove_prefix(end + 1);
  }
  return true;
}

void EventReader::on_line(std::string_view line) {
  if (line.empty()) {
    const StreamEvent event = std::exchange(event_, {});
    if (!event.data.empty()) take_(event);
    return;
  }
  const auto colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value =
      colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (name == "id") event_.id = value;
  if (name == "event") event_.kind = value;
  if (name == "data") {
    if (!event_.data.empty()) event_.data += '\n';
    event_.data += value;
  }
}

}  // namespace pointsman
