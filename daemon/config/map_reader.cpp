#include "daemon/config/map_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/redact.hpp"

namespace pointsman {

void reject(Findings& findings, const YamlNode& node, const std::string& path,
            const std::string& text) {
  if (node.unresolved) return;
  findings.error(node.at, path, fmt::format("{} {}", show(node, path), text));
}

std::optional<std::string> scalar_text(Findings& findings, const YamlNode& node,
                                       const std::string& path, std::string_view wanted) {
  if (node.kind != YamlNode::Kind::scalar) {
    findings.error(node.at, path,
                   fmt::format("{} is wanted here, not {}", wanted, kind_text(node)));
    return std::nullopt;
  }
  if (node.unresolved) return std::nullopt;
  if (node.text.find('\0') != std::string::npos) {
    findings.error(node.at, path, "a NUL character stands here: take it out");
    return std::nullopt;
  }
  return node.text;
}

std::string not_one_of(const std::vector<std::string>& words, std::string_view given) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) all += i + 1 == words.size() ? " or " : ", ";
    all += words[i];
  }
  return fmt::format("is not {}{}{}", words.size() > 2 ? "one of " : "", all,
                     did_you_mean(given, words));
}

MapReader::MapReader(Findings& findings, const YamlNode* node, std::string path, Position at)
    : findings_(findings), node_(node), path_(std::move(path)), at_(std::move(at)) {
  if (node_ && node_->kind == YamlNode::Kind::null) node_ = nullptr;
  if (node_ && node_->kind != YamlNode::Kind::map) {
    findings_.error(node_->at, path_,
                    fmt::format("a map (key: value) is wanted here, not {}", kind_text(*node_)));
    node_ = nullptr;
    broken_ = true;
  }
}

const YamlEntry* MapReader::entry(std::string_view key) const {
  if (!node_) return nullptr;
  for (const auto& candidate : node_->entries) {
    if (candidate.key == key) return &candidate;
  }
  return nullptr;
}

void MapReader::remember(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
}

bool MapReader::has(std::string_view key) const {
  return entry(key) != nullptr;
}

Position MapReader::key_position(std::string_view key) const {
  const YamlEntry* found = entry(key);
  return found ? found->key_at : at_;
}

const YamlNode* MapReader::find_section(std::string_view key) {
  remember(key);
  const YamlEntry* found = entry(key);
  return found && found->value.kind != YamlNode::Kind::null ? &found->value : nullptr;
}

const YamlNode* MapReader::find(std::string_view key) {
  remember(key);
  const YamlEntry* found = entry(key);
  if (!found) return nullptr;
  if (found->value.kind == YamlNode::Kind::null) {
    findings_.error(found->key_at, path_of(key), "nothing stands after this key");
    return nullptr;
  }
  return &found->value;
}

const YamlNode* MapReader::require(std::string_view key, std::string_view example) {
  const YamlNode* found = find(key);
  if (!has(key) && !broken_) {
    findings_.error(at_, path_of(key), fmt::format("missing: {}", example));
  }
  return found;
}

template <class T>
std::optional<T> MapReader::value(std::string_view key, std::string_view wanted,
                                  Result<T> (*parse)(std::string_view)) {
  const YamlNode* node = find(key);
  if (!node) return std::nullopt;
  return read_value(findings_, *node, path_of(key), wanted, parse);
}

std::optional<std::string> MapReader::text(std::string_view key) {
  const YamlNode* node = find(key);
  if (!node) return std::nullopt;
  return scalar_text(findings_, *node, path_of(key), "text");
}

std::optional<std::string> MapReader::required_text(std::string_view key,
                                                    std::string_view example) {
  if (!require(key, example)) return std::nullopt;
  auto result = text(key);
  if (result && result->empty()) {
    findings_.error(key_position(key), path_of(key), fmt::format("empty: {}", example));
    return std::nullopt;
  }
  return result;
}

std::optional<std::string> MapReader::absolute_path(std::string_view key) {
  return value(key, "a path", &parse_absolute_path);
}
std::optional<bool> MapReader::boolean(std::string_view key) {
  return value(key, "true or false", &parse_bool);
}
std::optional<std::uint64_t> MapReader::size(std::string_view key) {
  return value(key, "a size such as 16MiB", &parse_size);
}
std::optional<double> MapReader::percent(std::string_view key) {
  return value(key, "a percentage such as 80%", &parse_percent);
}
std::optional<Lag> MapReader::lag(std::string_view key) {
  return value(key, "a time or a size such as 10s or 16MiB", &parse_lag);
}
std::optional<Endpoint> MapReader::endpoint(std::string_view key) {
  return value(key, "an address such as 10.0.1.10:5432", &parse_endpoint);
}

std::optional<std::int64_t> MapReader::integer(std::string_view key, std::int64_t least,
                                               std::int64_t most) {
  const auto number = value(key, "a whole number", &parse_integer);
  if (!number || (*number >= least && *number <= most)) return number;
  reject(findings_, *find(key), path_of(key), fmt::format("is not from {} to {}", least, most));
  return std::nullopt;
}

std::optional<Duration> MapReader::duration(std::string_view key, Duration least) {
  const auto duration = value(key, "a duration such as 5s", &parse_duration);
  if (!duration || *duration >= least) return duration;
  reject(findings_, *find(key), path_of(key),
         fmt::format("is too short: at least {}", yaml_duration(least)));
  return std::nullopt;
}

std::vector<std::pair<std::string, const YamlNode*>> MapReader::list(std::string_view key,
                                                                     std::string_view example) {
  std::vector<std::pair<std::string, const YamlNode*>> result;
  const YamlNode* node = find(key);
  if (!node) return result;
  const auto add = [&](const YamlNode& item, const std::string& path) {
    const auto text = scalar_text(findings_, item, path, fmt::format("text, as in {},", example));
    if (text) result.emplace_back(*text, &item);
  };
  if (node->kind == YamlNode::Kind::sequence) {
    for (std::size_t i = 0; i < node->items.size(); ++i) {
      add(node->items[i], fmt::format("{}[{}]", path_of(key), i));
    }
  } else if (node->kind == YamlNode::Kind::scalar) {
    add(*node, path_of(key));
  } else {
    findings_.error(
        node->at, path_of(key),
        fmt::format("a list such as {} is wanted here, not {}", example, kind_text(*node)));
  }
  return result;
}

void MapReader::error(std::string_view key, std::string text) {
  findings_.error(key_position(key), path_of(key), std::move(text));
}

void MapReader::warn(std::string_view key, std::string text) {
  findings_.warn(key_position(key), path_of(key), std::move(text));
}

void MapReader::finish() {
  if (!node_) return;
  std::vector<std::string> free;  // keys that are given already are not what was meant
  for (const auto& key : known_) {
    if (!has(key)) free.push_back(key);
  }
  for (const auto& given : node_->entries) {
    if (std::find(known_.begin(), known_.end(), given.key) != known_.end()) continue;
    std::string hint = did_you_mean(given.key, free);
    if (hint.empty()) hint = did_you_mean(given.key, known_);
    std::string all;
    if (hint.empty()) {
      for (const auto& key : known_) all += (all.empty() ? "" : ", ") + key;
      all = "; known here: " + all;
    }
    findings_.error(given.key_at, path_of(given.key), fmt::format("unknown key{}{}", hint, all));
  }
}

}  // namespace pointsman
