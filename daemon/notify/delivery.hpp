// One notifier's delivery: its entries of the outbox, and the one coroutine that tells them in
// turn.
//
// On the loop's thread. Nothing here waits for another notifier: each has its own coroutine and
// connections, so that one that hangs for an hour holds up itself alone. One try at a time; after a
// failure all of the notifier's entries wait (backoff.hpp) and the one that failed goes to the end.
// An alert that fires is never given up; one that is resolved is dropped after resolved_kept, or
// when there are more than outbox_limit. A refusal is logged and counted, and the same content is
// not sent again. The coroutine holds the Delivery: it ends when cancelled or stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/notify/backoff.hpp"
#include "daemon/notify/outbox.hpp"
#include "daemon/notify/sender.hpp"
#include "policies/model/names.hpp"
#include "probes/asio.hpp"
#include "probes/prober.hpp"

namespace pointsman {

/// An alert that changes often is told no sooner than this after it was told last; its end at once.
inline constexpr Duration change_spacing{std::chrono::seconds{2}};

/// What deliveries share; outlives them.
struct NotifySurroundings {
  ProberServices services;
  std::string node;  ///< our name: the label, PagerDuty's source, part of its dedup_key
  OutboxStore store;
  std::function<void(asio::awaitable<void>)> spawn;  ///< into a task group
  std::function<double()> random;                    ///< 0..1
  std::function<void(const std::string&)> warn;      ///< to the log
};

/// How a notifier fares. Totals count from the daemon's start.
struct NotifierStatus {
  std::string_view kind;        ///< "alertmanager", …
  std::size_t queued = 0;       ///< entries that wait to be told something
  std::size_t open = 0;         ///< entries that fire
  std::uint64_t delivered = 0;  ///< tries that the receiver took, refreshes among them
  std::uint64_t failed = 0;     ///< tries that did not come through or were refused
  std::uint64_t dropped = 0;    ///< entries given up: refused at their end, too many, too old
  std::string last_error;       ///< of the last try; empty when it was taken
  std::optional<WallTime> last_delivered;
};

class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  Delivery(NotifierName name, std::shared_ptr<const NotifySurroundings> around);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Also on a reload: what was refused or waits is tried anew, the way it is to be now. Where it
  /// leads to somebody else now, what fires is told there from its beginning.
  void use(const NotifierSpec& spec);
  void start();
  /// Ends soon, and forgets all entries for good.
  void stop();

  void send(OutboxEntry next);
  void restore(OutboxEntry entry);
  /// Entries that fire for an incident that is not open are resolved.
  void reconcile(const std::set<IncidentId>& open);

  NotifierStatus status() const;
  /// For a test: the sender, apart from the queue.
  std::shared_ptr<Sender> sender() const { return sender_; }
  std::string_view kind() const { return kind_; }
  MessageContext context() const;

 private:
  struct Item {
    OutboxEntry entry;
    MonoTime due{};           ///< MonoTime::max(): nothing to tell
    bool is_durable = false;  ///< a start would find it: nothing is told that it would not resolve
    std::optional<MonoTime> told_at;
  };
  using Items = std::map<IncidentId, Item>;

  static asio::awaitable<void> async_run(std::shared_ptr<Delivery> self);
  asio::awaitable<void> async_keep(IncidentId incident);
  asio::awaitable<void> async_try(IncidentId incident);
  Items::iterator earliest();
  void conclude(const OutboxEntry& sent, const Delivered& delivered);
  void on_told(Items::iterator item, const OutboxEntry& sent, const Delivered& delivered);
  void on_refused(Items::iterator item, const OutboxEntry& sent, const Delivered& delivered);
  void on_retry(Items::iterator item, const Delivered& delivered);
  bool forget_other_destination(OutboxEntry& entry) const;
  void schedule(Item& item) const;
  void put(const Item& item) const;
  void erase(Items::iterator item);
  void make_room();
  void wake() { timer_.cancel(); }
  void warn(const std::string& text) const;

  const NotifierName name_;
  const std::shared_ptr<const NotifySurroundings> around_;
  std::shared_ptr<Sender> sender_;
  std::string_view kind_;
  std::string destination_;  ///< destination_of
  asio::steady_timer timer_;
  Items items_;
  Backoff backoff_;
  MonoTime blocked_until_{};
  bool stopped_ = false;
  std::uint64_t delivered_ = 0, failed_ = 0, dropped_ = 0;
  std::string last_error_;
  std::optional<WallTime> last_delivered_;
};

}  // namespace pointsman
