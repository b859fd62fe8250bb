// What the YAML says, read and checked whole: the PolicySet for the engine and the rest for the
// shell.
//
// load_config reads the file and what it includes, replaces ${env:} ${file:} ${credential:}, checks
// everything and gives either a Config or every error at once. It never acts on the world and is
// used by `run`, `check`, `probe` and reload alike.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "policies/model/policy.hpp"
#include "policies/model/result.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// An address range of `details_from`; IPv4-mapped IPv6 addresses are judged as IPv4.
struct Network {
  std::string text;  ///< as written, "127.0.0.0/8"
};

struct ListenSpec {
  std::optional<Endpoint> http;  ///< default 0.0.0.0:8600
  std::optional<Endpoint> agent_check;
  std::vector<std::string> details_from{"127.0.0.0/8", "::1/128"};  ///< CIDR, checked
  Secret token;                                                     ///< empty: no token is accepted
  std::string control = "/run/pointsman/control.sock";
};

struct NodeSpec {
  std::string name;  ///< default: the host's name
  std::string region, zone;
};

/// One pooler of a route.
struct PgbouncerVia {
  Secret admin;             ///< libpq conninfo of the admin console
  std::string file;         ///< the targets file, absolute
  std::string database;     ///< the name under which the application connects
  std::string options;      ///< copied into the line as it stands; has a dbname
  std::string verify_user;  ///< empty: the admin's
  Secret verify_password;
};
struct HaproxyVia {
  std::string socket, backend, server;
};
struct FileVia {
  std::string path, template_file, reload_unit;
};
using Via = std::variant<PgbouncerVia, HaproxyVia, FileVia>;

struct LoadBalancerSpec {
  Duration interval{std::chrono::seconds{30}}, timeout{std::chrono::seconds{5}};
  int healthy = 5, unhealthy = 2;
};

/// Where something stands in the YAML. Lines and columns count from 1.
struct Position {
  std::string file;
  int line = 0, column = 0;
};

/// One error or warning. Printed "FILE:LINE:COLUMN: error: PATH: TEXT".
struct Diagnostic {
  Position at;
  std::string path;  ///< "probes.primary.interval"; empty for the whole file
  std::string text;  ///< with ", did you mean 'interval'?" where one is near
};
std::string to_text(const Diagnostic& diagnostic, bool warning);

struct Config {
  std::shared_ptr<const PolicySet> policy;
  std::map<ProbeName, ProbeSpec> probes;
  std::map<RouteName, std::vector<Via>> vias;
  ListenSpec listen;
  NodeSpec node;
  std::filesystem::path state_dir = "/var/lib/pointsman";
  std::optional<LoadBalancerSpec> load_balancer;
  std::vector<std::string> files;  ///< read, in order; the first is the main one
  std::vector<Diagnostic> warnings;
  boost::json::value redacted;  ///< the whole as read, secrets as "***": /v1/config
};

struct LoadFailure {
  std::vector<Diagnostic> errors;  ///< sorted by file, line, column; at least one
  std::vector<Diagnostic> warnings;
};

/// Where a config's secrets come from; `probe` and the control client may do without them.
enum class SecretUse { required, ignored };

std::variant<Config, LoadFailure> load_config(const std::filesystem::path& file,
                                              SecretUse secrets = SecretUse::required);

}  // namespace pointsman
