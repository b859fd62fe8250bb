#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/cli/ask.hpp"
#include "daemon/cli/json_read.hpp"
#include "daemon/cli/operate.hpp"
#include "daemon/cli/words.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

constexpr Duration poll_interval = std::chrono::milliseconds{100};
/// A request is in the daemon's next snapshot: one that is not there after this is not known.
constexpr int polls_until_known = 20;
constexpr int status_not_found = 404;

/// One switch that is waited for.
class Wait {
 public:
  Wait(const ControlClient& client, const SwitchOptions& options, const Surroundings& around,
       std::int64_t request)
      : client_(client), options_(options), around_(around), request_(request) {}

  /// Ends: with the request, which has deadlines of its own, with the daemon, or at the second
  /// Ctrl-C.
  int until_ended() {
    for (;;) {
      const auto answer = client_.get(fmt::format("/v1/requests/{}", request_));
      const bool unknown = answer && answer.value().status == status_not_found;
      if (unknown && !known_ && ++polls_ < polls_until_known) {
        around_.sleep(poll_interval);
        continue;
      }
      if (unknown) return forgotten();
      const auto found = asked(answer, around_);
      if (found.code != exit_code::fine) return found.code;
      known_ = true;
      tell(found.body);
      const auto state = text_member(found.body, "state");
      if (state != "running") {
        if (options_.json) fmt::print(around_.out, "{}", found.text);
        return state == "done" ? exit_code::fine : exit_code::unhealthy;
      }
      if (const int code = look_for_interrupts(); code >= 0) return code;
      around_.sleep(poll_interval);
    }
  }

 private:
  void tell(const json::value& request) {
    const auto lines = texts_member(request, "lines");
    for (; told_ < lines.size(); ++told_) {
      if (!options_.json) fmt::print(around_.out, "{}\n", lines[told_]);
    }
    std::fflush(around_.out);
  }

  int forgotten() const {
    complain(around_, fmt::format("the daemon does not know the request {}: it was restarted "
                                  "meanwhile, and finishes or undoes what was begun; see "
                                  "`pointsman why {}`",
                                  request_, printable(options_.route)));
    return exit_code::unhealthy;
  }

  /// Negative: wait on.
  int look_for_interrupts() {
    const int count = around_.interrupts();
    if (count == 0) return -1;
    if (count > 1) {
      complain(around_, fmt::format("not waited for any longer; see `pointsman why {}`",
                                    printable(options_.route)));
      return exit_code::unhealthy;
    }
    if (cancel_asked_) return -1;
    cancel_asked_ = true;
    const auto answer = asked(
        client_.post("/v1/switch/cancel", json::serialize(json::object{{"request", request_}})),
        around_);
    if (answer.code == exit_code::fine) {
      fmt::print(around_.err, "{}; again Ctrl-C: do not wait for it\n",
                 text_member(answer.body, "message"));
    }
    return answer.code == exit_code::unreachable ? answer.code : -1;
  }

  const ControlClient& client_;
  const SwitchOptions& options_;
  const Surroundings& around_;
  std::int64_t request_;
  std::size_t told_ = 0;
  int polls_ = 0;
  bool known_ = false, cancel_asked_ = false;
};

}  // namespace

int switch_route(const std::string& socket, const SwitchOptions& options,
                 const Surroundings& around) {
  around.interrupts();  // from here on Ctrl-C does not end us
  const ControlClient client(socket);
  json::object body{{"route", options.route}};
  if (!options.to.empty()) body["to"] = options.to;
  if (options.dry_run) body["dry_run"] = true;
  if (options.allow_data_loss) body["allow_data_loss"] = true;
  if (options.unfenced) body["unfenced"] = true;
  const auto answer = asked(client.post("/v1/switch", json::serialize(body)), around);
  if (answer.code != exit_code::fine) return answer.code;
  const auto request = integer_member(answer.body, "request");
  if (options.no_wait && !options.dry_run) {
    fmt::print(around.out, "{}",
               options.json ? answer.text
                            : fmt::format("asked for, as request {}; `pointsman "
                                          "why {}` shows what becomes of it\n",
                                          request, printable(options.route)));
    return exit_code::fine;
  }
  return Wait(client, options, around, request).until_ended();
}

}  // namespace pointsman
