// `pointsman check [FILE]`: is the configuration right, and what does it mean?
#pragma once

#include <filesystem>

namespace pointsman {

enum class CheckOutput { text, json };
enum class Strictness { warnings_are_fine, warnings_are_errors };

/// live: also asks every server and pooler, and looks at every folder (runtime/live_check.hpp).
enum class CheckReach { file_only, live };

/// 0 when fine, 78 with errors, or with warnings when strict; 1 when the configuration is right,
/// but what it names is not as it has to be (live).
int check_config(const std::filesystem::path& file, CheckOutput output, Strictness strictness,
                 CheckReach reach = CheckReach::file_only);

}  // namespace pointsman
