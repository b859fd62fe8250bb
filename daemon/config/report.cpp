#include "daemon/config/report.hpp"

#include <algorithm>
#include <map>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <fmt/format.h>

#include "daemon/config/report_parts.hpp"
#include "daemon/config/timing.hpp"
#include "policies/explain.hpp"

namespace pointsman {
namespace {

std::string time_text(Duration duration) {
  return duration < std::chrono::milliseconds{1} ? "at once" : print_duration(duration);
}

std::map<std::string_view, int> count_kinds(const PolicySet& policy) {
  std::map<std::string_view, int> counts;
  for (const auto& [name, probe] : policy.probes) ++counts[to_text(probe.kind)];
  return counts;
}

std::string describe_services(const PolicySet& policy) {
  if (policy.services.empty())
    return "services   none: /health answers 200 once the loop has run\n";
  std::string text = "services\n";
  const std::size_t width = widest_name(policy.services);
  for (const auto& [name, service] : policy.services) {
    text += fmt::format("  {:{}}  scope {}{}, {}, needs {} of {}: {}\n", name.text, width,
                        to_text(service.scope), service.scope_inferred ? " (inferred)" : "",
                        service.critical ? "critical" : "not critical", service.need,
                        service.members.size(),
                        join(service.members, [](const Member& m) { return to_text(m); }));
  }
  return text;
}

bool has_node_scope(const PolicySet& policy) {
  return std::any_of(policy.services.begin(), policy.services.end(), [](const auto& entry) {
    return entry.second.critical && entry.second.scope == Scope::node;
  });
}

Span sum(const Span& a, const Span& b) {
  return {.best = a.best + b.best, .typical = a.typical + b.typical, .worst = a.worst + b.worst};
}

std::string describe_balancer(const Config& config) {
  if (!config.load_balancer) return "";
  const LoadBalancerSpec& spec = *config.load_balancer;
  const BalancerTiming timing = balancer_timing(spec);
  std::string text = fmt::format(
      "load balancer: asks every {}, waits {}, out after {} bad answers, in after {} good ones\n",
      print_duration(spec.interval), print_duration(spec.timeout), spec.unhealthy, spec.healthy);
  std::vector<TimeRow> rows{{"this host leaves after answering 503", timing.leave},
                            {"this host leaves after it fell silent", timing.leave_silent},
                            {"this host returns after answering 200", timing.enter}};
  if (has_node_scope(*config.policy)) {
    rows.push_back({"a critical probe of it fails, until it left",
                    sum(host_unwell_timing(config), timing.leave)});
  }
  return text + time_table(rows, "  ");
}

boost::json::object services_json(const PolicySet& policy) {
  boost::json::object services;
  for (const auto& [name, service] : policy.services) {
    boost::json::array members;
    for (const auto& member : service.members) members.emplace_back(to_text(member));
    services[name.text] = boost::json::object{{"scope", std::string(to_text(service.scope))},
                                              {"scope_inferred", service.scope_inferred},
                                              {"critical", service.critical},
                                              {"need", service.need},
                                              {"members", std::move(members)}};
  }
  return services;
}

}  // namespace

std::string time_table(const std::vector<TimeRow>& rows, std::string_view indent) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.what.size());
  std::string text =
      fmt::format("{}{:{}}  {:>8} {:>8} {:>8}\n", indent, "", width, "best", "typical", "worst");
  for (const auto& row : rows) {
    text += fmt::format("{}{:{}}  {:>8} {:>8} {:>8}\n", indent, row.what, width,
                        time_text(row.span.best), time_text(row.span.typical),
                        time_text(row.span.worst));
  }
  return text;
}

boost::json::value span_json(const Span& span) {
  const auto seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  return boost::json::object{{"best_seconds", seconds(span.best)},
                             {"typical_seconds", seconds(span.typical)},
                             {"worst_seconds", seconds(span.worst)}};
}

std::string describe(const Config& config) {
  const PolicySet& policy = *config.policy;
  std::string text = fmt::format("{:11}{}\n", config.files.size() == 1 ? "file" : "files",
                                 join(config.files, [](const std::string& f) { return f; }));
  text += fmt::format("node       {}\n", config.node.name);
  text += fmt::format("mode       {}\n", to_text(policy.mode));
  text += fmt::format(
      "probes     {}{}{}\n", policy.probes.size(), policy.probes.empty() ? "" : ": ",
      join(count_kinds(policy),
           [](const auto& kind) { return fmt::format("{} {}", kind.second, kind.first); }));
  text += describe_services(policy);
  text += describe_routes(config);
  text += describe_recovery(config);
  return text + describe_balancer(config);
}

boost::json::value describe_json(const Config& config) {
  boost::json::array files;
  for (const auto& file : config.files) files.emplace_back(file);
  boost::json::object kinds;
  for (const auto& [kind, count] : count_kinds(*config.policy)) kinds[kind] = count;
  boost::json::object result{{"files", std::move(files)},
                             {"node", config.node.name},
                             {"mode", std::string(to_text(config.policy->mode))},
                             {"probes", std::move(kinds)},
                             {"services", services_json(*config.policy)},
                             {"routes", routes_json(config)},
                             {"recovery", ladders_json(config)}};
  if (config.load_balancer) {
    const BalancerTiming timing = balancer_timing(*config.load_balancer);
    boost::json::object balancer{{"leave", span_json(timing.leave)},
                                 {"leave_silent", span_json(timing.leave_silent)},
                                 {"enter", span_json(timing.enter)}};
    if (has_node_scope(*config.policy)) {
      balancer["fail_to_leave"] = span_json(sum(host_unwell_timing(config), timing.leave));
    }
    result["load_balancer"] = std::move(balancer);
  }
  return result;
}

}  // namespace pointsman
