// The template of a file that something else reads: what it gives for a set of targets, and what a
// file that it gave leads to. Pure.
//
// {{address}} (host:port), {{host}}, {{port}}, {{name}} stand for the target; between {{#targets}}
// and {{/targets}} for each of them in turn, else for the first. {{epoch}} counts the switches of
// the route, and no digit or tag may stand next to it, or it could not be read back. A line with
// nothing but {{#targets}} or {{/targets}} leaves no line behind. All else is copied as it stands.
// Errors begin "FILE:LINE: ". At most `max_size` bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

class FileTemplate {
 public:
  static constexpr std::size_t max_size = 256 * 1024;

  FileTemplate() = default;
  /// `file` is for messages alone.
  static Result<FileTemplate> parse(std::string_view text, const std::string& file);

  /// One target at least. The error: several, and the template has no place for more than one.
  Result<std::string> render(const std::vector<SwitchTarget>& targets, std::uint64_t epoch) const;

  /// Is `text` what this template gives for these targets? With which epoch (0 where it shows
  /// none)?
  std::optional<std::uint64_t> match(std::string_view text,
                                     const std::vector<SwitchTarget>& targets) const;

  bool has_block() const { return has_block_; }

 private:
  enum class Kind { literal, address, host, port, name, epoch };
  struct Piece {
    Kind kind = Kind::literal;
    std::string text;  ///< of a literal
    int block = 0;     ///< not 0: repeated for each target, with its neighbours of that number
  };
  friend class TemplateReader;

  std::string give(const std::vector<SwitchTarget>& targets, std::string_view epoch) const;

  std::vector<Piece> pieces_;
  bool has_block_ = false;
};

/// Which of the known targets does a file lead to? Tries each alone, and where the template has a
/// block every set of them in their order (of more than `max_known_for_sets`, all of them only).
struct FileMatch {
  std::vector<SwitchTarget> targets;
  std::uint64_t epoch = 0;
};
inline constexpr std::size_t max_known_for_sets = 8;
std::optional<FileMatch> recognise(const FileTemplate& tmpl, std::string_view text,
                                   const std::vector<SwitchTarget>& known);

}  // namespace pointsman
