// Notifiers: everyone who is told of incidents. The part's one entry for the daemon.
//
// On the loop's thread. At a start: configure, restore what the journal kept, then reconcile with
// the incidents that are open; from then on send whatever the core says. send is idempotent: the
// same alert again tells nobody anything. Nothing here blocks, and no call waits for a receiver.
// On shutdown the task group cancels the deliveries, which end soon; what was not told stays in the
// outbox. Spawned coroutines hold what they need: Notifiers may go before they have ended.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/notify/delivery.hpp"
#include "daemon/notify/outbox.hpp"
#include "policies/model/alert.hpp"
#include "policies/model/names.hpp"
#include "policies/model/result.hpp"
#include "probes/notifier_spec.hpp"

namespace pointsman {

class Notifiers {
 public:
  explicit Notifiers(NotifySurroundings around);
  ~Notifiers();
  Notifiers(const Notifiers&) = delete;
  Notifiers& operator=(const Notifiers&) = delete;

  /// Also on a reload: notifiers that stay keep their entries and are tried anew; one that is gone
  /// is told nothing more, and its entries are removed.
  void configure(const std::map<NotifierName, NotifierSpec>& specs);
  /// Once, after the first configure. Rows of a notifier that is gone, and rows that cannot be
  /// read, are removed with a line in the log.
  void restore(const std::vector<OutboxRow>& rows);
  /// Resolves what fires for an incident that is not open (any more): no zombie outlives a kill.
  void reconcile(const std::set<IncidentId>& open);

  void send(const Alert& alert);

  /// Sends a real alert, apart from the queue and its back-off, within try_limit. A value says what
  /// the receiver answered and what becomes of the alert, an error why it was not taken.
  asio::awaitable<Result<std::string>> async_test(NotifierName name);

  std::map<NotifierName, NotifierStatus> status() const;

 private:
  std::shared_ptr<const NotifySurroundings> around_;
  std::map<NotifierName, std::shared_ptr<Delivery>> deliveries_;
};

}  // namespace pointsman
