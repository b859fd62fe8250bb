#include "probes/file_template.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace pointsman {
namespace {

/// Stands for the epoch while a file is compared; no template may have it.
constexpr char epoch_mark = '\x01';

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string with_epoch(std::string_view text, std::string_view epoch) {
  std::string result;
  for (const char c : text) {
    if (c == epoch_mark) {
      result += epoch;
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

/// Walks over the text once, a line's end and a tag at a time.
class TemplateReader {
 public:
  using Kind = FileTemplate::Kind;

  TemplateReader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Result<FileTemplate> read() {
    if (text_.size() > FileTemplate::max_size) return Error{file_ + ": larger than 256 KiB"};
    while (at_ < text_.size()) {
      const auto open = text_.find("{{", at_);
      add_literal(at_, std::min(open, text_.size()));
      if (open == std::string_view::npos) break;
      const auto close = text_.find("}}", open);
      const auto line_end = std::min(text_.find('\n', open), text_.size());
      if (close == std::string_view::npos || close > line_end) {
        return error(open, "`{{` without a `}}` on the same line");
      }
      if (auto why = take_tag(open, close + 2); !why.empty()) return error(open, why);
    }
    if (block_from_ != 0) {
      return Error{fmt::format("{}:{}: {{{{#targets}}}} is not closed by {{{{/targets}}}}", file_,
                               block_from_)};
    }
    if (text_.find(epoch_mark) != std::string_view::npos) {
      return error(text_.find(epoch_mark), "a control character");
    }
    if (epoch_is_ambiguous()) {
      return Error{
          fmt::format("{}: {{{{epoch}}}} stands next to a digit or another tag, so that its number "
                      "could not be told from what is beside it: write something between them",
                      file_)};
    }
    if (!has_target_) {
      return Error{
          fmt::format("{}: shows no target: use {{{{address}}}}, or {{{{host}}}} and "
                      "{{{{port}}}}, or {{{{name}}}}",
                      file_)};
    }
    return std::move(made_);
  }

 private:
  int line_at(std::size_t at) const {
    return 1 + static_cast<int>(std::count(text_.begin(),
                                           text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  }
  Error error(std::size_t at, const std::string& why) const {
    return Error{fmt::format("{}:{}: {}", file_, line_at(at), why)};
  }

  void add_literal(std::size_t from, std::size_t to) {
    at_ = to;
    if (from == to) return;
    made_.pieces_.push_back({Kind::literal, std::string(text_.substr(from, to - from)), block()});
  }

  std::string take_tag(std::size_t open, std::size_t end) {
    const auto name = trimmed(text_.substr(open + 2, end - open - 4));
    at_ = end;
    if (name == "#targets" || name == "/targets") return take_block(name == "#targets", open, end);
    static constexpr std::array<std::pair<std::string_view, Kind>, 5> fields{
        {{"address", Kind::address},
         {"host", Kind::host},
         {"port", Kind::port},
         {"name", Kind::name},
         {"epoch", Kind::epoch}}};
    for (const auto& [field, kind] : fields) {
      if (name != field) continue;
      made_.pieces_.push_back({kind, {}, block()});
      has_target_ = has_target_ || kind != Kind::epoch;
      return {};
    }
    return fmt::format(
        "{{{{{}}}}} is not known: there are address, host, port, name, epoch, "
        "#targets and /targets",
        name);
  }

  std::string take_block(bool opens, std::size_t open, std::size_t end) {
    if (opens && block_from_ != 0) return "{{#targets}} within {{#targets}}";
    if (!opens && block_from_ == 0) return "{{/targets}} without {{#targets}}";
    drop_line_around(open, end);
    if (opens) ++blocks_;
    block_from_ = opens ? line_at(open) : 0;
    made_.has_block_ = true;
    return {};
  }

  /// A tag that has its line for itself takes the whole line with it.
  void drop_line_around(std::size_t open, std::size_t end) {
    const auto before = text_.rfind('\n', open == 0 ? 0 : open - 1);
    const auto line_start = open == 0 || before == std::string_view::npos ? 0 : before + 1;
    const auto line_end = std::min(text_.find('\n', end), text_.size());
    if (!is_blank(text_.substr(line_start, open - line_start)) ||
        !is_blank(text_.substr(end, line_end - end))) {
      return;
    }
    at_ = std::min(line_end + 1, text_.size());
    if (made_.pieces_.empty() || made_.pieces_.back().kind != Kind::literal) return;
    auto& last = made_.pieces_.back().text;
    last.erase(last.size() - std::min(last.size(), open - line_start));
  }

  /// What is written must be readable again: the epoch is all the digits that stand there.
  bool epoch_is_ambiguous() const {
    const auto& pieces = made_.pieces_;
    const auto clash = [](const auto& left, const auto& right) {
      if (left.kind == Kind::epoch) return right.kind != Kind::literal || is_digit(right.text[0]);
      return right.kind == Kind::epoch &&
             (left.kind != Kind::literal || is_digit(left.text.back()));
    };
    std::size_t block_begin = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i == 0 || pieces[i].block != pieces[i - 1].block) block_begin = i;
      if (i + 1 < pieces.size() && clash(pieces[i], pieces[i + 1])) return true;
      const bool block_ends = i + 1 == pieces.size() || pieces[i + 1].block != pieces[i].block;
      const bool repeats = pieces[i].block != 0 && block_ends;
      if (repeats && clash(pieces[i], pieces[block_begin])) return true;
    }
    return false;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int block() const { return block_from_ != 0 ? blocks_ : 0; }

  int blocks_ = 0;      ///< opened so far
  int block_from_ = 0;  ///< the line of {{#targets}} that is open
  bool has_target_ = false;
  FileTemplate made_;
};

Result<FileTemplate> FileTemplate::parse(std::string_view text, const std::string& file) {
  return TemplateReader(text, file).read();
}

Result<std::string> FileTemplate::render(const std::vector<SwitchTarget>& targets,
                                         std::uint64_t epoch) const {
  if (targets.empty()) return Error{"no target to write"};
  if (targets.size() > 1 && !has_block_) {
    return Error{fmt::format(
        "{} targets, but the template has room for one: put {{{{#targets}}}} … {{{{/targets}}}} "
        "around what is to be repeated",
        targets.size())};
  }
  return give(targets, std::to_string(epoch));
}

std::string FileTemplate::give(const std::vector<SwitchTarget>& targets,
                               std::string_view epoch) const {
  std::string text;
  const auto add = [&](const Piece& piece, const SwitchTarget& target) {
    switch (piece.kind) {
      case Kind::literal:
        text += piece.text;
        break;
      case Kind::address:
        text += to_text(target.endpoint);
        break;
      case Kind::host:
        text += target.endpoint.host;
        break;
      case Kind::port:
        text += std::to_string(target.endpoint.port);
        break;
      case Kind::name:
        text += target.probe.text;
        break;
      case Kind::epoch:
        text += epoch;
        break;
    }
  };
  for (std::size_t i = 0; i < pieces_.size();) {
    if (pieces_[i].block == 0) {
      add(pieces_[i++], targets.front());
      continue;
    }
    std::size_t end = i;
    while (end < pieces_.size() && pieces_[end].block == pieces_[i].block) ++end;
    for (const auto& target : targets) {
      for (std::size_t j = i; j < end; ++j) add(pieces_[j], target);
    }
    i = end;
  }
  return text;
}

std::optional<std::uint64_t> FileTemplate::match(std::string_view text,
                                                 const std::vector<SwitchTarget>& targets) const {
  const auto pattern = give(targets, std::string(1, epoch_mark));
  const auto mark = pattern.find(epoch_mark);
  if (mark == std::string::npos) {
    return text == pattern ? std::optional<std::uint64_t>(0) : std::nullopt;
  }
  if (!text.starts_with(std::string_view(pattern).substr(0, mark))) return std::nullopt;
  const auto end = std::min(text.find_first_not_of("0123456789", mark), text.size());
  const auto digits = text.substr(mark, end - mark);
  std::uint64_t epoch = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
  if (read.ec != std::errc{} || std::to_string(epoch) != digits) return std::nullopt;
  return with_epoch(pattern, digits) == text ? std::optional(epoch) : std::nullopt;
}

std::optional<FileMatch> recognise(const FileTemplate& tmpl, std::string_view text,
                                   const std::vector<SwitchTarget>& known) {
  const auto found = [&](std::vector<SwitchTarget> targets) -> std::optional<FileMatch> {
    const auto epoch = tmpl.match(text, targets);
    if (!epoch) return std::nullopt;
    return FileMatch{std::move(targets), *epoch};
  };
  for (const auto& target : known) {
    if (auto match = found({target})) return match;
  }
  if (!tmpl.has_block() || known.size() < 2) return std::nullopt;
  if (known.size() > max_known_for_sets) return found(known);
  for (unsigned set = 1; set < (1u << known.size()); ++set) {
    std::vector<SwitchTarget> targets;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if ((set >> i & 1u) != 0) targets.push_back(known[i]);
    }
    if (targets.size() < 2) continue;
    if (auto match = found(std::move(targets))) return match;
  }
  return std::nullopt;
}

}  // namespace pointsman
