// The claim that every alteration is found, tried: random single-bit flips, deletions, swaps,
// truncations and rollbacks of a ledger, an export, evidence and tiles. Each must make
// `weir audit verify` or `weir-verify` answer 1 and say where.
//
// WEIR_ALTERATIONS sets how many are tried (default 10,000), WEIR_SEED repeats a run.
//
// What is covered. Of exports, evidence and tiles every byte of every file. Of a ledger every byte
// of ledger.vkey, ledger.witnesses, ledger.checkpoint and the archives, and of ledger.db everything
// that it means: its tables' definitions and every value of every row. Bytes in which SQLite keeps
// nothing, and numbers of its own that change no row (free space in pages, counters of changes, the
// version that wrote last), may be flipped unseen; the test tells them by reading the altered file
// with SQLite alone, which must then give the same definitions and rows. The one number that leaves
// the question open is the version of the format in the file's header (4 bytes from byte 60 on): of
// a version that it does not know the program says that it cannot tell.
//
// Of a note the signatures may stand in another order.
//
// An older state of everything is no alteration of any byte: it is found against a checkpoint that
// was kept elsewhere (--seen).
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "audit/commands.h"
#include "audit/export.h"
#include "audit/files.h"
#include "audit/tiles.h"
#include "audit/verify_command.h"
#include "tests/audit/scratch.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;

#ifdef __SANITIZE_ADDRESS__
constexpr int kAlterationsDefault = 500;
#else
constexpr int kAlterationsDefault = 10'000;
#endif
constexpr int kMissedMax = 20;  // enough to see what they have in common
constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

using Files = std::map<std::string, std::string>;  // by their path in the folder

Files ReadAll(const std::string& dir) {
  Files files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), dir).string()] = ReadFile(entry.path().string()).value();
    }
  }
  return files;
}

void Write(const std::string& path, const std::string& bytes) {
  std::error_code ignored;
  fs::remove(path, ignored);  // some are read-only
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// A folder that was given to somebody, an older state of it, and who looks at it.
struct Subject {
  std::string name;
  std::string dir;
  Files files;  // that may be altered
  Files older;  // the same at an earlier time
  std::function<int(std::ostream& out)> verify;
  // Whether an alteration that was not found changed nothing that the folder means.
  std::function<bool(const std::string& file)> means_the_same;
  // Whether a program may refuse to judge the file `now`, which was `before`.
  std::function<bool(const std::string& file, std::string_view before, std::string_view now)>
      may_be_open;
  bool may_be_deleted = true;
};

// The definitions and each table's rows, as SQLite alone reads them; empty when it cannot.
std::map<std::string, std::string> Meaning(const std::string& path) {
  sqlite3* db = nullptr;
  std::map<std::string, std::string> meaning;
  const auto rows = [&](const std::string& sql, std::string& into) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) return false;
    int code = sqlite3_step(statement);
    for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        into += static_cast<char>('0' + sqlite3_column_type(statement, i));
        const void* bytes = sqlite3_column_blob(statement, i);
        const int length = sqlite3_column_bytes(statement, i);
        if (bytes != nullptr) into.append(static_cast<const char*>(bytes), length);
        into += '\n';
      }
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE;
  };
  bool good = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK &&
              rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
                   meaning["definitions"]);
  sqlite3_stmt* tables = nullptr;
  if (good) {
    good = sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1,
                              &tables, nullptr) == SQLITE_OK;
  }
  while (good && sqlite3_step(tables) == SQLITE_ROW) {
    const std::string name(reinterpret_cast<const char*>(sqlite3_column_text(tables, 0)));
    good = rows("SELECT * FROM " + name + " NOT INDEXED", meaning[name]);
  }
  sqlite3_finalize(tables);
  sqlite3_close(db);
  return good ? meaning : std::map<std::string, std::string>();
}

class CorruptionTest : public ::testing::Test {
 protected:
  CorruptionTest() {
    options_ = {.dir = scratch_.dir(),
                .origin = "weir.example/ledger",
                .content = ContentMode::kEncrypted,
                .segment_period = SegmentPeriod::kDay,
                .now_us = [this] { return now_us_; }};
    for (const SigningKey& witness : witnesses_) {
      options_.witnesses.push_back(*VerifierKey::Parse(witness.VerifierKey()));
    }
    for (int day = 0; day < 3; ++day) Grow();
    older_ledger_ = Ledgers();
    WriteOut("-older");
    Grow();
    WriteOut("");
    policy_ = scratch_.dir() + "-policy";
    seen_ = scratch_.dir() + "-seen";
    std::string text = Concat("log ", OneLine(scratch_.Path("ledger.vkey")), "\n");
    for (size_t i = 0; i < witnesses_.size(); ++i) {
      text += Concat("witness w", i, " ", witnesses_[i].VerifierKey(), "\n");
    }
    Write(policy_, text + "group g all w0 w1\nquorum g\n");
    Write(seen_, *Reader::Open(scratch_.dir()).value()->LatestCheckpoint());
  }

  // A day's records, some with content, under several checkpoints; the last is cosigned.
  void Grow() {
    std::unique_ptr<Ledger> ledger = Ledger::Open(options_).value();
    for (int i = 0; i < 20; ++i) {
      const std::string exchange = Concat("e-", now_us_, "-", i);
      Record record = PromptRecord(exchange);
      record.findings.emplace_back();
      record.findings[0].rule = "R-1";
      record.findings[0].category = "A.1.h";
      const auto ignore = [](const absl::StatusOr<Receipt>&) {};
      if (i % 4 == 0) {
        ledger->Append(std::move(record),
                       {.text = "text of a prompt", .mode = ContentMode::kEncrypted}, ignore);
      } else {
        ledger->Append(std::move(record), ignore);
      }
      if (i % 7 != 0) ledger->Append(AnswerRecord(exchange), ignore);
      if (i % 10 != 0) continue;
      EXPECT_TRUE(AppendAndWait(*ledger, ServiceRecord("tick")).ok());
    }
    EXPECT_TRUE(ledger->Close().ok());
    // The day's segment is closed on the next and becomes an archive, to which nothing refers until
    // its rows are gone.
    now_us_ += kDayUs;
    ledger = Ledger::Open(options_).value();
    while (ledger->stats().segments_closed == 0 ||
           ledger->stats().segments_archived < ledger->stats().segments_closed) {
      ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("tick")).ok());
    }
    EXPECT_TRUE(ledger->Close().ok());
    ledger = Ledger::Open(options_).value();
    const std::string note = ledger->last_checkpoint();
    std::string lines;
    for (const SigningKey& witness : witnesses_) {
      lines += witness.Cosign(SignedNote::Parse(note)->text, 1'764'000'000);
    }
    EXPECT_TRUE(ledger->AddCosignatures(note, lines).ok());
    EXPECT_TRUE(ledger->Close().ok());
  }
  Files Ledgers() const {
    Files files = ReadAll(scratch_.dir());
    // Secrets are nobody's evidence, a lock is none, and of a closed store the log is empty.
    for (const char* name :
         {"ledger.key", "content.key", "ledger.lock", "ledger.db-wal", "ledger.db-shm"}) {
      files.erase(name);
    }
    return files;
  }
  void WriteOut(const std::string& suffix) {
    std::ostringstream out;
    ASSERT_TRUE(ExportLedger(scratch_.dir(), {}, {}, scratch_.dir() + "-export" + suffix).ok());
    ASSERT_TRUE(WriteTiles(scratch_.dir(), scratch_.dir() + "-tiles" + suffix).ok());
    const std::string evidence = scratch_.dir() + "-evidence" + suffix;
    fs::create_directories(evidence);
    ASSERT_EQ(ProveRecord({.dir = scratch_.dir()}, "33", evidence + "/33", out, out), 0);
  }

  std::vector<Subject> Subjects() {
    std::vector<Subject> subjects(4);
    const auto program = [this](const std::string& what) {
      return [this, what](std::ostream& out) {
        return RunVerify({"--policy", policy_, what}, out, out);
      };
    };
    const char* const names[] = {"ledger", "export", "evidence", "tiles"};
    for (size_t i = 0; i < subjects.size(); ++i) {
      Subject& subject = subjects[i];
      subject.name = names[i];
      subject.dir = scratch_.dir() + (i == 0 ? "" : "-" + subject.name);
      subject.files = i == 0 ? Ledgers() : ReadAll(subject.dir);
      subject.older = i == 0 ? older_ledger_ : ReadAll(subject.dir + "-older");
      subject.verify = program(subject.dir + (subject.name == "evidence" ? "/33" : ""));
      subject.means_the_same = [](const std::string&) { return false; };
      subject.may_be_open = [](const std::string&, std::string_view, std::string_view) {
        return false;
      };
    }
    subjects[0].verify = [this](std::ostream& out) {
      return VerifyLedger({.dir = scratch_.dir()}, {}, out, out);
    };
    const std::map<std::string, std::string> meaning = Meaning(scratch_.Path("ledger.db"));
    EXPECT_FALSE(meaning.empty());
    subjects[0].means_the_same = [this, meaning](const std::string& file) {
      if (file != "ledger.db") return false;
      const std::map<std::string, std::string> now = Meaning(scratch_.Path(file));
      for (const auto& [table, rows] : meaning) {
        const auto found = now.find(table);
        if (found != now.end() && found->second == rows) continue;
        std::cout << "not the same: " << table << "\n";
        return false;
      }
      return true;
    };
    // In a note the order of signatures means nothing.
    const auto sorted_lines = [](std::string text) {
      std::multiset<std::string> lines;
      std::istringstream in(std::move(text));
      for (std::string line; std::getline(in, line);) lines.insert(line);
      return lines;
    };
    for (const size_t i : {size_t{2}, size_t{3}}) {
      subjects[i].means_the_same = [sorted_lines, dir = subjects[i].dir,
                                    files = subjects[i].files](const std::string& file) {
        const bool note = file == "33" || file == "checkpoint";
        return note &&
               sorted_lines(ReadFile(dir + "/" + file).value()) == sorted_lines(files.at(file));
      };
    }
    // Another format's version, wherever the alteration began, may be another program's file.
    subjects[0].may_be_open = [](const std::string& file, std::string_view before,
                                 std::string_view now) {
      constexpr size_t kVersionAt = 60;
      return file == "ledger.db" && now.size() >= kVersionAt + 4 &&
             before.substr(kVersionAt, 4) != now.substr(kVersionAt, 4);
    };
    // A crash between the store's checkpoint and the file leaves an older file.
    subjects[0].older.erase("ledger.checkpoint");
    subjects[2].older.clear();           // older evidence is evidence
    subjects[2].may_be_deleted = false;  // then there is nothing to look at
    return subjects;
  }

  const Scratch scratch_{Scratch::Memory()};
  const std::vector<SigningKey> witnesses_ = {
      *SigningKey::Generate("a.example/w", SignatureAlgorithm::kCosignature),
      *SigningKey::Generate("b.example/w", SignatureAlgorithm::kCosignature)};
  int64_t now_us_ = int64_t{20'000} * kDayUs;
  LedgerOptions options_;
  Files older_ledger_;
  std::string policy_, seen_;
};

// What was done to one file, in words; `bytes` stays as it is when it cannot be done.
struct Alteration {
  std::string file;
  std::string what;
  bool deleted = false;
  std::string bytes;
};

Alteration Alter(const Subject& subject, std::mt19937_64& random) {
  auto chosen = subject.files.begin();
  // Half of all by size, half by file, so that small ones are not forgotten.
  if (random() % 2 == 0) {
    std::advance(chosen, random() % subject.files.size());
  } else {
    size_t total = 0;
    for (const auto& [name, bytes] : subject.files) total += bytes.size();
    size_t at = random() % total;
    while (at >= chosen->second.size()) at -= (chosen++)->second.size();
  }
  const auto& [name, original] = *chosen;
  Alteration altered{.file = name, .what = "", .deleted = false, .bytes = original};
  std::string& bytes = altered.bytes;
  const uint64_t kind = random() % 20;
  size_t at = bytes.empty() ? 0 : random() % bytes.size();
  if (kind == 0 && subject.may_be_deleted) {
    altered.deleted = true;
    altered.what = "deleted";
  } else if (kind <= 2) {
    bytes.resize(at);
    altered.what = Concat("cut at byte ", at);
  } else if (kind <= 4 && bytes.size() > 2) {
    const size_t length = 1 + random() % std::min<size_t>(256, bytes.size() / 2);
    at = random() % (bytes.size() - 2 * length + 1);
    const size_t other = at + length + random() % (bytes.size() - at - 2 * length + 1);
    std::swap_ranges(bytes.begin() + static_cast<ptrdiff_t>(at),
                     bytes.begin() + static_cast<ptrdiff_t>(at + length),
                     bytes.begin() + static_cast<ptrdiff_t>(other));
    altered.what = Concat("its ", length, " bytes at ", at, " and ", other, " swapped");
  } else if (kind == 5) {
    auto other = subject.files.begin();
    std::advance(other, random() % subject.files.size());
    bytes = other->second;
    altered.what = Concat("replaced by ", other->first);
  } else if (kind == 6) {
    const auto older = subject.older.find(name);
    if (older != subject.older.end()) bytes = older->second;
    altered.what = "rolled back";
  } else if (kind == 7) {
    const size_t length = 1 + random() % 64;
    bytes.erase(at, length);
    altered.what = Concat("without ", length, " bytes at ", at);
  } else if (!bytes.empty()) {
    const uint64_t bit = random() % 8;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    altered.what = Concat("bit ", bit, " of byte ", at, " flipped");
  }
  return altered;
}

TEST_F(CorruptionTest, EveryAlterationIsFound) {
  const char* given = std::getenv("WEIR_ALTERATIONS");
  const int alterations = given != nullptr ? std::stoi(given) : kAlterationsDefault;
  std::mt19937_64 random(Seed());
  const std::vector<Subject> subjects = Subjects();
  for (const Subject& subject : subjects) {
    std::ostringstream out;
    ASSERT_EQ(subject.verify(out), 0) << subject.name << ": " << out.str();
  }
  std::map<std::string, int> found;
  int same = 0;
  int open = 0;
  int missed = 0;
  for (int i = 0; i < alterations && missed < kMissedMax; ++i) {
    const Subject& subject = subjects[random() % subjects.size()];
    const Alteration altered = Alter(subject, random);
    const std::string& original = subject.files.at(altered.file);
    if (!altered.deleted && altered.bytes == original) continue;
    const std::string path = subject.dir + "/" + altered.file;
    if (altered.deleted) {
      fs::remove(path);
    } else {
      Write(path, altered.bytes);
    }
    std::ostringstream out;
    const int code = subject.verify(out);
    if (code == 1) {
      ++found[subject.name];
      EXPECT_GT(out.str().size(), 20U)
          << subject.name << " " << altered.file << " " << altered.what;
    } else if (code == 2 && subject.may_be_open(altered.file, original, altered.bytes)) {
      ++open;
    } else if (code == 0 && subject.means_the_same(altered.file)) {
      ++same;
    } else {
      ++missed;
      ADD_FAILURE() << subject.name << ": " << altered.file << " " << altered.what << " gave "
                    << code << ": " << out.str();
    }
    Write(path, original);
    for (const char* left : {"-wal", "-shm"}) {
      std::error_code ignored;
      fs::remove(scratch_.Path("ledger.db") + left, ignored);
    }
  }
  for (const Subject& subject : subjects) {
    std::ostringstream out;
    EXPECT_EQ(subject.verify(out), 0) << subject.name << " after all: " << out.str();
    std::cout << subject.name << ": " << found[subject.name] << " alterations found\n";
  }
  std::cout << same << " changed nothing that ledger.db means, " << open
            << " its format's version\n";
}

// Everything put back to an older state, as a whole: nothing in it is wrong, but somebody knows.
TEST_F(CorruptionTest, RollbacksAreFoundByWhoHasSeenMore) {
  std::ostringstream out;
  for (const char* of : {"-export", "-tiles"}) {
    const std::string older = scratch_.dir() + of + "-older";
    EXPECT_EQ(RunVerify({"--policy", policy_, older}, out, out), 0) << out.str();
    EXPECT_EQ(RunVerify({"--policy", policy_, "--seen", seen_, older}, out, out), 1);
    EXPECT_EQ(RunVerify({"--policy", policy_, "--seen", seen_, scratch_.dir() + of}, out, out), 0)
        << out.str();
  }
  for (const auto& [name, bytes] : Ledgers()) fs::remove(scratch_.Path(name));
  for (const auto& [name, bytes] : older_ledger_) Write(scratch_.Path(name), bytes);
  EXPECT_EQ(VerifyLedger({.dir = scratch_.dir()}, {}, out, out), 0) << out.str();
  EXPECT_EQ(VerifyLedger({.dir = scratch_.dir()}, {.policy = policy_, .seen = seen_}, out, out), 1);
}

}  // namespace
}  // namespace weir::audit
