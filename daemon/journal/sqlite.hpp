// The least that is needed around SQLite's C interface: a connection and a prepared statement that
// close themselves, and errors as values. sqlite3.h is included by this folder only.
//
// Owned by the store, used on the journal's thread alone (SQLITE_OPEN_NOMUTEX). It must never be
// touched by the loop's thread: any call here may wait for the disk, for ever if the disk hangs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace pointsman {

/// `code` is SQLite's extended result code; `text` is for people, with the operating system's
/// reason where there is one.
struct SqlError {
  int code = 0;
  std::string text;
};
using SqlStatus = std::optional<SqlError>;  ///< nothing: it went well

class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  bool prepared() const { return handle_ != nullptr; }

  /// Parameters count from 1. The text is copied.
  void bind(int parameter, std::int64_t value);
  void bind(int parameter, std::string_view value);
  void bind(int parameter, std::optional<std::int64_t> value);  ///< none: NULL

  /// True: there is a row. False: done, or failed (see Database::error()).
  bool next_row();
  std::int64_t integer(int column) const;                       ///< columns count from 0
  std::optional<std::int64_t> maybe_integer(int column) const;  ///< none: NULL
  std::string text(int column) const;

  /// Runs to the end and makes it ready for the next use, whatever came of it.
  bool run();
  void reset();

 private:
  sqlite3_stmt* handle_;
};

/// read_only: beside whoever writes; immutable: a file that nobody writes, without its WAL.
enum class OpenMode { read_write, create, read_only, immutable };

class Database {
 public:
  Database() = default;
  ~Database() { close(); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  SqlStatus open(const std::filesystem::path& file, OpenMode mode);
  void close();
  bool is_open() const { return handle_ != nullptr; }

  SqlStatus execute(const std::string& sql);
  /// Null when it can not be prepared: prepare_error() keeps the last reason.
  sqlite3_stmt* prepare(std::string_view sql);
  /// First column of the first row; for pragmas and counts.
  SqlStatus read_integer(const std::string& sql, std::int64_t& value);
  SqlError error() const;
  const SqlError& prepare_error() const { return prepare_error_; }
  bool in_transaction() const;
  sqlite3* handle() { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
  SqlError prepare_error_;
};

}  // namespace pointsman
