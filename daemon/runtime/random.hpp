// Randomness of the shell, for jitter only. Nothing that decides uses it.
#pragma once

namespace pointsman {

/// Evenly spread over 0..1. Loop's thread.
double random_share();

}  // namespace pointsman
