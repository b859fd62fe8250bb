// Arithmetic of best, typical and worst; for the timing files alone.
#pragma once

#include <algorithm>

#include "daemon/config/timing.hpp"

namespace pointsman {

inline Span operator+(const Span& span, Duration more) {
  return {.best = span.best + more, .typical = span.typical + more, .worst = span.worst + more};
}

inline Span operator+(const Span& a, const Span& b) {
  return {.best = a.best + b.best, .typical = a.typical + b.typical, .worst = a.worst + b.worst};
}

inline Span slower(const Span& a, const Span& b) {
  return {.best = std::max(a.best, b.best),
          .typical = std::max(a.typical, b.typical),
          .worst = std::max(a.worst, b.worst)};
}

}  // namespace pointsman
