// Alertmanager, PagerDuty and the webhook: a JSON document posted, and the answer judged.
#include <algorithm>

#include <fmt/format.h>

#include <boost/beast/core/string.hpp>

#include "daemon/notify/sender.hpp"
#include "daemon/notify/text.hpp"
#include "probes/clock.hpp"
#include "probes/http_secrets.hpp"

namespace pointsman {
namespace {

constexpr std::string_view json_type = "application/json; charset=utf-8";

bool has_header(const HttpSpec& spec, std::string_view name) {
  return std::any_of(spec.headers.begin(), spec.headers.end(), [name](const auto& header) {
    return boost::beast::iequals(header.first, name);
  });
}

class AlertmanagerSender final : public Sender {
 public:
  AlertmanagerSender(AlertmanagerSpec spec, ProberServices services)
      : spec_(std::move(spec)), services_(services) {
    secrets_ = request_secrets(spec_.to, spec_.to.target_secret);
    spec_.to.method = "POST";
    spec_.to.target = joined_path(spec_.to.target, "/api/v2/alerts");
    shown_ = shown_without_path(spec_.to) + (spec_.to.target_secret ? "/..." : spec_.to.target);
  }

  asio::awaitable<Delivered> async_send(const OutboxEntry& entry,
                                        const MessageContext& context) override {
    HttpSpec spec = spec_.to;
    spec.body = Secret(alertmanager_body(entry, context, spec_.refresh));
    const HttpCallResult answer = co_await async_post_json(services_, std::move(spec), shown_);
    co_return judge_answer(answer, shown_, secrets_);
  }
  std::optional<Duration> refresh() const override { return spec_.refresh; }

 private:
  AlertmanagerSpec spec_;
  const ProberServices services_;
  std::string shown_;
  std::vector<Secret> secrets_;
};

class PagerdutySender final : public Sender {
 public:
  PagerdutySender(PagerdutySpec spec, ProberServices services)
      : spec_(std::move(spec)),
        services_(services),
        shown_(shown_without_path(spec_.to)),
        secrets_(request_secrets(spec_.to, true, {spec_.routing_key})) {}

  asio::awaitable<Delivered> async_send(const OutboxEntry& entry,
                                        const MessageContext& context) override {
    // An acknowledgement of what it does not know yet would be ignored: first the trigger.
    const bool acknowledge = entry.is_acknowledged() && entry.told == Told::firing;
    const auto action = entry.state == AlertState::resolved ? PagerdutyAction::resolve
                        : acknowledge                       ? PagerdutyAction::acknowledge
                                                            : PagerdutyAction::trigger;
    HttpSpec spec = spec_.to;
    spec.method = "POST";
    spec.body = Secret(pagerduty_body(entry, context, action, spec_.routing_key));
    const HttpCallResult answer = co_await async_post_json(services_, std::move(spec), shown_);
    Delivered delivered = judge_answer(answer, shown_, secrets_);
    // Once acknowledged it stays so: a further trigger only adds to its story.
    const bool is_acknowledged = acknowledge || entry.told == Told::acknowledged;
    delivered.told = is_acknowledged ? Told::acknowledged : Told::firing;
    co_return delivered;
  }
  bool wants_more(const OutboxEntry& entry) const override {
    return entry.is_acknowledged() && entry.told == Told::firing;
  }

 private:
  const PagerdutySpec spec_;
  const ProberServices services_;
  const std::string shown_;
  const std::vector<Secret> secrets_;
};

class WebhookSender final : public Sender {
 public:
  WebhookSender(WebhookSpec spec, ProberServices services)
      : spec_(std::move(spec)),
        services_(services),
        shown_(shown_without_path(spec_.to)),
        secrets_(request_secrets(spec_.to, true, {Secret(spec_.body)})) {}

  asio::awaitable<Delivered> async_send(const OutboxEntry& entry,
                                        const MessageContext& context) override {
    HttpSpec spec = spec_.to;
    spec.body = Secret(spec_.body.empty() ? webhook_body(entry, context)
                                          : webhook_body(entry, context, spec_.body));
    if (spec_.hmac) sign_http(spec, *spec_.hmac, context.now);
    const HttpCallResult answer = co_await async_post_json(services_, std::move(spec), shown_);
    co_return judge_answer(answer, shown_, secrets_);
  }

 private:
  const WebhookSpec spec_;
  const ProberServices services_;
  const std::string shown_;
  const std::vector<Secret> secrets_;
};

}  // namespace

std::string shown_without_path(const HttpSpec& spec) {
  const std::uint16_t usual = spec.tls ? 443 : 80;
  std::string endpoint = endpoint_text(spec.host, spec.port);
  if (spec.port == usual) endpoint.resize(endpoint.rfind(':'));
  return fmt::format("{} {}://{}", spec.method == "GET" ? "POST" : spec.method,
                     spec.tls ? "https" : "http", endpoint);
}

std::string joined_path(const std::string& target, std::string_view more) {
  std::string path = target.substr(0, target.find('?'));
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path.append(more);
}

asio::awaitable<HttpCallResult> async_post_json(ProberServices services, HttpSpec spec,
                                                std::string shown) {
  if (spec.method == "GET") spec.method = "POST";
  if (!has_header(spec, "Content-Type")) {
    spec.headers.emplace_back("Content-Type", Secret(std::string(json_type)));
  }
  HttpRequest request = make_http_request(spec);
  request.shown = std::move(shown);
  co_return co_await async_http_call(services, std::move(request), mono_now() + try_limit);
}

Delivered judge_answer(const HttpCallResult& answer, const std::string& shown,
                       const std::vector<Secret>& secrets) {
  Delivered delivered;
  const int status = answer.status;
  if (!answer.answered()) {
    delivered.message = answer.message;
    return delivered;
  }
  const std::string said = echoed_line(answer.body, secrets);
  delivered.message =
      fmt::format("{} answered {}{}{}", shown, status, said.empty() ? "" : ": ", said);
  delivered.retry_after = retry_after_of(answer);
  if (status >= 200 && status < 300) {
    delivered.how = Delivered::How::told;
  } else if (status == 400 || status == 410 || status == 413 || status == 415 || status == 422) {
    delivered.how = Delivered::How::refused;
  }
  return delivered;
}

std::shared_ptr<Sender> make_alertmanager_sender(AlertmanagerSpec spec, ProberServices services) {
  return std::make_shared<AlertmanagerSender>(std::move(spec), services);
}
std::shared_ptr<Sender> make_pagerduty_sender(PagerdutySpec spec, ProberServices services) {
  return std::make_shared<PagerdutySender>(std::move(spec), services);
}
std::shared_ptr<Sender> make_webhook_sender(WebhookSpec spec, ProberServices services) {
  return std::make_shared<WebhookSender>(std::move(spec), services);
}

std::shared_ptr<Sender> make_sender(const NotifierSpec& spec, ProberServices services) {
  if (const auto* kind = std::get_if<AlertmanagerSpec>(&spec)) {
    return make_alertmanager_sender(*kind, services);
  }
  if (const auto* kind = std::get_if<PagerdutySpec>(&spec)) {
    return make_pagerduty_sender(*kind, services);
  }
  if (const auto* kind = std::get_if<SlackSpec>(&spec)) return make_slack_sender(*kind, services);
  if (const auto* kind = std::get_if<WebhookSpec>(&spec)) {
    return make_webhook_sender(*kind, services);
  }
  return make_exec_sender(std::get<ExecSpec>(spec), services);
}

}  // namespace pointsman
