#include "daemon/notify/notifiers.hpp"

#include <fmt/format.h>

#include "daemon/notify/text.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

OutboxEntry test_entry(const std::string& node) {
  Alert alert;
  alert.alertname = "PointsmanTest";
  alert.subject = "test";
  alert.severity = Severity::warning;
  alert.summary = fmt::format("Test of pointsman on {}: nothing is wrong", node);
  alert.annotations = {{"asked", "nothing: a person ran `pointsman notify test`"}};
  const WallTime now = wall_now();
  return make_entry(alert, now, now);
}

/// What becomes of a test's alert, which nobody resolves.
std::string_view afterwards(std::string_view kind) {
  if (kind == "alertmanager") return "; the alert ends by itself after three refreshes";
  if (kind == "pagerduty") return "; resolve it in PagerDuty";
  return "";
}

}  // namespace

Notifiers::Notifiers(NotifySurroundings around) {
  around.node = clean_text(around.node);
  around_ = std::make_shared<const NotifySurroundings>(std::move(around));
}

Notifiers::~Notifiers() = default;

void Notifiers::configure(const std::map<NotifierName, NotifierSpec>& specs) {
  for (auto known = deliveries_.begin(); known != deliveries_.end();) {
    const auto current = known++;
    if (specs.count(current->first) > 0) continue;
    const std::size_t open = current->second->status().open;
    if (open > 0) {
      around_->warn(
          fmt::format("notifier {} is gone from the configuration: {} open alerts are "
                      "not told to be over there",
                      current->first.text, open));
    }
    current->second->stop();
    deliveries_.erase(current);
  }
  for (const auto& [name, spec] : specs) {
    std::shared_ptr<Delivery>& delivery = deliveries_[name];
    const bool is_new = delivery == nullptr;
    if (is_new) delivery = std::make_shared<Delivery>(name, around_);
    delivery->use(spec);
    if (is_new) delivery->start();
  }
}

void Notifiers::restore(const std::vector<OutboxRow>& rows) {
  for (const OutboxRow& row : rows) {
    const auto delivery = deliveries_.find(row.notifier);
    auto entry = entry_of_document(row.incident, row.document);
    if (delivery != deliveries_.end() && entry) {
      delivery->second->restore(std::move(entry.value()));
      continue;
    }
    around_->warn(
        fmt::format("an alert of incident {} for notifier {} is dropped: {}",
                    static_cast<std::uint64_t>(row.incident), row.notifier.text,
                    entry ? "there is no such notifier any more" : entry.error().message));
    around_->store.remove(row.notifier, row.incident);
  }
}

void Notifiers::reconcile(const std::set<IncidentId>& open) {
  for (const auto& [name, delivery] : deliveries_) delivery->reconcile(open);
}

void Notifiers::send(const Alert& alert) {
  const auto delivery = deliveries_.find(alert.notifier);
  if (delivery == deliveries_.end()) {
    around_->warn(fmt::format("incident {} was to be told to notifier {}, which is not configured",
                              static_cast<std::uint64_t>(alert.incident), alert.notifier.text));
    return;
  }
  delivery->second->send(make_entry(alert, to_wall(alert.starts), wall_now()));
}

asio::awaitable<Result<std::string>> Notifiers::async_test(NotifierName name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto found = deliveries_.find(name);
  if (found == deliveries_.end()) {
    co_return Error{fmt::format("there is no notifier named {}", name.text)};
  }
  const std::shared_ptr<Delivery> delivery = found->second;  // a reload may remove it meanwhile
  const std::shared_ptr<Sender> sender = delivery->sender();
  const MessageContext now = delivery->context();
  const OutboxEntry entry = test_entry(now.node);
  const Delivered delivered = co_await sender->async_send(entry, now);
  if (delivered.how != Delivered::How::told) co_return Error{delivered.message};
  co_return delivered.message + std::string(afterwards(delivery->kind()));
}

std::map<NotifierName, NotifierStatus> Notifiers::status() const {
  std::map<NotifierName, NotifierStatus> all;
  for (const auto& [name, delivery] : deliveries_) all.emplace(name, delivery->status());
  return all;
}

}  // namespace pointsman
