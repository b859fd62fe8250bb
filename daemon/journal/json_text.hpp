// The journal's JSON columns: details, targets and facts, and back again where they are read.
// Pure; keeps the order in which things were said.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policies/model/names.hpp"
#include "policies/model/sample.hpp"

namespace pointsman {

/// An object; where a name comes twice its values are joined with "; ".
std::string details_json(const std::vector<std::pair<std::string, std::string>>& details);
/// Nothing where it is not an object; what is no text is left out.
std::vector<std::pair<std::string, std::string>> details_of_json(const std::string& text);
/// An object with each fact under the name that HTTP prints too.
std::string facts_json(const Facts& facts);
/// An array of names.
std::string targets_json(const std::vector<ProbeName>& targets);
/// Nothing where it is not an array of strings.
std::vector<ProbeName> targets_of_json(const std::string& text);

}  // namespace pointsman
