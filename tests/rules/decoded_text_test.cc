#include "rules/decoded_text.h"

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base64.h"
#include "tests/seed.h"

namespace weir::rules {
namespace {

DecodedChunk DecodeAll(std::string_view text) {
  DecodedText decoder;
  DecodedChunk chunk;
  decoder.Feed(text, chunk);
  decoder.Finish(chunk);
  return chunk;
}

std::string Percent(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X",
                  static_cast<unsigned>(static_cast<uint8_t>(c)));
    out += escaped;
  }
  return out;
}

struct Case {
  std::string text;
  std::string lane;
};

TEST(DecodedTextTest, Decodes) {
  const Case cases[] = {
      {"%E8%B5%8C博", "赌博"},
      {"%e8%b5%8c%E5%8D%9A", "赌博"},
      {"%u8D4C%u535A", "赌博"},
      {"%25E8%25B5%258C", "赌"},
      {"%2525E8%2525B5%25258C", "赌"},
      {"%252525E8%252525B5%2525258C", "赌"},
      {"q=%E8%B5%8C&x=1", "q=赌&x=1"},
      {"100%25", "100%"},
      {"赌&#21338;", "赌博"},
      {"&#x8d4c;&#X535A;", "赌博"},
      {"&#36172&#21338", "赌博"},
      {"&#0000036172;博", "赌博"},
      {"赌&nbsp;博", "赌\u00A0博"},
      {"赌&middot;博", "赌·博"},
      {"赌&ZeroWidthSpace;&rarr;博", "赌\u200B→博"},
      {"&ZeroWidthSpac;&ensps;&;&amp", "&ZeroWidthSpac;&ensps;&;&"},
      {"a &amp; b &lt;c&gt;", "a & b <c>"},
      {"赌&nbsp博 赌&shy博 &lt&amp", "赌\u00A0博 赌\u00AD博 <&"},
      {"c&aacute;sin&omicron; c&aacutesino", "cásinο cásino"},
      {R"(\u8d4c\u535a)", "赌博"},
      {R"(\\u8d4c)", "\\赌"},
      {R"(\u{8d4c}\U0000535a\x{8D4C})", "赌博赌"},
      {R"(\350\265\214博 \101\40)", "赌博 A\\40"},
      {"=E8=B5=8C=e5=8d=9a", "赌博"},
      {"=E8=\n=B5=8C=\r\n=E5=8D=9A", "赌博"},
      {"=?UTF-8?Q?=E8=B5=8C?= =?UTF-8?B?6LWM5Y2a?=", "=?UTF-8?Q?赌?= =?UTF-8?B?赌博?="},
      {R"(\xe8\xb5\x8c博)", "赌博"},
      {R"(\x41)", "A"},
      {R"(\ud83d\ude00)", "😀"},
      {"看5Zyo57q/6LWM5Zy6哦", "看在线赌场哦"},
      {"5Zyo57q_6LWM5Zy6", "在线赌场"},
      {"6LWM5Y2a", "赌博"},
      {"SGVsbG8gd29ybGQ=", "Hello world"},
      {"SGVsbG8gd29ybGQ。", "Hello world。"},
      {"SGVsbG8gd29ybGQ=!", "Hello world!"},
      {"base64,6LWM5Y2a", "base64,赌博"},
      {"https://a.b/c/6LWM5Y2a", "https://a.b/c/赌博"},
      {"6LWM5Y2azzzz", "赌博zzzz"},
      // A character of base64 need not begin with a group of four.
      {Base64("x赌博y网站", false, true), "x赌博y网站"},
      {Base64("ab赌博", true, false), "ab赌博"},
      // Two deep.
      {"&amp;#36172;", "赌"},
      {Percent(Base64("在线赌博", false, true)), "在线赌博"},
      {Base64(Percent("在线赌博"), false, true), "在线赌博"},
      {Base64(Base64("在线赌博", false, true), false, true), "在线赌博"},
      {R"(%5Cu8d4c)", "赌"},
      // And no deeper.
      {"&amp;amp;#36172;", "&#36172;"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(DecodeAll(test.text).text, test.lane) << test.text;
    EXPECT_NE(FindEncoded(test.text), std::string_view::npos) << test.text;
  }
}

TEST(DecodedTextTest, LeavesPlainTextAlone) {
  const std::string cases[] = {
      "",
      "今天天气不错，涨了5%，AT&T 与 C:\\temp\\new。",
      "100% of users & more",
      "%",
      "&",
      "\\",
      "%E8%B5",
      "%E8%B5博",
      "%C0%AF",
      "%ED%A0%80",
      "%F5%80%80%80",
      "%00%01%7F",
      "&#;",
      "&#x;",
      "&#0;",
      "&#xD800;",
      "&#1114112;",
      "&unknown;",
      "&am",
      "a=41 b=c3 =\nc3 ===",
      "=E8=B5 =E8=B5博 =E8=\n\n=B5=8C",
      R"(C:\10 \400\200 \350\265)",
      "&#00000000000036172;",
      R"(\u8d4)",
      R"(\ud83d)",
      R"(\ud83d\ud83d)",
      R"(\u{}\u{110000}\x{}\x{g})",
      R"(\U00110000)",
      R"(\xe8\xb5)",
      R"(\n\t)",
      "internationalization",
      "InternationalBusinessMachines",
      "0123456789012345678901234567890123456789",
      "6LWM",
      "SGVsbG8",
      "d41d8cd98f00b204e9800998ecf8427e",
      "550e8400-e29b-41d4-a716-446655440000",
      // Amid other letters the groups of four are out of step.
      "x6LWM5Y2a",
  };
  for (const std::string& text : cases) {
    const DecodedChunk chunk = DecodeAll(text);
    EXPECT_EQ(chunk.text, text);
    EXPECT_THAT(chunk.runs, testing::SizeIs(text.empty() ? 0 : 1)) << text;
  }
}

TEST(DecodedTextTest, MapsToTheSource) {
  const DecodedChunk chunk = DecodeAll("赌&#21338;网&amp;#x7AD9;。5Zyo57q/6LWM=");
  EXPECT_EQ(chunk.text, "赌博网站。在线赌=");
  const std::vector<DecodedRun> runs = {
      {0, 3, 0, 3, true},      {3, 6, 3, 11, false},    {6, 9, 11, 14, true},
      {9, 12, 14, 26, false},  {12, 15, 26, 29, true},  {15, 18, 29, 33, false},
      {18, 21, 33, 37, false}, {21, 24, 37, 41, false}, {24, 25, 41, 42, true},
  };
  EXPECT_EQ(chunk.runs, runs);
}

TEST(DecodedTextTest, MapsBase64OutOfStepAndItsPadding) {
  const DecodedChunk chunk = DecodeAll(Base64("a去去去", false, true));
  EXPECT_EQ(chunk.text, "a去去去");
  const std::vector<DecodedRun> runs = {{0, 1, 0, 2, false},
                                        {1, 4, 1, 6, false},
                                        {4, 7, 5, 10, false},
                                        {7, 10, 9, 14, false},
                                        {10, 10, 14, 16, false}};
  EXPECT_EQ(chunk.runs, runs);
}

// `base64`, a line end behind every `columns` letters.
std::string Folded(const std::string& base64, size_t columns, std::string_view line_end) {
  std::string folded;
  for (size_t at = 0; at < base64.size(); at += columns) {
    if (at > 0) folded += line_end;
    folded += base64.substr(at, columns);
  }
  return folded;
}

TEST(DecodedTextTest, Base64GoesOnInTheNextLine) {
  // Characters that end with a line, that lie across its end with any number of bytes, and one of
  // four bytes that begins with the last group.
  std::string plain;
  for (int i = 0; i < 30; ++i) plain += "在线赌博" + std::string(static_cast<size_t>(i % 4), 'x');
  for (const std::string& text :
       {plain, "x" + plain, "xy" + plain, std::string(54, 'x') + "🎲🎲" + plain}) {
    for (const size_t columns : {60U, 64U, 76U}) {
      for (const std::string_view line_end : {"\n", "\r\n"}) {
        const std::string folded = Folded(Base64(text, false, true), columns, line_end);
        EXPECT_EQ(DecodeAll(folded + "\n。").text, text + "\n。") << folded;
      }
    }
  }
}

TEST(DecodedTextTest, ALineEndEndsBase64WhereNothingGoesOn) {
  const std::string line = Base64("在线赌博在线赌博在线赌博在线赌博赌赌赌", false, true);
  ASSERT_EQ(line.size(), 76U);
  const std::string plain = "在线赌博在线赌博在线赌博在线赌博赌赌赌";
  EXPECT_EQ(DecodeAll(line + "\nGood morning").text, plain + "\nGood morning");
  EXPECT_EQ(DecodeAll(line + "\n\n" + line).text, plain + "\n\n" + plain);
  EXPECT_EQ(DecodeAll(line + "\r" + line).text, plain + "\r" + plain);
  // Too short to be folded: two texts.
  const std::string folded = Folded(Base64("在线赌博在线赌博赌博", false, true), 16, "\n");
  EXPECT_EQ(DecodeAll(folded).text, "在线赌博\n在线赌博\n赌博");
}

TEST(DecodedTextTest, MapsALineEndAmidBase64) {
  const std::string line = Base64("在线赌博在线赌博在线赌博在线赌博赌赌赌", false, true);
  const DecodedChunk chunk = DecodeAll(line + "\r\n" + line);
  const std::vector<DecodedRun> around(chunk.runs.begin() + 18, chunk.runs.begin() + 21);
  const std::vector<DecodedRun> expected = {
      {54, 57, 72, 76, false}, {57, 57, 76, 78, false}, {57, 60, 78, 82, false}};
  EXPECT_EQ(around, expected);
  // A character across it has it among its bytes.
  const DecodedChunk across =
      DecodeAll(Folded(Base64("x" + std::string(54, 'y') + "赌赌", false, true), 76, "\n"));
  EXPECT_EQ(across.runs[55], (DecodedRun{55, 58, 73, 79, false}));
}

// Text that is rich in what is encoded, nearly encoded and cut off.
std::string RandomText(std::mt19937_64& random) {
  const std::string pieces[] = {
      "赌",
      "博",
      "a",
      " ",
      "=",
      "/",
      "_",
      "-",
      "6LWM5Y2a",
      "5Zyo57q/6LWM5Zy6",
      "SGVsbG8gd29ybGQ=",
      "SGVs",
      "YeWOu+WOuw==",
      "%E8%B5%8C",
      "%E8%B5",
      "%",
      "%u8D4C",
      "&#21338;",
      "&#21338",
      "&#x535A;",
      "&amp;",
      "&am",
      "&",
      "#36172;",
      "\\u8d4c",
      "\\ud83d\\ude00",
      "\\ud83d",
      "\\x",
      "\\xe8\\xb5\\x8c",
      "\\",
      "\\u{8d4c}",
      "\\x{8d4c}",
      "\\350\\265\\214",
      "\\350",
      "=E8=B5=8C",
      "=E8=",
      "=\r\n",
      "\r",
      "%25",
      "%2525E8",
      "&nbsp",
      "5Zyo57q/6LWM5Zy65Zyo57q/6LWM5Zy65Zyo57q/6LWM5Zy65Zyo57q/6LWM5Zy65Zyo57q/6LWM",
      "eOWcqOe6v+i1jOWcuuWcqOe6v+i1jOWcuuWcqOe6v+i1jOWcuuWcqOe6v+i1jOWcuuWcqOe6v+i1",
      "0",
      "international",
      "JTJGJUU4JUI1JThD",
      "&#0000000000000000036172;",
      "\xE8",
      "\x8C",
      "\n",
      "这是一段普通的文字，用来越过向量比较的块。",
  };
  std::string text;
  const size_t count = random() % 24;
  for (size_t i = 0; i < count; ++i) {
    std::string piece = pieces[random() % std::size(pieces)];
    if (random() % 8 == 0) piece = Percent(piece);
    if (random() % 8 == 0) piece = Base64(piece, random() % 2 == 0, random() % 2 == 0);
    text += piece;
  }
  return text;
}

void ExpectCovers(const std::vector<DecodedRun>& runs, std::string_view text,
                  std::string_view lane) {
  uint64_t at = 0;
  uint64_t source = 0;
  for (const DecodedRun& run : runs) {
    ASSERT_EQ(run.text_start, at);
    ASSERT_LE(run.source_start, source);  // base64 characters share a letter
    ASSERT_LE(source, run.source_end);
    ASSERT_LT(run.source_start, run.source_end);
    at = run.text_end;
    source = run.source_end;
    if (run.same) {
      ASSERT_EQ(lane.substr(run.text_start, run.text_end - run.text_start),
                text.substr(run.source_start, run.source_end - run.source_start));
    }
  }
  ASSERT_EQ(at, lane.size());
  ASSERT_EQ(source, text.size());
}

// Runs as one per lane byte, so that chunk ends do not show.
std::vector<std::pair<uint64_t, uint64_t>> ByteMap(const std::vector<DecodedRun>& runs) {
  std::vector<std::pair<uint64_t, uint64_t>> map;
  for (const DecodedRun& run : runs) {
    for (uint64_t i = run.text_start; i < run.text_end; ++i) {
      const uint64_t same_at = run.source_start + (i - run.text_start);
      map.emplace_back(run.same ? same_at : run.source_start,
                       run.same ? same_at + 1 : run.source_end);
    }
  }
  return map;
}

TEST(DecodedTextTest, StreamEqualsWhole) {
  std::mt19937_64 random(Seed());
  for (int round = 0; round < 20000; ++round) {
    const std::string text = RandomText(random);
    const DecodedChunk whole = DecodeAll(text);
    ASSERT_NO_FATAL_FAILURE(ExpectCovers(whole.runs, text, whole.text)) << text;
    if (FindEncoded(text) == std::string_view::npos) {
      ASSERT_EQ(whole.text, text);
    }

    DecodedText decoder;
    DecodedChunk stream;
    const size_t piece_max = 1 + random() % 12;
    for (size_t at = 0; at < text.size();) {
      const size_t size = std::min<size_t>(text.size() - at, 1 + random() % piece_max);
      decoder.Feed(std::string_view(text).substr(at, size), stream);
      at += size;
      ASSERT_LE(decoder.decided(), at);
      ASSERT_LE(at - decoder.decided(), DecodedText::kHeldBytesMax);
      ASSERT_EQ(stream.text, whole.text.substr(0, stream.text.size())) << text;
    }
    decoder.Finish(stream);
    ASSERT_EQ(decoder.decided(), text.size());
    ASSERT_EQ(stream.text, whole.text) << text;
    ASSERT_EQ(ByteMap(stream.runs), ByteMap(whole.runs)) << text;
    ASSERT_NO_FATAL_FAILURE(ExpectCovers(stream.runs, text, stream.text)) << text;
    ASSERT_EQ(decoder.changed(), whole.text != text || whole.runs.size() > 1) << text;
  }
}

TEST(DecodedTextTest, HoldsNothingThatCannotBecomeACharacter) {
  DecodedText decoder;
  DecodedChunk chunk;
  const std::string_view pieces[] = {"你好，", "hello ", "50% 与 ", "AT&T.", "C:\\dir."};
  uint64_t fed = 0;
  for (const std::string_view piece : pieces) {
    decoder.Feed(piece, chunk);
    fed += piece.size();
    EXPECT_EQ(decoder.decided(), fed) << piece;
  }
  EXPECT_FALSE(decoder.changed());
}

TEST(DecodedTextTest, LongBase64IsDecodedAsItComes) {
  std::string plain;
  for (int i = 0; i < 20000; ++i) plain += "赌场x";
  const std::string encoded = Base64(plain, false, true);
  DecodedText decoder;
  DecodedChunk chunk;
  for (size_t at = 0; at < encoded.size(); at += 7) {
    decoder.Feed(std::string_view(encoded).substr(at, 7), chunk);
    ASSERT_LE(at - decoder.decided() + 7, DecodedText::kHeldBytesMax);
  }
  decoder.Finish(chunk);
  EXPECT_EQ(chunk.text, plain);
}

}  // namespace
}  // namespace weir::rules
