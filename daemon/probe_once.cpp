#include "daemon/probe_once.hpp"

#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/json.hpp>

#include "daemon/app.hpp"
#include "daemon/config/config.hpp"
#include "policies/explain.hpp"
#include "probes/clock.hpp"
#include "probes/prober.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman {
namespace {

struct PrintFact {
  boost::json::object& facts;
  void operator()(std::string_view name, const FactValue& value) const {
    facts[boost::json::string_view(name.data(), name.size())] = std::visit(
        [](const auto& v) -> boost::json::value {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, WallTime>) {
            return boost::json::value(to_rfc3339(v));
          } else {
            return boost::json::value(v);
          }
        },
        value);
  }
};

Sample run_once(const ProbePolicy& policy, const ProbeSpec& spec, bool verbose) {
  asio::io_context context{1};
  Resolver resolver{context.get_executor()};
  TlsContexts tls_contexts;
  const std::unique_ptr<Prober> prober =
      make_prober(policy.name, spec, {context.get_executor(), resolver, tls_contexts});
  const MonoTime started = mono_now();
  RunContext run;
  run.deadline = started + policy.timeout;
  if (verbose) {
    run.trace = [started](std::string_view step) {
      const double ms = std::chrono::duration<double, std::milli>(mono_now() - started).count();
      fmt::print("{:>9.3f} ms  {}\n", ms, step);
      std::fflush(stdout);
    };
  }
  asio::cancellation_signal cancel;
  asio::steady_timer timer(context);
  timer.expires_at(to_steady(run.deadline));
  timer.async_wait([&cancel](error_code ec) {
    if (!ec) cancel.emit(asio::cancellation_type::terminal);
  });
  Sample sample{policy.name, started, started, {}};
  asio::co_spawn(
      context, prober->async_run(run),
      asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr error, Finding finding) {
        if (error) {
          finding = {Outcome::inconclusive, Reason::prober_error, "", {}};
          try {
            std::rethrow_exception(error);
          } catch (const std::exception& e) {
            finding.message = e.what();
          }
        }
        sample.finished = mono_now();
        sample.finding = std::move(finding);
        timer.cancel();
        context.stop();
      }));
  context.run();
  prober->close();
  return sample;
}

}  // namespace

int probe_once(const ProbeOnce& options) {
  std::signal(SIGPIPE, SIG_IGN);
  auto loaded = load_config(options.config_file);
  if (const auto* failure = std::get_if<LoadFailure>(&loaded)) {
    for (const Diagnostic& d : failure->errors) fmt::print(stderr, "{}\n", to_text(d, false));
    return exit_config;
  }
  const Config& config = std::get<Config>(loaded);
  const auto policy = config.policy->probes.find(ProbeName(options.name));
  if (policy == config.policy->probes.end()) {
    std::vector<ProbeName> names;
    for (const auto& [name, probe] : config.policy->probes) names.push_back(name);
    fmt::print(stderr, "there is no probe '{}' in {}; there are: {}\n", options.name,
               options.config_file.string(), join_names(names));
    return exit_usage;
  }
  const Sample sample =
      run_once(policy->second, config.probes.at(policy->first), options.verbose && !options.json);
  const Finding& finding = sample.finding;
  const double latency = std::chrono::duration<double, std::milli>(sample.latency()).count();
  boost::json::object facts;
  for_each_fact(finding.facts, PrintFact{facts});
  if (options.json) {
    const boost::json::object out{{"probe", options.name},
                                  {"type", std::string(to_text(policy->second.kind))},
                                  {"outcome", std::string(to_text(finding.outcome))},
                                  {"reason", std::string(to_text(finding.reason))},
                                  {"message", finding.message},
                                  {"latency_ms", latency},
                                  {"facts", facts}};
    fmt::print("{}\n", boost::json::serialize(out));
  } else {
    fmt::print("{}: {} ({}) in {:.1f} ms{}{}\n", options.name, to_text(finding.outcome),
               to_text(finding.reason), latency, finding.message.empty() ? "" : ": ",
               finding.message);
    for (const auto& fact : facts) {
      fmt::print("  {} = {}\n", std::string_view(fact.key().data(), fact.key().size()),
                 fact.value().is_string() ? std::string(fact.value().as_string().c_str())
                                          : boost::json::serialize(fact.value()));
    }
  }
  const bool up = finding.outcome == Outcome::pass || finding.outcome == Outcome::warn;
  return up ? exit_fine : exit_unhealthy;
}

}  // namespace pointsman
