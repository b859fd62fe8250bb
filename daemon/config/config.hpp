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
#include "probes/hook_spec.hpp"
#include "probes/notifier_spec.hpp"
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
/// Where the application connects to HAProxy: a query through it is the proof of a switch.
struct HaproxyVerifySpec {
  Endpoint address;  ///< of the frontend
  std::string user;  ///< postgres: needed; redis: empty for the default user
  Secret password;
  std::string database;  ///< postgres alone; empty: "postgres"
  std::optional<TlsSpec> tls;
};
struct HaproxyVia {
  std::string socket, backend;
  std::vector<std::string> servers;  ///< at least one; server entries of the backend, ours alone
  std::optional<HaproxyVerifySpec> verify;  ///< absent: `show servers state` is the only proof
  std::string server_state_file;            ///< empty, or where HAProxy reads its state at a reload
};
/// A file made from a template, and what makes its reader read it again.
struct FileVia {
  std::string path;           ///< absolute
  std::string template_file;  ///< absolute; what messages name
  std::string template_text;  ///< as it was when the configuration was loaded
  /// A unit to reload, a command to run, or nothing: the reader sees the change by itself.
  std::variant<std::monostate, std::string, ExecSpec> reload;
  /// What shows that it works: a connection, a request, or nothing.
  std::variant<std::monostate, Endpoint, HttpSpec> verify;
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
  std::map<RouteName, std::map<HookKind, HookSpec>> hooks;  ///< routes without one are left out
  std::map<LadderName, std::vector<StepSpec>> steps;  ///< as many as LadderPolicy::steps, in order
  std::map<NotifierName, NotifierSpec> notifiers;     ///< the same names as PolicySet::notify
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

/// The same of a text that is at hand; `name` stands for the file in messages. Not for what
/// includes others: those files are not read.
std::variant<Config, LoadFailure> parse_config(std::string text, const std::string& name,
                                               SecretUse secrets = SecretUse::required);

}  // namespace pointsman
