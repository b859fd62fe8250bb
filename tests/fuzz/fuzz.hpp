// What the fuzz targets share: bytes of an input as small values, and conditions that must hold.
//
// A target is a file with one LLVMFuzzerTestOneInput. It must never touch the network, wait, or
// keep anything from one input to the next: the same input gives the same outcome, so that a
// finding can be repeated. A condition that does not hold ends the process, as a crash does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#define FUZZ_REQUIRE(condition)                                                                   \
  ((condition) ? static_cast<void>(0)                                                             \
               : (std::fprintf(stderr, "fuzz: does not hold: %s (%s:%d)\n", #condition, __FILE__, \
                               __LINE__),                                                         \
                  std::abort()))

namespace pointsman::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Takes an input apart from its front. When it is used up, everything is zero or empty.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : left_(text_of(data, size)) {}

  bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return first;
  }
  /// 0 to `count` - 1.
  std::size_t pick(std::size_t count) { return byte() % count; }
  bool flag() { return (byte() & 1U) != 0; }
  template <class Enum>
  Enum one_of(std::initializer_list<Enum> all) {
    return *(all.begin() + pick(all.size()));
  }
  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = (value << 8U) | byte();
    return value;
  }
  /// Up to the next byte `end`, which is taken too; all that is left where there is none.
  std::string_view until(char end) {
    const auto size = std::min(left_.find(end), left_.size());
    const auto part = left_.substr(0, size);
    left_.remove_prefix(std::min(size + 1, left_.size()));
    return part;
  }
  std::string_view rest() {
    const auto all = left_;
    left_ = {};
    return all;
  }

 private:
  std::string_view left_;
};

}  // namespace pointsman::fuzz
