#include "daemon/http/health_answer.hpp"

#include <chrono>

#include "daemon/http/json_writer.hpp"
#include "probes/clock.hpp"

namespace pointsman {

HealthAnswer::HealthAnswer(const HttpSource& source, Duration max_age)
    : source_(source), max_age_(max_age) {}

std::string_view HealthAnswer::bytes(MonoTime now, After after, bool head_only) {
  refresh(now);
  const Ready& ready = ready_[static_cast<std::size_t>(after)];
  const std::string_view whole = ready.bytes;
  return head_only ? whole.substr(0, ready.head_size) : whole;
}

const Answer& HealthAnswer::answer(MonoTime now) {
  refresh(now);
  return answer_;
}

const Serving& HealthAnswer::serving(MonoTime now) {
  refresh(now);
  return serving_;
}

MonoTime HealthAnswer::tick(MonoTime now) {
  refresh(now);
  return tick_;
}

void HealthAnswer::refresh(MonoTime now) {
  const MonoTime tick = source_.last_tick();
  const bool late = now - tick > max_age_;
  const bool date_is_old = now - made_at_ >= std::chrono::seconds{1};
  if (made_ && tick == tick_ && late == late_ && !date_is_old) return;
  made_ = true;
  late_ = late;
  render(now, tick);
}

void HealthAnswer::render(MonoTime now, MonoTime tick) {
  tick_ = tick;
  made_at_ = now;
  const bool never = tick == MonoTime{};
  if (never) {
    serving_ = Serving{.ok = false, .reason = "starting: the daemon's loop has not run yet"};
  } else if (late_) {
    serving_ = Serving{.ok = false, .reason = "the daemon's own loop is late"};
  } else {
    serving_ = source_.serving();
  }

  JsonWriter json;
  json.begin_object().key("status").text(serving_.ok ? "ok" : "unavailable");
  if (!serving_.ok) json.key("reason").text(serving_.reason);
  json.key("timestamp").time(to_wall(never ? now : tick)).end_object();

  answer_ = Answer{.status = serving_.ok ? 200 : 503,
                   .body = std::make_shared<const std::string>(json.take_line())};
  for (const After after : {After::keep, After::close, After::keep_http_1_0}) {
    Ready& ready = ready_[static_cast<std::size_t>(after)];
    ready.bytes.clear();
    append_head(ready.bytes, answer_, after, wall_now());
    ready.head_size = ready.bytes.size();
    ready.bytes += *answer_.body;
  }
}

}  // namespace pointsman
