// Tables and colours: aligned columns for people, colour on a terminal only. Pure; makes strings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pointsman {

enum class Tone { plain, good, warning, bad, quiet, strong };

/// How to print: made once from the terminal and NO_COLOR.
struct Style {
  bool colour = false;
  int columns = 0;  ///< 0: nothing is cut
};

std::string paint(std::string_view text, Tone tone, const Style& style);
/// The tone of a state's word: healthy good, degraded warning, unhealthy bad, unknown warning.
Tone tone_of_state(std::string_view state);

struct Cell {
  std::string text;
  Tone tone = Tone::plain;
};

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  /// As many cells as there are headings, or fewer.
  void add(std::vector<Cell> row) { rows_.push_back({std::move(row), {}}); }
  /// A line of its own below the last row, indented; none for an empty text.
  void add_note(std::string text) {
    if (!text.empty()) rows_.back().notes.push_back(std::move(text));
  }
  bool empty() const { return rows_.empty(); }
  /// Each line ends with a newline; the last column is not padded.
  std::string text(const Style& style, std::string_view indent = "") const;

 private:
  struct Row {
    std::vector<Cell> cells;
    std::vector<std::string> notes;
  };
  std::vector<std::string> headings_;
  std::vector<Row> rows_;
};

/// Breaks at spaces into lines of at most style.columns (80 when that is not known); each line but
/// the first begins with `indent` spaces.
std::string wrapped(std::string_view text, std::size_t indent, const Style& style);

}  // namespace pointsman
