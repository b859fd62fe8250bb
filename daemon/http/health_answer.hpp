// The answer to /health, ready made: whole HTTP answers that a connection copies and sends.
//
// Made anew only when the loop's last tick has changed, when that tick has become too old, when a
// second has passed (the Date field), or after an operator's command. Reads HttpSource::serving and
// last_tick; runs no probe, takes no lock. One per server, on the loop's thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "daemon/http/response.hpp"
#include "daemon/http/source.hpp"

namespace pointsman {

class HealthAnswer {
 public:
  HealthAnswer(const HttpSource& source, Duration max_age);

  /// Valid until the next call of any of these. `head_only` for HEAD.
  std::string_view bytes(MonoTime now, After after, bool head_only);
  /// The same as an Answer, for the paths that are rarer.
  const Answer& answer(MonoTime now);
  /// What the bytes say: the source's answer, or why that is not believed any more.
  const Serving& serving(MonoTime now);
  /// Somebody has changed something: what is served now is asked for with the next question instead
  /// of with the next tick.
  void renew() { made_ = false; }
  /// Of the last tick; what `timestamp` shows.
  MonoTime tick(MonoTime now);

 private:
  struct Ready {
    std::string bytes;
    std::size_t head_size = 0;
  };

  void refresh(MonoTime now);
  void render(MonoTime now, MonoTime tick);

  const HttpSource& source_;
  Duration max_age_;
  bool made_ = false;
  bool late_ = false;
  MonoTime tick_{};
  MonoTime made_at_{};
  Serving serving_;
  Answer answer_;
  std::array<Ready, 3> ready_;  ///< by After
};

}  // namespace pointsman
