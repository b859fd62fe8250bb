// What libpq's result holds, as text. Only pg_connection.cpp needs it.
#pragma once

#include <libpq-fe.h>

#include "probes/pg_connection.hpp"
#include "probes/pg_message.hpp"

namespace pointsman {

/// A field of an error or a notice (PG_DIAG_...); empty: not given.
std::string result_field(const PGresult* result, int code);

PgWords words_of(const PGresult* result);

/// Adds the result's rows; other columns than before take the place of those.
void append_rows(const PGresult* result, PgRows& rows);

}  // namespace pointsman
