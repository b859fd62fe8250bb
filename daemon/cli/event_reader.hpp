// Events as they come over /v1/events (text/event-stream), piece by piece. Pure.
//
// Reads what pointsman writes and what the format allows beside it (comments, CRLF, several data
// lines). An event of more than event_limit bytes is given up with all that follows it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pointsman {

struct StreamEvent {
  std::string id, kind, data;
};

class EventReader {
 public:
  static constexpr std::size_t event_limit = 1 << 20;

  using Take = std::function<void(const StreamEvent&)>;
  explicit EventReader(Take take) : take_(std::move(take)) {}

  /// False: this is no stream of events.
  bool read(std::string_view piece);

 private:
  void on_line(std::string_view line);

  Take take_;
  std::string line_;
  StreamEvent event_;
};

}  // namespace pointsman
