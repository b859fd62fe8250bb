#include "tests/integration/notify/receiver.hpp"

#include <algorithm>
#include <cctype>
#include <memory>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "probes/clock.hpp"

namespace pointsman::test {
namespace {

namespace http = boost::beast::http;
namespace json = boost::json;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string text_in(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

/// The rules of one request: `breach` is empty while none is broken.
struct Rules {
  std::string breach;
  void want(bool holds, const std::string& rule) {
    if (!holds && breach.empty()) breach = rule;
  }
};

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

bool is_json_post(const Received& request) {
  const auto type = request.headers.find("content-type");
  return request.method == "POST" && type != request.headers.end() &&
         type->second.find("application/json") == 0;
}

void check_payload(Rules& rules, const json::object& payload) {
  const std::string severity = text_in(payload, "severity");
  const std::string summary = text_in(payload, "summary");
  rules.want(!summary.empty() && characters(summary) <= 1024, "payload.summary: 1 to 1024");
  rules.want(!text_in(payload, "source").empty(), "payload.source is required");
  rules.want(
      severity == "critical" || severity == "error" || severity == "warning" || severity == "info",
      "payload.severity: critical, error, warning or info");
  const json::value* details = payload.if_contains("custom_details");
  rules.want(details == nullptr || details->is_object(), "custom_details is an object");
  const std::string timestamp = text_in(payload, "timestamp");
  rules.want(timestamp.size() == 24 && timestamp.back() == 'Z', "timestamp: ISO 8601");
}

void check_event(Rules& rules, const json::object& event) {
  const std::string action = text_in(event, "event_action");
  const std::string key = text_in(event, "dedup_key");
  rules.want(action == "trigger" || action == "acknowledge" || action == "resolve",
             "event_action: trigger, acknowledge or resolve");
  rules.want(characters(key) <= 255, "dedup_key: at most 255");
  rules.want(action == "trigger" || !key.empty(), "dedup_key is required");
  if (action != "trigger") return;
  const json::value* payload = event.if_contains("payload");
  rules.want(payload != nullptr && payload->is_object(), "payload is required");
  if (rules.breach.empty()) check_payload(rules, payload->get_object());
}

void check_text(Rules& rules, const json::value* text, const char* type, std::size_t limit) {
  rules.want(text != nullptr && text->is_object(), "a text object is wanted");
  if (!rules.breach.empty()) return;
  const std::string inner = text_in(text->get_object(), "text");
  rules.want(text_in(text->get_object(), "type") == type, "a text object of another type");
  rules.want(!inner.empty() && characters(inner) <= limit,
             "a text of 1 to " + std::to_string(limit) + " characters");
}

void check_block(Rules& rules, const json::object& block) {
  const std::string type = text_in(block, "type");
  if (type == "header") return check_text(rules, block.if_contains("text"), "plain_text", 150);
  rules.want(type == "section", "a block of an unknown type");
  const json::value* fields = block.if_contains("fields");
  if (fields == nullptr) return check_text(rules, block.if_contains("text"), "mrkdwn", 3000);
  rules.want(fields->is_array() && !fields->get_array().empty() && fields->get_array().size() <= 10,
             "1 to 10 fields");
  if (!rules.breach.empty()) return;
  for (const json::value& field : fields->get_array()) check_text(rules, &field, "mrkdwn", 2000);
}

void check_message(Rules& rules, const json::object& message) {
  rules.want(!text_in(message, "text").empty(), "text is required beside blocks");
  rules.want(characters(text_in(message, "text")) <= 4000, "text: at most 4000");
  const json::value* blocks = message.if_contains("blocks");
  rules.want(blocks != nullptr && blocks->is_array() && !blocks->get_array().empty() &&
                 blocks->get_array().size() <= 50,
             "1 to 50 blocks");
  if (!rules.breach.empty()) return;
  for (const json::value& block : blocks->get_array()) {
    rules.want(block.is_object(), "a block is an object");
    if (rules.breach.empty()) check_block(rules, block.get_object());
  }
}

/// The body as an object, or a breach.
json::object object_of(Rules& rules, const Received& request) {
  rules.want(is_json_post(request), "a POST of application/json");
  error_code ec;
  const json::value parsed = json::parse(request.body, ec);
  rules.want(!ec && parsed.is_object(), "a JSON object");
  return rules.breach.empty() ? parsed.get_object() : json::object{};
}

}  // namespace

json::value Received::json() const {
  return boost::json::parse(body);
}

Receiver::Receiver(asio::io_context& loop, Answer answer, std::uint16_t port)
    : loop_(loop),
      acceptor_(loop, {asio::ip::make_address("127.0.0.1"), port}),
      answer_(std::move(answer)),
      port_(acceptor_.local_endpoint().port()) {
  asio::co_spawn(loop_, async_accept(*this),
                 asio::bind_cancellation_slot(stop_.slot(), asio::detached));
}

Receiver::~Receiver() {
  acceptor_.close();
  for (auto& connection : connections_) connection.emit(asio::cancellation_type::terminal);
  loop_.restart();
  loop_.poll();
}

std::string Receiver::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

asio::awaitable<void> Receiver::async_accept(Receiver& self) {
  while (true) {
    auto [ec, socket] = co_await self.acceptor_.async_accept(as_result);
    if (ec) co_return;
    auto& signal = self.connections_.emplace_back();
    asio::co_spawn(self.loop_, async_serve(self, std::move(socket)),
                   asio::bind_cancellation_slot(signal.slot(), asio::detached));
  }
}

asio::awaitable<void> Receiver::async_serve(Receiver& self, asio::ip::tcp::socket socket) {
  boost::beast::flat_buffer buffer;
  http::request_parser<http::string_body> parser;
  parser.body_limit(1u << 20);
  const auto [ec, got] = co_await http::async_read(socket, buffer, parser, as_result);
  if (ec) co_return;
  Received request;
  request.at = mono_now();
  request.method = std::string(parser.get().method_string());
  request.target = std::string(parser.get().target());
  request.body = parser.get().body();
  for (const auto& field : parser.get()) {
    request.headers[lower(std::string(field.name_string()))] = std::string(field.value());
  }
  self.received.push_back(request);
  Reply reply;
  if (self.first.empty()) {
    reply = self.answer_(request);
  } else {
    reply = self.first.front();
    self.first.pop_front();
  }
  if (reply.never) {
    char byte = 0;
    co_await socket.async_read_some(asio::buffer(&byte, 1), as_result);
    co_return;
  }
  http::response<http::string_body> response{static_cast<http::status>(reply.status), 11};
  for (const auto& [name, value] : reply.headers) response.set(name, value);
  response.body() = reply.body;
  response.prepare_payload();
  co_await http::async_write(socket, response, as_result);
  error_code ignored;
  socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

Receiver::Answer pagerduty_rules(std::vector<std::string>& breaches, std::string routing_key) {
  return [&breaches, routing_key](const Received& request) {
    Rules rules;
    const json::object event = object_of(rules, request);
    rules.want(request.target == "/v2/enqueue", "POST /v2/enqueue");
    rules.want(request.body.size() <= 512 * 1024, "an event of at most 512 KB");
    if (rules.breach.empty()) check_event(rules, event);
    const bool known = text_in(event, "routing_key") == routing_key;
    if (!rules.breach.empty()) breaches.push_back(rules.breach);
    if (rules.breach.empty() && known) {
      return Reply{202, R"({"status":"success","message":"Event processed"})"};
    }
    return Reply{400, R"({"status":"invalid event","message":"Event object is invalid"})"};
  };
}

Receiver::Answer slack_hook_rules(std::vector<std::string>& breaches) {
  return [&breaches](const Received& request) {
    Rules rules;
    const json::object message = object_of(rules, request);
    if (rules.breach.empty()) check_message(rules, message);
    rules.want(!message.contains("channel"), "a webhook has its channel");
    if (rules.breach.empty()) return Reply{200, "ok"};
    breaches.push_back(rules.breach);
    return Reply{400, "invalid_payload"};
  };
}

Receiver::Answer slack_api_rules(std::vector<std::string>& breaches, std::string token) {
  const auto posted = std::make_shared<int>(0);
  return [&breaches, token, posted](const Received& request) {
    Rules rules;
    const json::object message = object_of(rules, request);
    if (rules.breach.empty()) check_message(rules, message);
    rules.want(!text_in(message, "channel").empty(), "channel is required");
    const auto given = request.headers.find("authorization");
    const bool update = request.target == "/api/chat.update";
    rules.want(update || request.target == "/api/chat.postMessage", "a method of the API");
    std::string error;
    if (!rules.breach.empty()) error = "invalid_arguments";
    if (given == request.headers.end() || given->second != "Bearer " + token)
      error = "invalid_auth";
    if (update && error.empty()) {
      const bool there = text_in(message, "channel") == "C0123" && *posted > 0 &&
                         text_in(message, "ts") == "1700000000." + std::to_string(*posted);
      if (!there) error = "message_not_found";
    }
    if (!rules.breach.empty()) breaches.push_back(rules.breach);
    if (!error.empty()) return Reply{200, R"({"ok":false,"error":")" + error + "\"}"};
    if (!update) ++*posted;
    return Reply{
        200, R"({"ok":true,"channel":"C0123","ts":"1700000000.)" + std::to_string(*posted) + "\"}"};
  };
}

}  // namespace pointsman::test
