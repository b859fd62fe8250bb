// What libpq's result holds, as text. Only pg_connection.cpp needs it.
#pragma once

#include <libpq-fe.h>

#include "probes/pg_connection.hpp"

namespace pointsman {

/// Adds the result's rows; other columns than before take the place of those.
void append_rows(const PGresult* result, PgRows& rows);

}  // namespace pointsman
