// The name that was probably meant: the nearest by edits (insert, delete, replace, swap of
// neighbours). Pure; any thread. Words longer than 64 characters are not compared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pointsman {

/// Edits between two words; upper and lower case, and '-' and '_', count as the same.
int edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known` when it is near enough (a third of the word's length, at most 3), else
/// empty. Ties go to the first.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// ", did you mean 'interval'?" or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace pointsman
