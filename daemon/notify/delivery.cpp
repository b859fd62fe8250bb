#include "daemon/notify/delivery.hpp"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "daemon/notify/destination.hpp"
#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

std::string incident_text(const OutboxEntry& entry) {
  return fmt::format("incident {}", static_cast<std::uint64_t>(entry.incident));
}

}  // namespace

Delivery::Delivery(NotifierName name, std::shared_ptr<const NotifySurroundings> around)
    : name_(std::move(name)), around_(std::move(around)), timer_(around_->services.executor) {}

void Delivery::use(const NotifierSpec& spec) {
  const bool is_reload = sender_ != nullptr;
  sender_ = make_sender(spec, around_->services);
  kind_ = kind_of(spec);
  destination_ = destination_of(spec);
  if (!is_reload) return;
  backoff_.reset();
  blocked_until_ = {};
  std::size_t anew = 0;
  for (auto& [id, item] : items_) {
    const bool was_told = item.entry.told != Told::nothing;
    if (!was_told) item.entry.told_content.clear();  // it was refused
    if (forget_other_destination(item.entry)) {
      if (was_told && item.entry.state == AlertState::firing) ++anew;
      item.told_at.reset();
      put(item);
    }
    schedule(item);
  }
  if (anew > 0) {
    warn(
        fmt::format("leads elsewhere now: {} open alerts are told anew there, and the old "
                    "receiver is not told that they are over",
                    anew));
  }
  wake();
}

/// What was told holds for whom it was told to. True: it was told to somebody else.
bool Delivery::forget_other_destination(OutboxEntry& entry) const {
  if (entry.told_to.empty() || entry.told_to == destination_) return false;
  entry.told = Told::nothing;
  entry.told_severity = entry.severity;
  entry.told_content.clear();
  entry.told_to.clear();
  // A message about what is over may still be brought up to date, where it can be.
  if (entry.state == AlertState::firing) entry.reference.clear();
  return true;
}

void Delivery::start() {
  around_->spawn(async_run(shared_from_this()));
}

void Delivery::stop() {
  stopped_ = true;
  while (!items_.empty()) erase(items_.begin());
  wake();
}

void Delivery::send(OutboxEntry next) {
  const auto known = items_.find(next.incident);
  if (known == items_.end()) {
    Item item;
    item.entry = std::move(next);
    schedule(item);
    put(item);
    items_.emplace(item.entry.incident, std::move(item));
    make_room();
  } else if (update_entry(known->second.entry, next)) {
    schedule(known->second);
    put(known->second);
  }
  wake();
}

void Delivery::restore(OutboxEntry entry) {
  Item item;
  item.entry = std::move(entry);
  // What was refused is tried once more: the configuration may have been put right.
  if (item.entry.told == Told::nothing) item.entry.told_content.clear();
  // The configuration may have been changed while we did not run.
  if (forget_other_destination(item.entry)) put(item);
  item.is_durable = true;
  schedule(item);
  items_.insert_or_assign(item.entry.incident, std::move(item));
  make_room();
  wake();
}

void Delivery::reconcile(const std::set<IncidentId>& open) {
  for (auto& [id, item] : items_) {
    if (item.entry.state == AlertState::resolved || open.count(id) > 0) continue;
    item.entry.state = AlertState::resolved;
    item.entry.resolved = wall_now();
    schedule(item);
    put(item);
  }
  wake();
}

NotifierStatus Delivery::status() const {
  NotifierStatus status;
  status.kind = kind_;
  for (const auto& [id, item] : items_) {
    const OutboxEntry& entry = item.entry;
    const bool fires = entry.state == AlertState::firing;
    if (fires) ++status.open;
    if (!fires || entry.told_content != content_of(entry, sender_->detail())) ++status.queued;
  }
  status.delivered = delivered_;
  status.failed = failed_;
  status.dropped = dropped_;
  status.last_error = last_error_;
  status.last_delivered = last_delivered_;
  return status;
}

MessageContext Delivery::context() const {
  return MessageContext{around_->node, wall_now()};
}

asio::awaitable<void> Delivery::async_run(std::shared_ptr<Delivery> self) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto state = co_await asio::this_coro::cancellation_state;
  while (!self->stopped_ && !was_cancelled(state)) {
    const auto next = self->earliest();
    MonoTime at = MonoTime::max();
    if (next != self->items_.end()) at = std::max(next->second.due, self->blocked_until_);
    if (at <= mono_now()) {
      const IncidentId incident = next->first;
      co_await self->async_try(incident);
    } else {
      self->timer_.expires_at(to_steady(at));
      co_await self->timer_.async_wait(as_result);
    }
  }
}

Delivery::Items::iterator Delivery::earliest() {
  return std::min_element(items_.begin(), items_.end(),
                          [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
}

/// Before a new entry's first try: an alert that is told and then forgotten by a kill would fire at
/// its receiver for good.
asio::awaitable<void> Delivery::async_keep(IncidentId incident) {
  if (!around_->store.async_put || items_.at(incident).is_durable) co_return;
  NotifierName name = name_;
  std::string document = to_document(items_.at(incident).entry);
  co_await around_->store.async_put(std::move(name), incident, std::move(document));
  const auto item = items_.find(incident);
  if (item != items_.end()) item->second.is_durable = true;
}

asio::awaitable<void> Delivery::async_try(IncidentId incident) {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_await async_keep(incident);
  const auto item = items_.find(incident);
  if (stopped_ || was_cancelled(state) || item == items_.end()) co_return;  // dropped meanwhile
  const OutboxEntry entry = item->second.entry;
  const MessageContext now = context();
  const std::shared_ptr<Sender> sender = sender_;  // a reload may replace it meanwhile
  const std::string destination = destination_;
  Delivered delivered;
  try {
    delivered = co_await sender->async_send(entry, now);
  } catch (const std::exception& e) {
    delivered.message = fmt::format("an error of ours: {}", e.what());
  }
  POINTSMAN_FAULT_POINT("notify_delivered");
  // A try that our own stop cut short says nothing about the receiver.
  const bool is_cut = was_cancelled(state) && delivered.how == Delivered::How::retry;
  // Nor does one to whom it is not told any more about whom it is.
  const bool is_other = destination != destination_;
  if (!stopped_ && !is_cut && !is_other) conclude(entry, delivered);
}

void Delivery::conclude(const OutboxEntry& sent, const Delivered& delivered) {
  const bool told = delivered.how == Delivered::How::told;
  if (told) {
    if (!last_error_.empty()) warn(fmt::format("delivers again: {}", delivered.message));
    ++delivered_;
    last_delivered_ = wall_now();
  } else {
    ++failed_;
    const bool is_new = last_error_ != delivered.message;
    const bool refused = delivered.how == Delivered::How::refused;
    if (is_new || refused) {
      warn(fmt::format("{} {}: {}", refused ? "was refused" : "cannot deliver", incident_text(sent),
                       delivered.message));
    }
  }
  last_error_ = told ? std::string() : delivered.message;
  const auto item = items_.find(sent.incident);
  if (item == items_.end()) return;  // dropped meanwhile
  switch (delivered.how) {
    case Delivered::How::told:
      return on_told(item, sent, delivered);
    case Delivered::How::refused:
      return on_refused(item, sent, delivered);
    case Delivered::How::retry:
      return on_retry(item, delivered);
  }
}

void Delivery::on_told(Items::iterator item, const OutboxEntry& sent, const Delivered& delivered) {
  backoff_.reset();
  OutboxEntry& entry = item->second.entry;
  const bool is_over = sent.state == AlertState::resolved && entry.state == AlertState::resolved;
  if (is_over) return erase(item);
  const OutboxEntry before = entry;
  // An incident that fires again after its end was told begins anew.
  const bool ended = sent.state == AlertState::resolved;
  entry.told = ended ? Told::nothing : delivered.told;
  entry.told_severity = sent.severity;
  entry.told_content = content_of(sent, sender_->detail());
  entry.told_to = destination_;
  if (!delivered.reference.empty()) entry.reference = delivered.reference;
  item->second.told_at = mono_now();
  schedule(item->second);
  if (entry != before) put(item->second);  // a refresh writes nothing
}

void Delivery::on_refused(Items::iterator item, const OutboxEntry& sent,
                          const Delivered& delivered) {
  backoff_.reset();
  OutboxEntry& entry = item->second.entry;
  if (sent.state == AlertState::resolved && entry.state == AlertState::resolved) {
    ++dropped_;
    return erase(item);
  }
  entry.told_content = content_of(sent, sender_->detail());
  entry.told_to = destination_;
  // An acknowledge that is refused counts as told, or it would be sent again at once, without end.
  if (entry.told == Told::firing) entry.told = delivered.told;
  item->second.told_at = mono_now();
  schedule(item->second);
  put(item->second);
}

void Delivery::on_retry(Items::iterator item, const Delivered& delivered) {
  blocked_until_ = mono_now() + backoff_.next(around_->random(), delivered.retry_after);
  item->second.due = blocked_until_;
  const OutboxEntry& entry = item->second.entry;
  if (!entry.resolved || wall_now() - *entry.resolved < resolved_kept) return;
  ++dropped_;
  warn(fmt::format("gives up to tell that {} is over: it was for {} days", incident_text(entry),
                   std::chrono::duration_cast<std::chrono::hours>(resolved_kept).count() / 24));
  erase(item);
}

/// When there is something to tell of it next.
void Delivery::schedule(Item& item) const {
  const OutboxEntry& entry = item.entry;
  const MonoTime now = mono_now();
  const bool is_new = entry.told_content != content_of(entry, sender_->detail());
  const auto refresh = sender_->refresh();
  if (entry.state == AlertState::resolved || sender_->wants_more(entry)) {
    item.due = now;
  } else if (is_new) {
    item.due = item.told_at ? std::max(now, *item.told_at + change_spacing) : now;
  } else if (refresh) {
    item.due = item.told_at ? *item.told_at + *refresh : now;
  } else {
    item.due = MonoTime::max();
  }
}

void Delivery::put(const Item& item) const {
  around_->store.put(name_, item.entry.incident, to_document(item.entry));
}

void Delivery::erase(Items::iterator item) {
  around_->store.remove(name_, item->first);
  items_.erase(item);
}

void Delivery::make_room() {
  while (items_.size() > outbox_limit) {
    // Ids count up: the first is the oldest.
    auto oldest = std::find_if(items_.begin(), items_.end(), [](const auto& item) {
      return item.second.entry.state == AlertState::resolved;
    });
    if (oldest == items_.end()) oldest = items_.begin();
    ++dropped_;
    warn(fmt::format("drops {}: more than {} alerts wait", incident_text(oldest->second.entry),
                     outbox_limit));
    erase(oldest);
  }
}

void Delivery::warn(const std::string& text) const {
  around_->warn(fmt::format("notifier {} {}", name_.text, text));
}

}  // namespace pointsman
