// Reads one map of the configuration: each key that it may have is asked for by name, and finish()
// then tells which keys nobody asked for, with the nearest of those that were.
//
// A wrong value is an error and reads as absent, so that reading goes on and all errors are found.
// A value whose reference could not be had (YamlNode::unresolved) reads as absent without another
// error.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/findings.hpp"
#include "daemon/config/values.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace pointsman {

/// A word of the YAML and what it means.
template <class T>
using Choices = std::initializer_list<std::pair<std::string_view, T>>;

/// Notes "VALUE TEXT" for a scalar that is not what is wanted; shows it without its secrets.
void reject(Findings& findings, const YamlNode& node, const std::string& path,
            const std::string& text);

/// A scalar's text, or an error. `wanted` is as in "a duration such as 5s".
std::optional<std::string> scalar_text(Findings& findings, const YamlNode& node,
                                       const std::string& path, std::string_view wanted);

/// "'writeable' is not one of a, b, c, did you mean 'writable'?"
std::string not_one_of(const std::vector<std::string>& words, std::string_view given);

/// A scalar read by one of the functions of values.hpp.
template <class T>
std::optional<T> read_value(Findings& findings, const YamlNode& node, const std::string& path,
                            std::string_view wanted, Result<T> (*parse)(std::string_view)) {
  const auto text = scalar_text(findings, node, path, wanted);
  if (!text) return std::nullopt;
  const Result<T> result = parse(*text);
  if (result) return result.value();
  reject(findings, node, path, result.error().message);
  return std::nullopt;
}

class MapReader {
 public:
  /// `node` may be absent or nothing: then every key is. `at` is where a missing key is reported.
  MapReader(Findings& findings, const YamlNode* node, std::string path, Position at);

  /// The value of a key; nullptr when it is absent, or nothing stands there (an error).
  const YamlNode* find(std::string_view key);
  /// The same, but a key with nothing behind it is as if it were absent.
  const YamlNode* find_section(std::string_view key);
  /// Says "missing" when the key is not there.
  const YamlNode* require(std::string_view key, std::string_view example);
  bool has(std::string_view key) const;
  Position key_position(std::string_view key) const;

  std::optional<std::string> text(std::string_view key);
  std::optional<std::string> required_text(std::string_view key, std::string_view example);
  std::optional<std::string> absolute_path(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  /// At least `least`.
  std::optional<Duration> duration(std::string_view key, Duration least = Duration{1'000'000});
  std::optional<std::uint64_t> size(std::string_view key);
  std::optional<double> percent(std::string_view key);
  std::optional<Lag> lag(std::string_view key);
  std::optional<Endpoint> endpoint(std::string_view key);
  /// A list of scalars, or one scalar that stands for a list of one.
  std::vector<std::pair<std::string, const YamlNode*>> list(std::string_view key,
                                                            std::string_view example);

  template <class T>
  std::optional<T> choice(std::string_view key, Choices<T> choices) {
    const YamlNode* node = find(key);
    if (!node) return std::nullopt;
    std::vector<std::string> words;
    for (const auto& [word, value] : choices) words.emplace_back(word);
    const auto given = scalar_text(findings_, *node, path_of(key), "one word");
    if (!given) return std::nullopt;
    for (const auto& [word, value] : choices) {
      if (word == *given) return value;
    }
    reject(findings_, *node, path_of(key), not_one_of(words, *given));
    return std::nullopt;
  }

  /// Tells the keys that nobody asked for.
  void finish();

  Findings& findings() { return findings_; }
  const std::string& path() const { return path_; }
  std::string path_of(std::string_view key) const { return join_path(path_, key); }
  const Position& at() const { return at_; }
  const YamlNode* node() const { return node_; }
  /// An error at the key, or at the map when the key is not there.
  void error(std::string_view key, std::string text);
  void warn(std::string_view key, std::string text);

 private:
  template <class T>
  std::optional<T> value(std::string_view key, std::string_view wanted,
                         Result<T> (*parse)(std::string_view));
  const YamlEntry* entry(std::string_view key) const;
  void remember(std::string_view key);

  Findings& findings_;
  const YamlNode* node_;
  std::string path_;
  Position at_;
  bool broken_ = false;  ///< something else than a map stands there, and that was said
  std::vector<std::string> known_;
};

}  // namespace pointsman
