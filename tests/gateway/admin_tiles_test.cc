#include "gateway/admin_tiles.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "gateway/admin_desk.h"
#include "tests/audit/scratch.h"

namespace weir::gateway {
namespace {

class AdminTilesTest : public ::testing::Test {
 protected:
  AdminTilesTest() {
    config_.ledger.dir = scratch_.dir();
    ledger_ = audit::Ledger::Open(config_.ledger).value();
    for (int i = 0; i < 300; ++i) {
      ledger_->Append(audit::ServiceRecord("x"), [](const absl::StatusOr<audit::Receipt>&) {});
    }
    EXPECT_TRUE(ledger_->Close().ok());
    ledger_ = audit::Ledger::Open(config_.ledger).value();
    reader_ = audit::Reader::Open(scratch_.dir()).value();
    StaffMember auditor{.id = "auditor", .roles = {Role::kAuditor}};
    SHA256(reinterpret_cast<const unsigned char*>("token"), 5, auditor.token_sha256.data());
    config_.staff = {auditor};
  }
  AdminResponse Get(const std::string& path, const std::string& token = "",
                    const std::string& method = "GET") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    if (!token.empty()) request.fields = {{"authorization", "Bearer " + token}};
    AdminSources sources{.ledger = *ledger_, .reader = *reader_, .config = config_};
    return AnswerAtDesk(request, sources);
  }

  const audit::Scratch scratch_{audit::Scratch::Memory()};
  Config config_;
  std::unique_ptr<audit::Ledger> ledger_;
  std::unique_ptr<audit::Reader> reader_;
};

TEST_F(AdminTilesTest, HashesAreForEverybody) {
  const AdminResponse checkpoint = Get("/tiles/checkpoint");
  EXPECT_EQ(checkpoint.head.status, 200);
  EXPECT_EQ(checkpoint.body, reader_->LatestCheckpoint().value());
  EXPECT_EQ(Find(checkpoint.head.fields, "content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(Find(checkpoint.head.fields, "cache-control"), "public, max-age=1");
  const std::pair<const char*, size_t> tiles[] = {{"/tiles/tile/0/000", 8'192},
                                                  {"/tiles/tile/0/001.p/44", 44 * 32},
                                                  {"/tiles/tile/0/001.p/7", 7 * 32},
                                                  {"/tiles/tile/1/000.p/1", 32}};
  for (const auto& [path, bytes] : tiles) {
    const AdminResponse tile = Get(path);
    EXPECT_EQ(tile.head.status, 200) << path << tile.body;
    EXPECT_EQ(tile.body.size(), bytes) << path;
    EXPECT_EQ(Find(tile.head.fields, "content-type"), "application/octet-stream");
    EXPECT_EQ(Find(tile.head.fields, "cache-control"), "public, max-age=31536000, immutable");
  }
  for (const char* path :
       {"/tiles/tile/0/001", "/tiles/tile/0/001.p/45", "/tiles/tile/0/002.p/1",
        "/tiles/tile/0/001.p/0", "/tiles/tile/1/000", "/tiles/tile/2/000.p/1", "/tiles/tile/9/000",
        "/tiles/tile/0/0", "/tiles/tile/0/../0/000", "/tiles/tile/", "/tiles/other", "/tiles/"}) {
    EXPECT_EQ(Get(path).head.status, 404) << path;
  }
  EXPECT_EQ(Get("/tiles/checkpoint", "", "POST").head.status, 405);
}

// Records name users: they are for those who may read records, and each look is one.
TEST_F(AdminTilesTest, EntriesNeedARole) {
  EXPECT_EQ(Get("/tiles/tile/entries/000").head.status, 401);
  EXPECT_EQ(Get("/tiles/tile/entries/000", "other").head.status, 401);
  const uint64_t before = ledger_->stats().size;
  const AdminResponse entries = Get("/tiles/tile/entries/001.p/44", "token");
  EXPECT_EQ(entries.head.status, 200) << entries.body;
  EXPECT_EQ(Find(entries.head.fields, "cache-control"), "private, max-age=31536000, immutable");
  EXPECT_EQ(ledger_->stats().size, before + 1);
  EXPECT_EQ(Get("/tiles/tile/entries/002", "token").head.status, 404);
  config_.staff.clear();
  EXPECT_EQ(Get("/tiles/tile/entries/000").head.status, 403);
  EXPECT_EQ(Get("/tiles/checkpoint").head.status, 200);
}

// What no checkpoint covers yet may still be lost with the machine, and tiles are cached for ever.
TEST_F(AdminTilesTest, OnlySignedRecordsAreServed) {
  ASSERT_TRUE(audit::AppendAndWait(*ledger_, audit::ServiceRecord("unsigned")).ok());
  const uint64_t is_signed = reader_->SignedSize().value();
  if (is_signed == 301) GTEST_SKIP() << "signed already";
  EXPECT_EQ(Get("/tiles/tile/0/001.p/45").head.status, 404);
}

}  // namespace
}  // namespace weir::gateway
