// probes: what all kinds have in common. Each kind's own options: section_probes_*.cpp.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/fingerprint.hpp"
#include "daemon/config/redact.hpp"

namespace pointsman {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration shortest_interval = milliseconds{10};
constexpr Duration longest_interval = std::chrono::hours{24};

struct Kind {
  std::string_view word;
  ProbeKind kind;
  void (*read)(MapReader&, ProbeDraft&);
};
constexpr std::array<Kind, 10> kinds{{{"postgres", ProbeKind::postgres, &read_postgres},
                                      {"redis", ProbeKind::redis, &read_redis},
                                      {"http", ProbeKind::http, &read_http},
                                      {"tcp", ProbeKind::tcp, &read_tcp},
                                      {"pgbouncer", ProbeKind::pgbouncer, &read_pgbouncer},
                                      {"disk", ProbeKind::disk, &read_disk},
                                      {"memory", ProbeKind::memory, &read_memory},
                                      {"cpu", ProbeKind::cpu, &read_cpu},
                                      {"unit", ProbeKind::unit, &read_unit},
                                      {"exec", ProbeKind::exec, &read_exec}}};

bool can_be_routed_to(ProbeKind kind) {
  return kind == ProbeKind::postgres || kind == ProbeKind::redis || kind == ProbeKind::http ||
         kind == ProbeKind::tcp;
}

/// SPEC sections 3 and 4: the common keys, with the defaults filled in, and the rules between them.
void read_timing(MapReader& reader, const Defaults& defaults, ProbePolicy& policy) {
  const auto interval = reader.duration("interval", shortest_interval);
  const auto fast = reader.duration("fast_interval", shortest_interval);
  const auto down = reader.duration("down_interval", shortest_interval);
  const auto timeout = reader.duration("timeout");
  const auto slow = reader.duration("warn_latency");
  const auto rise = reader.integer("rise", 1, 1000);
  const auto fall = reader.integer("fall", 1, 1000);

  policy.interval = interval.value_or(defaults.interval.value_or(seconds{5}));
  // A default never breaks a rule: it is cut to what the probe's own interval allows.
  policy.fast_interval =
      fast.value_or(std::min(defaults.fast_interval.value_or(seconds{1}), policy.interval));
  policy.down_interval = down.value_or(defaults.down_interval.value_or(policy.interval));
  policy.timeout =
      timeout.value_or(std::min(defaults.timeout.value_or(seconds{2}), policy.interval));
  policy.warn_latency = slow ? slow : defaults.warn_latency;
  if (!slow && policy.warn_latency && *policy.warn_latency >= policy.timeout) {
    policy.warn_latency.reset();
  }
  policy.rise = rise ? static_cast<int>(*rise) : defaults.rise.value_or(2);
  policy.fall = fall ? static_cast<int>(*fall) : defaults.fall.value_or(3);

  const std::string whose = fmt::format("the {}interval ({})", interval ? "" : "default ",
                                        yaml_duration(policy.interval));
  if (policy.interval > longest_interval) {
    reader.error("interval", "longer than a day: what it finds would be stale for days");
  }
  if (timeout && *timeout > policy.interval) {
    reader.error("timeout",
                 fmt::format("longer than {}: a run has to end before the next is due", whose));
  }
  if (fast && *fast > policy.interval) {
    reader.error("fast_interval", fmt::format("longer than {}", whose));
  }
  if (slow && *slow >= policy.timeout) {
    reader.error("warn_latency",
                 fmt::format("not shorter than the timeout ({}): no answer could ever be slow",
                             yaml_duration(policy.timeout)));
  }
}

void read_labels(MapReader& reader, ProbePolicy& policy) {
  const YamlNode* node = reader.find("labels");
  if (!node) return;
  const std::string path = reader.path_of("labels");
  MapReader labels(reader.findings(), node, path, reader.key_position("labels"));
  if (!labels.node()) return;
  for (const auto& entry : labels.node()->entries) {
    const auto value =
        scalar_text(reader.findings(), entry.value, labels.path_of(entry.key), "text");
    const bool fine =
        !entry.key.empty() &&
        entry.key.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
    if (!fine) {
      reader.findings().error(entry.key_at, labels.path_of(entry.key),
                              "a label's name is made of A-Z a-z 0-9 _");
    } else if (value) {
      policy.labels[entry.key] = entry.value.secret ? "***" : *value;
    }
  }
}

/// `address:` beside the URL: where the pooler must take another way than the probe.
void read_address(MapReader& reader, ProbeDraft& draft) {
  if (draft.kind == ProbeKind::tcp) return;  // its `address` is what it probes
  if (!can_be_routed_to(*draft.kind)) return;
  if (!reader.has("address")) {
    (void)reader.find("address");
    return;
  }
  draft.policy.endpoint = reader.endpoint("address");
  draft.address_unknown = !draft.policy.endpoint;
  draft.no_address.clear();
}

void read_probe(const YamlEntry& entry, Draft& draft) {
  ProbeDraft& probe = draft.probes[entry.key];
  probe.at = entry.key_at;
  probe.path = join_path("probes", entry.key);
  probe.node = &entry.value;
  probe.policy.name = ProbeName(entry.key);
  const auto name = parse_name(entry.key);
  if (!name) {
    draft.findings.error(entry.key_at, probe.path,
                         fmt::format("'{}' {}", redact_text(entry.key), name.error().message));
  }
  MapReader reader(draft.findings, &entry.value, probe.path, entry.key_at);
  if (entry.value.kind == YamlNode::Kind::null || !reader.node()) {
    if (entry.value.kind == YamlNode::Kind::null) {
      draft.findings.error(entry.key_at, probe.path,
                           "nothing stands after this name: write {type: ..., ...}");
    }
    probe.address_unknown = true;
    return;
  }
  const std::string example =
      "one of postgres, redis, http, tcp, pgbouncer, disk, memory, cpu, unit, exec";
  if (const auto type = reader.required_text("type", example)) {
    std::vector<std::string> words;
    for (const auto& kind : kinds) {
      words.emplace_back(kind.word);
      if (kind.word == *type) probe.kind = kind.kind;
    }
    if (!probe.kind) {
      reject(draft.findings, *reader.find("type"), reader.path_of("type"),
             not_one_of(words, *type));
    }
  }
  read_timing(reader, draft.defaults, probe.policy);
  probe.policy.enabled = reader.boolean("enabled").value_or(true);
  read_labels(reader, probe.policy);
  if (!probe.kind) {  // which options it may have is not known: nothing more can be said of them
    probe.address_unknown = true;
    return;
  }
  probe.policy.kind = *probe.kind;
  if (!can_be_routed_to(*probe.kind)) {
    probe.no_address = fmt::format("it is a {} probe", to_text(*probe.kind));
  }
  for (const auto& kind : kinds) {
    if (kind.kind == *probe.kind) kind.read(reader, probe);
  }
  read_address(reader, probe);
  reader.finish();
  Fingerprint fingerprint;
  fingerprint.add(entry.value);
  fingerprint.add(fmt::format(
      "{} {} {} {} {} {} {}", probe.policy.interval.count(), probe.policy.fast_interval.count(),
      probe.policy.down_interval.count(), probe.policy.timeout.count(), probe.policy.rise,
      probe.policy.fall, probe.policy.warn_latency ? probe.policy.warn_latency->count() : 0));
  probe.policy.fingerprint = fingerprint.text();
}

}  // namespace

void read_probes(MapReader& root, Draft& draft) {
  MapReader section(draft.findings, root.find_section("probes"), "probes",
                    root.key_position("probes"));
  if (!section.node()) return;
  for (const auto& entry : section.node()->entries) read_probe(entry, draft);
}

}  // namespace pointsman
