// The rule cache: what is kept comes back, and nothing else ever counts.
#include "rules/database_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules/digest.h"
#include "rules/scanner.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void Write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string Key(char c) {
  return std::string(kDigestBytes, c);
}

class DatabaseCacheTest : public testing::Test {
 protected:
  DatabaseCacheTest() {
    std::string name = testing::TempDir() + "weir-cache-XXXXXX";
    root_ = ::mkdtemp(name.data());
    folder_ = root_ / "cache";
  }
  ~DatabaseCacheTest() override { fs::remove_all(root_); }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(folder_)) return files;
    for (const auto& entry : fs::directory_iterator(folder_)) files.push_back(entry.path());
    return files;
  }

  std::shared_ptr<const RuleSet> Compile(const std::vector<std::string>& expressions) const {
    Pack pack;
    for (const std::string& expression : expressions) {
      pack.rules.push_back(MakeRule(Regex(expression)));
    }
    std::vector<Problem> problems;
    auto rules = RuleSet::Compile({pack}, problems, folder_);
    for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
    return rules;
  }

  fs::path root_;
  fs::path folder_;
};

TEST_F(DatabaseCacheTest, KeepsUnderItsKey) {
  const DatabaseCache cache(folder_);
  EXPECT_TRUE(absl::IsNotFound(cache.Load(Key('a')).status()));
  ASSERT_TRUE(cache.Store(Key('a'), "payload").ok());
  ASSERT_TRUE(cache.Store(Key('b'), "").ok());
  EXPECT_EQ(cache.Load(Key('a')).value(), "payload");
  EXPECT_EQ(cache.Load(Key('b')).value(), "");
  EXPECT_TRUE(absl::IsNotFound(cache.Load(Key('c')).status()));
  for (const fs::path& file : Files()) {
    EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  }
  EXPECT_EQ(fs::status(folder_).permissions(), fs::perms::owner_all);
}

TEST_F(DatabaseCacheTest, EveryDamageIsSeen) {
  const DatabaseCache cache(folder_);
  ASSERT_TRUE(cache.Store(Key('a'), "some payload").ok());
  const fs::path file = Files().front();
  const std::string good = Read(file);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    Write(file, bad);
    EXPECT_TRUE(absl::IsDataLoss(cache.Load(Key('a')).status())) << "byte " << i;
    Write(file, std::string_view(good).substr(0, i));
    EXPECT_TRUE(absl::IsDataLoss(cache.Load(Key('a')).status())) << "cut at " << i;
  }
  Write(file, good + "x");
  EXPECT_TRUE(absl::IsDataLoss(cache.Load(Key('a')).status()));
  Write(file, good);
  EXPECT_EQ(cache.Load(Key('a')).value(), "some payload");
}

TEST_F(DatabaseCacheTest, OthersFilesDoNotCount) {
  const DatabaseCache cache(folder_);
  ASSERT_TRUE(cache.Store(Key('a'), "payload").ok());
  const fs::path file = Files().front();

  const fs::path elsewhere = root_ / "elsewhere";
  fs::rename(file, elsewhere);
  fs::create_symlink(elsewhere, file);
  EXPECT_TRUE(absl::IsDataLoss(cache.Load(Key('a')).status())) << "a symbolic link";
  fs::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), S_IRUSR | S_IWUSR), 0);
  EXPECT_TRUE(absl::IsDataLoss(cache.Load(Key('a')).status())) << "a pipe";
  fs::remove(file);
  fs::rename(elsewhere, file);

  fs::permissions(file, fs::perms::group_write, fs::perm_options::add);
  EXPECT_THAT(std::string(cache.Load(Key('a')).status().message()),
              HasSubstr("others may have written it"));
  fs::permissions(file, fs::perms::group_write, fs::perm_options::remove);
  EXPECT_TRUE(cache.Load(Key('a')).ok());

  fs::permissions(folder_, fs::perms::others_write, fs::perm_options::add);
  EXPECT_TRUE(absl::IsPermissionDenied(cache.Load(Key('a')).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(cache.Store(Key('b'), "payload")));

  // One key's file under the name of another.
  fs::permissions(folder_, fs::perms::others_write, fs::perm_options::remove);
  ASSERT_TRUE(cache.Store(Key('b'), "other payload").ok());
  fs::copy_file(folder_ / (HexOf(Key('b')) + ".hsdb"), file, fs::copy_options::overwrite_existing);
  EXPECT_THAT(std::string(cache.Load(Key('a')).status().message()), HasSubstr("for other rules"));
}

TEST_F(DatabaseCacheTest, KeepsWhatWasUsedLast) {
  const DatabaseCache cache(folder_);
  for (size_t i = 0; i < DatabaseCache::kFilesMax; ++i) {
    const std::string key = Key(static_cast<char>('A' + i));
    ASSERT_TRUE(cache.Store(key, "payload").ok());
    fs::last_write_time(folder_ / (HexOf(key) + ".hsdb"),
                        fs::file_time_type::clock::now() - std::chrono::hours(100 - i));
  }
  Write(folder_ / "left.tmp", "by a crash");
  fs::last_write_time(folder_ / "left.tmp",
                      fs::file_time_type::clock::now() - std::chrono::hours(2));
  Write(folder_ / "notes.txt", "somebody's");
  EXPECT_TRUE(cache.Load(Key('A')).ok());  // the oldest, but used now
  ASSERT_TRUE(cache.Store(Key('z'), "payload").ok());
  EXPECT_TRUE(cache.Load(Key('A')).ok());
  EXPECT_TRUE(absl::IsNotFound(cache.Load(Key('B')).status()));
  EXPECT_TRUE(cache.Load(Key('C')).ok());
  EXPECT_FALSE(fs::exists(folder_ / "left.tmp"));
  EXPECT_TRUE(fs::exists(folder_ / "notes.txt"));
}

TEST_F(DatabaseCacheTest, ASetComesBackWithTheSameFindings) {
  const std::vector<std::string> expressions = {"(开户|注册)送\\d{2,4}元", "\\bfree\\b.{0,5}chip",
                                                "[赌博]{2}场"};
  const auto made = Compile(expressions);
  ASSERT_NE(made, nullptr);
  EXPECT_FALSE(made->from_cache());
  const auto loaded = Compile(expressions);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(loaded->from_cache());
  EXPECT_TRUE(loaded->cache_problems().empty());
  EXPECT_EQ(loaded->digest(), made->digest());
  const std::string text = "注册送88元，free chip，赌博场，nothing";
  EXPECT_EQ(ScanWhole(*loaded, text), ScanWhole(*made, text));
  EXPECT_EQ(ScanWhole(*loaded, text).size(), 3U);
  EXPECT_FALSE(Compile({"另外的.{0,3}表达式"})->from_cache());
}

TEST_F(DatabaseCacheTest, ABadFileIsReplaced) {
  ASSERT_FALSE(Compile({"加.{0,3}群"})->from_cache());
  const fs::path file = Files().front();
  const std::string good = Read(file);
  Write(file, "nonsense" + good);
  const auto rules = Compile({"加.{0,3}群"});
  ASSERT_NE(rules, nullptr);
  EXPECT_FALSE(rules->from_cache());
  EXPECT_EQ(rules->cache_problems().size(), 1U);
  EXPECT_TRUE(Compile({"加.{0,3}群"})->from_cache());
}

// A file that is whole and has the right name, but holds what does not find the expressions.
TEST_F(DatabaseCacheTest, ADatabaseThatDoesNotAnswerIsReplaced) {
  ASSERT_FALSE(Compile({"加.{0,3}群"})->from_cache());
  const fs::path first = Files().front();
  ASSERT_FALSE(Compile({"红.{0,3}包"})->from_cache());
  const DatabaseCache cache(folder_);
  std::string keys[2];
  for (const fs::path& file : Files()) {
    keys[file == first ? 0 : 1] = Read(file).substr(8, kDigestBytes);
  }
  ASSERT_TRUE(cache.Store(keys[0], cache.Load(keys[1]).value()).ok());
  const auto rules = Compile({"加.{0,3}群"});
  ASSERT_NE(rules, nullptr);
  EXPECT_FALSE(rules->from_cache());
  ASSERT_EQ(rules->cache_problems().size(), 1U);
  EXPECT_THAT(rules->cache_problems()[0], HasSubstr("does not find an expression"));
  EXPECT_EQ(ScanWhole(*rules, "加个群").size(), 1U);
  EXPECT_TRUE(Compile({"加.{0,3}群"})->from_cache());

  const std::vector<std::string> payloads = {"", "abc", "\xFF\xFF\xFF\xFF",
                                             std::string("\1\0\0\0\7\0\0\0", 8)};
  for (const std::string& payload : payloads) {
    ASSERT_TRUE(cache.Store(keys[0], payload).ok());
    const auto again = Compile({"加.{0,3}群"});
    ASSERT_NE(again, nullptr);
    EXPECT_FALSE(again->from_cache());
    EXPECT_EQ(ScanWhole(*again, "加个群").size(), 1U);
  }
}

TEST_F(DatabaseCacheTest, AFolderThatCannotBeWrittenCostsTimeOnly) {
  Write(root_ / "file", "");
  folder_ = root_ / "file" / "cache";
  const auto rules = Compile({"加.{0,3}群"});
  ASSERT_NE(rules, nullptr);
  EXPECT_FALSE(rules->from_cache());
  EXPECT_FALSE(rules->cache_problems().empty());
}

}  // namespace
}  // namespace weir::rules
