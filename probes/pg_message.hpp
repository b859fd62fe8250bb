// What libpq's texts mean: pure, no connection needed.
//
// libpq 15 keeps no fields of an error at login, only text. With PQERRORS_VERBOSE set before the
// first PQconnectPoll that text has the SQLSTATE and the source function in a form that does not
// depend on the server's language: "FATAL:  57P03: ...\nLOCATION:  ProcessStartupPacket,
// postmaster.c:2288". Errors of the socket are recognised by comparing with our own strerror, never
// by English words.
#pragma once

#include <string>
#include <string_view>

#include "policies/model/event.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

/// Up to which step a connection had come when it failed.
enum class PgStep { connecting, negotiating_tls, logging_in };

/// What a server said of an error or in a notice; `sqlstate` is empty where it said nothing.
struct PgWords {
  std::string sqlstate, message, source_function;
};

/// An error that the server sent.
PgError error_of(PgWords words, PgPhase phase);

/// PQerrorMessage of a connection that could not be made. `peer` as peer_address() prints it.
PgError classify_login_failure(std::string_view text, PgStep step, bool needs_password,
                               const std::string& peer);

/// libpq's own words (no SQLSTATE) while a query ran.
PgError classify_query_failure(std::string_view text);

/// How a session ended that said this while idle; `lost` where it said nothing.
SessionEnd classify_session_end(std::string_view sqlstate, std::string_view source_function);

/// True for the codes that a server sends before it ends a session (57P01, 57P02, ...).
bool ends_session(std::string_view sqlstate, std::string_view severity);

/// PQconninfoParse's complaint without what it quotes of the user's text, which may be a password.
std::string redact_conninfo_error(std::string_view text);

/// The first line, without trailing white space.
std::string first_line(std::string_view text);

}  // namespace pointsman
