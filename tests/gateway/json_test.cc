#include "gateway/json.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "tests/seed.h"

namespace weir::gateway {
namespace {

using Type = JsonDocument::Type;
constexpr JsonDocument::Node kNone = JsonDocument::kNone;
constexpr std::string_view kKnown[] = {"messages", "model"};

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

struct Case {
  std::string verdict, name, document;
};

std::vector<Case> Cases() {
  std::ifstream file(std::string(WEIR_SOURCE_DIR) + "/tests/cases/json.txt");
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits('|', 2));
    cases.push_back({fields.at(0), fields.at(1), PercentDecode(fields.at(2))});
  }
  return cases;
}

bool SimdjsonAccepts(const std::string& document) {
  simdjson::dom::parser parser;
  return parser.parse(document).error() == simdjson::SUCCESS;
}

TEST(JsonTable, EveryCase) {
  const std::vector<Case> cases = Cases();
  ASSERT_GT(cases.size(), 100U);
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    const auto parsed = JsonDocument::Parse(test.document, JsonLimits{}, kKnown);
    const bool accept = test.verdict == "accept" || test.verdict == "wide";
    EXPECT_EQ(parsed.ok(), accept) << parsed.status();
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(parsed.status().message()), testing::HasSubstr(" at byte "));
    }
    // A UTF-8 byte order mark is the one thing that newer simdjson versions step over.
    if (test.verdict == "accept") {
      EXPECT_TRUE(SimdjsonAccepts(test.document));
    }
    if (test.verdict == "reject" && test.name != "byte order mark") {
      EXPECT_FALSE(SimdjsonAccepts(test.document));
    }
  }
}

// The same tree, value by value.
void ExpectSame(const JsonDocument& document, JsonDocument::Node node,
                simdjson::dom::element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::STRING:
      ASSERT_EQ(document.type(node), Type::kString);
      EXPECT_EQ(document.String(node), std::string_view(element.get_string()));
      return;
    case simdjson::dom::element_type::ARRAY: {
      ASSERT_EQ(document.type(node), Type::kArray);
      auto child = document.FirstChild(node);
      for (const simdjson::dom::element item : simdjson::dom::array(element)) {
        ASSERT_NE(child, kNone);
        ExpectSame(document, child, item);
        child = document.Next(child);
      }
      EXPECT_EQ(child, kNone);
      return;
    }
    case simdjson::dom::element_type::OBJECT: {
      ASSERT_EQ(document.type(node), Type::kObject);
      auto child = document.FirstChild(node);
      for (const auto field : simdjson::dom::object(element)) {
        ASSERT_NE(child, kNone);
        EXPECT_EQ(document.Key(child), field.key);
        ExpectSame(document, child, field.value);
        child = document.Next(child);
      }
      EXPECT_EQ(child, kNone);
      return;
    }
    case simdjson::dom::element_type::INT64:
      EXPECT_EQ(document.Integer(node), int64_t(element.get_int64()));
      return;
    case simdjson::dom::element_type::UINT64:
    case simdjson::dom::element_type::DOUBLE:
      EXPECT_EQ(document.type(node), Type::kNumber);
      return;
    case simdjson::dom::element_type::BOOL:
      EXPECT_EQ(document.type(node), bool(element.get_bool()) ? Type::kTrue : Type::kFalse);
      return;
    case simdjson::dom::element_type::NULL_VALUE:
      EXPECT_EQ(document.type(node), Type::kNull);
  }
}

// Reasons for which a document is refused that others accept.
bool IsOwnReason(const std::string& message) {
  for (const std::string_view reason :
       {"a second key", "a key that its object already has", "half of a surrogate pair",
        "an escaped NUL", "a number too large", "a number of more than", "nested deeper"}) {
    if (message.find(reason) != std::string_view::npos) return true;
  }
  return false;
}

bool HasHugeInteger(const JsonDocument& document) {
  for (JsonDocument::Node node = 0; node < document.size(); ++node) {
    if (document.type(node) == Type::kNumber && document.Bytes(node).size() > 18) return true;
  }
  return false;
}

TEST(JsonDifferential, MutatedDocumentsAsSimdjson) {
  std::mt19937_64 random(Seed());
  std::vector<std::string> seeds;
  for (const Case& test : Cases()) seeds.push_back(test.document);
  seeds.push_back(
      R"({"model":"m","messages":[{"role":"user","content":"\u7ebf\u4e0a 赌场 \"x\""}],)"
      R"("n":2,"temperature":0.5e1,"metadata":{"a":null,"b":[true,false,-1]}})");
  const std::string alphabet = "{}[]\",:\\u0019aeE+-. \n\t\x80\xE7tfn";
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    if (random() % 2 == 0) text = "{\"a\":[" + text + "," + seeds[random() % seeds.size()] + "]}";
    for (uint64_t i = random() % 4; i > 0 && !text.empty(); --i) {
      const size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1);
      }
    }
    const auto ours = JsonDocument::Parse(text, JsonLimits{}, kKnown);
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    const bool theirs = parser.parse(text).get(root) == simdjson::SUCCESS;
    if (ours.ok()) {
      ++accepted;
      ASSERT_TRUE(theirs || HasHugeInteger(*ours)) << text;
      if (theirs) ExpectSame(*ours, 0, root);
    } else {
      ASSERT_TRUE(!theirs || IsOwnReason(std::string(ours.status().message())))
          << ours.status() << "\n"
          << text;
    }
  }
  EXPECT_GT(accepted, 1000);
}

TEST(JsonDocument, PlacesAndNames) {
  const std::string text = R"({"a/b": {"~x": [10, "\u7ebf\"上"]}, "\u0063": null})";
  auto parsed = JsonDocument::Parse(text, JsonLimits{});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const JsonDocument document = *std::move(parsed);
  const auto list = document.Member(document.Member(0, "a/b"), "~x");
  const auto string = document.Next(document.FirstChild(list));
  EXPECT_EQ(document.String(string), "线\"上");
  EXPECT_EQ(document.Bytes(string), R"("\u7ebf\"上")");
  EXPECT_EQ(text.substr(document.Begin(string), document.Bytes(string).size()),
            document.Bytes(string));
  EXPECT_EQ(document.Pointer(string), "/a~1b/~0x/1");
  EXPECT_EQ(document.Pointer(0), "");
  EXPECT_EQ(document.Integer(document.FirstChild(list)), 10);
  const auto last = document.Member(0, "c");
  EXPECT_EQ(document.Key(last), "c");
  EXPECT_EQ(document.KeyBytes(last), R"("\u0063")");
  EXPECT_EQ(document.KeyBytes(string), "");
  EXPECT_EQ(document.Parent(last), 0U);
  EXPECT_EQ(document.Index(last), 1U);
  EXPECT_EQ(document.Next(last), kNone);
  EXPECT_EQ(document.Member(last, "c"), kNone);
  EXPECT_EQ(document.Member(kNone, "c"), kNone);
  EXPECT_EQ(document.size(), 6U);
}

TEST(JsonDocument, IntegersAreWholeNumbersOf64Bits) {
  const std::string text =
      "[9223372036854775807, -9223372036854775808, 9223372036854775808, 1.0, 1e2]";
  const auto document = JsonDocument::Parse(text, JsonLimits{});
  ASSERT_TRUE(document.ok());
  std::vector<std::optional<int64_t>> values;
  for (auto node = document->FirstChild(0); node != kNone; node = document->Next(node)) {
    values.push_back(document->Integer(node));
  }
  EXPECT_THAT(values,
              testing::ElementsAre(INT64_MAX, INT64_MIN, std::nullopt, std::nullopt, std::nullopt));
}

TEST(JsonDocument, LimitsAreExact) {
  const JsonLimits limits{.depth_max = 2, .nodes_max = 4, .number_bytes_max = 3};
  EXPECT_TRUE(JsonDocument::Parse("[[1,123]]", limits).ok());
  EXPECT_FALSE(JsonDocument::Parse("[[[]]]", limits).ok());
  EXPECT_TRUE(JsonDocument::Parse("[[],[],[]]", limits).ok());
  EXPECT_FALSE(JsonDocument::Parse("[1,2,3,4]", limits).ok());
  EXPECT_FALSE(JsonDocument::Parse("[1234]", limits).ok());
}

TEST(JsonDocument, ReadsAgainIntoTheSameMemory) {
  JsonDocument document;
  ASSERT_TRUE(document.Read(R"({"a":"\n","b":[1,2,3]})", JsonLimits{}).ok());
  ASSERT_FALSE(document.Read(R"({"a":)", JsonLimits{}).ok());
  EXPECT_EQ(document.size(), 0U);
  ASSERT_TRUE(document.Read(R"(["\t"])", JsonLimits{}).ok());
  EXPECT_EQ(document.size(), 2U);
  EXPECT_EQ(document.String(1), "\t");
}

TEST(JsonDocument, ManyKeysAndValuesCostNoMoreThanTheirNumber) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&text, i > 0 ? "," : "", "\"k", i, "\":1");
  text += "}";
  const auto document = JsonDocument::Parse(text, JsonLimits{});
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->Pointer(100'000), "/k99999");
  text.back() = ',';
  text += "\"k50000\":1}";
  EXPECT_FALSE(JsonDocument::Parse(text, JsonLimits{}).ok());
}

TEST(JsonText, StringsSurviveARoundTrip) {
  std::mt19937_64 random(Seed());
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (uint64_t i = random() % 40; i > 0; --i) {
      constexpr std::string_view kPieces[] = {"\"",   "\\", "/",  "\n", "\x01",
                                              "\x1F", "a",  "线", "😀",  "\x7F"};
      text += kPieces[random() % std::size(kPieces)];
    }
    std::string json;
    AppendJsonString(json, text);
    const auto document = JsonDocument::Parse(json, JsonLimits{});
    ASSERT_TRUE(document.ok()) << document.status() << json;
    ASSERT_EQ(document->String(0), text);
  }
}

TEST(JsonText, Splices) {
  EXPECT_EQ(ApplySplices("0123456789", {{{0, 1, "a"}, {3, 3, "b"}, {8, 10, ""}}}), "a12b34567");
  EXPECT_EQ(ApplySplices("same", {}), "same");
}

std::string DecodeText(const std::vector<std::string_view>& pieces) {
  JsonTextDecoder decoder;
  std::string text;
  for (const std::string_view piece : pieces) decoder.Feed(piece, text);
  decoder.Finish(text);
  return text;
}

TEST(JsonTextDecoder, UndoesEscapesInsideStringsOnly) {
  EXPECT_EQ(DecodeText({R"({"q":"\u7ebf\u4E0a\ud83d\ude00\n\"\\"})"}), "{\"q\":\"线上😀\n\"\\\"}");
  EXPECT_EQ(DecodeText({R"(\u7ebf "\u7ebf")"}), R"(\u7ebf "线")");
  EXPECT_EQ(DecodeText({R"("\x\u12)"}), R"("\x\u12)");
  EXPECT_EQ(DecodeText({R"("\ud800a\udc00\ud83d\u0041")"}), R"("\ud800a\udc00\ud83dA")");
  EXPECT_EQ(DecodeText({R"("\ud83d)"}), R"("\ud83d)");
  EXPECT_EQ(DecodeText({"no JSON, \xE7\xBA\xBF"}), "no JSON, 线");
}

TEST(JsonTextDecoder, EveryCutGivesTheSameTextAndExactOffsets) {
  const std::string raw =
      R"({"a":"\u7ebf\u4e0a\\\ud83d\ude00x\"","b\n":[1,"\ud800\q"],"c":"\u00"})";
  const std::string whole = DecodeText({raw});
  for (size_t first = 0; first <= raw.size(); ++first) {
    for (size_t second = first; second <= raw.size(); ++second) {
      JsonTextDecoder decoder;
      std::string text;
      std::string again;
      uint64_t mapped = 0;
      // What RawOffset calls final decodes by itself to the text up to there.
      const auto check = [&] {
        const uint64_t raw_end = decoder.RawOffset(text.size());
        ASSERT_GE(raw_end, mapped);
        mapped = raw_end;
        ASSERT_EQ(DecodeText({std::string_view(raw).substr(0, raw_end)}), text);
      };
      decoder.Feed(std::string_view(raw).substr(0, first), text);
      check();
      decoder.Feed(std::string_view(raw).substr(first, second - first), text);
      check();
      decoder.Feed(std::string_view(raw).substr(second), text);
      decoder.Finish(text);
      ASSERT_EQ(text, whole) << first << " " << second;
      ASSERT_EQ(decoder.RawOffset(text.size()), raw.size());
    }
  }
}

TEST(JsonTextDecoder, KnowsWhereTheDocumentEnds) {
  const auto complete = [](std::string_view raw) {
    JsonTextDecoder decoder;
    std::string text;
    decoder.Feed(raw, text);
    return decoder.complete();
  };
  EXPECT_TRUE(complete(R"({"a":["}]"]})"));
  EXPECT_TRUE(complete("[1] \n"));
  EXPECT_FALSE(complete(R"({"a":["}]"])"));
  EXPECT_FALSE(complete("text {}"));
  EXPECT_FALSE(complete(""));
}

TEST(JsonTextWriter, MaskedTextStaysJson) {
  struct {
    std::string before, masked, after, expected;
  } const cases[] = {
      {R"({"phone":")", "13812345678", R"("})", R"({"phone":"[X]"})"},
      {R"({"phone":)", "13812345678", "}", R"({"phone":99999999999})"},
      {R"(["a)", R"(b","c)", R"(d"])", R"(["a[X]","d"])"},
      {R"({"k)", R"(\u7ebf\"":"\u4e0a)", R"("})", R"({"k[X]":""})"},
      {"[1", "2.5, 3", "4]", "[19.9, 94]"},
      {"free 线", "上赌", "场", "free 线[X]场"},
  };
  for (const auto& test : cases) {
    JsonTextWriter writer;
    std::string out;
    writer.Keep(test.before, out);
    writer.Replace(test.masked, "[X]", out);
    writer.Keep(test.after, out);
    EXPECT_EQ(out, test.expected);
  }
  JsonTextWriter writer;
  std::string out;
  writer.Keep("\"", out);
  writer.Replace("a", "\"\\\n", out);
  EXPECT_EQ(out, R"("\"\\\n)");
}

}  // namespace
}  // namespace weir::gateway
