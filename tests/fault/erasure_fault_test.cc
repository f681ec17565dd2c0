// Erasures on a disk that fails and on one that forgets: not begun, or completed by Open; and what
// was answered leaves no key behind even without that.
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "audit/reader.h"
#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"
#include "tests/fault/fault_vfs.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;

LedgerOptions Options(const std::string& dir, const std::string& vfs) {
  return {.dir = dir,
          .content = ContentMode::kEncrypted,
          .keep_days = 0,
          .keep_transfer_days = 0,
          .vfs = vfs};
}

// What is known of the one user who is erased.
struct Known {
  std::vector<std::string> keys;    // wrapped, as they were stored
  std::vector<std::string> sealed;  // ciphertext, from its middle
  bool erased = false;              // and the asker was told
};

// Content of some users, of which one is erased; then more of it. Ends early when the ledger does.
void Live(const std::string& dir, Known& known) {
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(Options(dir, FaultVfs::Name()));
  if (!ledger.ok()) return;
  for (int i = 0; i < 9; ++i) {
    const std::string text(i % 3 == 2 ? 9'000 : 60, 't');
    const char* user = i % 3 == 0 ? "stays" : "gone";
    if (!AppendContent(**ledger, Of(user), text, ContentMode::kEncrypted).ok()) return;
  }
  known.keys = Blobs(dir, "SELECT wrapped FROM content_keys WHERE id = 2");
  known.sealed = Blobs(dir, "SELECT substr(sealed, 45, 16) FROM contents WHERE key_id = 2");
  ASSERT_EQ(known.keys.size(), 1);
  ASSERT_EQ(known.sealed.size(), 6);
  const absl::Status erased =
      Await([&](Ledger::Done done) {
        (*ledger)->Erase("demo", "gone", kByLi,
                         [&known, done = std::move(done)](absl::StatusOr<Receipt> receipt) mutable {
                           known.erased = receipt.ok();
                           done(std::move(receipt));
                         });
      }).status();
  if (!erased.ok()) return;
  AppendContent(**ledger, Of("gone"), "after", ContentMode::kEncrypted).IgnoreError();
  (*ledger)->Close().IgnoreError();
}

void ExpectNoTrace(const std::string& dir, const Known& known) {
  for (const fs::directory_entry& file : fs::directory_iterator(dir)) {
    std::ostringstream bytes;
    bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
    for (const std::string& key : known.keys) {
      for (size_t at = 0; at + 8 <= key.size(); ++at) {
        ASSERT_EQ(bytes.str().find(key.substr(at, 8)), std::string::npos)
            << file.path() << " holds byte " << at << " of a destroyed key";
      }
    }
    for (const std::string& sealed : known.sealed) {
      ASSERT_EQ(bytes.str().find(sealed), std::string::npos)
          << file.path() << " holds erased ciphertext";
    }
  }
}

// The ledger opens again, verifies, and the user's content is all there or without a trace.
void ExpectAllOrNothing(const std::string& dir, const Known& known) {
  if (known.erased) ExpectNoTrace(dir, known);
  if (::testing::Test::HasFatalFailure()) return;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(Options(dir, ""));
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  const std::unique_ptr<Reader> reader = Reader::Open(dir).value();
  const QueryPage erased = reader->Find({.kinds = {RecordKind::kErased}}).value();
  ASSERT_GE(erased.records.size(), known.erased ? 1 : 0);
  if (!erased.records.empty()) ExpectNoTrace(dir, known);
  if (erased.records.empty() && !known.keys.empty()) {
    ASSERT_EQ(reader->Content(1).value_or(""), std::string(60, 't'));
  }
  ASSERT_TRUE((*ledger)->Close().ok());
  const absl::StatusOr<VerifyReport> report = reader->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_TRUE(report->ok) << report->reason;
}

int64_t CallsOfAWholeLife() {
  const Scratch scratch(Scratch::Memory());
  const FaultVfs vfs({});
  Known known;
  Live(scratch.dir(), known);
  EXPECT_TRUE(known.erased);
  return vfs.calls();
}

TEST(ErasureFaultTest, EveryCallFails) {
  const int64_t calls = CallsOfAWholeLife();
  ASSERT_GT(calls, 60);
  for (const int error : {SQLITE_IOERR, SQLITE_FULL}) {
    for (int64_t n = 0; n < calls; ++n) {
      const Scratch scratch(Scratch::Memory());
      Known known;
      {
        const FaultVfs vfs({.fail_at = n, .error = error, .persistent = n % 2 == 0});
        Live(scratch.dir(), known);
      }
      ExpectAllOrNothing(scratch.dir(), known);
      if (HasFatalFailure()) FAIL() << "error " << error << " at call " << n << " of " << calls;
    }
  }
}

TEST(ErasureFaultTest, ThePowerGoesAtEveryCall) {
  std::mt19937_64 random(Seed());
  const int64_t calls = CallsOfAWholeLife();
  int told = 0;
  for (int64_t n = 0; n < calls; ++n) {
    const Scratch scratch(Scratch::Memory());
    const Scratch after(Scratch::Memory());
    fs::create_directories(after.dir());
    Known known;
    Known before_the_cut;
    {
      const FaultVfs vfs(
          {.cut_at = n, .seed = random(), .at_cut = [&] { before_the_cut = known; }});
      Live(scratch.dir(), known);
      vfs.Develop(after.dir());
    }
    told += before_the_cut.erased ? 1 : 0;
    ExpectAllOrNothing(after.dir(), before_the_cut);
    if (HasFatalFailure()) FAIL() << "power cut at call " << n << " of " << calls;
  }
  EXPECT_GT(told, 0);
  EXPECT_LT(told, calls);
}

}  // namespace
}  // namespace weir::audit
