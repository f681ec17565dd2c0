#include "audit/store.h"

#include <algorithm>

#include <sqlite3.h>

#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr int kFormat = 3;  // PRAGMA user_version of the tables below
// Somebody may be looking with a tool of their own; two seconds are its share.
constexpr int kBusyMs = 2'000;

// One row for one commit of records. No record, hash or checkpoint is ever changed once written;
// the marks are, and what the erasure of content takes away.
// audit/FORMAT.md says what the columns hold.
constexpr char kTables[] = R"sql(
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS batches(
    first_seq INTEGER PRIMARY KEY, count INTEGER NOT NULL, time_us INTEGER NOT NULL,
    leaves BLOB NOT NULL, records BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS nodes(id INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS checkpoints(size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS cosignatures(size INTEGER PRIMARY KEY, lines TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS segments(
    number INTEGER PRIMARY KEY, begin INTEGER NOT NULL UNIQUE, count INTEGER NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS archives(
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL, bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS leaves(first INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS removals(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS index_pages(id INTEGER PRIMARY KEY, page BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS contents(
    seq INTEGER PRIMARY KEY, key_id INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS contents_by_key ON contents(key_id);
  CREATE TABLE IF NOT EXISTS content_keys(
    id INTEGER PRIMARY KEY, subject BLOB NOT NULL, day INTEGER NOT NULL, floor INTEGER NOT NULL,
    wrapped BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS content_keys_by_subject ON content_keys(subject);
  CREATE TABLE IF NOT EXISTS restrictions(
    app TEXT NOT NULL, user TEXT NOT NULL, seq INTEGER NOT NULL, subject BLOB NOT NULL,
    keys_below INTEGER NOT NULL, PRIMARY KEY(app, user)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS holds(
    seq INTEGER PRIMARY KEY, app TEXT NOT NULL, user TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS word_parts(
    number INTEGER PRIMARY KEY, begin INTEGER NOT NULL, end INTEGER NOT NULL,
    suite INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS word_parts_by_end ON word_parts(end);
  CREATE TABLE IF NOT EXISTS word_pages(id INTEGER PRIMARY KEY, page BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS word_erasures(seq INTEGER PRIMARY KEY) STRICT;
  CREATE TRIGGER IF NOT EXISTS contents_erased AFTER DELETE ON contents BEGIN
    INSERT OR IGNORE INTO word_erasures VALUES(old.seq); END;
  CREATE TABLE IF NOT EXISTS marks(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT,
    WITHOUT ROWID;
  PRAGMA user_version = 3;
  COMMIT;
)sql";

// Whether what was synced before is as it was, so that opening the store again may succeed. Of what
// failed to be synced or read nobody knows what the disk has.
bool IsHarmless(int extended_code) {
  switch (extended_code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_FULL:
      return true;
    default:
      return extended_code == SQLITE_IOERR_WRITE || extended_code == SQLITE_IOERR_SHMSIZE;
  }
}

absl::Status ToStatus(sqlite3* db, int code, std::string_view what) {
  const std::string sentence =
      Concat(what, ": ", db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code), " (",
             sqlite3_errstr(code), ", SQLite code ", sqlite3_extended_errcode(db), ")");
  if (IsHarmless(db != nullptr ? sqlite3_extended_errcode(db) : code)) {
    return absl::UnavailableError(sentence);
  }
  if (db != nullptr && sqlite3_extended_errcode(db) == SQLITE_IOERR_SHORT_READ) {
    return absl::DataLossError(
        Concat(sentence, ": the database or its log was cut or overwritten by another program"));
  }
  const int kind = code & 0xFF;
  if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB) return absl::DataLossError(sentence);
  return absl::InternalError(sentence);
}

absl::StatusOr<sqlite3*> OpenConnection(const std::string& path, int flags, const char* vfs) {
  sqlite3* db = nullptr;
  // One thread uses a connection, so SQLite's own mutexes are left out.
  const int code = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, vfs);
  if (code == SQLITE_OK) return db;
  const absl::Status status = ToStatus(db, code, Concat("cannot open ", path));
  sqlite3_close_v2(db);
  return status;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Database::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

// A failed bind leaves the parameter NULL, which no column of ours accepts: the step then fails.
void Statement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
}

void Statement::BindBlob(int parameter, std::string_view bytes) {
  sqlite3_bind_blob64(statement_.get(), parameter, bytes.data(), bytes.size(), SQLITE_STATIC);
}

void Statement::BindText(int parameter, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), parameter, text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ToStatus(sqlite3_db_handle(statement_.get()), code,
                  Concat("the store failed at ", sqlite3_sql(statement_.get())));
}

absl::Status Statement::Run() {
  absl::StatusOr<bool> row = Step();
  while (row.ok() && *row) row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::string_view Statement::Bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int length = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string_view()
                          : std::string_view(bytes, static_cast<size_t>(length));
}

absl::StatusOr<Database> Database::OpenWriter(const std::string& path, const std::string& vfs) {
  absl::StatusOr<sqlite3*> opened = OpenConnection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                                   vfs.empty() ? nullptr : vfs.c_str());
  if (!opened.ok()) return opened.status();
  Database db;
  db.db_.reset(*opened);
  sqlite3_busy_timeout(*opened, kBusyMs);
  for (const char* sql :
       {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=0",
        "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON", "PRAGMA temp_store=MEMORY",
        "PRAGMA mmap_size=0", "PRAGMA secure_delete=ON"}) {
    if (absl::Status status = db.Execute(sql); !status.ok()) return status;
  }
  // Only now: wal_autocheckpoint, whatever it is set to, is such a hook itself.
  sqlite3_wal_hook(
      *opened,
      [](void* log_pages, sqlite3*, const char*, int pages) {
        *static_cast<int*>(log_pages) = pages;
        return SQLITE_OK;
      },
      db.log_pages_.get());
  absl::StatusOr<int64_t> format = ReadInt(db, "PRAGMA user_version");
  if (!format.ok()) return format.status();
  if (*format == 0) {
    if (absl::Status status = db.Execute(kTables); !status.ok()) return status;
  } else if (*format != kFormat) {
    return absl::FailedPreconditionError(
        Concat(path, " has format ", *format, ", this program knows ", kFormat,
               ": use the version of weir that wrote it or a newer one"));
  }
  return db;
}

absl::StatusOr<Database> Database::OpenEmpty() {
  absl::StatusOr<sqlite3*> opened =
      OpenConnection(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (!opened.ok()) return opened.status();
  Database db;
  db.db_.reset(*opened);
  if (absl::Status status = db.Execute(kTables); !status.ok()) return status;
  return db;
}

absl::StatusOr<Database> Database::OpenReader(const std::string& path, const std::string& vfs) {
  absl::StatusOr<sqlite3*> opened =
      OpenConnection(path, SQLITE_OPEN_READONLY, vfs.empty() ? nullptr : vfs.c_str());
  if (!opened.ok()) return opened.status();
  Database db;
  db.db_.reset(*opened);
  sqlite3_busy_timeout(*opened, kBusyMs);
  db.KeepLogOnClose();
  for (const char* sql :
       {"PRAGMA wal_autocheckpoint=0", "PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON", "PRAGMA temp_store=MEMORY", "PRAGMA mmap_size=0"}) {
    if (absl::Status status = db.Execute(sql); !status.ok()) return status;
  }
  absl::StatusOr<int64_t> format = ReadInt(db, "PRAGMA user_version");
  if (!format.ok()) return format.status();
  if (*format == 0) {
    return absl::DataLossError(
        Concat(path, " holds no ledger: it was emptied, cut, or is another file"));
  }
  if (*format != kFormat) {
    return absl::FailedPreconditionError(
        Concat(path, " has format ", *format, ", this program knows ", kFormat));
  }
  return db;
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if (code != SQLITE_OK) {
    return ToStatus(db_.get(), code, Concat("the store refused ", sql));
  }
  Statement statement;
  statement.statement_.reset(prepared);
  return statement;
}

absl::Status Database::Prepare(std::string_view sql, Statement& statement) const {
  absl::StatusOr<Statement> prepared = Prepare(sql);
  if (prepared.ok()) statement = *std::move(prepared);
  return prepared.status();
}

absl::Status Database::Execute(const char* sql) const {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return ToStatus(db_.get(), code, Concat("the store failed at ", sql));
}

absl::Status Database::MoveLog() const {
  const int code =
      sqlite3_wal_checkpoint_v2(db_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code == SQLITE_OK || code == SQLITE_BUSY) return absl::OkStatus();
  return ToStatus(db_.get(), code, "the store failed to move its log into the database");
}

absl::StatusOr<bool> Database::EmptyLog(int wait_ms) const {
  sqlite3_busy_timeout(db_.get(), wait_ms);
  int code =
      sqlite3_wal_checkpoint_v2(db_.get(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(db_.get(), kBusyMs);
  if (code == SQLITE_BUSY) return false;
  if (code == SQLITE_OK) *log_pages_ = 0;
  // SQLite leaves it to the disk when the log becomes short; a power cut could bring it back.
  sqlite3_file* log = nullptr;
  if (code == SQLITE_OK) {
    code = sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  }
  if (code == SQLITE_OK && log != nullptr && log->pMethods != nullptr) {
    code = log->pMethods->xSync(log, SQLITE_SYNC_FULL);
  }
  if (code == SQLITE_OK) return true;
  return ToStatus(db_.get(), code, "the store failed to empty its log");
}

absl::Status Database::RewriteLog() const {
  constexpr int kPiece = 1 << 16;
  sqlite3_file* log = nullptr;
  sqlite3_int64 bytes = 0;
  int code = sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code != SQLITE_OK || log == nullptr || log->pMethods == nullptr) return absl::OkStatus();
  code = log->pMethods->xFileSize(log, &bytes);
  std::string piece(kPiece, '\0');
  for (sqlite3_int64 at = 0; code == SQLITE_OK && at < bytes; at += kPiece) {
    const int count = static_cast<int>(std::min<sqlite3_int64>(kPiece, bytes - at));
    code = log->pMethods->xRead(log, piece.data(), count, at);
    if (code == SQLITE_OK) code = log->pMethods->xWrite(log, piece.data(), count, at);
  }
  if (code == SQLITE_OK && bytes > 0) code = log->pMethods->xSync(log, SQLITE_SYNC_FULL);
  if (code == SQLITE_OK) return absl::OkStatus();
  const std::string sentence =
      Concat("the store's log cannot be written once more: ", sqlite3_errstr(code),
             " (SQLite code ", code, ")");
  return IsHarmless(code) ? absl::UnavailableError(sentence) : absl::InternalError(sentence);
}

void Database::KeepLogOnClose() const {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

absl::Status CheckSchema(const Database& db) {
  absl::StatusOr<Database> empty = Database::OpenEmpty();
  if (!empty.ok()) return empty.status();
  // Quoted, because a text and a blob of the same bytes differ, and so do nothing and an empty
  // text.
  constexpr std::string_view kSchema =
      "SELECT quote(type) || quote(name) || quote(tbl_name) || quote(sql) FROM sqlite_schema"
      " ORDER BY name";
  absl::StatusOr<Statement> expected = empty->Prepare(kSchema);
  if (!expected.ok()) return expected.status();
  absl::StatusOr<Statement> found = db.Prepare(kSchema);
  if (!found.ok()) return found.status();
  for (;;) {
    absl::StatusOr<bool> wanted = expected->Step();
    if (!wanted.ok()) return wanted.status();
    absl::StatusOr<bool> row = found->Step();
    if (!row.ok()) return row.status();
    if (*row != *wanted || (*row && found->Bytes(0) != expected->Bytes(0))) {
      return absl::DataLossError(
          Concat("the store's tables are not those of a ledger, at ",
                 *wanted ? expected->Bytes(0).substr(0, 60) : found->Bytes(0).substr(0, 60)));
    }
    if (!*row) return absl::OkStatus();
  }
}

absl::StatusOr<int64_t> ReadInt(const Database& db, std::string_view sql) {
  absl::StatusOr<Statement> statement = db.Prepare(sql);
  if (!statement.ok()) return statement.status();
  absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError(Concat("the store has no answer to ", sql));
  return statement->Int(0);
}

}  // namespace weir::audit
