#include "daemon/config/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "daemon/config/redact.hpp"

namespace pointsman {
namespace {

/// Thrown through yaml-cpp's parser to end it; caught in parse_yaml.
struct Stop {
  Diagnostic why;
};

/// Where lines begin, to count columns in characters as editors do (yaml-cpp counts bytes).
class Lines {
 public:
  Lines(const std::string& text, const std::string& file) : text_(text), file_(file) {
    starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') starts_.push_back(i + 1);
    }
  }
  std::size_t offset(const YAML::Mark& mark) const {
    const auto line = static_cast<std::size_t>(std::max(mark.line, 0));
    if (line >= starts_.size()) return text_.size();
    return std::min(starts_[line] + static_cast<std::size_t>(std::max(mark.column, 0)),
                    text_.size());
  }
  Position position(const YAML::Mark& mark) const {
    const auto line = static_cast<std::size_t>(std::max(mark.line, 0));
    const std::size_t start = line < starts_.size() ? starts_[line] : text_.size();
    const std::size_t end = offset(mark);
    int column = 1;
    for (std::size_t i = start; i < end; ++i) {
      if ((static_cast<unsigned char>(text_[i]) & 0xC0U) != 0x80U) ++column;
    }
    return {.file = file_, .line = static_cast<int>(line) + 1, .column = column};
  }
  /// The line's text up to its first character that is no blank.
  std::string_view indentation(int line) const {
    const auto index = static_cast<std::size_t>(std::max(line, 0));
    if (index >= starts_.size()) return {};
    std::size_t end = starts_[index];
    while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t')) ++end;
    return std::string_view(text_).substr(starts_[index], end - starts_[index]);
  }

 private:
  const std::string& text_;
  const std::string& file_;
  std::vector<std::size_t> starts_;
};

/// yaml-cpp takes a quote that is never closed as one that ends with the file.
bool quote_is_open(const std::string& text, std::size_t at) {
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {  // an anchor, a tag
    while (at < text.size() && !std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
  }
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return false;
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
        ++i;
      } else {
        return false;
      }
    }
  }
  return true;
}

std::size_t count_nodes(const YamlNode& node) {
  std::size_t count = 1;
  for (const auto& item : node.items) count += count_nodes(item);
  for (const auto& entry : node.entries) count += count_nodes(entry.value);
  return count;
}

class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& text, const Lines& lines) : text_(text), lines_(lines) {}

  std::optional<YamlNode> root;
  std::vector<Diagnostic> errors;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      stop(mark,
           "a second document begins here (after ---): a configuration is one document; "
           "put the rest into a file that `include:` names");
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.at = lines_.position(mark);
    finish(std::move(node), anchor, mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(mark, "this alias stands inside what it names");
    count_ += found->second.nodes;
    if (count_ > max_yaml_nodes) stop(mark, too_many());
    attach(found->second.node, mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.at = lines_.position(mark);
    node.text = node.written = value;
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    check_tag(mark, tag);
    if (tag == "!" && quote_is_open(text_, lines_.offset(mark))) {
      stop(mark, "a quote is opened here and never closed");
    }
    if (tag == "?" && value.empty()) node.kind = YamlNode::Kind::null;
    finish(std::move(node), anchor, mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
    std::optional<std::string> key;  ///< read, its value not yet
    Position key_at;
    std::map<std::string, int> lines_of_keys;
  };
  struct Anchor {
    YamlNode node;
    std::size_t nodes = 0;
  };

  static std::string too_many() {
    return fmt::format("this expands to more than {} values: too much for a configuration",
                       max_yaml_nodes);
  }
  [[noreturn]] void stop(const YAML::Mark& mark, std::string text) const {
    throw Stop{{.at = lines_.position(mark), .path = path(), .text = std::move(text)}};
  }
  std::string path() const {
    std::string result;
    for (const auto& frame : stack_) {
      if (frame.node.kind == YamlNode::Kind::sequence) {
        result += fmt::format("[{}]", frame.node.items.size());
      } else if (frame.key) {
        result = join_path(result, *frame.key);
      }
    }
    return result;
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    static constexpr std::string_view standard = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?" || tag == "!" || tag.compare(0, standard.size(), standard) == 0) {
      return;
    }
    stop(mark, fmt::format("the tag {} means nothing here: leave it out", redact_text(tag)));
  }
  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    check_tag(mark, tag);
    if (stack_.size() >= max_yaml_depth) {
      stack_.clear();  // its path would fill the screen
      stop(mark, fmt::format("nested more than {} levels deep", max_yaml_depth));
    }
    Frame frame;
    frame.node.kind = kind;
    frame.node.at = lines_.position(mark);
    frame.anchor = anchor;
    frame.mark = mark;
    stack_.push_back(std::move(frame));
  }
  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    merge(frame);
    finish(std::move(frame.node), frame.anchor, frame.mark);
  }
  void finish(YamlNode node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (++count_ > max_yaml_nodes) stop(mark, too_many());
    if (anchor != 0) anchors_[anchor] = {.node = node, .nodes = count_nodes(node)};
    attach(std::move(node), mark);
  }
  void attach(YamlNode node, const YAML::Mark& mark) {
    if (stack_.empty()) {
      root = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::sequence) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key) {
      if (node.kind != YamlNode::Kind::scalar) {
        stop(mark, fmt::format("a key must be text, not {}", kind_text(node)));
      }
      frame.key_at = lines_.position(mark);
      frame.key = std::move(node.text);
    } else {
      add_entry(frame, std::move(node));
    }
  }
  void add_entry(Frame& frame, YamlNode node) {
    const auto [first, is_new] = frame.lines_of_keys.emplace(*frame.key, frame.key_at.line);
    if (!is_new) {
      errors.push_back({.at = frame.key_at,
                        .path = path(),
                        .text = fmt::format("given twice: line {} has it already", first->second)});
    } else {
      frame.node.entries.push_back(
          {.key = *frame.key, .key_at = frame.key_at, .value = std::move(node)});
    }
    frame.key.reset();
  }
  /// `<<: *anchor` puts in the anchor's keys that the map does not have itself.
  void merge(Frame& frame) {
    auto& entries = frame.node.entries;
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [](const YamlEntry& entry) { return entry.key == "<<"; });
    if (found == entries.end()) return;
    const YamlNode value = std::move(found->value);
    entries.erase(found);
    std::vector<const YamlNode*> maps;
    if (value.kind == YamlNode::Kind::sequence) {
      for (const auto& item : value.items) maps.push_back(&item);
    } else {
      maps.push_back(&value);
    }
    for (const YamlNode* map : maps) {
      if (map->kind != YamlNode::Kind::map) {
        errors.push_back(
            {.at = map->at,
             .path = join_path(path(), "<<"),
             .text = fmt::format("<< takes the alias of a map, not {}", kind_text(*map))});
        continue;
      }
      for (const auto& entry : map->entries) {
        if (!frame.node.find(entry.key)) entries.push_back(entry);
      }
    }
  }

  const std::string& text_;
  const Lines& lines_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  std::size_t count_ = 0;
  int documents_ = 0;
};

/// yaml-cpp's words, said so that they help.
std::string syntax_text(const YAML::ParserException& error, const Lines& lines) {
  if (lines.indentation(error.mark.line).find('\t') != std::string_view::npos ||
      error.msg.find("tab") != std::string::npos) {
    return "not YAML: this line is indented with a tab; YAML takes spaces only";
  }
  static const std::map<std::string_view, std::string_view> better{
      {"illegal map value",
       "a ':' stands where no key can be: look at the indentation of this line and the one above, "
       "and put quotes around a value that holds ': '"},
      {"end of map not found", "this map does not end where it should: look at the indentation"},
      {"end of map flow not found", "a '{' is not closed by its '}', or a ',' is missing"},
      {"end of sequence not found",
       "this list does not end where it should: look at the indentation"},
      {"end of sequence flow not found", "a '[' is not closed by its ']', or a ',' is missing"},
      {"illegal flow end", "a '}' or ']' closes nothing"},
      {"illegal block entry", "a '- ' stands where no list can be: look at the indentation"},
      {"unknown token", "this character cannot begin a value: put quotes around the value"},
      {"bad file", "nested too deep"},
      {"the referenced anchor is not defined", "this alias (*) names no anchor (&) above it"},
      {"alias not found after *", "a '*' begins an alias: put quotes around the value"},
  };
  for (const auto& [theirs, ours] : better) {
    if (error.msg.compare(0, theirs.size(), theirs) == 0) return fmt::format("not YAML: {}", ours);
  }
  return "not YAML: " + redact_text(error.msg);
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string_view kind_text(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "text";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
  }
  return "";
}

std::string join_path(std::string_view path, std::string_view key) {
  const std::string safe = redact_text(std::string(key));
  return path.empty() ? safe : fmt::format("{}.{}", path, safe);
}

YamlDocument parse_yaml(const std::string& text, const std::string& file) {
  YamlDocument result;
  const Lines lines(text, file);
  Builder builder(text, lines);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stop) {
    result.errors.push_back(stop.why);
    return result;
  } catch (const YAML::ParserException& error) {
    result.errors.push_back(
        {.at = lines.position(error.mark), .path = {}, .text = syntax_text(error, lines)});
    return result;
  }
  result.errors = std::move(builder.errors);
  result.root = builder.root ? std::move(*builder.root) : YamlNode{};
  if (!builder.root) result.root->at = {.file = file, .line = 0, .column = 0};
  return result;
}

}  // namespace pointsman
