#include "audit/tiles.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void Fill(const Scratch& scratch, uint64_t records) {
  std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
  for (uint64_t i = 0; i < records; ++i) {
    ledger->Append(ServiceRecord(Concat("number ", i)), [](const absl::StatusOr<Receipt>&) {});
  }
  ASSERT_TRUE(ledger->Close().ok());
}

TEST(TilesTest, FilesStandWhereTheSpecificationSays) {
  const Scratch scratch(Scratch::Memory());
  Fill(scratch, 70'000);
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  const std::pair<const char*, size_t> there[] = {
      {"tile/0/000", 8'192},  {"tile/0/272", 8'192}, {"tile/0/273.p/112", 112 * 32},
      {"tile/0/273.p/1", 32}, {"tile/1/000", 8'192}, {"tile/1/001.p/17", 17 * 32},
      {"tile/2/000.p/1", 32},
  };
  for (const auto& [path, bytes] : there) {
    const absl::StatusOr<std::string> file = ReadTileFile(*reader, path);
    ASSERT_TRUE(file.ok()) << path << ": " << file.status();
    EXPECT_EQ(file->size(), bytes) << path;
  }
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/273",
                           "tile/0/274",
                           "tile/0/273.p/113",
                           "tile/0/273.p/0",
                           "tile/0/000.p/256",
                           "tile/0/0",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/0/x000",
                           "tile/0/x000/000",
                           "tile/0/000/000",
                           "tile/0/+00",
                           "tile/00/000",
                           "tile/8/000",
                           "tile/3/000.p/1",
                           "tile/0/000.p/01",
                           "tile/0/000/",
                           "tile/0/000.p/",
                           "tile/entries",
                           "tile/entries/273",
                           "tile/entries/../000",
                           "tile/0/x999/x999/x999/x999/x999/x999/999",
                           "tile/0/x072/x057/x594/x037/x927/936",
                           "checkpoint/",
                           "/checkpoint",
                           "tile/-1/000"}) {
    EXPECT_EQ(ReadTileFile(*reader, path).status().code(), absl::StatusCode::kNotFound) << path;
  }
  const std::string entries = ReadTileFile(*reader, "tile/entries/273.p/2").value();
  const std::string leaves = ReadTileFile(*reader, "tile/0/273.p/1").value();
  const size_t length = static_cast<size_t>(static_cast<uint8_t>(entries[0])) * 256 +
                        static_cast<uint8_t>(entries[1]);
  const Hash leaf = LeafHash(std::string_view(entries).substr(2, length));
  EXPECT_EQ(std::string(leaf.begin(), leaf.end()), leaves);
  EXPECT_EQ(ReadTileFile(*reader, "checkpoint").value(), reader->LatestCheckpoint().value());
}

TEST(TilesTest, NumbersAreGroupedByThousands) {
  const Scratch scratch(Scratch::Memory());
  Fill(scratch, 10);
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  // Well formed and not there, as against malformed: the message tells them apart.
  EXPECT_THAT(ReadTileFile(*reader, "tile/0/x001/x234/067").status().message(),
              HasSubstr("tile 1234067"));
  EXPECT_THAT(ReadTileFile(*reader, "tile/0/x000/x234/067").status().message(),
              HasSubstr("no such file"));
}

// Go's golang.org/x/mod/sumdb reads what we write.
TEST(TilesTest, AnotherImplementationAcceptsTheLog) {
  const fs::path library = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog";
  if (!fs::exists(library) || std::system("go version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs the packages golang-go and golang-golang-x-mod-dev";
  }
  const Scratch scratch;
  const std::string base = fs::path(scratch.dir()).parent_path().string();
  const std::string program = base + "/sumdb";
  const std::string go =
      Concat("HOME=", base, " GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode ");
  ASSERT_EQ(std::system(Concat(go, "go build -o ", program, " ", WEIR_SOURCE_DIR,
                               "/tests/vectors/sumdb/main.go")
                            .c_str()),
            0);
  for (const uint64_t records :
       {uint64_t{1}, uint64_t{255}, uint64_t{256}, uint64_t{600}, uint64_t{70'000}}) {
    const Scratch log(Scratch::Memory());
    Fill(log, records);
    const std::string out = log.dir() + "-tiles";
    ASSERT_EQ(WriteTiles(log.dir(), out).value(), records);
    const std::string command =
        Concat(program, " '", OneLine(log.Path("ledger.vkey")), "' ", out, " > ", base, "/said");
    EXPECT_EQ(std::system(command.c_str()), 0) << OneLine(base + "/said");
    EXPECT_EQ(OneLine(base + "/said"), Concat("accepted ", records, " records"));
    // And would not accept anything.
    const std::string tile = out + (records < 256 ? Concat("/tile/entries/000.p/", records)
                                                  : std::string("/tile/entries/000"));
    std::fstream file(tile, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);
    file.put('X');
    file.close();
    EXPECT_NE(std::system(command.c_str()), 0);
  }
}

}  // namespace
}  // namespace weir::audit
