// Slack, by an incoming webhook or as a bot.
//
// A webhook can not change what it said: it speaks when an alert begins, when its summary, its
// severity or what is asked of a human changes, and when it is over. A bot keeps one message for an
// incident and updates it; channel and ts are the entry's reference. A bot's errors come with
// status 200 and "ok": false.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "daemon/notify/sender.hpp"
#include "daemon/notify/text.hpp"
#include "probes/http_secrets.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

/// Of the API's errors those that pass by themselves, or once the operator has put them right.
constexpr std::string_view passing[] = {
    "ratelimited",      "rate_limited",        "fatal_error",    "internal_error",
    "request_timeout",  "service_unavailable", "not_in_channel", "team_added_to_org",
    "invalid_auth",     "not_authed",          "token_expired",  "token_revoked",
    "account_inactive", "missing_scope"};
/// The message that was to be updated is not there, or not ours to change: say it anew.
constexpr std::string_view not_updatable[] = {"message_not_found", "cant_update_message",
                                              "edit_window_closed", "channel_not_found"};

template <std::size_t N>
bool is_one_of(const std::string_view (&list)[N], std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

struct ApiAnswer {
  bool ok = false;
  std::string error, channel, ts;
};

/// nullopt: not what the API says.
std::optional<ApiAnswer> read_api_answer(const std::string& body) {
  try {
    const json::value parsed = json::parse(body);
    const json::object& from = parsed.as_object();
    const auto text = [&from](const char* name) {
      const json::value* value = from.if_contains(name);
      if (value == nullptr || !value->is_string()) return std::string();
      return std::string(value->get_string().data(), value->get_string().size());
    };
    return ApiAnswer{from.at("ok").as_bool(), text("error"), text("channel"), text("ts")};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

/// The reference is "CHANNEL TS"; neither has a space.
SlackAddress address_of(const std::string& reference) {
  const auto space = reference.find(' ');
  if (space == std::string::npos) return {};
  return {reference.substr(0, space), reference.substr(space + 1)};
}

class SlackSender final : public Sender {
 public:
  SlackSender(SlackSpec spec, ProberServices services)
      : spec_(std::move(spec)),
        services_(services),
        shown_(shown_without_path(spec_.to)),
        secrets_(request_secrets(spec_.to, true, {spec_.token})) {}

  asio::awaitable<Delivered> async_send(const OutboxEntry& entry,
                                        const MessageContext& context) override {
    if (spec_.token.empty()) co_return co_await async_hook(entry, context);
    SlackAddress address = address_of(entry.reference);
    if (!address.ts.empty()) {
      bool again = false;
      Delivered updated = co_await async_api(entry, context, address, again);
      if (!again) co_return updated;
    }
    SlackAddress anew{spec_.channel, ""};
    bool ignored = false;
    co_return co_await async_api(entry, context, anew, ignored);
  }
  Detail detail() const override {
    return spec_.token.empty() ? Detail::calls_only : Detail::everything;
  }

 private:
  asio::awaitable<Delivered> async_hook(const OutboxEntry& entry, const MessageContext& context) {
    HttpSpec spec = spec_.to;
    const SlackAddress none{};
    spec.body = Secret(slack_body(entry, context, none));
    const HttpCallResult answer = co_await async_post_json(services_, std::move(spec), shown_);
    Delivered delivered = judge_answer(answer, shown_, secrets_);
    // Slack's own rule: of the 4xx only 429 (and 408) may be tried again.
    const bool is_ours = answer.status >= 400 && answer.status < 500;
    if (is_ours && answer.status != 429 && answer.status != 408) {
      delivered.how = Delivered::How::refused;
    }
    co_return delivered;
  }

  /// `again`: the message that was to be updated can not be.
  asio::awaitable<Delivered> async_api(const OutboxEntry& entry, const MessageContext& context,
                                       const SlackAddress& address, bool& again) {
    const char* method = address.ts.empty() ? "/chat.postMessage" : "/chat.update";
    HttpSpec spec = spec_.to;
    spec.target = joined_path(spec.target, method);
    spec.headers.emplace_back("Authorization", Secret("Bearer " + spec_.token.reveal()));
    spec.body = Secret(slack_body(entry, context, address));
    const std::string shown = shown_ + method;
    const HttpCallResult answer = co_await async_post_json(services_, std::move(spec), shown);
    co_return judge_api(answer, shown, again);
  }

  Delivered judge_api(const HttpCallResult& answer, const std::string& shown, bool& again) const {
    Delivered delivered = judge_answer(answer, shown, secrets_);
    if (delivered.how != Delivered::How::told) return delivered;
    const auto said = read_api_answer(answer.body);
    if (said && said->ok) {
      delivered.message = fmt::format("{} answered {}", shown, answer.status);
      delivered.reference = said->channel + " " + said->ts;
      return delivered;
    }
    delivered.how = Delivered::How::retry;
    if (!said) {
      delivered.message = fmt::format("{} answered what is not Slack's API", shown);
      return delivered;
    }
    again = is_one_of(not_updatable, said->error);
    if (!is_one_of(passing, said->error)) delivered.how = Delivered::How::refused;
    delivered.message =
        fmt::format("{} refused: {}", shown, cut_text(echoed_line(said->error, secrets_), 100));
    return delivered;
  }

  const SlackSpec spec_;
  const ProberServices services_;
  const std::string shown_;
  const std::vector<Secret> secrets_;
};

}  // namespace

std::shared_ptr<Sender> make_slack_sender(SlackSpec spec, ProberServices services) {
  return std::make_shared<SlackSender>(std::move(spec), services);
}

}  // namespace pointsman
