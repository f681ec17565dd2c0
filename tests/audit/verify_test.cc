// Whatever is changed in a store, verification says so. Every cell of every row is changed in turn.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "audit/commands.h"
#include "audit/export.h"
#include "audit/index.h"
#include "audit/reader.h"
#include "tests/audit/scratch.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

// A store opened for tampering, as somebody with the disk in his hands would.
class Tamper {
 public:
  explicit Tamper(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
    Run("PRAGMA synchronous=OFF");
  }
  Tamper(const Tamper&) = delete;
  Tamper& operator=(const Tamper&) = delete;
  ~Tamper() { sqlite3_close(db_); }

  void Run(const std::string& sql) const {
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(db_);
  }

  std::vector<std::string> Strings(const std::string& sql) const {
    std::vector<std::string> values;
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK) << sql;
    while (sqlite3_step(statement) == SQLITE_ROW) {
      values.emplace_back(static_cast<const char*>(sqlite3_column_blob(statement, 0)),
                          static_cast<size_t>(sqlite3_column_bytes(statement, 0)));
    }
    sqlite3_finalize(statement);
    return values;
  }

 private:
  sqlite3* db_ = nullptr;
};

VerifyReport Verify(const std::string& dir) {
  const absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(dir);
  EXPECT_TRUE(reader.ok()) << reader.status();
  const absl::StatusOr<VerifyReport> report = (*reader)->Verify({});
  EXPECT_TRUE(report.ok()) << report.status();
  return *report;
}

// Appends `records` in batches of different sizes and with checkpoints in between.
void Fill(const Scratch& scratch, uint64_t records) {
  for (int part = 0; part < 3; ++part) {
    std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
    for (uint64_t i = 0; i < records / 3; ++i) {
      Record record = PromptRecord(Concat("e", part, "-", i));
      record.findings = {{.rule = "R-1",
                          .category = "A.1.h",
                          .severity = "high",
                          .lane = "fold",
                          .part = "/messages/0/content",
                          .start = i,
                          .end = i + 3,
                          .action = "flag"}};
      ledger->Append(record,
                     [](const absl::StatusOr<Receipt>& receipt) { EXPECT_TRUE(receipt.ok()); });
      ledger->Append(AnswerRecord(record.exchange), [](const absl::StatusOr<Receipt>&) {});
      if (i % 20 == 0) {
        EXPECT_TRUE(AppendAndWait(*ledger, ServiceRecord("tick")).ok());
      }
    }
    EXPECT_TRUE(ledger->Close().ok());
  }
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02X", static_cast<unsigned char>(c));
    hex += digits;
  }
  return hex;
}

struct Column {
  const char* table;
  const char* key;
  const char* name;
};

// A SQL literal that differs a little from the value.
std::string Changed(const std::string& type, std::string value, std::mt19937_64& random) {
  if (type == "INTEGER") return Concat(std::stoll(value) + 1 + static_cast<int64_t>(random() % 3));
  if (value.empty()) value = "x";
  char& c = value[random() % value.size()];
  c = static_cast<char>(c ^ (1 << (random() % 7)));
  return type == "TEXT" ? Concat("CAST(x'", Hex(value), "' AS TEXT)")
                        : Concat("x'", Hex(value), "'");
}

// Changes each cell (at most `cells_max` of a column, chosen at random) and puts it back.
void ChangeEveryCell(const Scratch& scratch, size_t cells_max) {
  std::mt19937_64 random(Seed());
  const Tamper tamper(scratch.Path("ledger.db"));
  const Column columns[] = {
      {"batches", "first_seq", "first_seq"},
      {"batches", "first_seq", "count"},
      {"batches", "first_seq", "time_us"},
      {"batches", "first_seq", "leaves"},
      {"batches", "first_seq", "records"},
      {"nodes", "id", "id"},
      {"nodes", "id", "hash"},
      {"checkpoints", "size", "size"},
      {"checkpoints", "size", "note"},
      {"index_pages", "id", "id"},
      {"index_pages", "id", "page"},
      {"marks", "name", "name"},
      {"marks", "name", "value"},
  };
  for (const auto& [table, key, column] : columns) {
    // What an archive has is left in the store for a while, and nobody reads it there.
    const char* const archived =
        " JOIN archives USING(number)"
        " WHERE first_seq >= begin AND first_seq < begin + segments.count";
    const std::string read_from =
        std::string(table) != "batches"
            ? table
            : Concat(table, " WHERE NOT EXISTS (SELECT 1 FROM segments", archived, ")");
    std::vector<std::string> keys =
        tamper.Strings(Concat("SELECT quote(", key, ") FROM ", read_from));
    std::shuffle(keys.begin(), keys.end(), random);
    if (keys.size() > cells_max) keys.resize(cells_max);
    for (const std::string& at : keys) {
      const std::string where = Concat(" WHERE ", key, " = ", at);
      const auto read = [&](const std::string& expression) {
        return tamper.Strings(Concat("SELECT ", expression, " FROM ", table, where)).at(0);
      };
      const std::string old = read(Concat("quote(", column, ")"));
      const std::string changed =
          Changed(read(Concat("upper(typeof(", column, "))")), read(column), random);
      // A changed key may be another row's: that change is impossible, not unnoticed.
      tamper.Run(Concat("UPDATE OR IGNORE ", table, " SET ", column, " = ", changed, where));
      if (tamper.Strings("SELECT changes()").at(0) != "1") continue;
      const VerifyReport report = Verify(scratch.dir());
      EXPECT_FALSE(report.ok) << table << "." << column << where << " set to " << changed;
      EXPECT_FALSE(report.reason.empty());
      const std::string now =
          std::string(key) == column ? Concat(" WHERE ", key, " = ", changed) : where;
      tamper.Run(Concat("UPDATE ", table, " SET ", column, " = ", old, now));
    }
  }
  const VerifyReport report = Verify(scratch.dir());
  EXPECT_TRUE(report.ok) << "after everything was put back: " << report.reason;
}

TEST(VerifyTest, NoticesAChangeInAnyCell) {
  const Scratch scratch(Scratch::Memory());
  Fill(scratch, 450);
  ASSERT_TRUE(Verify(scratch.dir()).ok);
  ChangeEveryCell(scratch, 80);
}

TEST(VerifyTest, NoticesAChangeInAnyCellOfAnIndexedLedger) {
  const Scratch scratch(Scratch::Memory());
  Fill(scratch, kSegmentRecords / 2 + 300);
  ASSERT_TRUE(Verify(scratch.dir()).ok);
  ChangeEveryCell(scratch, 3);
}

// The command names the record, byte by byte.
TEST(VerifyTest, NamesTheRecordThatWasChanged) {
  const Scratch scratch(Scratch::Memory());
  Fill(scratch, 60);
  const Tamper tamper(scratch.Path("ledger.db"));
  const std::string batch = tamper.Strings("SELECT records FROM batches WHERE first_seq = 0").at(0);
  const size_t length = std::min<size_t>(batch.size(), 200);
  for (size_t i = 2; i < length; ++i) {
    std::string altered = batch;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    tamper.Run(Concat("UPDATE batches SET records = x'", Hex(altered), "' WHERE first_seq = 0"));
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(VerifyLedger({.dir = scratch.dir()}, {}, out, err), 1) << "byte " << i;
    EXPECT_THAT(out.str(), HasSubstr("record 0")) << "byte " << i;
  }
  tamper.Run(Concat("UPDATE batches SET records = x'", Hex(batch), "' WHERE first_seq = 0"));
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(VerifyLedger({.dir = scratch.dir()}, {}, out, err), 0) << out.str();
}

TEST(VerifyTest, NoticesDeletionTruncationSwapsAndRollback) {
  struct Attack {
    const char* sql;
    const char* says;
    bool refused_at_open = false;
  };
  const Attack attacks[] = {
      {"DELETE FROM batches WHERE first_seq = (SELECT max(first_seq) FROM batches)", "missing",
       true},
      {"DELETE FROM batches WHERE first_seq = (SELECT first_seq FROM batches ORDER BY 1 LIMIT 1 "
       "OFFSET 2)",
       "missing"},
      {"DELETE FROM batches", "missing", true},
      {"DELETE FROM batches; DELETE FROM checkpoints; DELETE FROM nodes", "rolled back", true},
      {"DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)", "rolled back",
       true},
      {"DELETE FROM checkpoints", "rolled back", true},
      {"DELETE FROM nodes", "node"},
      {"INSERT INTO nodes VALUES(1, zeroblob(32))", "nodes"},
      {"INSERT INTO index_pages VALUES(5, x'00')", "index"},
      {"INSERT INTO marks VALUES('open', '65536')", "marks"},
      {"UPDATE batches SET records = (SELECT b.records FROM batches b WHERE b.count = "
       "batches.count "
       "AND b.first_seq <> batches.first_seq) WHERE EXISTS (SELECT 1 FROM batches b WHERE b.count "
       "= "
       "batches.count AND b.first_seq <> batches.first_seq)",
       "record"},
  };
  for (const Attack& attack : attacks) {
    const Scratch scratch(Scratch::Memory());
    Fill(scratch, 450);
    ASSERT_TRUE(Verify(scratch.dir()).ok);
    { Tamper(scratch.Path("ledger.db")).Run(attack.sql); }
    const VerifyReport report = Verify(scratch.dir());
    EXPECT_FALSE(report.ok) << attack.sql;
    EXPECT_THAT(report.reason, HasSubstr(attack.says)) << attack.sql;
    if (!attack.refused_at_open) continue;
    EXPECT_EQ(Ledger::Open({.dir = scratch.dir()}).status().code(), absl::StatusCode::kDataLoss)
        << attack.sql;
  }
}

TEST(VerifyTest, DemandsTheKeysItIsGiven) {
  const Scratch scratch(Scratch::Memory());
  Fill(scratch, 30);
  const SigningKey other = *SigningKey::Generate("witness.example");
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  const VerifierKey log = *VerifierKey::Parse(OneLine(scratch.Path("ledger.vkey")));
  EXPECT_TRUE(reader->Verify({log})->ok);
  const VerifyReport report = *reader->Verify({log, *VerifierKey::Parse(other.VerifierKey())});
  EXPECT_FALSE(report.ok);
  EXPECT_THAT(report.reason, HasSubstr("not signed by witness.example"));
}

TEST(VerifyTest, NoticesAChangedKeyAndCheckpointFile) {
  for (const char* name : {"ledger.vkey", "ledger.checkpoint"}) {
    const Scratch scratch(Scratch::Memory());
    Fill(scratch, 30);
    const std::string path = scratch.Path(name);
    std::stringstream original;
    original << std::ifstream(path).rdbuf();
    ::chmod(path.c_str(), 0600);
    for (size_t i = 0; i < original.str().size() - 1; ++i) {
      std::string altered = original.str();
      altered[i] = static_cast<char>(altered[i] ^ 1);
      std::ofstream(path) << altered;
      EXPECT_FALSE(Verify(scratch.dir()).ok) << name << " byte " << i;
    }
    std::ofstream(path) << original.str();
    EXPECT_TRUE(Verify(scratch.dir()).ok);
  }
}

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() { Fill(scratch_, 450); }
  std::string Dir(const std::string& name) { return scratch_.dir() + "-" + name; }
  VerifyReport VerifyDir(const std::string& dir) {
    const absl::StatusOr<VerifyReport> report =
        VerifyExport(dir, {*VerifierKey::Parse(OneLine(scratch_.Path("ledger.vkey")))});
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : VerifyReport();
  }
  Scratch scratch_{Scratch::Memory()};
};

TEST_F(ExportTest, WholeAndPartialExportsVerifyAlone) {
  const std::unique_ptr<Reader> reader = Reader::Open(scratch_.dir()).value();
  const uint64_t size = *reader->Size();
  ASSERT_TRUE(ExportLedger(scratch_.dir(), {}, {}, Dir("whole")).ok());
  const VerifyReport whole = VerifyDir(Dir("whole"));
  EXPECT_TRUE(whole.ok) << whole.reason;
  EXPECT_EQ(whole.records, size);
  int part = 0;
  for (uint64_t seq = 1; seq < size; seq += 37) {
    const std::string dir = Dir(Concat("part", part++));
    const int64_t from = reader->Get(seq)->record.time_us;
    const absl::StatusOr<ExportSummary> summary =
        ExportLedger(scratch_.dir(), from, from + 1'000, dir);
    ASSERT_TRUE(summary.ok()) << summary.status();
    const VerifyReport report = VerifyDir(dir);
    EXPECT_TRUE(report.ok) << report.reason;
    EXPECT_EQ(report.records, summary->end - summary->begin);
  }
  EXPECT_FALSE(ExportLedger(scratch_.dir(), {}, {}, Dir("whole")).ok());
}

TEST_F(ExportTest, AnyChangedByteIsNoticed) {
  std::mt19937_64 random(Seed());
  const std::unique_ptr<Reader> reader = Reader::Open(scratch_.dir()).value();
  const int64_t from = reader->Get(201)->record.time_us;
  ASSERT_TRUE(ExportLedger(scratch_.dir(), from, {}, Dir("x")).ok());
  for (const char* name : {"records.jsonl", "checkpoints.txt", "tree.txt"}) {
    const std::string path = Concat(Dir("x"), "/", name);
    std::stringstream original;
    original << std::ifstream(path).rdbuf();
    const std::string text = original.str();
    for (int i = 0; i < 300; ++i) {
      std::string altered = text;
      const size_t at = random() % text.size();
      altered[at] = static_cast<char>(altered[at] ^ (1 << (random() % 8)));
      std::ofstream(path) << altered;
      // The last line's end is not part of any record.
      if (at + 1 == text.size() && std::string(name) != "checkpoints.txt") continue;
      EXPECT_FALSE(VerifyDir(Dir("x")).ok) << name << " byte " << at;
    }
    // Lines left out or given twice.
    for (int i = 0; i < 30; ++i) {
      const size_t begin = text.find('\n', random() % (text.size() / 2)) + 1;
      const size_t end = text.find('\n', begin) + 1;
      if (end == begin + 1) continue;
      std::ofstream(path) << text.substr(0, begin) + text.substr(end);
      EXPECT_FALSE(VerifyDir(Dir("x")).ok) << name << " without the line at " << begin;
      // A note may carry a signature twice.
      if (text.compare(begin, 3, "\xE2\x80\x94") == 0) continue;
      std::ofstream(path) << text.substr(0, end) + text.substr(begin);
      EXPECT_FALSE(VerifyDir(Dir("x")).ok) << name << " with the line at " << begin << " twice";
    }
    std::ofstream(path) << text;
    EXPECT_TRUE(VerifyDir(Dir("x")).ok);
  }
}

}  // namespace
}  // namespace weir::audit
