#include "daemon/runtime/random.hpp"

#include <random>

namespace pointsman {

double random_share() {
  static std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace pointsman
