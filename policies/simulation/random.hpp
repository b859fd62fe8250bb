// Chance for simulations: splitmix64 (Sebastiano Vigna, public domain), which gives the same
// numbers from the same seed with every compiler and library; std's distributions do not.
#pragma once

#include <cstdint>

#include "policies/model/time.hpp"

namespace pointsman::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 … limit - 1; `limit` is at least 1. Its bias is far below what matters here.
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  /// In milliseconds, both ends included.
  Duration between(Duration low, Duration high) {
    const auto span = static_cast<std::uint64_t>((high - low) / std::chrono::milliseconds{1});
    return low + std::chrono::milliseconds{below(span + 1)};
  }

 private:
  std::uint64_t state_;
};

}  // namespace pointsman::sim
