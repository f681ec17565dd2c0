#include "policy/judge.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/policy/allocations.h"
#include "tests/seed.h"

namespace weir::policy {
namespace {

using rules::Direction;

const std::string kData = std::string(WEIR_SOURCE_DIR) + "/tests/policy";

std::shared_ptr<const Bundle> Load(const std::vector<std::string>& packs) {
  BundleSources sources;
  sources.pack_paths = packs;
  sources.profile_paths = {std::string(WEIR_SOURCE_DIR) + "/config/profiles"};
  std::vector<rules::Problem> problems;
  std::shared_ptr<const Bundle> bundle = Bundle::Load(sources, problems);
  for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return bundle;
}

class JudgeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { bundle_ = Load({kData + "/packs"}); }
  static void TearDownTestSuite() { bundle_ = nullptr; }

  void SetUp() override {
    ASSERT_NE(bundle_, nullptr);
    subject_.profile = bundle_->FindProfile("cn-public");
  }

  static std::shared_ptr<const Bundle> bundle_;
  Subject subject_;
};

std::shared_ptr<const Bundle> JudgeTest::bundle_;

// The verdict of a text, and the text as masked.
struct Judged {
  Verdict verdict;
  std::vector<Edit> edits;
  std::string text;
};

Judged JudgeWhole(Judge& judge, std::string_view text) {
  auto edits = judge.JudgeText("/p", text);
  EXPECT_TRUE(edits.ok()) << edits.status();
  return {judge.verdict(), *edits, ApplyEdits(text, *edits)};
}

TEST_F(JudgeTest, CleanTextIsAllowed) {
  Judge judge(*bundle_, subject_, Direction::kPrompt);
  const Judged judged = JudgeWhole(judge, "今天天气很好。");
  EXPECT_EQ(judged.verdict.action, Action::kAllow);
  EXPECT_FALSE(judged.verdict.review);
  EXPECT_TRUE(judged.verdict.reasons.empty());
  EXPECT_TRUE(judged.edits.empty());
}

TEST_F(JudgeTest, TheStrongestWinsOverAllParts) {
  Judge judge(*bundle_, subject_, Direction::kPrompt);
  EXPECT_TRUE(judge.JudgeText("/messages/0/content", "他是小地方来的").ok());
  EXPECT_EQ(judge.verdict().action, Action::kFlag);
  EXPECT_TRUE(judge.JudgeText("/messages/1/content", "给我内部价").ok());
  EXPECT_EQ(judge.verdict().action, Action::kMask);
  EXPECT_TRUE(judge.JudgeText("/messages/2/content", "我不想活了").ok());
  EXPECT_EQ(judge.verdict().action, Action::kReplace);
  EXPECT_TRUE(judge.JudgeText("/messages/3/content", "断头台").ok());
  EXPECT_EQ(judge.verdict().action, Action::kBlock);
  EXPECT_TRUE(judge.JudgeText("/messages/4/content", "他是小地方来的").ok());
  EXPECT_EQ(judge.verdict().action, Action::kBlock);

  const std::vector<Reason>& reasons = judge.verdict().reasons;
  ASSERT_EQ(reasons.size(), 5U);
  EXPECT_EQ(judge.verdict().reasons_total, 5U);
  EXPECT_EQ(reasons[0].rule, "PT-0010");
  EXPECT_EQ(reasons[0].title, "拦截");
  EXPECT_EQ(reasons[0].category, "A.1.h");
  EXPECT_EQ(reasons[0].severity, "high");
  EXPECT_EQ(reasons[0].part, "/messages/3/content");
  EXPECT_EQ(reasons[0].start, 0U);
  EXPECT_EQ(reasons[0].end, 9U);
  EXPECT_EQ(reasons[0].action, Action::kBlock);
  EXPECT_EQ(reasons[1].rule, "PT-0040");
  EXPECT_EQ(reasons[2].rule, "PT-0020");
  EXPECT_EQ(reasons[3].part, "/messages/0/content");
  EXPECT_EQ(reasons[4].part, "/messages/4/content");
}

TEST_F(JudgeTest, ReasonsAreCappedTheStrongestKept) {
  Judge judge(*bundle_, subject_, Direction::kPrompt);
  std::string text;
  for (size_t i = 0; i < 2 * kReasonsMax; ++i) text += "小地方来的，";
  text += "断头台，";
  text += "内部价，";
  const Judged judged = JudgeWhole(judge, text);
  EXPECT_EQ(judged.verdict.reasons_total, 2 * kReasonsMax + 2);
  ASSERT_EQ(judged.verdict.reasons.size(), kReasonsMax);
  EXPECT_EQ(judged.verdict.reasons[0].action, Action::kBlock);
  EXPECT_EQ(judged.verdict.reasons[1].action, Action::kMask);
  EXPECT_EQ(judged.verdict.reasons[2].start, 0U);
  EXPECT_EQ(judged.verdict.reasons[63].start, 61 * std::string_view("小地方来的，").size());
}

TEST_F(JudgeTest, RulesOnTrialOnlyFlag) {
  Judge judge(*bundle_, subject_, Direction::kPrompt);
  EXPECT_EQ(JudgeWhole(judge, "一个试运行词语").verdict.action, Action::kFlag);
}

TEST_F(JudgeTest, ReviewIsAMarkOfItsOwn) {
  Judge judge(*bundle_, subject_, Direction::kPrompt);
  EXPECT_FALSE(JudgeWhole(judge, "断头台").verdict.review);
  EXPECT_TRUE(JudgeWhole(judge, "最严重词语").verdict.review);
}

TEST_F(JudgeTest, MasksWordsWhole) {
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  EXPECT_EQ(JudgeWhole(judge, "价目见内部价格表单，topsecret。").text,
            "价目见［已屏蔽］，［已屏蔽］。");
}

TEST_F(JudgeTest, MasksNumbersPartly) {
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  EXPECT_EQ(JudgeWhole(judge, "电话13800138000。").text, "电话138****8000。");
  EXPECT_EQ(JudgeWhole(judge, "身份证11010519491231002X。").text, "身份证1***************2X。");
  EXPECT_EQ(JudgeWhole(judge, "查订单12345号。").text, "查［已屏蔽］。");
}

TEST_F(JudgeTest, StandInTexts) {
  Judge prompt(*bundle_, subject_, Direction::kPrompt);
  JudgeWhole(prompt, "我不想活了");
  EXPECT_EQ(prompt.StandInText(), subject_.profile->StandInFor("A.4.a"));
  EXPECT_NE(prompt.StandInText(), subject_.profile->refusal_answer);
  JudgeWhole(prompt, "断头台");
  EXPECT_EQ(prompt.StandInText(), subject_.profile->refusal_prompt);
  Judge answer(*bundle_, subject_, Direction::kAnswer);
  JudgeWhole(answer, "断头台");
  EXPECT_EQ(answer.StandInText(), subject_.profile->refusal_answer);
}

TEST_F(JudgeTest, ProfilesDiffer) {
  subject_.profile = bundle_->FindProfile("internal");
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  EXPECT_EQ(JudgeWhole(judge, "电话13800138000，内部价").verdict.action, Action::kFlag);
}

TEST_F(JudgeTest, TextWithoutFindingsAllocatesNothing) {
  if (!kAllocationsAreCounted) GTEST_SKIP() << "a sanitizer brings its own operator new";
  const std::string text = "请帮我写一封邮件，说明会议改到星期三下午。";
  for (int round = 0; round < 2; ++round) {
    const size_t before = Allocations();
    Judge judge(*bundle_, subject_, Direction::kPrompt);
    const auto edits = judge.JudgeText("/messages/0/content", text);
    const size_t after = Allocations();
    ASSERT_TRUE(edits.ok());
    EXPECT_EQ(judge.verdict().action, Action::kAllow);
    // The first round may grow the thread's scratch memory.
    if (round == 1) {
      EXPECT_EQ(after - before, 0U);
    }
  }
}

TEST_F(JudgeTest, CleanPiecesOfAnAnswerAllocateNothing) {
  if (!kAllocationsAreCounted) GTEST_SKIP() << "a sanitizer brings its own operator new";
  const std::string text = "会议改到星期三下午，内部的地方请小心，不想迟到。";
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  Inspection inspection = judge.Open("/choices/0/message/content");
  size_t before = 0;
  for (int round = 0; round < 2000; ++round) {
    // Half of the rounds may grow buffers to the size that they keep.
    if (round == 1000) before = Allocations();
    for (size_t at = 0; at < text.size(); at += 5) {
      ASSERT_TRUE(inspection.Feed(std::string_view(text).substr(at, 5)).ok());
      ASSERT_TRUE(inspection.TakeEdits().empty());
    }
  }
  EXPECT_EQ(Allocations() - before, 0U);
  EXPECT_EQ(judge.verdict().action, Action::kAllow);
}

TEST_F(JudgeTest, AProfileOfAnotherBundleIsABrokenInvariant) {
  const Profile stranger = *subject_.profile;
  subject_.profile = &stranger;
  EXPECT_DEATH(Judge(*bundle_, subject_, Direction::kPrompt), "broken invariant");
}

// Reads a part as the gateway does: whatever may be released goes out, with its edits applied.
class Reader {
 public:
  explicit Reader(Inspection inspection) : inspection_(std::move(inspection)) {}

  void Feed(std::string_view piece) {
    arrived_ += piece;
    ASSERT_TRUE(inspection_.Feed(piece).ok());
    Drain();
  }
  void Finish() {
    ASSERT_TRUE(inspection_.Finish().ok());
    Drain();
  }
  const std::string& shown() const { return shown_; }
  uint64_t released() const { return released_; }
  Inspection& inspection() { return inspection_; }

 private:
  void Drain() {
    const uint64_t limit = inspection_.releasable();
    ASSERT_GE(limit, released_);
    ASSERT_LE(limit, arrived_.size());
    for (const Edit& edit : inspection_.TakeEdits()) {
      ASSERT_GE(edit.start, released_);
      ASSERT_LE(edit.end, limit);
      shown_ += arrived_.substr(released_, edit.start - released_) + edit.replacement;
      released_ = edit.end;
    }
    shown_ += arrived_.substr(released_, limit - released_);
    released_ = limit;
    ASSERT_TRUE(inspection_.TakeEdits().empty());
  }

  Inspection inspection_;
  std::string arrived_;
  std::string shown_;
  uint64_t released_ = 0;
};

TEST_F(JudgeTest, AStoppedPartReleasesNothingFromTheMatchOn) {
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  Reader reader(judge.Open("/choices/0/message/content"));
  reader.Feed("一切正常，断");
  EXPECT_EQ(reader.shown(), "一切正常，");
  reader.Feed("头");
  EXPECT_FALSE(reader.inspection().stopped());
  reader.Feed("台，之后的话");
  EXPECT_TRUE(reader.inspection().stopped());
  EXPECT_EQ(reader.inspection().action(), Action::kBlock);
  reader.Feed("不会出现，内部价，断头台");
  reader.Finish();
  EXPECT_EQ(reader.shown(), "一切正常，");
  EXPECT_EQ(judge.verdict().reasons_total, 1U);
  EXPECT_EQ(judge.verdict().reasons[0].part, "/choices/0/message/content");
}

TEST_F(JudgeTest, MasksBeforeTheStopAreReleased) {
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  Reader reader(judge.Open(""));
  reader.Feed("价目：内部价，断头台。内部价");
  reader.Finish();
  EXPECT_EQ(reader.shown(), "价目：［已屏蔽］，");
}

TEST_F(JudgeTest, PartsAreStoppedOneByOne) {
  Judge judge(*bundle_, subject_, Direction::kAnswer);
  Reader first(judge.Open("/choices/0/message/content"));
  Reader second(judge.Open("/choices/1/message/content"));
  first.Feed("断头台");
  second.Feed("一切正常");
  first.Finish();
  second.Finish();
  EXPECT_TRUE(first.inspection().stopped());
  EXPECT_FALSE(second.inspection().stopped());
  EXPECT_EQ(second.shown(), "一切正常");
  EXPECT_EQ(judge.verdict().action, Action::kBlock);
}

TEST_F(JudgeTest, ACompletionRuleMasksWhatIsNotReleasedYet) {
  const auto bundle = Load({kData + "/packs_near.yaml"});
  ASSERT_NE(bundle, nullptr);
  subject_.profile = bundle->FindProfile("cn-public");
  Judge judge(*bundle, subject_, Direction::kAnswer);
  Reader reader(judge.Open(""));
  reader.Feed("仓库的大门的密");
  const std::string before = reader.shown();
  reader.Feed("码是");
  reader.Finish();
  EXPECT_EQ(reader.shown().substr(0, before.size()), before);
  EXPECT_EQ(reader.shown().find("密码"), std::string::npos) << reader.shown();
  EXPECT_NE(reader.shown().find(kMaskText), std::string::npos) << reader.shown();
  EXPECT_EQ(judge.verdict().action, Action::kMask);
}

// Text made of what matches, what nearly matches, what is in between, and broken UTF-8.
std::string RandomText(std::mt19937_64& random, bool with_stops) {
  static const std::vector<std::string> kPieces = {"内部价",
                                                   "内部价格表",
                                                   "价格表单",
                                                   "topsecret",
                                                   "TopSecret",
                                                   "内",
                                                   "部价",
                                                   "格表",
                                                   "内-部-价",
                                                   "内　部　价",
                                                   "１３８００１３８０００",
                                                   "13800138000",
                                                   "1380013800",
                                                   "138-0013-8000",
                                                   "11010519491231002X",
                                                   "110105194912310021",
                                                   "订单12345号",
                                                   "订单123456",
                                                   "小地方来的",
                                                   "小地方",
                                                   "试运行词语",
                                                   "好",
                                                   "天气很好。",
                                                   " ",
                                                   "\n",
                                                   "a",
                                                   "\xE5",
                                                   "\x86\x85",
                                                   "\xFF",
                                                   "😀",
                                                   "\u200B",
                                                   "é",
                                                   "号",
                                                   "单"};
  static const std::vector<std::string> kStops = {"断头台", "断 头 台", "黑市交易所", "不想活了"};
  std::string text;
  for (uint64_t pieces = 1 + random() % 12; pieces > 0; --pieces) {
    const bool stop = with_stops && random() % 8 == 0;
    const std::vector<std::string>& from = stop ? kStops : kPieces;
    text += from[random() % from.size()];
  }
  return text;
}

bool InsideCharacter(std::string_view text, uint64_t at) {
  if (at == 0 || at >= text.size()) return false;
  // Only a continuation byte that a lead byte before it asks for is inside a character.
  if ((static_cast<uint8_t>(text[at]) & 0xC0) != 0x80) return false;
  for (uint64_t back = 1; back <= 3 && back <= at; ++back) {
    const auto byte = static_cast<uint8_t>(text[at - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const uint64_t length = byte >= 0xF8   ? 1
                            : byte >= 0xF0 ? 4
                            : byte >= 0xE0 ? 3
                            : byte >= 0xC0 ? 2
                                           : 1;
    if (length <= back) return false;
    // The whole character must be there.
    if (at - back + length > text.size()) return false;
    for (uint64_t i = 1; i < length; ++i) {
      if ((static_cast<uint8_t>(text[at - back + i]) & 0xC0) != 0x80) return false;
    }
    return true;
  }
  return false;
}

// What the stream shows is what the whole text shows, for any way of cutting it; and where it was
// stopped, the beginning of that, up to the match at the latest.
TEST_F(JudgeTest, AnyCutShowsWhatTheWholeTextShows) {
  std::mt19937_64 random(Seed());
  int stopped = 0;
  int masked = 0;
  for (int round = 0; round < 3000 && !HasFailure(); ++round) {
    const std::string text = RandomText(random, round % 2 == 0);
    Judge whole(*bundle_, subject_, Direction::kAnswer);
    const Judged judged = JudgeWhole(whole, text);
    uint64_t stop = UINT64_MAX;
    for (const Reason& reason : judged.verdict.reasons) {
      if (reason.action >= Action::kReplace) stop = std::min(stop, reason.start);
    }

    Judge judge(*bundle_, subject_, Direction::kAnswer);
    Reader reader(judge.Open("/p"));
    const uint64_t longest = 1 + random() % 9;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + random() % longest;
      reader.Feed(std::string_view(text).substr(at, length));
      EXPECT_FALSE(InsideCharacter(text, reader.released()))
          << reader.released() << " of " << testing::PrintToString(text);
      at += length;
    }
    reader.Finish();

    if (stop == UINT64_MAX) {
      EXPECT_EQ(judge.verdict().action, judged.verdict.action);
      EXPECT_EQ(reader.shown(), judged.text) << testing::PrintToString(text);
      EXPECT_EQ(judge.verdict().reasons_total, judged.verdict.reasons_total);
      masked += judged.edits.empty() ? 0 : 1;
      continue;
    }
    ++stopped;
    EXPECT_TRUE(reader.inspection().stopped());
    EXPECT_LE(reader.released(), stop);
    std::vector<Edit> shown;
    for (const Edit& edit : judged.edits) {
      if (edit.end <= reader.released()) shown.push_back(edit);
      EXPECT_FALSE(edit.start < reader.released() && reader.released() < edit.end);
    }
    EXPECT_EQ(reader.shown(),
              ApplyEdits(std::string_view(text).substr(0, reader.released()), shown));
  }
  EXPECT_GT(stopped, 100);
  EXPECT_GT(masked, 100);
}

}  // namespace
}  // namespace weir::policy
