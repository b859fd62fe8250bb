#include "daemon/runtime/notifier_views.hpp"

#include <string>
#include <utility>

namespace pointsman {

std::vector<NotifierView> notifier_views(const std::map<NotifierName, NotifierStatus>& all) {
  std::vector<NotifierView> views;
  for (const auto& [name, status] : all) {
    NotifierView one;
    one.name = name.text;
    one.type = std::string(status.kind);
    one.pending = status.queued;
    one.open = status.open;
    one.sent_total = status.delivered;
    one.failed_total = status.failed;
    one.dropped_total = status.dropped;
    one.last_sent = status.last_delivered;
    one.last_error = status.last_error;
    views.push_back(std::move(one));
  }
  return views;
}

}  // namespace pointsman
