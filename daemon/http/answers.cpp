#include "daemon/http/answers.hpp"

#include <openssl/crypto.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/json/parse.hpp>

#include "daemon/http/command_reader.hpp"
#include "daemon/http/event_text.hpp"
#include "daemon/http/json_writer.hpp"
#include "probes/asio.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

namespace http = beast::http;

/// The wall clock is taken anew when it has been set, or has drifted by this much: until then a
/// time in a document is the same text each time.
constexpr std::chrono::milliseconds clock_drift{50};

Answer json_answer(int status, std::string body) {
  return Answer{.status = status, .body = std::make_shared<const std::string>(std::move(body))};
}

Answer not_found() {
  JsonWriter json;
  json.begin_object().key("error").text("there is nothing here").key("paths").begin_array();
  for (const std::string_view path :
       {"/health", "/health/detailed", "/livez", "/readyz", "/metrics", "/v1/status", "/v1/probes",
        "/v1/services", "/v1/routes", "/v1/incidents", "/v1/incidents/ID", "/v1/events",
        "/v1/requests", "/v1/requests/ID", "/v1/slos", "/v1/config", "/v1/why/ROUTE",
        "/flags/NAME"}) {
    json.text(path);
  }
  json.end_array().end_object();
  return json_answer(404, json.take_line());
}

Answer not_allowed(std::string_view allow) {
  Answer answer = error_answer(405, "this takes other methods: see Allow");
  answer.allow = allow;
  return answer;
}

std::optional<asio::ip::address> peer_address(int descriptor) {
  asio::ip::tcp::endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  if (::getpeername(descriptor, peer.data(), &size) != 0) return std::nullopt;
  const int family = peer.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  peer.resize(size);
  return peer.address();
}

/// Does this Accept field name the media type of the IETF draft? "q=0" is not looked for.
bool wants_health_json(const std::string& accept) {
  return beast::string_view(accept).find("application/health+json") != beast::string_view::npos;
}

Answer command_answer(const CommandAnswer& command) {
  JsonWriter json;
  json.value(command.body);
  return json_answer(command.status, json.take_line());
}

/// Who is at the other end of the control socket. The number alone: to ask for the name could block
/// (a directory service).
std::string peer_user(int descriptor) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return "an unknown user";
  return fmt::format("uid {}", peer.uid);
}

/// A number in the query; `wrong` is set where there is something else.
std::optional<std::uint64_t> number_asked_for(const Request& request, std::string_view name,
                                              bool& wrong) {
  const auto text = query_value(request.target, name);
  if (!text) return std::nullopt;
  const auto number = read_decimal(*text);
  wrong = wrong || !number;
  return number;
}

}  // namespace

Answers::Answers(const HttpSource& source, HealthAnswer& health, const HttpSettings& settings)
    : source_(source), health_(health) {
  set_access(settings);
}

void Answers::set_access(const HttpSettings& settings) {
  details_from_.clear();
  for (const std::string& text : settings.details_from) {
    const auto range = AddressRange::parse(text);
    if (range) {
      details_from_.push_back(range.value());
    } else if (source_.warn) {
      source_.warn("listen.details_from: " + range.error().message + "; it lets nobody in");
    }
  }
  token_ = settings.token;
}

Answer Answers::answer(const Request& request, Asker asker, MonoTime now) {
  const std::optional<Place> place = find_place(request.target);
  if (!place) return error_answer(400, "the path can not be read");
  const Resource resource = place->resource;
  const bool changes = resource == Resource::reload || resource == Resource::command;
  // Balancers and scripts leave Host out now and then; for them the answer is the same.
  const bool host_fits = request.hosts == 1 || request.http_1_0 || asker.is_operator ||
                         (request.hosts == 0 && is_open_to_all(resource));
  if (!host_fits) return error_answer(400, "HTTP/1.1 wants one Host field");

  if (!asker.is_operator) {
    if (!is_open_to_all(resource) && !may_read(request, asker)) {
      return error_answer(403, "not for this address: see listen.details_from and listen.token");
    }
    if (changes) {
      return error_answer(403,
                          "changes are made over the control socket only: the command line "
                          "(`pointsman --help`) uses it");
    }
  }
  if (resource == Resource::none) return not_found();
  if (changes) return change(*place, request, asker.descriptor);
  if (request.method != http::verb::get && request.method != http::verb::head) {
    return not_allowed("GET, HEAD");
  }
  return get(*place, request, now);
}

bool Answers::has_token(const Request& request) const {
  constexpr std::size_t scheme = sizeof "Bearer " - 1;
  const beast::string_view given = request.authorization;
  if (token_.empty() || given.size() <= scheme) return false;
  if (!beast::iequals(given.substr(0, scheme), "Bearer ")) return false;
  const std::string& token = token_.reveal();
  const auto said = given.substr(scheme);
  return said.size() == token.size() && CRYPTO_memcmp(said.data(), token.data(), token.size()) == 0;
}

bool Answers::may_read(const Request& request, Asker asker) const {
  if (has_token(request)) return true;
  const auto address = peer_address(asker.descriptor);
  return address &&
         std::any_of(details_from_.begin(), details_from_.end(),
                     [&](const AddressRange& range) { return range.contains(*address); });
}

Answer Answers::get(const Place& place, const Request& request, MonoTime now) {
  switch (place.resource) {
    case Resource::health:
    case Resource::readyz:
      return health_.answer(now);
    case Resource::livez:
      return json_answer(200, "{\"status\":\"ok\"}\n");
    case Resource::flag:
      return flag(place.name);
    case Resource::events:
      return events(request);
    case Resource::detailed:
      return document({place, wants_health_json(request.accept) ? Shape::health_json : Shape::plain,
                       std::nullopt},
                      now);
    case Resource::incidents: {
      bool wrong = false;
      const auto limit = number_asked_for(request, "limit", wrong);
      if (wrong) return error_answer(400, "limit must be a number");
      return document({place, Shape::plain, limit}, now);
    }
    default:
      return document({place, Shape::plain, std::nullopt}, now);
  }
}

Answer Answers::document(const Question& question, MonoTime now) {
  const std::shared_ptr<const Snapshot> snapshot = source_.snapshot();
  if (!snapshot) return error_answer(503, "starting: nothing has been looked at yet");
  const std::pair key{question.place.resource, question.shape};
  // One entry each resource: bounded.
  const bool keeps = question.place.name.empty() && !question.limit;
  if (const auto kept = kept_.find(key); keeps && kept != kept_.end()) {
    const bool fresh =
        kept->second.generation == snapshot->generation && now - kept->second.at < document_max_age;
    if (fresh) return kept->second.answer;
  }
  const ShellView shell = source_.shell();
  const DocumentInput input{*snapshot, shell, health_.serving(now), times(now)};
  Answer made = render(question, input);
  if (keeps) kept_[key] = Kept{snapshot->generation, now, made};
  return made;
}

Answer Answers::render(const Question& question, const DocumentInput& input) const {
  switch (question.place.resource) {
    case Resource::detailed: {
      const int status = input.snapshot.overall == State::unhealthy ? 503 : 200;
      if (question.shape == Shape::plain) return json_answer(status, detailed_document(input));
      Answer answer = json_answer(status, health_json_document(input));
      answer.content_type = "application/health+json";
      return answer;
    }
    case Resource::metrics: {
      Answer answer = json_answer(200, metrics_document(input, read_process_stats()));
      answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
      return answer;
    }
    case Resource::status:
      return json_answer(200, status_document(input));
    case Resource::probes:
      return json_answer(200, probes_document(input));
    case Resource::services:
      return json_answer(200, services_document(input));
    case Resource::routes:
      return json_answer(200, routes_document(input));
    case Resource::config: {
      JsonWriter json;
      json.value(input.shell.config);
      return json_answer(200, json.take_line());
    }
    case Resource::incidents:
      return json_answer(200, incidents_document(input, question.limit.value_or(usual_incidents)));
    case Resource::requests:
      return json_answer(200, requests_document(input));
    case Resource::slos:
      return json_answer(200, "{}\n");
    default:
      return one_of(question.place, input);
  }
}

/// Documents about one thing, which may not be there.
Answer Answers::one_of(const Place& place, const DocumentInput& input) const {
  if (!input.snapshot.policy) {
    return error_answer(503,
                        "the daemon is still starting: what it left half done when it ended is "
                        "looked at first; try again");
  }
  std::optional<std::string> text;
  std::string_view absent = "there is nothing here";
  const auto number = read_decimal(place.name);
  switch (place.resource) {
    case Resource::why:
      text = why_document(input, RouteName{place.name});
      absent = "there is no route of this name";
      break;
    case Resource::incident:
      if (number) text = incident_document(input, IncidentId{*number});
      absent = "there is no incident of this number; it may have been too long ago";
      break;
    case Resource::request:
      if (number) text = request_document(input, RequestId{*number});
      absent = "there is no request of this number; it may have been too long ago";
      break;
    default:
      break;
  }
  return text ? json_answer(200, std::move(*text)) : error_answer(404, absent);
}

/// With a limit a document of that many events; else a stream without an end.
Answer Answers::events(const Request& request) const {
  bool wrong = false;
  const auto limit = number_asked_for(request, "limit", wrong);
  auto since = number_asked_for(request, "since", wrong);
  if (wrong) return error_answer(400, "since and limit must be numbers");
  const std::uint64_t last = source_.last_event ? source_.last_event() : 0;
  if (limit) {
    const std::size_t count = std::min<std::uint64_t>(*limit, most_events);
    const std::uint64_t after = since ? *since : before_newest(source_, count);
    return json_answer(200, events_document(source_, after, count));
  }
  // A browser that comes back asks with its first address and says in this field where it is.
  if (const auto seen = read_decimal(request.last_event_id)) since = seen;
  Answer answer = json_answer(200, {});
  answer.content_type = "text/event-stream";
  answer.stream_after = since.value_or(last);
  return answer;
}

Answer Answers::flag(const std::string& name) const {
  const bool set = is_flag_name(name) && source_.flag_set && source_.flag_set(name);
  JsonWriter json;
  json.begin_object().key("flag").text(name).key("set").boolean(set).end_object();
  return json_answer(set ? 200 : 404, json.take_line());
}

Answer Answers::change(const Place& place, const Request& request, int descriptor) const {
  if (request.method != http::verb::post) return not_allowed("POST");
  return place.resource == Resource::reload ? reload() : command(place.name, request, descriptor);
}

Answer Answers::reload() const {
  if (!source_.reload) return error_answer(503, "the daemon can not reload at this moment");
  return command_answer(source_.reload());
}

Answer Answers::command(const std::string& name, const Request& request, int descriptor) const {
  error_code error;
  boost::json::value body = boost::json::object{};
  if (!request.body.empty()) body = boost::json::parse(request.body, error);
  if (error || !body.is_object()) return error_answer(400, "the body must be one JSON object");
  if (name == "notify/test") return test_notifier(body.get_object());
  if (!source_.command) return error_answer(503, "the daemon takes no commands at this moment");
  const CommandAnswer answer = source_.command(name, body.get_object(), peer_user(descriptor));
  health_.renew();  // whoever drains and looks must see it
  return command_answer(answer);
}

Answer Answers::test_notifier(const boost::json::object& body) const {
  const std::shared_ptr<const Snapshot> snapshot = source_.snapshot();
  if (!snapshot || !source_.command_later) {
    return error_answer(503, "the daemon sends no notifications at this moment");
  }
  const auto read = read_notify_test(body, *snapshot);
  if (const auto* refusal = std::get_if<CommandAnswer>(&read)) return command_answer(*refusal);
  Answer answer;
  answer.later = [&source = source_, body](std::function<void(Answer)> made) {
    source.command_later(
        "notify/test", body,
        [made = std::move(made)](const CommandAnswer& command) { made(command_answer(command)); });
  };
  return answer;
}

const TimeScale& Answers::times(MonoTime now) {
  const WallTime wall = to_wall(now);
  if (!times_ || std::chrono::abs(times_->to_wall(now) - wall) > clock_drift) {
    times_ = TimeScale{now, wall};
  }
  return *times_;
}

void Answers::forget_old(MonoTime now) {
  for (auto at = kept_.begin(); at != kept_.end();) {
    at = now - at->second.at > document_max_age ? kept_.erase(at) : std::next(at);
  }
}

}  // namespace pointsman
