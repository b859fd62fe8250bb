// The book of incidents: opened, added to, acknowledged, closed. One cause is one incident.
//
// Pure. Owned by the engine. Stories are shared and copied on write, so that a snapshot copies
// none. Limits: `incidents_kept` in memory, of which the oldest closed ones are let go first (the
// journal keeps them longer); notes and attempts of one incident as model/incident.hpp says.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policies/model/incident.hpp"

namespace pointsman {

inline constexpr std::size_t incidents_kept = 1'000;

struct OpenIncident {
  std::string subject, cause, why;
  Severity severity = Severity::critical;
  std::optional<MonoTime> first_failure, last_good;
  std::string old_target;
};

class IncidentBook {
 public:
  using Stories = std::map<IncidentId, std::shared_ptr<const Incident>>;

  /// The open incident of this subject, opened where there is none.
  IncidentId open(MonoTime now, const OpenIncident& what);
  /// All of these do nothing to an incident that is not known; marks are set once.
  void mark(IncidentId id, Mark mark, MonoTime at);
  void note(IncidentId id, MonoTime now, std::string text, Details details);
  /// Goes with the newest line where that was written now, else with a line of its own, `text`.
  void add_evidence(IncidentId id, MonoTime now, std::string text, Details evidence);
  void attempt(IncidentId id, Attempt attempt);
  void join(IncidentId id, const std::string& member);
  void set_cause(IncidentId id, MonoTime now, const std::string& cause, const std::string& why);
  void set_targets(IncidentId id, const std::string& old_target, const std::string& new_target);
  void set_rpo(IncidentId id, const Rpo& rpo);
  void add_to_rebuild(IncidentId id, const std::string& what);
  void raise(IncidentId id, Severity severity);
  /// Critical, and a person is asked to do something. Nothing where just that is asked already.
  void needs_human(IncidentId id, const std::string& asked);
  /// The same, anew: whoever was told is told again though nothing else has changed, and an
  /// acknowledgement counts no more.
  void call_human(IncidentId id, const std::string& asked);
  /// A person is asked something, no more, and told so as by call_human; and: what was asked is
  /// answered.
  void ask(IncidentId id, const std::string& asked);
  void ask_nothing(IncidentId id);
  /// An open one may be acknowledged again: its ladder may have been exhausted again since. False:
  /// not known, or over and acknowledged before.
  bool acknowledge(IncidentId id, Acknowledgement acknowledgement);
  /// This notifier is told of it from now on.
  void tell(IncidentId id, const NotifierName& notifier);
  /// The same; one that was told of it before is told once more.
  void call(IncidentId id, const NotifierName& notifier);
  void told(IncidentId id, const NotifierName& notifier, const std::string& gist);
  void close(IncidentId id, MonoTime now);

  std::shared_ptr<const Incident> find(IncidentId id) const;
  std::shared_ptr<const Incident> find_open(const std::string& subject) const;
  /// An open one that names it as a member; the oldest.
  std::shared_ptr<const Incident> find_open_with(const std::string& member) const;
  /// Of those that are open.
  const std::map<std::string, IncidentId>& open_subjects() const { return open_; }
  const Stories& stories() const { return stories_; }
  int open_count() const { return static_cast<int>(open_.size()); }
  /// Those that changed since the last call, in order.
  std::vector<IncidentId> take_changed();

  void restore(const std::vector<std::shared_ptr<const Incident>>& incidents, std::uint64_t last);

 private:
  Incident* edit(IncidentId id);
  void forget_old();

  Stories stories_;
  std::map<std::string, IncidentId> open_;  ///< by subject
  std::set<IncidentId> changed_;
  std::uint64_t last_ = 0;
};

}  // namespace pointsman
