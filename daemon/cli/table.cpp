#include "daemon/cli/table.hpp"

#include <algorithm>

#include "daemon/cli/words.hpp"

namespace pointsman {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest = 20;  ///< a terminal below that is printed to as if it were

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width > width_of(text) ? width - width_of(text) : 0, ' ');
}

}  // namespace

std::string paint(std::string_view text, Tone tone, const Style& style) {
  if (!style.colour || tone == Tone::plain || text.empty()) return std::string(text);
  const char* begin = "";
  switch (tone) {
    case Tone::good:
      begin = "\x1b[32m";
      break;
    case Tone::warning:
      begin = "\x1b[33m";
      break;
    case Tone::bad:
      begin = "\x1b[1;31m";
      break;
    case Tone::quiet:
      begin = "\x1b[2m";
      break;
    case Tone::strong:
      begin = "\x1b[1m";
      break;
    case Tone::plain:
      break;
  }
  return begin + std::string(text) + "\x1b[0m";
}

Tone tone_of_state(std::string_view state) {
  if (state == "healthy") return Tone::good;
  if (state == "unhealthy") return Tone::bad;
  return Tone::warning;
}

std::string Table::text(const Style& style, std::string_view indent) const {
  std::vector<std::size_t> widths;
  for (const auto& heading : headings_) widths.push_back(width_of(heading));
  for (const auto& row : rows_) {
    for (std::size_t n = 0; n < row.cells.size(); ++n) {
      widths[n] = std::max(widths[n], width_of(row.cells[n].text));
    }
  }
  const std::size_t columns =
      style.columns > 0 ? std::max(narrowest, static_cast<std::size_t>(style.columns)) : 0;
  const auto line = [&](const std::vector<Cell>& cells) {
    std::string made(indent);
    std::size_t used = indent.size();
    for (std::size_t n = 0; n < cells.size(); ++n) {
      const bool last = n + 1 == cells.size();
      std::string text = last ? cells[n].text : padded(cells[n].text, widths[n]);
      if (columns > 0) text = used < columns ? cut_to(text, columns - used) : "";
      used += width_of(text) + gap;
      made += paint(text, cells[n].tone, style);
      if (!last) made += std::string(gap, ' ');
    }
    // No blanks at the end, coloured or not: rows may end in empty cells.
    while (!made.empty() && made.back() == ' ') made.pop_back();
    return made + "\n";
  };

  std::vector<Cell> head;
  for (const auto& heading : headings_) head.push_back({heading, Tone::quiet});
  std::string all = line(head);
  for (const auto& row : rows_) {
    all += line(row.cells);
    const std::size_t deep = indent.size() + 4;
    for (const auto& note : row.notes)
      all += std::string(deep, ' ') + wrapped(note, deep, style) + "\n";
  }
  return all;
}

std::string wrapped(std::string_view text, std::size_t indent, const Style& style) {
  constexpr std::size_t usual = 100;
  const std::size_t columns =
      style.columns > 0 ? std::max(narrowest + indent, static_cast<std::size_t>(style.columns))
                        : usual;
  std::string made;
  std::size_t used = indent;
  while (!text.empty()) {
    const auto space = text.find(' ');
    const auto word = text.substr(0, space);
    if (used > indent && used + 1 + width_of(word) > columns) {
      made += "\n" + std::string(indent, ' ');
      used = indent;
    } else if (used > indent) {
      made += ' ';
      ++used;
    }
    made += word;
    used += width_of(word);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return made;
}

}  // namespace pointsman
