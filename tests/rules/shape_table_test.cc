#include "rules/shape_table.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules/fold_table.h"
#include "tests/code_points.h"
#include "tests/seed.h"

namespace weir::rules {
namespace {

// A text as the lane has it: each character as its elements.
std::u32string ElementsOf(std::u32string_view text) {
  std::u32string elements;
  for (const char32_t c : text) {
    const auto parts = ShapeElements(c);
    if (parts.empty()) {
      elements += c;
    } else {
      elements.append(parts.begin(), parts.end());
    }
  }
  return elements;
}

struct Line {
  int number = 0;
  std::vector<std::string> columns;
};

std::vector<Line> ReadTable(const std::string& name) {
  std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/rules/data/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::vector<Line> lines;
  int number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    if (text.starts_with('#')) continue;
    Line line{number, {""}};
    for (const char c : text) {
      if (c == '\t') {
        line.columns.emplace_back();
      } else {
        line.columns.back() += c;
      }
    }
    lines.push_back(line);
  }
  return lines;
}

bool IsFolded(char32_t c) {
  return LookUpFold(c).kind() == FoldEntry::Kind::kSame;
}

TEST(ShapeTableTest, EverySplitComesBack) {
  int splits = 0;
  int ordinary = 0;
  std::set<std::string> characters;
  for (const Line& line : ReadTable("shape_splits.tsv")) {
    const std::u32string character = CodePoints(line.columns[0]);
    const std::u32string parts = CodePoints(line.columns[1]);
    ASSERT_EQ(character.size(), 1U) << line.number;
    // The lane stands on the fold lane: what that would change is never seen here.
    ASSERT_TRUE(IsFolded(character[0])) << line.number << ' ' << line.columns[0];
    for (const char32_t part : parts)
      ASSERT_TRUE(IsFolded(part)) << line.number << ' ' << line.columns[1];

    const bool is_text = line.columns.size() == 3;
    ASSERT_EQ(IsOrdinarySplit(character[0], parts), is_text)
        << line.number << ' ' << line.columns[0];
    ASSERT_THAT(ShapeFormsOf(character[0]), testing::Contains(ElementsOf(parts)))
        << line.number << ' ' << line.columns[0];
    if (characters.insert(line.columns[0]).second) {
      ASSERT_EQ(ElementsOf(character), ElementsOf(parts)) << line.number << ' ' << line.columns[0];
    }
    ++splits;
    ordinary += is_text ? 1 : 0;
  }
  std::cout << splits << " splits of " << characters.size() << " characters, " << ordinary
            << " of them ordinary text\n";
  EXPECT_GE(splits, 1500);
}

TEST(ShapeTableTest, EverySamePartComesBack) {
  int pairs = 0;
  for (const Line& line : ReadTable("same_parts.tsv")) {
    for (const std::string& wanted : line.columns) {
      for (const std::string& written : line.columns) {
        // A character that the fold lane changes is looked for, never seen.
        if (wanted == written || !IsFolded(CodePoints(written)[0])) continue;
        ASSERT_THAT(ShapeFormsOf(CodePoints(wanted)[0]),
                    testing::Contains(ElementsOf(CodePoints(written))))
            << line.number << ' ' << wanted << ' ' << written;
        ++pairs;
      }
    }
  }
  std::cout << pairs << " pairs of the same parts\n";
}

TEST(ShapeTableTest, EveryLineLooksAlike) {
  int pairs = 0;
  for (const Line& line : ReadTable("look_alikes.tsv")) {
    for (const std::string& wanted : line.columns) {
      for (const std::string& written : line.columns) {
        ASSERT_EQ(LookAlike(CodePoints(wanted)[0], CodePoints(written)[0]), wanted != written)
            << line.number << ' ' << wanted << ' ' << written;
        ++pairs;
      }
    }
  }
  EXPECT_GE(pairs, 500);
}

TEST(ShapeTableTest, LookAlikesAreWorkedOut) {
  for (const char* pair : {"赌睹", "赌堵", "博搏", "博膊", "贷货", "场汤", "枪抢", "候侯", "晴睛",
                           "拔拨", "喝渴", "辨辩", "请清", "微徽", "抡抢", "诈炸"}) {
    const std::u32string two = CodePoints(pair);
    EXPECT_TRUE(LookAlike(two[0], two[1])) << pair;
    EXPECT_TRUE(LookAlike(two[1], two[0])) << pair;
  }
  for (const char* pair : {"赌彩", "赌赌", "博票", "一龙", "人赢", "a4"}) {
    const std::u32string two = CodePoints(pair);
    EXPECT_FALSE(LookAlike(two[0], two[1])) << pair;
  }
}

struct Known {
  double alike = 0;
  double close = 0;  // of all
};

// How many pairs of a file of schoolbook pairs the table knows, of 1.
Known KnownPairs(const std::string& name) {
  std::ifstream in(std::string(WEIR_SOURCE_DIR) + "/tests/rules/data/look_alikes/" + name);
  int pairs = 0;
  int alike = 0;
  int close = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream columns(line);
    for (std::string pair; columns >> pair;) {
      const std::u32string two = CodePoints(pair);
      EXPECT_EQ(two.size(), 2U) << pair;
      ++pairs;
      alike += LookAlike(two[0], two[1]) ? 1 : 0;
      close += CloselyAlike(two[0], two[1]) ? 1 : 0;
    }
  }
  EXPECT_GE(pairs, 1000) << name;
  std::cout << name << ": " << alike << " of " << pairs << " pairs look alike, " << close
            << " closely\n";
  return {static_cast<double>(alike) / pairs, static_cast<double>(close) / pairs};
}

TEST(ShapeTableTest, SchoolbookPairsAreKnown) {
  for (const char* name : {"fitted.txt", "held_out.txt"}) {
    const Known known = KnownPairs(name);
    EXPECT_GE(known.alike, 0.92) << name;
    EXPECT_GE(known.close, 0.82) << name;
  }
}

// Look-alikes cost time: more are no gain in themselves.
TEST(ShapeTableTest, CharactersHaveFewLookAlikes) {
  size_t characters = 0;
  size_t all = 0;
  for (const Line& line : ReadTable("shape_splits.tsv")) {
    ++characters;
    all += LookAlikesOf(CodePoints(line.columns[0])[0]).size();
  }
  std::cout << static_cast<double>(all) / static_cast<double>(characters)
            << " look-alikes of a character that has parts\n";
  EXPECT_LE(all, 24 * characters);
}

TEST(ShapeTableTest, LookAlikesAreOrderedAndMutual) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    const auto others = LookAlikesOf(c);
    ASSERT_TRUE(std::ranges::is_sorted(others)) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(std::ranges::adjacent_find(others), others.end())
        << std::hex << static_cast<uint32_t>(c);
    for (const char16_t other : others) {
      ASSERT_TRUE(other != c && LookAlike(other, c)) << std::hex << static_cast<uint32_t>(c);
    }
  }
}

TEST(ShapeTableTest, SomeLookAlikesAreClose) {
  size_t close = 0;
  size_t all = 0;
  for (char32_t c = 0; c < 0x10000; ++c) {
    for (const char16_t other : LookAlikesOf(c)) {
      ASSERT_EQ(CloselyAlike(c, other), CloselyAlike(other, c))
          << std::hex << static_cast<uint32_t>(c);
      close += CloselyAlike(c, other) ? 1 : 0;
      ++all;
    }
    ASSERT_FALSE(CloselyAlike(c, c));
  }
  EXPECT_TRUE(CloselyAlike(U'赌', U'睹'));
  EXPECT_TRUE(CloselyAlike(U'人', U'入'));
  EXPECT_TRUE(LookAlike(U'任', U'位') && !CloselyAlike(U'任', U'位'));
  EXPECT_FALSE(CloselyAlike(U'赌', U'彩'));
  EXPECT_GT(close, all / 4);
  EXPECT_LT(close, all / 4 * 3);
}

TEST(ShapeTableTest, ElementsAreFinal) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    for (const char32_t element : ShapeElements(c)) {
      ASSERT_TRUE(ShapeElements(element).empty()) << std::hex << static_cast<uint32_t>(c);
    }
  }
}

TEST(ShapeTableTest, TheFirstFormIsTheCharactersOwn) {
  for (char32_t c = 0x4E00; c <= 0x9FA5; ++c) {
    ASSERT_EQ(ShapeFormsOf(c).front(), ElementsOf(std::u32string{c}));
  }
  EXPECT_EQ(ShapeFormsOf(U'a'), std::vector<std::u32string>{U"a"});
}

TEST(ShapeTableTest, EveryDisguiseIsAForm) {
  std::mt19937_64 random(Seed());

  std::map<char32_t, std::vector<std::u32string>> splits;
  std::map<char32_t, std::u32string> look_alikes;
  std::u32string characters = U"的一是了我";
  for (const Line& line : ReadTable("shape_splits.tsv")) {
    splits[CodePoints(line.columns[0])[0]].push_back(CodePoints(line.columns[1]));
  }
  for (const auto& [c, parts] : splits) characters += c;
  for (const Line& line : ReadTable("same_parts.tsv")) {
    for (const std::string& a : line.columns) {
      for (const std::string& b : line.columns) {
        if (a != b && IsFolded(CodePoints(b)[0])) look_alikes[CodePoints(a)[0]] += CodePoints(b);
      }
    }
  }
  // Parts may be parted again, as long as they are the first split; alternatives are of whole
  // characters.
  const auto part = [&](const auto& self, char32_t c) -> std::u32string {
    const auto found = splits.find(c);
    if (found == splits.end() || random() % 2 == 0) return {c};
    std::u32string text;
    for (const char32_t one : found->second[0]) text += self(self, one);
    return text;
  };
  for (int round = 0; round < 50000; ++round) {
    const char32_t c = characters[random() % characters.size()];
    std::u32string text;
    const auto look_alike = look_alikes.find(c);
    const auto split = splits.find(c);
    const uint64_t way = random() % 4;
    if (way == 0 && look_alike != look_alikes.end()) {
      text = look_alike->second[random() % look_alike->second.size()];
    } else if (way == 1 && split != splits.end()) {
      text = split->second[random() % split->second.size()];
    } else {
      text = part(part, c);
    }
    ASSERT_THAT(ShapeFormsOf(c), testing::Contains(ElementsOf(text)))
        << std::hex << static_cast<uint32_t>(c) << ' ' << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace weir::rules
