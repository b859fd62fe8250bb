#include "policies/schedule.hpp"

#include <algorithm>

namespace pointsman {

std::uint64_t stable_hash(std::string_view text, std::uint64_t salt) {
  std::uint64_t h = 14695981039346656037u ^ salt;
  for (const char c : text) {
    h ^= static_cast<unsigned char>(c);
    h *= 1099511628211u;
  }
  // FNV's low bits are weak on short names; this is the finaliser of MurmurHash3.
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53u;
  h ^= h >> 33;
  return h;
}

MonoTime first_run(const ProbePolicy& policy, MonoTime now) {
  const Duration spread = std::min(policy.interval, first_run_spread);
  const auto within = static_cast<std::uint64_t>(std::max<Duration::rep>(spread.count(), 1));
  return now + Duration{static_cast<Duration::rep>(stable_hash(policy.name.text) % within)};
}

namespace {

Duration interval_of(const ProbePolicy& policy, Pace pace) {
  if (pace == Pace::fast) return policy.fast_interval;
  return pace == Pace::down ? policy.down_interval : policy.interval;
}

}  // namespace

Duration next_interval(const ProbePolicy& policy, Pace pace, std::uint64_t runs) {
  const Duration base = interval_of(policy, pace);
  if (pace == Pace::fast) return base;
  const double unit = static_cast<double>(stable_hash(policy.name.text, runs + 1) >> 11) * 0x1p-53;
  const double factor = 1.0 + jitter_share * (unit - 0.5);
  return Duration{static_cast<Duration::rep>(static_cast<double>(base.count()) * factor)};
}

MonoTime on_grid(MonoTime at) {
  const Duration since = at.time_since_epoch();
  const Duration rest = since % wake_grain;
  return rest == Duration::zero() ? at : at + (wake_grain - rest);
}

Duration grain_of(Duration interval) {
  if (interval < min_grains_an_interval * settled_grain) return wake_grain;
  Duration grain = settled_grain;
  while (grain < coarsest_grain && interval >= min_grains_an_interval * 2 * grain) grain *= 2;
  return grain;
}

MonoTime next_run(const ProbePolicy& policy, Pace pace, std::uint64_t runs, MonoTime start) {
  const MonoTime at = on_grid(start + next_interval(policy, pace, runs));
  if (pace == Pace::fast) return at;
  return at - at.time_since_epoch() % grain_of(interval_of(policy, pace));
}

}  // namespace pointsman
