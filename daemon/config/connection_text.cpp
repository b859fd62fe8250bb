#include "daemon/config/connection_text.hpp"

#include <algorithm>
#include <charconv>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <fmt/format.h>

#include "daemon/config/redact.hpp"

namespace pointsman {

std::optional<Conninfo> read_conninfo(MapReader& reader, std::string_view key,
                                      std::string_view example) {
  const auto text = reader.required_text(key, example);
  if (!text) return std::nullopt;
  auto parts = parse_conninfo(*text);
  if (parts) return Conninfo{.text = Secret(*text), .parts = std::move(parts.value())};
  const YamlNode& node = *reader.find(key);
  if (node.secret) {
    // libpq's words may quote any part of it.
    reject(
        reader.findings(), node, reader.path_of(key),
        "is not a connection string that libpq takes. A value that comes from a reference and goes "
        "into a URL has to be percent-encoded; `password:` takes it as it is");
  } else {
    reject(reader.findings(), node, reader.path_of(key),
           fmt::format("is not a connection string that libpq takes ({}): write "
                       "postgresql://USER@HOST:5432/DATABASE or \"host=HOST dbname=DATABASE\"",
                       redact_text(parts.error().message)));
  }
  return std::nullopt;
}

std::optional<Conninfo> read_admin_conninfo(MapReader& reader) {
  auto conninfo = read_conninfo(reader, "admin",
                                "how to reach pgbouncer's console: \"host=/run/postgresql "
                                "port=6432 dbname=pgbouncer user=pointsman\"");
  if (!conninfo) return std::nullopt;
  // libpq takes the user's name for a database that is not named.
  const auto& parts = conninfo->parts;
  if ((parts.dbname.empty() ? parts.user : parts.dbname) != "pgbouncer") {
    reject(reader.findings(), *reader.find("admin"), reader.path_of("admin"),
           "does not lead to pgbouncer's console: its database is named pgbouncer, write "
           "dbname=pgbouncer");
  }
  return conninfo;
}

Result<Endpoint> conninfo_endpoint(const ConninfoParts& parts) {
  if (parts.host.empty())
    return Error{"names no host; `address: HOST:PORT` beside it says where the server is"};
  if (parts.host.find(',') != std::string::npos || parts.port.find(',') != std::string::npos) {
    return Error{"names several hosts; write a probe for each"};
  }
  int port = 5432;
  if (!parts.port.empty()) {
    const char* end = parts.port.data() + parts.port.size();
    const auto read = std::from_chars(parts.port.data(), end, port);
    if (read.ec != std::errc{} || read.ptr != end || port < 1 || port > 65535) {
      return Error{"names no port from 1 to 65535"};
    }
  }
  return Endpoint{.host = parts.host, .port = static_cast<std::uint16_t>(port)};
}

Result<Url> parse_url(std::string_view text) {
  const auto parsed = boost::urls::parse_uri(boost::core::string_view(text.data(), text.size()));
  if (!parsed) {
    return Error{
        text.find('@') == std::string_view::npos
            ? "is not a URL"
            : "is not a URL: in its user and password, @ / : ? # % have to be percent-encoded"};
  }
  const boost::urls::url_view& view = *parsed;
  Url url;
  url.scheme = std::string(view.scheme());
  std::transform(url.scheme.begin(), url.scheme.end(), url.scheme.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  url.host = view.host_address();
  url.user = view.user();
  url.password = view.password();
  url.has_password = view.has_password();
  url.path = view.path();
  url.target = std::string(view.encoded_target().data(), view.encoded_target().size());
  // Boost 1.81 takes what is no digit after a port's ':' for the beginning of the path.
  if (view.has_authority() && !url.path.empty() && url.path.front() != '/') {
    return Error{"has no port from 1 to 65535"};
  }
  if (view.has_port() && !view.port().empty()) {
    const std::string digits(view.port().data(), view.port().size());
    int port = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (read.ec != std::errc{} || port < 1 || port > 65535) {
      return Error{"has no port from 1 to 65535"};
    }
    url.port = static_cast<std::uint16_t>(port);
  }
  return url;
}

}  // namespace pointsman
