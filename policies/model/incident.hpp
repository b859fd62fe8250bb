// An incident: from the first failed sample to the verified recovery, as plain values.
//
// Made by policies/incidents, kept by the journal (daemon/journal), printed by HTTP, the command
// line and the notifiers. Times are monotonic; whoever stores or prints one converts them, and a
// start converts them back, so that they may lie before the machine's boot. Limits:
// incident_notes_limit, incident_attempts_limit, incident_text_limit for each of their texts and
// incident_evidence_bytes for all evidence; what comes after is counted, not kept.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policies/model/event.hpp"
#include "policies/model/names.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

inline constexpr std::size_t incident_notes_limit = 200;
inline constexpr std::size_t incident_attempts_limit = 100;
inline constexpr std::size_t incident_text_limit = 1'000;  ///< bytes
inline constexpr std::size_t incident_evidence_bytes = 48UL * 1024;

/// Names and values, in order: the evidence of a moment.
using Details = std::vector<std::pair<std::string, std::string>>;

enum class IncidentState { open, closed };
enum class Severity { warning, critical };

/// SPEC section 8. RTO = T9 - T0. A mark is set once.
enum class Mark {
  last_good,      ///< T0 the last sample that was good
  first_failure,  ///< T1
  unhealthy,      ///< T2
  diagnosed,      ///< T3
  claimed,        ///< T4 the decision to act was recorded
  chosen,         ///< T5 the candidate
  promoted,       ///< T6 the new target takes writes
  in_effect,      ///< T7 the route leads there
  old_gone,       ///< T8 no connection to the old target is left
  verified,       ///< T9 through the pooler, or seen healthy again
};
inline constexpr std::size_t mark_count = 10;

/// What may be lost. Bytes of WAL that only the old primary has; commit times between `from` and
/// `to`. The upper bound in bytes is not known until the old primary is back: then it is exact.
struct Rpo {
  std::uint64_t lower_bytes = 0;
  std::optional<std::uint64_t> upper_bytes;
  /// Rows whose commit was acknowledged in between may be lost; none: since when is not known.
  std::optional<MonoTime> from;
  MonoTime to{};
  bool exact = false;
  std::uint64_t promotion_lsn = 0;            ///< where the new timeline begins
  std::optional<std::uint64_t> old_last_lsn;  ///< last seen on the old primary
  friend bool operator==(const Rpo&, const Rpo&) = default;
};

/// One entry of the story, with the evidence of that moment.
struct IncidentNote {
  MonoTime at{};
  std::string text;
  Details details;
  friend bool operator==(const IncidentNote&, const IncidentNote&) = default;
};

/// Something that was tried.
struct Attempt {
  MonoTime at{};
  std::string action;  ///< "promote replica-1", "switch bud", "restart_unit app.service"
  Duration took{};
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;
  friend bool operator==(const Attempt&, const Attempt&) = default;
};

/// A notifier that knows of the incident: it is told of every change that matters, and of the end.
struct AlertTold {
  NotifierName notifier;
  std::string gist;  ///< of the alert that was sent last (policies/alerts); empty: not yet sent
  std::uint64_t calls_again = 0;  ///< how often it was called to it once more
  bool is_called = false;         ///< it is to be told though nothing else has changed
  friend bool operator==(const AlertTold&, const AlertTold&) = default;
};

struct Acknowledgement {
  MonoTime at{};
  std::string by, reason;
  friend bool operator==(const Acknowledgement&, const Acknowledgement&) = default;
};

struct Incident {
  IncidentId id{};
  std::string subject;  ///< to_text(Member): "route:bud", "database"; the root of what is down
  IncidentState state = IncidentState::open;
  Severity severity = Severity::warning;
  std::string cause;  ///< id of the diagnosis, else the reason of the sample
  std::string why;    ///< one sentence
  std::string old_target, new_target;
  std::array<std::optional<MonoTime>, mark_count> marks;
  std::optional<Rpo> rpo;
  std::vector<std::string> members;     ///< what else is down because of it: "database", "route:ro"
  std::vector<IncidentNote> notes;      ///< in order
  std::vector<Attempt> attempts;        ///< in order
  std::vector<std::string> to_rebuild;  ///< what a person has to put right after a failover
  std::uint64_t left_out = 0;           ///< notes and attempts over the limit
  bool needs_human = false;             ///< exhausted, no_candidate, split_brain
  std::string asked;                    ///< what is asked of the human; empty: nothing
  std::optional<Acknowledgement> acknowledged;
  std::vector<AlertTold> told;  ///< no notifier twice
  std::optional<MonoTime> closed_at;
  friend bool operator==(const Incident&, const Incident&) = default;

  std::optional<MonoTime> mark(Mark m) const { return marks[static_cast<std::size_t>(m)]; }
  /// T9 - T0; nothing before it is verified.
  std::optional<Duration> rto() const;
};

/// "T0 last good sample" …; the words of the JSON are to_text's.
std::string_view to_text(Mark mark);
std::string_view describe(Mark mark);
std::string_view to_text(IncidentState state);
std::string_view to_text(Severity severity);

}  // namespace pointsman
