// What the tests of stored content ask of a ledger, each waiting for its answer.
#pragma once

#include <future>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "audit/ledger.h"
#include "tests/audit/scratch.h"

namespace weir::audit {

inline const Access kByLi = {.person = "li", .role = "legal", .reason = "case 7"};

// Runs what takes a Ledger::Done and waits for it.
template <typename Request>
absl::StatusOr<Receipt> Await(Request request) {
  std::promise<absl::StatusOr<Receipt>> promise;
  std::future<absl::StatusOr<Receipt>> receipt = promise.get_future();
  request([&promise](absl::StatusOr<Receipt> result) { promise.set_value(std::move(result)); });
  return receipt.get();
}

inline Record Of(const std::string& user) {
  Record record = AnswerRecord("e");
  record.user = user;
  return record;
}

inline absl::StatusOr<Receipt> AppendContent(Ledger& ledger, Record record, std::string_view text,
                                             ContentMode mode, Floor floor = Floor::kLog) {
  return Await([&](Ledger::Done done) {
    ledger.Append(std::move(record), {.text = text, .mode = mode, .floor = floor}, std::move(done));
  });
}

inline absl::StatusOr<Receipt> EraseAndWait(Ledger& ledger, std::string_view app,
                                            std::string_view user) {
  return Await([&](Ledger::Done done) { ledger.Erase(app, user, kByLi, std::move(done)); });
}

inline absl::StatusOr<Receipt> HoldAndWait(Ledger& ledger, std::string_view app,
                                           std::string_view user) {
  return Await([&](Ledger::Done done) { ledger.Hold(app, user, kByLi, std::move(done)); });
}

inline absl::StatusOr<Receipt> ReleaseAndWait(Ledger& ledger, uint64_t hold) {
  return Await([&](Ledger::Done done) { ledger.Release(hold, kByLi, std::move(done)); });
}

// The first column of every row, read from the store beside the ledger that has it open.
inline std::vector<std::string> Blobs(const std::string& dir, const std::string& sql) {
  std::vector<std::string> blobs;
  sqlite3* db = nullptr;
  sqlite3_stmt* select = nullptr;
  sqlite3_open_v2(Concat(dir, "/ledger.db").c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &select, nullptr), SQLITE_OK);
  while (sqlite3_step(select) == SQLITE_ROW) {
    blobs.emplace_back(static_cast<const char*>(sqlite3_column_blob(select, 0)),
                       static_cast<size_t>(sqlite3_column_bytes(select, 0)));
  }
  sqlite3_finalize(select);
  sqlite3_close(db);
  return blobs;
}

}  // namespace weir::audit
