#include "daemon/config/yaml_source.hpp"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/redact.hpp"

namespace pointsman {
namespace {

/// Closes what was opened.
struct Descriptor {
  int number = -1;
  explicit Descriptor(int n) : number(n) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

std::string user_text(uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  return entry ? std::string(entry->pw_name) : fmt::format("uid {}", uid);
}

std::string open_error(const std::string& file, int error) {
  if (error == ENOENT) return "no such file";
  if (error != EACCES) return fmt::format("cannot be opened: {}", std::strerror(error));
  struct stat info {};
  const std::string us =
      fmt::format("cannot be read by {}, as whom this runs", user_text(::geteuid()));
  if (::stat(file.c_str(), &info) != 0) return us + ": a folder above it is closed";
  const group* entry = ::getgrgid(info.st_gid);
  return fmt::format("{}: it belongs to {}:{} with mode {:04o}", us, user_text(info.st_uid),
                     entry ? std::string(entry->gr_name) : fmt::format("gid {}", info.st_gid),
                     info.st_mode & 07777U);
}

Position place(const std::string& file, const std::string& text, std::size_t offset) {
  Position at{.file = file, .line = 1, .column = 1};
  for (std::size_t i = 0; i < offset; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\n') {
      ++at.line;
      at.column = 1;
    } else if ((byte & 0xC0U) != 0x80U) {
      ++at.column;
    }
  }
  return at;
}

/// Length of the UTF-8 character at `i`; 0 when it is none (overlong, surrogate, cut, too high).
std::size_t utf8_length(const std::string& text, std::size_t i) {
  const auto byte = [&text](std::size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const auto follows = [&byte](std::size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  const unsigned first = byte(i);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(i + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!follows(i + 1) || !follows(i + 2)) return 0;
    if (first == 0xE0 && byte(i + 1) < 0xA0) return 0;
    if (first == 0xED && byte(i + 1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!follows(i + 1) || !follows(i + 2) || !follows(i + 3)) return 0;
    if (first == 0xF0 && byte(i + 1) < 0x90) return 0;
    if (first == 0xF4 && byte(i + 1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

/// False, with an error, for what is not text.
bool check_text(const std::string& file, const std::string& text, Findings& findings) {
  if (text.compare(0, 2, "\xFF\xFE") == 0 || text.compare(0, 2, "\xFE\xFF") == 0) {
    findings.error({.file = file, .line = 1, .column = 1}, "",
                   "this is UTF-16: save the file as UTF-8");
    return false;
  }
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      findings.error(
          place(file, text, i), "",
          fmt::format("not UTF-8: a byte 0x{:02X} stands here; save the file as UTF-8", byte));
      return false;
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      findings.error(place(file, text, i), "",
                     fmt::format("a control character (0x{:02X}) stands here: take it out", byte));
      return false;
    }
    i += length;
  }
  return true;
}

std::optional<std::string> checked_text(std::string text, const std::string& file,
                                        Findings& findings) {
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0) text.erase(0, 3);
  if (!check_text(file, text, findings)) return std::nullopt;
  return text;
}

/// Sections whose entries may come from several files.
constexpr std::array<std::string_view, 8> merged_sections{
    "probes", "services", "routes", "recovery", "notify", "slos", "backups", "runbooks"};

std::string place_text(const Position& at) {
  return fmt::format("{}:{}:{}", at.file, at.line, at.column);
}

void merge_section(YamlEntry& into, YamlEntry from, Findings& findings) {
  if (into.value.kind == YamlNode::Kind::null) {
    into = std::move(from);
    return;
  }
  if (from.value.kind == YamlNode::Kind::null) return;
  if (into.value.kind != YamlNode::Kind::map || from.value.kind != YamlNode::Kind::map) {
    const YamlEntry& wrong = into.value.kind == YamlNode::Kind::map ? from : into;
    findings.error(wrong.value.at, from.key,
                   fmt::format("a map of names is wanted here, not {}", kind_text(wrong.value)));
    return;
  }
  for (auto& entry : from.value.entries) {
    const auto& entries = into.value.entries;
    const auto first = std::find_if(entries.begin(), entries.end(),
                                    [&entry](const YamlEntry& e) { return e.key == entry.key; });
    if (first != entries.end()) {
      findings.error(entry.key_at, join_path(from.key, entry.key),
                     "defined already at " + place_text(first->key_at));
    } else {
      into.value.entries.push_back(std::move(entry));
    }
  }
}

void merge_file(YamlNode& root, YamlNode included, Findings& findings) {
  for (auto& entry : included.entries) {
    if (entry.key == "include") {
      findings.error(entry.key_at, "include",
                     "only the main file may include others; name the file there");
      continue;
    }
    const auto first = std::find_if(root.entries.begin(), root.entries.end(),
                                    [&entry](const YamlEntry& e) { return e.key == entry.key; });
    const bool merges = std::find(merged_sections.begin(), merged_sections.end(), entry.key) !=
                        merged_sections.end();
    if (first == root.entries.end()) {
      root.entries.push_back(std::move(entry));
    } else if (merges) {
      merge_section(*first, std::move(entry), findings);
    } else if (entry.key == "version" && entry.value.text == first->value.text) {
      continue;
    } else {
      findings.error(entry.key_at, redact_text(entry.key),
                     "given already at " + place_text(first->key_at));
    }
  }
}

/// Files that match, sorted by their bytes, so that the order is the same in every locale.
std::vector<std::string> expand(const std::filesystem::path& folder, const std::string& pattern) {
  std::string full;
  if (!pattern.empty() && pattern.front() == '/') {
    full = pattern;
  } else {
    for (const char c : (folder.empty() ? std::string(".") : folder.string())) {
      if (std::strchr("*?[\\", c)) full += '\\';
      full += c;
    }
    full += "/" + pattern;
  }
  std::vector<std::string> files;
  glob_t found{};
  if (::glob(full.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  for (auto& file : files) {
    if (file.compare(0, 2, "./") == 0 && folder.empty()) file.erase(0, 2);
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return a == b || std::filesystem::equivalent(a, b, error);
}

/// False when there is no tree to go on with.
bool parse_tree(const std::string& text, const std::string& file, Findings& findings,
                YamlNode& root) {
  auto document = parse_yaml(text, file);
  for (auto& error : document.errors) findings.error(std::move(error));
  if (!document.root) return false;
  if (document.root->kind == YamlNode::Kind::null) {
    findings.error({.file = file, .line = 0, .column = 0}, "",
                   "the file is empty: the smallest configuration is `version: 1`");
    return false;
  }
  if (document.root->kind != YamlNode::Kind::map) {
    findings.error(
        document.root->at, "",
        fmt::format("the file must be a map of sections (version:, probes:, ...), not {}",
                    kind_text(*document.root)));
    return false;
  }
  root = std::move(*document.root);
  return true;
}

bool read_tree(const std::string& file, Findings& findings, YamlNode& root) {
  const auto text = read_text_file(file, findings);
  return text && parse_tree(*text, file, findings, root);
}

/// What the globs of `include:` name, each file once, without the main one.
std::vector<std::string> included_files(const YamlNode& root, const std::filesystem::path& main,
                                        Findings& findings) {
  std::vector<std::string> files;
  const YamlNode* include = root.find("include");
  if (!include || include->kind == YamlNode::Kind::null) return files;
  std::vector<const YamlNode*> patterns;
  if (include->kind == YamlNode::Kind::sequence) {
    for (const auto& item : include->items) patterns.push_back(&item);
  } else {
    patterns.push_back(include);
  }
  for (const YamlNode* pattern : patterns) {
    if (pattern->kind != YamlNode::Kind::scalar || pattern->text.empty()) {
      findings.error(pattern->at, "include",
                     fmt::format("a list of file names such as [policies.d/*.yaml] is wanted here, "
                                 "not {}",
                                 kind_text(*pattern)));
      continue;
    }
    const auto matches = expand(main.parent_path(), pattern->text);
    if (matches.empty()) {
      findings.warn(pattern->at, "include",
                    fmt::format("no file matches {}", show(*pattern, "include")));
    }
    for (const auto& match : matches) {
      const auto known = [&match](const std::string& file) { return same_file(file, match); };
      if (known(main.string()) || std::any_of(files.begin(), files.end(), known)) continue;
      if (files.size() >= max_included_files) {
        findings.error(pattern->at, "include",
                       fmt::format("names more than {} files", max_included_files));
        return files;
      }
      files.push_back(match);
    }
  }
  return files;
}

}  // namespace

std::optional<std::string> read_text_file(const std::string& file, Findings& findings) {
  const auto fail = [&](std::string text) {
    findings.error({.file = file, .line = 0, .column = 0}, "", std::move(text));
    return std::nullopt;
  };
  // O_NONBLOCK: a FIFO must not hold us; it is refused below.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.number < 0) return fail(open_error(file, errno));
  struct stat info {};
  if (::fstat(descriptor.number, &info) != 0) return fail(open_error(file, errno));
  if (S_ISDIR(info.st_mode)) return fail("this is a folder: name the YAML file in it");
  if (!S_ISREG(info.st_mode)) return fail("this is not a regular file");
  const auto too_large = [] { return fmt::format("larger than {} MiB", max_file_size >> 20U); };
  if (static_cast<std::size_t>(info.st_size) > max_file_size) return fail(too_large());
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = ::read(descriptor.number, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(fmt::format("cannot be read: {}", std::strerror(errno)));
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > max_file_size) return fail(too_large());
  }
  return checked_text(std::move(text), file, findings);
}

YamlSource source_of_text(std::string text, const std::string& name, Findings& findings) {
  YamlSource source;
  source.files.push_back(name);
  const auto checked = checked_text(std::move(text), name, findings);
  source.readable = checked && parse_tree(*checked, name, findings, source.root);
  return source;
}

YamlSource read_source(const std::filesystem::path& main, Findings& findings) {
  YamlSource source;
  source.files.push_back(main.string());
  source.readable = read_tree(main.string(), findings, source.root);
  if (!source.readable) return source;
  for (const auto& file : included_files(source.root, main, findings)) {
    source.files.push_back(file);
    YamlNode included;
    if (read_tree(file, findings, included)) {
      merge_file(source.root, std::move(included), findings);
    } else {
      source.readable = false;
    }
  }
  return source;
}

}  // namespace pointsman
