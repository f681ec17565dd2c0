// A lane must not depend on what the processor can do, nor on where its text was cut: the text, the
// way back and what was dropped are held against those of the loops that every processor runs.
#include "rules/lane_text.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rules/cpu.h"
#include "tests/seed.h"

namespace weir::rules {
namespace {

// Texts of runs: what lanes copy, drop, replace, collapse, let grow or break at.
class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  std::string Text(size_t runs) {
    // The last of them: U+0080 in three bytes, a surrogate, and a character that ends too soon.
    static const std::vector<std::string> pieces = {"，",
                                                    "。",
                                                    "！",
                                                    " ",
                                                    "\n",
                                                    "…",
                                                    "\u3000",
                                                    "\u200B",
                                                    "a",
                                                    "A",
                                                    "ss",
                                                    "1",
                                                    "00",
                                                    "@",
                                                    "$",
                                                    "#",
                                                    "ａ",
                                                    "１",
                                                    "①",
                                                    "㈠",
                                                    "一",
                                                    "叁",
                                                    "賭",
                                                    "說",
                                                    "かな",
                                                    "한글",
                                                    "é",
                                                    "е",
                                                    "ﬃ",
                                                    "㎏",
                                                    "ﷺ",
                                                    "½",
                                                    "№",
                                                    "€",
                                                    "￥",
                                                    "ͦ",
                                                    "\U0001F600",
                                                    "\U00020000",
                                                    "哈",
                                                    "\x01",
                                                    "\xFF",
                                                    "\xE0\x82\x80",
                                                    "\xE0\x80\x80",
                                                    "\xED\xA0\x80",
                                                    "\xE5\x93"};
    std::string text;
    while (runs-- > 0) {
      const size_t kind = random_() % 8;
      const size_t length = random_() % 16 == 0 ? 60 + random_() % 140 : random_() % 12;
      const std::string& piece = pieces[random_() % pieces.size()];
      for (size_t i = 0; i < length; ++i) {
        if (kind < 4) {
          AppendUtf8(static_cast<char32_t>(0x4E00 + random_() % 0x5200), text);
        } else if (kind == 4) {
          AppendUtf8(static_cast<char32_t>(0x800 + random_() % 0xF800), text);
        } else if (kind == 5) {
          text += pieces[random_() % pieces.size()];
        } else {
          text += piece;
        }
      }
      if (kind < 4) text += piece;
      if (random_() % 4 == 0 && text.size() >= 3) text += text.substr(text.size() - 3);
    }
    return text;
  }

  uint64_t Next() { return random_(); }

 private:
  std::mt19937_64 random_;
};

constexpr std::pair<Lane, Reading> kLanes[] = {{Lane::kFold, Reading::kFold},
                                               {Lane::kSkeleton, Reading::kFold},
                                               {Lane::kSkeleton, Reading::kNumerals},
                                               {Lane::kSkeleton, Reading::kLeet}};

// Appends `text` in a buffer of just its size, so that reading behind it shows.
void Append(std::string_view text, uint64_t origin, LaneText& lane) {
  const auto exact = std::make_unique_for_overwrite<char[]>(text.size());
  if (!text.empty()) std::memcpy(exact.get(), text.data(), text.size());
  lane.Append({exact.get(), text.size()}, origin);
}

void AppendPlainly(std::string_view text, uint64_t origin, LaneText& lane) {
  const bool had = has_avx2;
  has_avx2 = false;
  Append(text, origin, lane);
  has_avx2 = had;
}

void ExpectSame(const LaneText& lane, const LaneText& plain) {
  ASSERT_EQ(lane.From(lane.begin()), plain.From(plain.begin()));
  EXPECT_TRUE(lane.ReadsOnLike(plain));
  EXPECT_TRUE(std::equal(lane.repeated().begin(), lane.repeated().end(), plain.repeated().begin(),
                         plain.repeated().end()));
  LaneText::Ascent ascent(lane);
  for (uint64_t at = lane.begin(); at < lane.end(); ++at) {
    ASSERT_EQ(lane.Origin(at), plain.Origin(at)) << at;
    // What is dropped shows where the map has a step, even one that leads where the last one led.
    ASSERT_EQ(lane.DropsBetween(at, at + 1), plain.DropsBetween(at, at + 1)) << at;
    ascent.Seek(at);
    ASSERT_EQ(ascent.Origin(at), plain.Origin(at)) << at;
    ASSERT_EQ(ascent.DropsBefore(at + 1), plain.DropsBetween(at, at + 1)) << at;
  }
}

std::string Describe(Lane lane, Reading reading, const std::string& text) {
  return "lane " + std::to_string(static_cast<int>(lane)) + " reading " +
         std::to_string(static_cast<int>(reading)) + " of " + text;
}

void ExpectSameInBothWays(Lane lane, Reading reading, const std::string& text, uint64_t origin) {
  SCOPED_TRACE(Describe(lane, reading, text));
  LaneText way(lane, reading);
  LaneText plain(lane, reading);
  Append(text, origin, way);
  AppendPlainly(text, origin, plain);
  ExpectSame(way, plain);
}

TEST(LaneTextTest, IsTheSameOnEveryProcessor) {
  Maker maker(Seed());
  for (int round = 0; round < 200; ++round) {
    const std::string text = maker.Text(1 + maker.Next() % 60);
    const uint64_t origin = maker.Next() % 1000;
    for (const auto& [lane, reading] : kLanes) {
      ExpectSameInBothWays(lane, reading, text, origin);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(LaneTextTest, IsTheSameWithEveryCut) {
  Maker maker(Seed());
  for (int round = 0; round < 6; ++round) {
    const std::string text = maker.Text(20);
    for (const auto& [lane, reading] : kLanes) {
      SCOPED_TRACE(Describe(lane, reading, text));
      LaneText plain(lane, reading);
      AppendPlainly(text, 0, plain);
      LaneText cut(lane, reading);
      for (size_t at = 0; at <= text.size(); ++at) {
        const std::string_view first = std::string_view(text).substr(0, at);
        if (Utf8Prefix(first) != at) continue;
        cut.Clear();
        Append(first, 0, cut);
        Append(std::string_view(text).substr(at), at, cut);
        ExpectSame(cut, plain);
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(LaneTextTest, WhatIsNotUtf8BreaksEveryLane) {
  // Overlong, a surrogate, cut short: each byte a break, in front of little text and of much.
  for (const std::string bytes : {"\xE0\x80\x80", "\xE0\x82\x80", "\xED\xA0\x80", "\xE4\xB8\xFF"}) {
    for (const std::string behind : {"", "中文", "中文字天地人日月山水火木金土石"}) {
      for (const auto& [lane, reading] : kLanes) {
        LaneText way(lane, reading);
        Append("大" + bytes + behind, 0, way);
        EXPECT_EQ(way.From(0), "大\xFF\xFF\xFF" + behind);
      }
    }
  }
}

TEST(LaneTextTest, GoesOnBehindAnyNumberOfCharacters) {
  std::vector<std::string> alone = {"，", "，，", "a", "1", "\n", "說", "ﬃ", "\xFF", "一", "©，a"};
  // The lane grows, and is brought back to where it was by what it drops.
  for (std::string grows = "ﷺ"; grows.size() < 40; grows += "，") alone.push_back(grows);
  for (const std::string& piece : alone) {
    for (size_t before = 0; before < 40; ++before) {
      std::string text;
      for (size_t i = 0; i < before; ++i) AppendUtf8(static_cast<char32_t>(0x4E2D + i * 3), text);
      text += piece;
      for (char32_t i = 0; i < 40; ++i) AppendUtf8(0x5B57 + i * 2, text);
      for (const auto& [lane, reading] : kLanes) {
        ExpectSameInBothWays(lane, reading, text, 0);
      }
    }
  }
}

}  // namespace
}  // namespace weir::rules
