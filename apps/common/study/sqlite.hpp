// SQLite as values: a connection, a statement, a transaction. Every failure is an exception that says what to do.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tinyvision/core/error.hpp"

namespace tv_app {

/// Another process kept the database locked for longer than the connection waits.
class DatabaseBusy : public tinyvision::Error {
 public:
  using Error::Error;
};

/// There is no room left where the database or the results are.
class DiskFull : public tinyvision::Error {
 public:
  using Error::Error;
};

class Statement;

/// One connection. It belongs to one thread, and no process uses one that it got by a fork.
class Database {
 public:
  /// Opens or makes the file. `patience`: milliseconds to wait for a lock of another process.
  explicit Database(std::string path, int patience = 60000) : path_(std::move(path)) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(path_.c_str(), &raw, flags, nullptr);
    handle_.reset(raw);
    if (code != SQLITE_OK) refuse(code);
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, patience);
  }

  sqlite3* handle() const { return handle_.get(); }
  const std::string& path() const { return path_; }

  /// Runs statements that give no rows.
  void run(const std::string& sql) const { check(sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr)); }

  /// A prepared statement with its parameters ?1, ?2... bound.
  template <class... Values>
  Statement query(const std::string& sql, const Values&... values) const;

  /// Runs one statement with parameters; returns the number of rows that it changed.
  template <class... Values>
  std::int64_t change(const std::string& sql, const Values&... values) const;

  std::int64_t last_id() const { return sqlite3_last_insert_rowid(handle()); }

  void check(int code) const {
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) refuse(code);
  }

 private:
  [[noreturn]] void refuse(int code) const {
    using tinyvision::concat_text;
    const std::string said = handle() != nullptr ? sqlite3_errmsg(handle()) : sqlite3_errstr(code);
    switch (code & 0xff) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        throw DatabaseBusy(concat_text("[ledger] ", path_, ": another process keeps it locked (", said, ")"));
      case SQLITE_FULL:
        throw DiskFull(concat_text("[ledger] ", path_, ": the disk is full; what was done is kept, free some room"));
      case SQLITE_NOTADB:
      case SQLITE_CORRUPT: tinyvision::fail_usage("ledger", path_, ": no ledger, or a damaged one (", said, ")");
      case SQLITE_CANTOPEN:
      case SQLITE_READONLY:
      case SQLITE_PERM: tinyvision::fail_usage("ledger", path_, ": cannot be opened for writing (", said, ")");
      default: tinyvision::fail("ledger", path_, ": ", said, " (code ", code, ")");
    }
  }
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A statement and its current row; columns count from 0.
class Statement {
 public:
  Statement(const Database& database, const std::string& sql) : database_(&database) {
    sqlite3_stmt* raw = nullptr;
    database.check(sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &raw, nullptr));
    handle_.reset(raw);
  }

  /// Goes to the next row; false behind the last one.
  bool next() {
    const int code = sqlite3_step(handle_.get());
    database_->check(code);
    return code == SQLITE_ROW;
  }

  std::int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  double real(int column) const { return sqlite3_column_double(handle_.get(), column); }
  bool null(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL; }
  /// Empty for NULL.
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
    if (bytes == nullptr) return "";
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
  }

  template <class... Values>
  void bind_all(const Values&... values) {
    int at = 0;
    (bind(++at, values), ...);
  }

 private:
  void bind(int at, std::int64_t value) { database_->check(sqlite3_bind_int64(handle_.get(), at, value)); }
  void bind(int at, int value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, bool value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, double value) { database_->check(sqlite3_bind_double(handle_.get(), at, value)); }
  void bind(int at, std::string_view value) {
    const int size = static_cast<int>(value.size());
    database_->check(sqlite3_bind_text(handle_.get(), at, value.data(), size, SQLITE_TRANSIENT));
  }
  void bind(int at, const std::string& value) { bind(at, std::string_view(value)); }
  void bind(int at, const char* value) { bind(at, std::string_view(value)); }

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

template <class... Values>
Statement Database::query(const std::string& sql, const Values&... values) const {
  Statement statement(*this, sql);
  statement.bind_all(values...);
  return statement;
}

template <class... Values>
std::int64_t Database::change(const std::string& sql, const Values&... values) const {
  Statement statement = query(sql, values...);
  while (statement.next()) {
  }
  return sqlite3_changes64(handle());
}

/// BEGIN IMMEDIATE until `commit`; undone otherwise. Only one process at a time is between the two.
class Transaction {
 public:
  explicit Transaction(const Database& database) : database_(&database) { database.run("BEGIN IMMEDIATE"); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (database_ != nullptr) sqlite3_exec(database_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  void commit() {
    database_->run("COMMIT");
    database_ = nullptr;
  }

 private:
  const Database* database_;
};

}  // namespace tv_app
