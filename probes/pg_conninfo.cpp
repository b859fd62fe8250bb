#include "probes/pg_conninfo.hpp"

#include <map>
#include <memory>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "probes/pg_message.hpp"

namespace pointsman {
namespace {

using OptionList = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
using OptionMap = std::map<std::string, std::string>;

Result<OptionMap> parse(const std::string& conninfo) {
  char* complaint = nullptr;
  const OptionList options(PQconninfoParse(conninfo.c_str(), &complaint), &PQconninfoFree);
  if (!options) {
    const std::string text = complaint != nullptr ? complaint : "out of memory";
    PQfreemem(complaint);
    return Error{redact_conninfo_error(text)};
  }
  OptionMap map;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') map[option->keyword] = option->val;
  }
  if (map.contains("service")) {
    return Error{"\"service\" is not supported: name host, port and user here"};
  }
  return map;
}

std::string take(OptionMap& map, const char* key) {
  const auto found = map.find(key);
  if (found == map.end()) return {};
  std::string value = std::move(found->second);
  map.erase(found);
  return value;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  if (list.empty()) return parts;
  std::size_t from = 0;
  while (true) {
    const auto comma = list.find(',', from);
    parts.push_back(list.substr(from, comma - from));
    if (comma == std::string::npos) return parts;
    from = comma + 1;
  }
}

/// PGHOST and PGHOSTADDR, which libpq would otherwise resolve itself, blocking.
void add_environment(OptionMap& map) {
  const OptionList defaults(PQconndefaults(), &PQconninfoFree);
  if (!defaults) return;
  for (const auto* option = defaults.get(); option->keyword != nullptr; ++option) {
    const std::string key = option->keyword;
    if ((key == "host" || key == "hostaddr") && option->val != nullptr && *option->val != '\0') {
      map[key] = option->val;
    }
  }
}

Result<std::vector<PgHost>> read_hosts(OptionMap& map) {
  if (!map.contains("host") && !map.contains("hostaddr")) add_environment(map);
  const auto names = split(take(map, "host"));
  const auto addresses = split(take(map, "hostaddr"));
  const auto ports = split(take(map, "port"));
  const std::size_t count = std::max({names.size(), addresses.size(), std::size_t{1}});
  if (!names.empty() && !addresses.empty() && names.size() != addresses.size()) {
    return Error{
        fmt::format("{} names in host, but {} in hostaddr", names.size(), addresses.size())};
  }
  if (ports.size() > 1 && ports.size() != count) {
    return Error{fmt::format("{} ports for {} hosts", ports.size(), count)};
  }
  std::vector<PgHost> hosts(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!names.empty()) hosts[i].host = names[i];
    if (!addresses.empty()) hosts[i].hostaddr = addresses[i];
    if (!ports.empty()) hosts[i].port = ports.size() == 1 ? ports[0] : ports[i];
  }
  return hosts;
}

}  // namespace

Result<PgOptions> read_options(const PgTarget& target) {
  auto parsed = parse(target.conninfo.reveal());
  if (!parsed) return parsed.error();
  OptionMap& map = parsed.value();
  auto hosts = read_hosts(map);
  if (!hosts) return hosts.error();
  map.erase("connect_timeout");
  if (target.password) map["password"] = target.password->reveal();
  // Spares a round trip (and a log line on some servers) where nobody uses Kerberos.
  map.emplace("gssencmode", "disable");
  map.emplace("application_name", target.application_name);
  map.emplace("client_encoding", "UTF8");
  return PgOptions{{map.begin(), map.end()}, std::move(hosts.value())};
}

Result<ConninfoParts> parse_conninfo(const std::string& conninfo) {
  auto parsed = parse(conninfo);
  if (!parsed) return parsed.error();
  OptionMap& map = parsed.value();
  ConninfoParts parts;
  const auto get = [&map](const char* key) {
    const auto found = map.find(key);
    return found == map.end() ? std::string() : found->second;
  };
  parts.host = get("host").empty() ? get("hostaddr") : get("host");
  parts.port = get("port");
  parts.dbname = get("dbname");
  parts.user = get("user");
  parts.has_password = map.contains("password");
  const auto hosts = read_hosts(map);
  if (!hosts) return hosts.error();
  return parts;
}

}  // namespace pointsman
