#include "probes/disk.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"
#include "probes/mount_worker.hpp"
#include "probes/proc_file.hpp"

namespace pointsman {
namespace {

constexpr int max_mounts_on_the_way = 16;

std::string error_text(int error) {
  return std::system_category().message(error);
}

// --- judgement
// -------------------------------------------------------------------------------------

/// File systems that can only be read: not a fault.
bool is_made_read_only(const Mount& mount) {
  constexpr std::array<std::string_view, 5> types{"squashfs", "iso9660", "erofs", "cramfs",
                                                  "romfs"};
  return std::find(types.begin(), types.end(), mount.fs_type) != types.end();
}

Finding ours(std::string message, DiskFacts facts = {}) {
  return {Outcome::inconclusive, Reason::prober_error, std::move(message), facts};
}

Finding judge_reaching(const DiskReading& reading) {
  auto message = fmt::format("{}: {}", reading.path, error_text(reading.error));
  switch (reading.error) {
    case EACCES:
    case EPERM:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return {Outcome::inconclusive, Reason::prober_error, std::move(message), {}};
    default:
      return {Outcome::fail, Reason::unreachable, std::move(message), {}};
  }
}

Finding judge_write_error(const DiskReading& reading, const DiskFacts& facts) {
  const auto what = error_text(reading.error);
  switch (reading.error) {
    case ENOSPC:
      return {Outcome::fail, Reason::over_threshold, fmt::format("write test: {}", what), facts};
    case EDQUOT:
      return {Outcome::fail, Reason::over_threshold, fmt::format("write test: {}", what), facts};
    case EROFS:  // the super block is writable, or we would not have come here
      return ours(fmt::format("write test: {} is read-only for this process alone; add it to "
                              "ReadWritePaths= of the unit",
                              reading.path),
                  facts);
    case EACCES:
    case EPERM:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ours(fmt::format("write test: {}: {}", reading.path, what), facts);
    default:  // EIO above all: what cannot be written is as good as read-only
      return {Outcome::fail, Reason::read_only,
              fmt::format("write test: {}: {}", reading.path, what), facts};
  }
}

bool reached(const std::optional<double>& limit, const std::optional<double>& value) {
  return limit && value && *value >= *limit;
}

std::string describe(const DiskFacts& facts) {
  auto text = fmt::format("{:.1f}% used, {} free of {}", facts.used_ratio * 100,
                          to_size_text(facts.free), to_size_text(facts.total));
  if (facts.inodes_ratio) text += fmt::format(", {:.1f}% of inodes", *facts.inodes_ratio * 100);
  return text;
}

// --- the prober
// ------------------------------------------------------------------------------------

class DiskProber final : public Prober {
 public:
  DiskProber(const DiskSpec& spec, ProberServices services)
      : spec_(spec),
        executor_(services.executor),
        mountinfo_("/proc/self/mountinfo", MountTable::max_bytes) {}

  asio::awaitable<Finding> async_run(RunContext& context) override;

 private:
  DiskSpec spec_;
  asio::any_io_executor executor_;
  ProcFile mountinfo_;
  FillRate fill_rate_;
};

asio::awaitable<Finding> DiskProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::string path = spec_.path;
  for (int hop = 0; hop < max_mounts_on_the_way; ++hop) {
    const auto text = mountinfo_.read();
    if (!text) {
      co_return ours(fmt::format("{}: {}", mountinfo_.path(), error_text(mountinfo_.error())));
    }
    const auto table = MountTable::parse(*text);
    const Mount* mount = table.find(up_to_dotdot(path));
    if (mount == nullptr) {
      co_return Finding{
          Outcome::fail, Reason::unreachable, path + " lies on no mount we know of", {}};
    }
    context.tell(fmt::format("{} is looked for on {} ({} {})", path, mount->mount_point,
                             mount->fs_type, mount->source));
    VisitOrder order{mount->key(), path, spec_.write_test, ::getpid()};
    const auto end =
        co_await MountWorker::async_visit(executor_, std::move(order), context.deadline);
    if (end.how == VisitEnd::How::stuck) {
      co_return Finding{Outcome::fail,
                        Reason::stuck,
                        fmt::format("{} ({} {}) does not answer", mount->mount_point,
                                    mount->fs_type, mount->source),
                        {}};
    }
    if (end.how == VisitEnd::How::no_worker) co_return ours("no process to look at the mount with");
    if (end.visit.left) {
      path = *end.visit.left;
      continue;
    }
    const auto& reading = end.visit.reading;
    auto facts = to_disk_facts(reading, mount);
    if (facts.total > 0) {
      fill_rate_.add(mono_now(), facts.used);
      facts.hours_to_full = fill_rate_.hours_to_full(facts.free);
    }
    co_return judge_disk(spec_, reading, mount, facts);
  }
  co_return Finding{
      Outcome::fail, Reason::unreachable, fmt::format("{}: {}", spec_.path, error_text(ELOOP)), {}};
}

}  // namespace

std::string to_size_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

void FillRate::add(MonoTime at, std::uint64_t used) {
  if (!points_.empty() && at - points_.back().at < spacing) return;
  points_.push_back({at, static_cast<double>(used)});
  std::erase_if(points_, [&](const Point& point) { return at - point.at > window; });
}

std::optional<double> FillRate::hours_to_full(std::uint64_t free) const {
  if (points_.size() < min_points) return std::nullopt;
  const auto hours = [&](const Point& point) {
    return std::chrono::duration<double, std::ratio<3600>>(point.at - points_.front().at).count();
  };
  const auto n = static_cast<double>(points_.size());
  double mean_time = 0, mean_used = 0;
  for (const auto& point : points_) {
    mean_time += hours(point) / n;
    mean_used += point.used / n;
  }
  double covariance = 0, variance = 0;
  for (const auto& point : points_) {
    const double t = hours(point) - mean_time;
    covariance += t * (point.used - mean_used);
    variance += t * t;
  }
  if (variance <= 0 || covariance <= 0) return std::nullopt;
  return static_cast<double>(free) / (covariance / variance);
}

DiskFacts to_disk_facts(const DiskReading& reading, const Mount* mount) {
  DiskFacts facts;
  const auto used_blocks =
      reading.blocks >= reading.blocks_free ? reading.blocks - reading.blocks_free : 0;
  facts.total = reading.blocks * reading.block_size;
  facts.used = used_blocks * reading.block_size;
  facts.free = reading.blocks_available * reading.block_size;
  const auto usable = used_blocks + reading.blocks_available;  // as df: without root's reserve
  if (usable > 0) facts.used_ratio = static_cast<double>(used_blocks) / static_cast<double>(usable);
  if (reading.inodes > 0 && reading.inodes_free <= reading.inodes) {
    facts.inodes_ratio = static_cast<double>(reading.inodes - reading.inodes_free) /
                         static_cast<double>(reading.inodes);
  }
  facts.read_only = mount != nullptr && mount->read_only;
  return facts;
}

Finding judge_disk(const DiskSpec& spec, const DiskReading& reading, const Mount* mount,
                   const DiskFacts& facts) {
  if (reading.error != 0 && reading.step != DiskReading::Step::write_test) {
    return judge_reaching(reading);
  }
  if (facts.read_only && !(mount != nullptr && is_made_read_only(*mount))) {
    return {Outcome::fail, Reason::read_only,
            fmt::format("{} ({}) is read-only", mount->mount_point, mount->source), facts};
  }
  if (reading.error != 0) return judge_write_error(reading, facts);

  auto text = describe(facts);
  if (spec.free_below && facts.free < *spec.free_below) {
    text += fmt::format("; less than {} free", to_size_text(*spec.free_below));
    return {Outcome::fail, Reason::over_threshold, std::move(text), facts};
  }
  if (reached(spec.fail, facts.used_ratio) || reached(spec.inodes_fail, facts.inodes_ratio)) {
    return {Outcome::fail, Reason::over_threshold, std::move(text), facts};
  }
  if (reached(spec.warn, facts.used_ratio) || reached(spec.inodes_warn, facts.inodes_ratio)) {
    return {Outcome::warn, Reason::over_threshold, std::move(text), facts};
  }
  return {Outcome::pass, Reason::ok, std::move(text), facts};
}

std::unique_ptr<Prober> make_disk_prober(const DiskSpec& spec, ProberServices services) {
  return std::make_unique<DiskProber>(spec, services);
}

}  // namespace pointsman
