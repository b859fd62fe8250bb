#include "probes/pg_message.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace pointsman {
namespace {

using Kind = PgError::Kind;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_code_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

std::string_view line_at(std::string_view text, std::size_t from) {
  return text.substr(from, text.find('\n', from) - from);
}

/// "SEVERITY:  CODE5: message". The last one, since a second try (without TLS) appends to the
/// first.
PgWords find_server_words(std::string_view text) {
  PgWords words;
  for (auto at = text.rfind(":  "); at != std::string_view::npos && at > 0;
       at = text.rfind(":  ", at - 1)) {
    const auto rest = text.substr(at + 3);
    if (rest.size() < 7 || rest.substr(5, 2) != ": ") continue;
    if (!std::all_of(rest.begin(), rest.begin() + 5, is_code_char)) continue;
    words.sqlstate = rest.substr(0, 5);
    words.message = line_at(rest, 7);
    constexpr std::string_view location = "\nLOCATION:  ";
    const auto found = rest.find(location);
    if (found != std::string_view::npos) {
      const auto line = line_at(rest, found + location.size());
      words.source_function = line.substr(0, line.find(", "));
    }
    return words;
  }
  return words;
}

struct SocketFault {
  int error;
  Kind kind;
  std::string_view words;
};
constexpr std::array socket_faults{
    SocketFault{ECONNREFUSED, Kind::refused, "refused the connection"},
    SocketFault{ENETUNREACH, Kind::unreachable, "is unreachable: no network leads to it"},
    SocketFault{EHOSTUNREACH, Kind::unreachable, "is unreachable: no host answers there"},
    SocketFault{ENETDOWN, Kind::unreachable, "is unreachable: the network is down"},
    SocketFault{EHOSTDOWN, Kind::unreachable, "is unreachable: the host is down"},
    SocketFault{ETIMEDOUT, Kind::unreachable, "is unreachable: nothing answers there"},
    SocketFault{ENOENT, Kind::unreachable, "is not there"},
    SocketFault{ENOTDIR, Kind::unreachable, "is not there"},
    SocketFault{EACCES, Kind::unreachable, "may not be opened by us"},
    SocketFault{ENOTCONN, Kind::refused, "has a full queue of connections"},
    SocketFault{EMFILE, Kind::ours, "was not tried: we have no file descriptor left"},
    SocketFault{ENFILE, Kind::ours, "was not tried: the host has no file descriptor left"},
    SocketFault{ENOMEM, Kind::ours, "was not tried: no memory"},
    SocketFault{ENOBUFS, Kind::ours, "was not tried: no memory for sockets"},
    SocketFault{EADDRNOTAVAIL, Kind::ours, "was not tried: no local port or address"},
};

bool is_closed(std::string_view text) {
  return has(text, "server closed the connection unexpectedly") ||
         has(text, std::strerror(ECONNRESET)) || has(text, std::strerror(EPIPE)) ||
         has(text, "SSL connection has been closed unexpectedly") ||
         has(text, "SSL SYSCALL error: EOF");
}

bool is_our_tls_file(std::string_view text) {
  return has(text, "certificate file") || has(text, "private key") || has(text, "CRL file");
}

/// The words after "connection to server at ... failed: ", of the last try.
std::string_view libpq_words(std::string_view text) {
  constexpr std::string_view failed = " failed: ";
  const auto at = text.rfind(failed);
  return at == std::string_view::npos ? text : text.substr(at + failed.size());
}

}  // namespace

std::string first_line(std::string_view text) {
  auto line = line_at(text, 0);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
  return std::string(line);
}

PgError error_of(PgWords words, PgPhase phase) {
  PgError error;
  error.kind = Kind::server;
  error.phase = phase;
  error.sqlstate = std::move(words.sqlstate);
  error.source_function = std::move(words.source_function);
  error.message = std::move(words.message);
  return error;
}

PgError classify_login_failure(std::string_view text, PgStep step, bool needs_password,
                               const std::string& peer) {
  PgError error;
  error.phase = step == PgStep::connecting ? PgPhase::connect : PgPhase::login;
  auto words = find_server_words(text);
  if (!words.sqlstate.empty()) return error_of(std::move(words), PgPhase::login);
  const auto said = first_line(libpq_words(text));
  if (needs_password) {
    error.kind = Kind::auth;
    error.message = "a password is asked for and none is configured";
    return error;
  }
  if (step != PgStep::connecting && is_closed(said)) {
    error.kind = Kind::closed;
    error.message = fmt::format("{} closed the connection during the login", peer);
    return error;
  }
  if (step == PgStep::connecting) {
    // A reset in answer to our SYN is as good as a refusal.
    if (has(said, std::strerror(ECONNRESET))) {
      error.kind = Kind::refused;
      error.message = fmt::format("{} refused the connection", peer);
      return error;
    }
    for (const auto& fault : socket_faults) {
      if (!has(said, std::strerror(fault.error))) continue;
      error.kind = fault.kind;
      error.message = fmt::format("{} {}", peer, fault.words);
      return error;
    }
  }
  error.message = said;
  if (is_our_tls_file(said)) {
    error.kind = Kind::ours;
  } else if (has(said, "SSL error") || has(said, "support SSL") || has(said, "certificate") ||
             has(said, "SSL SYSCALL") || has(said, "SSL connection is required")) {
    error.kind = Kind::tls;
  } else if (has(said, "out of memory") || has(said, "could not look up local user")) {
    error.kind = Kind::ours;
  } else if (has(said, "authentication") || has(said, "SASL") || has(said, "SCRAM")) {
    error.kind = Kind::auth;
  } else if (has(said, "session is") || has(said, "server is")) {
    // target_session_attrs of the conninfo: the server is another kind than was asked for.
    error.kind = Kind::protocol;
  } else {
    error.kind = step == PgStep::connecting ? Kind::unreachable : Kind::protocol;
  }
  return error;
}

PgError classify_query_failure(std::string_view text) {
  PgError error;
  error.phase = PgPhase::query;
  error.message = first_line(text);
  if (has(text, "out of memory")) {
    error.kind = Kind::ours;
  } else if (is_closed(text) || has(text, "no connection to the server") ||
             has(text, std::strerror(ETIMEDOUT))) {
    error.kind = Kind::closed;
    error.message = "the connection was closed before the whole answer had come";
  } else {
    error.kind = Kind::protocol;
  }
  return error;
}

SessionEnd classify_session_end(std::string_view sqlstate, std::string_view source_function) {
  if (sqlstate == "57P02") return SessionEnd::crashed;
  // A backend whose postmaster is gone says 57P01 too, but from secure_read or secure_write.
  const bool from_administrator =
      source_function == "ProcessInterrupts" || source_function == "quickdie";
  if (sqlstate == "57P01" && from_administrator) return SessionEnd::administrator;
  return SessionEnd::lost;
}

bool ends_session(std::string_view sqlstate, std::string_view severity) {
  return severity == "FATAL" || severity == "PANIC" || sqlstate == "57P01" || sqlstate == "57P02";
}

std::string redact_conninfo_error(std::string_view text) {
  const auto line = first_line(text);
  // The name of an option is what the user needs to see; every other quotation may be a secret.
  if (has(line, "invalid connection option") || has(line, "invalid URI query parameter"))
    return line;
  std::string redacted;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      redacted += quoted ? "…\"" : "\"";
      quoted = !quoted;
    } else if (!quoted) {
      redacted += c;
    }
  }
  if (quoted) redacted += "…\"";
  return redacted;
}

}  // namespace pointsman
