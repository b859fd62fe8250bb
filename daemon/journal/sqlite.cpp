#include "daemon/journal/sqlite.hpp"

#include <sqlite3.h>

#include <cstring>

#include <fmt/format.h>

namespace pointsman {
namespace {

/// Another process that holds the file (a backup, a person with sqlite3) is waited for this long:
/// well below the 200 ms that an intent may take.
constexpr int busy_milliseconds = 100;
/// Few statements, few pages: the journal's share of the daemon's 8 MiB stays well below one.
constexpr int lookaside_slots = 64;
constexpr int lookaside_bytes = 128;

std::string uri_of(const std::filesystem::path& file, std::string_view query) {
  std::string uri = "file:";
  for (const char c : file.string()) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      uri += c;
    }
  }
  return uri + std::string(query);
}

}  // namespace

Statement::~Statement() {
  sqlite3_finalize(handle_);
}

void Statement::bind(int parameter, std::int64_t value) {
  sqlite3_bind_int64(handle_, parameter, value);
}

void Statement::bind(int parameter, std::string_view value) {
  const char* text = value.data() != nullptr ? value.data() : "";
  sqlite3_bind_text(handle_, parameter, text, static_cast<int>(value.size()), SQLITE_TRANSIENT);
}

void Statement::bind(int parameter, std::optional<std::int64_t> value) {
  if (value) {
    bind(parameter, *value);
  } else {
    sqlite3_bind_null(handle_, parameter);
  }
}

bool Statement::next_row() {
  return sqlite3_step(handle_) == SQLITE_ROW;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_, column);
}

std::optional<std::int64_t> Statement::maybe_integer(int column) const {
  if (sqlite3_column_type(handle_, column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string Statement::text(int column) const {
  const auto* text = sqlite3_column_text(handle_, column);
  const int bytes = sqlite3_column_bytes(handle_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(bytes)};
}

bool Statement::run() {
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(handle_);
  reset();
  return code == SQLITE_DONE;
}

void Statement::reset() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

SqlStatus Database::open(const std::filesystem::path& file, OpenMode mode) {
  close();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
  std::string name = uri_of(file, "");
  if (mode == OpenMode::read_write) flags |= SQLITE_OPEN_READWRITE;
  if (mode == OpenMode::create) flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (mode == OpenMode::read_only) flags |= SQLITE_OPEN_READONLY;
  if (mode == OpenMode::immutable) {
    flags |= SQLITE_OPEN_READONLY;
    name = uri_of(file, "?immutable=1");
  }
  if (sqlite3_open_v2(name.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
    const SqlError failed = handle_ != nullptr ? error() : SqlError{SQLITE_NOMEM, "no memory"};
    close();
    return failed;
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_LOOKASIDE, nullptr, lookaside_bytes, lookaside_slots);
  sqlite3_busy_timeout(handle_, busy_milliseconds);
  return {};
}

void Database::close() {
  // With a statement still prepared the connection lives on as a zombie until that is gone.
  if (handle_ != nullptr) sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

SqlStatus Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return error();
}

sqlite3_stmt* Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) prepare_error_ = error();
  return statement;
}

SqlStatus Database::read_integer(const std::string& sql, std::int64_t& value) {
  auto* prepared = prepare(sql);
  if (prepared == nullptr) return error();
  Statement statement(prepared);
  if (!statement.next_row()) {
    if ((sqlite3_errcode(handle_) & 0xff) != SQLITE_DONE) return error();
    return SqlError{SQLITE_ERROR, "no row"};
  }
  value = statement.integer(0);
  return {};
}

SqlError Database::error() const {
  SqlError failed{sqlite3_extended_errcode(handle_), sqlite3_errmsg(handle_)};
  const int reason = sqlite3_system_errno(handle_);
  const int primary = failed.code & 0xff;
  if (reason != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) {
    failed.text += fmt::format(" ({})", std::strerror(reason));
  }
  return failed;
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_) == 0;
}

}  // namespace pointsman
