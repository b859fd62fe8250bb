// What has been read so far, while errors are still being looked for: the names that are defined
// and where, so that references between sections can be checked when all have been read.
//
// Lives only inside load_config. Something with an error in it is still defined: who refers to it
// is not told that it is missing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/findings.hpp"
#include "daemon/config/map_reader.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace pointsman {

/// `defaults:`; what is absent was not given.
struct Defaults {
  std::optional<Duration> interval, fast_interval, down_interval, timeout, warn_latency;
  std::optional<int> rise, fall;
};

struct ProbeDraft {
  Position at;
  std::string path;
  const YamlNode* node = nullptr;
  std::optional<ProbeKind> kind;  ///< absent: its type was wrong
  ProbePolicy policy;
  std::optional<ProbeSpec> spec;  ///< absent: it had errors
  bool local = false;             ///< this host alone: its kind, or a loopback address
  bool address_unknown = false;   ///< an error or an unresolved reference: do not complain again
  std::string no_address;         ///< why no pooler can be led to it; empty when one can
};

struct MemberDraft {
  std::string text;  ///< as written
  const YamlNode* node = nullptr;
  std::string path;
};

struct ServiceDraft {
  Position at;
  std::string path;
  const YamlNode* node = nullptr;
  ServicePolicy policy;
  std::vector<MemberDraft> members;
  std::optional<Scope> scope;  ///< as given
  std::optional<int> need;     ///< as given; absent: all
  bool need_any = false;
  Position need_at;
};

struct RouteDraft {
  Position at;
  std::string path;
  const YamlNode* node = nullptr;
  RoutePolicy policy;
  std::vector<Via> vias;
  std::vector<Position> via_at;  ///< one each via
  std::vector<MemberDraft> candidates;
  std::optional<MemberDraft> fallback;
  bool require_given = false;
  Position balance_at;
  std::map<HookKind, HookSpec> hooks;  ///< those without an error; the policy has all their names
};

/// What a name leads to, as it is written in a trigger, a step or `escalate`.
enum class RefersTo { service, probe, route, notifier, backup };

struct StepDraft {
  Position at;
  std::string path;
  StepPolicy policy;
  StepSpec spec;
  bool known = false;  ///< false: which kind it is could not be told, and that was said
  bool timeout_given = false;
  std::optional<RefersTo> refers_to;
  MemberDraft target;  ///< where `refers_to` is set
};

struct LadderDraft {
  Position at;
  std::string path;
  const YamlNode* node = nullptr;
  LadderPolicy policy;
  std::optional<RefersTo> subject_kind;
  MemberDraft subject;
  Position verify_at;  ///< of verify_within, or of the ladder
  std::vector<StepDraft> steps;
  std::vector<MemberDraft> escalate;
};

struct NotifierDraft {
  NotifierPolicy policy;
  std::optional<NotifierSpec> spec;  ///< absent: it had errors, or its secrets could not be had
  Position at;
  std::string path;
};

struct Draft {
  Findings findings;
  SecretUse secrets = SecretUse::required;
  Defaults defaults;
  std::map<std::string, ProbeDraft> probes;
  std::map<std::string, ServiceDraft> services;
  std::map<std::string, RouteDraft> routes;
  std::map<std::string, LadderDraft> ladders;
  std::map<std::string, NotifierDraft> notifiers;
  std::vector<std::string> backups;  ///< names only: this version makes none
  ListenSpec listen;
  NodeSpec node;
  std::string state_dir = "/var/lib/pointsman";
  std::optional<LoadBalancerSpec> load_balancer;
  Mode mode = Mode::act;
  bool has_fleet = false;  ///< given; this version does not act on it: no host agrees with another
};

/// Names defined in a section, for "did you mean".
template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

// The sections, one function each; they note what is wrong and go on.
void read_general(MapReader& root, Draft& draft);  ///< version, mode, node, state_dir, listen, ...
void read_defaults(MapReader& root, Draft& draft);
void read_probes(MapReader& root, Draft& draft);  ///< after the defaults
void read_services(MapReader& root, Draft& draft);
void read_routes(MapReader& root, Draft& draft);
void read_recovery(MapReader& root, Draft& draft);
void read_notify(MapReader& root, Draft& draft);
void read_later_sections(MapReader& root, Draft& draft);  ///< read, and warned of

/// What a kind of probe adds; `draft` gets spec, local, endpoint. Called by read_probes.
void read_postgres(MapReader& reader, ProbeDraft& draft);
void read_redis(MapReader& reader, ProbeDraft& draft);
void read_http(MapReader& reader, ProbeDraft& draft);
void read_tcp(MapReader& reader, ProbeDraft& draft);
void read_pgbouncer(MapReader& reader, ProbeDraft& draft);
void read_disk(MapReader& reader, ProbeDraft& draft);
void read_memory(MapReader& reader, ProbeDraft& draft);
void read_cpu(MapReader& reader, ProbeDraft& draft);
void read_unit(MapReader& reader, ProbeDraft& draft);
void read_exec(MapReader& reader, ProbeDraft& draft);

// What can only be checked when all sections have been read.
void link_services(Draft& draft);
void link_routes(Draft& draft);
void link_promotion(Draft& draft);  ///< after the routes
void link_recovery(Draft& draft);   ///< last: its names lead to all the others

}  // namespace pointsman
