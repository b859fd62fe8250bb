// One call of somebody else's code for its effect: a command, or an HTTP request.
//
// Hooks and ladder steps share it. A command gets a clean environment (PATH, what is configured,
// what the caller adds), no shell, and its process group is killed at the deadline and reaped; the
// first line that it wrote is in the report, without the secrets of its environment. An HTTP
// request gets the caller's values as X-Pointsman- headers and, where it has no body of its own and
// its method takes one, as a JSON object; the first line of its answer is in the report, without
// what is a secret of the request (probes/http_secrets.hpp).
//
// ok: exit code 0, or a wanted status. unknown: it may have had its effect, or have it yet (a
// process that began and was killed, an answer that was lost, a 5xx to a method that is not
// idempotent, but for 501 and a 503 with Retry-After): it is looked at and not done again. failed:
// any other exit code or status, and what never began. Loop's thread; one run at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/actions/server_acts.hpp"
#include "probes/child.hpp"
#include "probes/hook_spec.hpp"
#include "probes/http_call.hpp"
#include "probes/prober.hpp"

namespace pointsman {

/// "POINTSMAN_ROUTE", "bud": names and what they are, in order. No secrets.
using CallVariables = std::vector<std::pair<std::string, std::string>>;

class OutsideCall {
 public:
  /// Looks a configured user up, which may block: made when a configuration is loaded.
  OutsideCall(ProberServices services, HookSpec spec);
  ~OutsideCall();
  OutsideCall(const OutsideCall&) = delete;
  OutsideCall& operator=(const OutsideCall&) = delete;

  /// Ends at the deadline, or a little later when a process has to be reaped. The caller must have
  /// called throw_if_cancelled(false).
  asio::awaitable<ActReport> async_run(CallVariables variables, MonoTime deadline);
  Duration timeout() const { return spec_.timeout; }

 private:
  asio::awaitable<ActReport> async_exec(CallVariables variables, MonoTime deadline);
  asio::awaitable<ActReport> async_http(CallVariables variables, MonoTime deadline);

  const ProberServices services_;
  const HookSpec spec_;
  std::vector<Secret> secrets_;
  std::optional<UserIds> user_;
  std::string unusable_;  ///< why it can never be run
  std::shared_ptr<Child> unreaped_;
};

/// "NAME=value": the callers' first, since they are not to be overridden.
std::vector<std::string> call_environment(const ExecSpec& spec, const CallVariables& variables);
/// `line` is the printable first line of what it wrote.
ActReport judge_exec_call(const ChildEnd& end, const std::string& command, const std::string& line);
/// `secrets`: request_secrets of what was asked.
ActReport judge_http_call(const HttpSpec& spec, const std::string& shown,
                          const HttpCallResult& result, const std::vector<Secret>& secrets = {});
/// The request with the variables in it, unsigned.
HttpSpec http_call_spec(HttpSpec spec, const CallVariables& variables);
/// "POINTSMAN_OLD_ADDRESS" as "X-Pointsman-Old-Address".
std::string header_name(std::string_view variable);

}  // namespace pointsman
