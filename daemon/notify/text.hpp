// Text for receivers that are strict about it: valid UTF-8, cut by what they count, escaped as they
// want it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pointsman {

/// Valid UTF-8 without control characters but line feed and tab; what is not becomes U+FFFD.
std::string clean_text(std::string_view text);

/// At most `units` UTF-16 code units, which is what web services count (more than characters,
/// never fewer). What is cut ends in an ellipsis that counts too. `text` is valid UTF-8.
std::string cut_text(std::string_view text, std::size_t units);
std::size_t utf16_units(std::string_view text);

/// The inside of a JSON string, without its quotes.
std::string json_escape(std::string_view text);

/// Slack's mrkdwn: &, < and > escaped; at most `units` afterwards.
std::string slack_escape(std::string_view text, std::size_t units);

/// ASCII letters, digits and '_', not beginning with a digit: a Prometheus label's name. Others
/// become '_'.
std::string label_name(std::string_view text);

/// A name for what a text says, the same in every build: FNV-1a of 64 bits in hex.
std::string fingerprint_of(std::string_view text);

}  // namespace pointsman
