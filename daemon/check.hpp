// `pointsman check [FILE]`: is the configuration right, and what does it mean?
#pragma once

#include <filesystem>

namespace pointsman {

enum class CheckOutput { text, json };
enum class Strictness { warnings_are_fine, warnings_are_errors };

/// 0 when fine, 78 with errors, or with warnings when strict.
int check_config(const std::filesystem::path& file, CheckOutput output, Strictness strictness);

}  // namespace pointsman
