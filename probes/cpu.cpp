#include "probes/cpu.hpp"

#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"
#include "probes/pressure.hpp"
#include "probes/proc_file.hpp"

namespace pointsman {
namespace {

/// idle and steal may run backwards by a tick on some kernels.
std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

class CpuProber final : public Prober {
 public:
  explicit CpuProber(const CpuSpec& spec) : spec_(spec), window_(spec.over) {}
  asio::awaitable<Finding> async_run(RunContext& context) override;

 private:
  CpuSpec spec_;
  CpuWindow window_;
  ProcFile stat_{"/proc/stat", 512};  // its first line is all that counts
  ProcFile loadavg_{"/proc/loadavg"};
  ProcFile pressure_{"/proc/pressure/cpu"};
};

asio::awaitable<Finding> CpuProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto text = stat_.read();
  const auto times = text ? parse_cpu_times(*text) : std::nullopt;
  if (!times) {
    const auto why = text ? "no line of cpu in it" : std::system_category().message(stat_.error());
    co_return Finding{
        Outcome::inconclusive, Reason::prober_error, fmt::format("{}: {}", stat_.path(), why), {}};
  }
  const auto use = window_.add(mono_now(), *times);
  if (use) {
    context.tell(
        fmt::format("measured over {:.1f} s", std::chrono::duration<double>(use->over).count()));
  }
  const auto load = loadavg_.read();
  const auto pressure = pressure_.read();
  co_return judge_cpu(spec_, use, load ? parse_load1(*load).value_or(0) : 0,
                      pressure ? parse_pressure(*pressure) : std::nullopt);
}

}  // namespace

std::optional<CpuUse> CpuWindow::add(MonoTime at, CpuTimes times) {
  while (readings_.size() >= 2 && at - readings_[1].at >= over_) readings_.pop_front();
  std::optional<CpuUse> use;
  if (!readings_.empty()) {
    const auto& start = readings_.front();
    const auto total = grown(times.total, start.times.total);
    if (total > 0) {
      const auto share = [&](std::uint64_t ticks) {
        return std::clamp(static_cast<double>(ticks) / static_cast<double>(total), 0.0, 1.0);
      };
      use = CpuUse{1.0 - share(grown(times.idle, start.times.idle)),
                   share(grown(times.steal, start.times.steal)), at - start.at};
    }
  }
  // One in each 1/max_readings of the window, so that fast runs do not make the ring grow.
  if (readings_.empty() || at - readings_.back().at >= over_ / (max_readings - 2)) {
    readings_.push_back({at, times});
  }
  return use;
}

Finding judge_cpu(const CpuSpec& spec, const std::optional<CpuUse>& use, double load1,
                  std::optional<double> psi) {
  CpuFacts facts;
  facts.load1 = load1;
  facts.psi = psi;
  Finding finding{Outcome::pass, Reason::ok, "first reading; busy is known from the next run on",
                  facts};
  if (use) {
    facts.busy = use->busy;
    facts.steal = use->steal;
    finding.message = fmt::format("{:.1f}% busy over {:.0f} s, load {:.2f}", use->busy * 100,
                                  std::chrono::duration<double>(use->over).count(), load1);
    finding.facts = facts;
    if (spec.fail && use->busy >= *spec.fail) {
      finding.outcome = Outcome::fail;
      finding.reason = Reason::over_threshold;
    } else if (spec.warn && use->busy >= *spec.warn) {
      finding.outcome = Outcome::warn;
      finding.reason = Reason::over_threshold;
    }
  }
  return judge_pressure(std::move(finding), psi, {spec.pressure_warn, spec.pressure_fail});
}

std::unique_ptr<Prober> make_cpu_prober(const CpuSpec& spec, ProberServices) {
  return std::make_unique<CpuProber>(spec);
}

}  // namespace pointsman
