// A sender: one notifier's way to tell its receiver, tried once.
//
// On the loop's thread. The caller (delivery.hpp) has one try at a time under way, and a test of
// `pointsman notify test` at most beside it; a sender keeps no state between tries but a child that
// can not be killed. It ends within try_limit, or soon after it is cancelled. Messages are for the
// operator: they never hold a routing key, token, header, or the path of a URL that is a secret,
// also where the receiver echoes it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/notify/messages.hpp"
#include "daemon/notify/outbox.hpp"
#include "probes/http_call.hpp"
#include "probes/notifier_spec.hpp"
#include "probes/prober.hpp"

namespace pointsman {

/// One try, from the name's resolution to the answer's last byte.
inline constexpr Duration try_limit{std::chrono::seconds{10}};

/// How a try ended.
struct Delivered {
  enum class How {
    told,     ///< the receiver took it
    retry,    ///< not now: no answer, overloaded, refused us for a reason that can be put right
    refused,  ///< it will not take this, however often it is sent
  };
  How how = How::retry;
  std::string message;                    ///< one line
  std::optional<Duration> retry_after{};  ///< asked for by the receiver
  Told told = Told::firing;               ///< what it knows now, where `how` is told
  std::string reference{};                ///< to be kept with the entry
};

class Sender {
 public:
  virtual ~Sender() = default;
  /// `entry` and `context` must outlive the call.
  virtual asio::awaitable<Delivered> async_send(const OutboxEntry& entry,
                                                const MessageContext& context) = 0;
  /// An open alert that was told is told again after this; nullopt: once is enough.
  virtual std::optional<Duration> refresh() const { return std::nullopt; }
  /// What of an entry is worth telling again when it changes.
  virtual Detail detail() const { return Detail::everything; }
  /// There is more to tell of the same content: PagerDuty's trigger comes before its acknowledge.
  virtual bool wants_more(const OutboxEntry&) const { return false; }
};

std::shared_ptr<Sender> make_sender(const NotifierSpec& spec, ProberServices services);

/// The makers of each kind.
std::shared_ptr<Sender> make_alertmanager_sender(AlertmanagerSpec spec, ProberServices services);
std::shared_ptr<Sender> make_pagerduty_sender(PagerdutySpec spec, ProberServices services);
std::shared_ptr<Sender> make_slack_sender(SlackSpec spec, ProberServices services);
std::shared_ptr<Sender> make_webhook_sender(WebhookSpec spec, ProberServices services);
std::shared_ptr<Sender> make_exec_sender(ExecSpec spec, ProberServices services);

/// What an answer means, where the receiver's own rules do not say otherwise: 2xx told; 400, 410,
/// 413, 415 and 422 are about the message: refused; anything else may be put right (401, 403, 404
/// by the operator) or pass (408, 425, 429, 5xx): retry. `secrets` (request_secrets) are not shown
/// where the answer echoes them. Pure.
Delivered judge_answer(const HttpCallResult& answer, const std::string& shown,
                       const std::vector<Secret>& secrets = {});

/// A POST of JSON to `spec`, whose body is set, and the answer to it.
asio::awaitable<HttpCallResult> async_post_json(ProberServices services, HttpSpec spec,
                                                std::string shown);
/// "POST https://hooks.slack.com": without the path.
std::string shown_without_path(const HttpSpec& spec);
/// "/prefix" + "/api/v2/alerts": one slash between them, the query left out.
std::string joined_path(const std::string& target, std::string_view more);

}  // namespace pointsman
