#include "daemon/actions/targets_file.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr std::size_t max_name = 63;
constexpr std::string_view header =
    "; Written by pointsman, which owns this file: to change it, edit pointsman.yaml.";
constexpr std::string_view marker =
    "; Found here when pointsman took the file over, of no route of its own, kept as they stood:";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  return !text.empty() && read.ec == std::errc{} && read.ptr == end;
}

/// Reads `key = value` pairs from the front of a text.
class PairReader {
 public:
  explicit PairReader(std::string_view text) : rest_(text) { skip(); }
  bool at_end() const { return rest_.empty(); }

  /// Empty when read; else what is wrong.
  std::string read(std::string& key, std::string& value) {
    key.clear();
    value.clear();
    while (!rest_.empty() && is_name_char(rest_.front())) key += take();
    skip();
    if (key.empty() || rest_.empty() || rest_.front() != '=') return "a setting is KEY=VALUE";
    take();
    skip();
    if (!rest_.empty() && rest_.front() == '\'') {
      if (!read_quoted(value)) return "a quote is not closed";
    } else {
      while (!rest_.empty() && !is_blank(rest_.front())) value += take();
    }
    skip();
    return {};
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void skip() {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
  }
  bool read_quoted(std::string& value) {
    for (take(); !rest_.empty();) {
      const char c = take();
      if (c != '\'') {
        value += c;
      } else if (!rest_.empty() && rest_.front() == '\'') {
        value += take();
      } else {
        return true;
      }
    }
    return false;
  }

  std::string_view rest_;
};

std::vector<std::string> split_hosts(std::string_view list) {
  std::vector<std::string> hosts;
  while (!list.empty()) {
    const auto comma = list.find(',');
    hosts.emplace_back(trimmed(list.substr(0, comma)));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return hosts;
}

/// The name in front of the `=`, or empty.
std::string_view name_of(std::string_view line) {
  line = trimmed(line);
  return trimmed(line.substr(0, line.find('=')));
}

/// "; route NAME epoch N"
bool read_epoch(std::string_view line, std::map<std::string, std::uint64_t>& epochs) {
  constexpr std::string_view start = "; route ";
  constexpr std::string_view middle = " epoch ";
  const auto at = line.rfind(middle);
  if (!line.starts_with(start) || at == std::string_view::npos || at < start.size()) return false;
  std::uint64_t epoch = 0;
  if (!read_number(line.substr(at + middle.size()), epoch)) return false;
  epochs[std::string(line.substr(start.size(), at - start.size()))] = epoch;
  return true;
}

void put(std::vector<FileLine>& lines, FileLine line) {
  const auto found = std::find_if(lines.begin(), lines.end(), [&](const FileLine& other) {
    return other.database == line.database;
  });
  if (found == lines.end()) {
    lines.push_back(std::move(line));
  } else {
    *found = std::move(line);
  }
}

void take_out(std::vector<FileLine>& lines, std::string_view database) {
  std::erase_if(lines, [&](const FileLine& line) { return line.database == database; });
}

bool is_host(std::string_view host) {
  if (host.empty()) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return is_name_char(c) || c == ':' || c == '/' || c == '@' || c == '%';
  });
}

}  // namespace

std::string LineSettings::host_list() const {
  std::string list;
  for (const auto& host : hosts) list += (list.empty() ? "" : ",") + host;
  return list;
}

const FileLine* TargetsFile::find(std::string_view database) const {
  for (const auto& line : lines) {
    if (line.database == database) return &line;
  }
  return nullptr;
}

void TargetsFile::set(std::string_view database, std::string text) {
  take_out(kept, database);
  put(lines, {std::string(database), std::move(text)});
}

bool is_database_name(std::string_view name) {
  return !name.empty() && name.size() <= max_name &&
         std::all_of(name.begin(), name.end(), is_name_char);
}

TargetsFile parse_targets_file(std::string_view text) {
  TargetsFile file;
  bool behind_marker = false;
  int number = 0;
  if (text.starts_with("\xEF\xBB\xBF")) {
    file.bad.push_back({1, "a byte order mark: pgbouncer does not load such a file"});
    text.remove_prefix(3);
  }
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    ++number;
    if (line == header) file.is_ours = true;
    if (line == marker) behind_marker = true;
    if (line.empty() || line.front() == ';' || line.front() == '#') {
      read_epoch(line, file.epochs);
      continue;
    }
    const auto settings = read_target_line(line);
    if (!settings) {
      file.bad.push_back({number, settings.error().message});
      continue;
    }
    const std::string name(name_of(line));
    take_out(file.lines, name);
    take_out(file.kept, name);
    put(behind_marker ? file.kept : file.lines, {name, std::string(line)});
  }
  return file;
}

std::string render_targets_file(const TargetsFile& file) {
  std::string text = fmt::format("{}\n", header);
  for (const auto& [route, epoch] : file.epochs) {
    text += fmt::format("; route {} epoch {}\n", route, epoch);
  }
  for (const auto& line : file.lines) text += line.text + "\n";
  if (file.kept.empty()) return text;
  text += fmt::format("{}\n", marker);
  for (const auto& line : file.kept) text += line.text + "\n";
  return text;
}

Result<std::string> render_target_line(const std::string& database,
                                       const std::vector<Endpoint>& endpoints,
                                       const std::string& options) {
  if (!is_database_name(database) || database == "pgbouncer") {
    return Error{fmt::format("'{}' is not a name that pgbouncer takes for a database", database)};
  }
  if (endpoints.empty()) return Error{fmt::format("nothing to lead {} to", database)};
  std::string hosts;
  for (const auto& endpoint : endpoints) {
    if (!is_host(endpoint.host)) {
      return Error{fmt::format("'{}' is not a host that pgbouncer takes", endpoint.host)};
    }
    if (endpoint.port == 0) return Error{fmt::format("{} has no port", endpoint.host)};
    if (endpoint.port != endpoints.front().port) {
      return Error{fmt::format("pgbouncer takes one port for a list of hosts: {} and {} differ",
                               to_text(endpoints.front()), to_text(endpoint))};
    }
    hosts += (hosts.empty() ? "" : ",") + endpoint.host;
  }
  std::string line = fmt::format("{} = host={} port={}", database, hosts, endpoints.front().port);
  if (const auto extra = trimmed(options); !extra.empty()) line += fmt::format(" {}", extra);
  const auto read_back = read_target_line(line);
  if (!read_back)
    return Error{fmt::format("the line of {}: {}", database, read_back.error().message)};
  if (read_back.value().host_list() != hosts || read_back.value().port != endpoints.front().port) {
    return Error{fmt::format("the options of {} give a host or a port", database)};
  }
  return line;
}

Result<LineSettings> read_target_line(std::string_view line) {
  line = trimmed(line);
  if (line.find('\n') != std::string_view::npos) return Error{"a line break"};
  if (line.starts_with("[")) return Error{"a section header: only lines of databases belong here"};
  if (line.starts_with("%")) return Error{"a directive: only lines of databases belong here"};
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return Error{"not a line of the form NAME = host=… port=…"};
  const auto name = name_of(line);
  if (!is_database_name(name) && name != "*") {
    return Error{fmt::format("'{}' is not a name that pgbouncer takes for a database", name)};
  }
  LineSettings settings;
  settings.dbname = name;
  std::string key, value;
  for (PairReader pairs(line.substr(equals + 1)); !pairs.at_end();) {
    if (const auto wrong = pairs.read(key, value); !wrong.empty()) return Error{wrong};
    if (key == "host") {
      settings.hosts = split_hosts(value);
    } else if (key == "port") {
      int port = 0;
      if (!read_number(value, port) || port < 1 || port > 65535) {
        return Error{fmt::format("'{}' is not a port from 1 to 65535", value)};
      }
      settings.port = static_cast<std::uint16_t>(port);
    } else if (key == "dbname") {
      settings.dbname = value;
    } else {
      settings.others[key] = value;
    }
  }
  return settings;
}

}  // namespace pointsman
