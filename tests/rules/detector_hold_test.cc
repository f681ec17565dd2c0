// The hold-back of detectors by its definition: of what a stream holds, some continuation makes a
// finding that begins there and another does not; of what it releases, none does. The continuations
// are the rests of what data/detectors says is found, parted in every way in which people part it
// and with every check digit.
#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "rules/detector.h"
#include "rules/scanner.h"
#include "rules/text_cursor.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

struct Samples {
  std::vector<std::string> texts;    // found in or not, with what stands around it
  std::vector<std::string> matches;  // as the detector finds them
};

Samples Read(Detector detector) {
  Samples samples;
  std::ifstream file(std::string(WEIR_SOURCE_DIR) + "/tests/rules/data/detectors/" +
                     std::string(Name(detector)) + ".tsv");
  const auto unescape = [](std::string text) {
    for (size_t at; (at = text.find("\\n")) != std::string::npos;) text.replace(at, 2, "\n");
    return text;
  };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    samples.texts.push_back(unescape(line.substr(line.rfind('\t') + 1)));
    if (!line.starts_with("hit")) continue;
    const size_t second = line.find('\t', 4) + 1;
    samples.matches.push_back(unescape(line.substr(second, line.find('\t', second) - second)));
  }
  if (detector == Detector::kCnIdCard) {
    // Dates for what is changed to go on with.
    for (const char* const date : {"19491130", "19000228", "19990110", "20000229", "19991231",
                                   "19991020", "20201001", "19991101", "19990331"}) {
      samples.matches.push_back("110105" + std::string(date) + "0020");
      samples.matches.push_back("110105" + std::string(date).substr(2) + "002");
    }
  }
  if (detector == Detector::kSecret) {
    const std::string random = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
    for (const char* const maker :
         {"sk-", "glpat-", "xoxb-", "xoxp-", "xoxa-", "github_pat_", "ghp_", "gho_", "ghu_", "ghs_",
          "ghr_", "hf_", "npm_", "sk_live_", "rk_live_", "AKLT"}) {
      samples.matches.push_back(maker + random);
    }
    samples.matches.push_back("AKID" + random.substr(0, 32));
    samples.matches.push_back("AIza" + random.substr(0, 35));
    samples.matches.push_back("ASIA0123456789ABCDEF");
  }
  return samples;
}

// The digits and letters of a text.
std::string Bare(std::string_view text) {
  std::string bare;
  TextCursor cursor({text, 0, true}, 0);
  for (Glyph glyph; cursor.Next(glyph);) {
    if (glyph.IsDigit()) bare += glyph.numeral.digits();
    if (glyph.IsLetter()) bare += glyph.ascii;
  }
  return bare;
}

bool IsNumber(Detector detector) {
  const std::set<Detector> others = {Detector::kEmail,  Detector::kIp,       Detector::kMacAddress,
                                     Detector::kSecret, Detector::kWechatId, Detector::kCnPlate};
  return !others.contains(detector);
}

// Ways in which numbers are parted: all of them, since what a form does not allow makes no finding.
constexpr std::string_view kWays[] = {
    "38",   "74",  "344",  "335",  "434",   "3224", "32222", "47", "48",    "444",  "39",   "3333",
    "3324", "345", "4444", "6A",   "44441", "6B",   "44442", "6C", "44443", "6D",   "465",  "2691",
    "666",  "8A",  "333",  "44",   "35",    "53",   "2222",  "A1", "33",    "34",   "2661", "334",
    "343",  "433", "663",  "6333", "228",   "4443", "2244",  "2A", "237",   "2334", "238",  "2B",
    "46",   "244", "336",  "3A",   "3433",  "346",  "6261",  "861"};

// `bare` from character `from` on, as it is, each parted from the next, and in each way.
void AddParted(const std::string& bare, size_t from, std::set<std::string>& rests) {
  const auto add = [&](const auto& parts_before) {
    std::string rest;
    for (size_t i = from; i < bare.size(); ++i) {
      if (i > 0 && (i > from || from > 0) && parts_before(i)) rest += ' ';
      rest += bare[i];
    }
    rests.insert(rest);
    // The separator may have come.
    if (rest.starts_with(' ')) rests.insert(rest.substr(1));
  };
  add([](size_t) { return false; });
  add([](size_t) { return true; });
  for (const std::string_view way : kWays) {
    std::set<size_t> begins;
    size_t sum = 0;
    for (const char size : way) {
      begins.insert(sum);
      sum += static_cast<size_t>(size <= '9' ? size - '0' : size - 'A' + 10);
    }
    if (sum == bare.size()) add([&](size_t i) { return begins.contains(i); });
  }
}

// What may follow `held` to make a match of it: the rests of matches, with every check digit.
std::set<std::string> Rests(Detector detector, const Samples& samples, std::string_view held) {
  std::set<std::string> rests = {""};
  if (!IsNumber(detector)) {
    for (const std::string& match : samples.matches) {
      for (size_t at = 0; at < match.size(); ++at) {
        if ((static_cast<unsigned char>(match[at]) & 0xC0U) != 0x80U)
          rests.insert(match.substr(at));
      }
    }
    return rests;
  }
  const size_t count = Bare(held).size();
  constexpr std::string_view kChecks = "0123456789ABCDEFGHJKLMNPQRTUWXY";
  for (const std::string& match : samples.matches) {
    std::string bare = Bare(match);
    if (bare.size() <= count) continue;
    const bool two = detector == Detector::kCnUscc && bare.size() > count + 1;
    for (const char last : kChecks) {
      bare.back() = last;
      if (!two) {
        AddParted(bare, count, rests);
        continue;
      }
      for (const char before : std::string_view("0123456789X")) {
        bare[bare.size() - 2] = before;
        AddParted(bare, count, rests);
      }
    }
  }
  return rests;
}

class DetectorHoldTest : public testing::TestWithParam<std::string_view> {
 protected:
  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  // A text of the data, cut short, at times with a character of it changed.
  std::string Text(const Samples& samples) {
    std::vector<std::string> characters = Characters(samples.texts[Below(samples.texts.size())]);
    characters.resize(1 + Below(characters.size()));
    static const std::vector<std::string> kOther = {
        "0", "1", "2", "3", "5", "6", "8", "9", " ", "-", "a", "x", "E", ".", "一", "⑪", "\u200b"};
    if (Below(2) == 0) characters[Below(characters.size())] = kOther[Below(kOther.size())];
    std::string text = Below(3) == 0 ? "的" : "";
    for (const std::string& c : characters) text += c;
    return text;
  }

  const uint64_t seed_ = Seed();
  std::mt19937_64 random_{seed_};
};

TEST_P(DetectorHoldTest, IsTheLeast) {
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed_));
  const Detector detector = *DetectorFromName(GetParam());
  const Samples samples = Read(detector);
  const auto rules = CompileRules({MakeRule(Detect(detector))});
  int held = 0;
  for (int round = 0; round < 120 && !testing::Test::HasFailure(); ++round) {
    const std::string text = Text(samples);
    StreamScan scan(*rules, Direction::kPrompt);
    std::vector<Finding> findings;
    ASSERT_TRUE(scan.Feed(text, findings).ok());
    const uint64_t releasable = scan.releasable();
    const std::set<std::string> rests = Rests(detector, samples, text.substr(releasable));
    const auto begins_before = [&](const Finding& finding) { return finding.start < releasable; };
    // Nothing that follows changes what begins in what is released.
    std::vector<std::string> endings = {"。", "a。", "1。", "@", "."};
    for (const std::string& rest : rests) {
      if (Below(rests.size()) < 40) endings.push_back(rest + "。");
    }
    const std::vector<Finding> decided = [&] {
      std::vector<Finding> whole = ScanWhole(*rules, text + endings.front());
      std::erase_if(whole, [&](const Finding& finding) { return !begins_before(finding); });
      return whole;
    }();
    for (const std::string& ending : endings) {
      std::vector<Finding> whole = ScanWhole(*rules, text + ending);
      std::erase_if(whole, [&](const Finding& finding) { return !begins_before(finding); });
      EXPECT_EQ(whole, decided) << "released " << releasable << " of " << text << " | " << ending;
    }
    if (releasable == text.size()) continue;
    ++held;
    // Something makes a finding that begins where it is held from.
    const bool needed = std::any_of(rests.begin(), rests.end(), [&](const std::string& rest) {
      for (const char* const behind : {"。", "\n", "", "1"}) {
        const std::vector<Finding> whole = ScanWhole(*rules, text + rest + behind);
        if (std::any_of(whole.begin(), whole.end(),
                        [&](const Finding& finding) { return finding.start == releasable; })) {
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(needed) << "held from " << releasable << ": " << text;
  }
  EXPECT_GT(held, 5);
}

INSTANTIATE_TEST_SUITE_P(All, DetectorHoldTest, testing::ValuesIn(DetectorNames()),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace weir::rules
