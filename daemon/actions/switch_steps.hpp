// What the journal keeps of a switch under way, so that the next start can finish or undo it. Pure.
#pragma once

#include <optional>
#include <string>

namespace pointsman {

struct SwitchSteps {
  std::string route, pooler, file, database;
  std::optional<std::string> previous;  ///< the line before; absent: there was none
  std::string wanted;                   ///< the line to be written; empty: only held
  bool retry = false;                   ///< server_login_retry is, or is about to be, set short
  bool killed = false;  ///< KILL was, or is about to be, sent: the database is paused
  bool held = false;    ///< paused by us for a planned change, or about to be
  friend bool operator==(const SwitchSteps&, const SwitchSteps&) = default;
};

/// A JSON object.
std::string to_json(const SwitchSteps& steps);
/// Nothing where it is not one of ours.
std::optional<SwitchSteps> steps_of_json(const std::string& text);

}  // namespace pointsman
