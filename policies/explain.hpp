// Sentences for people: what the log, the journal, `pointsman why` and the dashboard all print.
// Pure; no unit is left to guess.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/names.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// "350ms", "12s", "3m12s", "2h5m", "3d4h"; negative ones with a minus.
std::string print_duration(Duration duration);

/// "replica-1, replica-2", or `nobody` when empty.
template <class Name>
std::string join_names(const std::vector<Name>& names, std::string_view nobody = "nobody") {
  if (names.empty()) return std::string(nobody);
  std::string text;
  for (const Name& name : names) {
    if (!text.empty()) text += ", ";
    text += name.text;
  }
  return text;
}

/// At most `limit` bytes, with "…" where something was cut off; never in the middle of a character.
std::string cut_text(std::string text, std::size_t limit);

/// Fills {target} and {rival} in.
std::string fill_in(std::string_view sentence, std::string_view target, std::string_view rival);

/// A WAL position as PostgreSQL prints it: "0/3000148".
std::string print_lsn(std::uint64_t lsn);

/// "fail connect_refused, 240ms ago: connection refused", the evidence for one candidate.
std::string describe_sample(const Sample* sample, MonoTime now);

}  // namespace pointsman
