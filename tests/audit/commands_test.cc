// `weir audit ...` and weir-verify as their users see them: output and exit codes.
#include "audit/commands.h"

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    ledger_ = Ledger::Open({.dir = scratch_.dir()}).value();
    EXPECT_TRUE(AppendAndWait(*ledger_, ServiceRecord("started")).ok());
    for (const char* exchange : {"ex-1", "ex-2"}) {
      Record prompt = PromptRecord(exchange);
      prompt.findings = {{.rule = "GAM-0010",
                          .category = "A.1.h",
                          .severity = "high",
                          .lane = "fold",
                          .part = "/messages/0/content",
                          .start = 3,
                          .end = 9,
                          .action = "flag"}};
      EXPECT_TRUE(AppendAndWait(*ledger_, prompt).ok());
      EXPECT_TRUE(AppendAndWait(*ledger_, AnswerRecord(exchange)).ok());
    }
  }

  CommandOptions Text() const { return {.dir = scratch_.dir()}; }
  CommandOptions Json() const { return {.dir = scratch_.dir(), .json = true}; }

  // Of weir-verify; its output goes to out_.
  int WeirVerify(const std::string& arguments) {
    const std::string output = scratch_.dir() + "-output";
    const int code = std::system(
        Concat(WEIR_BINARY_DIR, "/weir-verify ", arguments, " > ", output, " 2>&1").c_str());
    out_.str("");
    out_ << std::ifstream(output).rdbuf();
    return WEXITSTATUS(code);
  }

  Scratch scratch_;
  std::unique_ptr<Ledger> ledger_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CommandsTest, QueryPrintsOneLineEachAndSaysWhenThereAreMore) {
  EXPECT_EQ(ShowQuery(Text(), {.rule = "GAM-0010", .limit = 1}, out_, err_), 0);
  EXPECT_THAT(out_.str(), AllOf(StartsWith("3  20"), HasSubstr("prompt  demo"),
                                HasSubstr("GAM-0010"), Not(HasSubstr("\n1  "))));
  EXPECT_THAT(err_.str(), HasSubstr("--before 3"));
}

TEST_F(CommandsTest, ReportCountsInChineseAndAsJson) {
  EXPECT_EQ(ShowReport(Text(), {}, out_, err_), 0);
  for (const std::string line : {"审计报告\n期间：开始 至 现在\n", "\n按规则（命中的记录数）\n",
                                 "\tGAM-0010\n", "提示词 prompt\n"}) {
    EXPECT_THAT(out_.str(), HasSubstr(line));
  }
  out_.str("");
  EXPECT_EQ(ShowReport(Json(), {.exchange = "ex-1", .kinds = {RecordKind::kPrompt}}, out_, err_),
            0);
  EXPECT_THAT(out_.str(), testing::StartsWith("{\"records\":1,\"categories\":{"));
  EXPECT_THAT(out_.str(), HasSubstr("\"kinds\":{\"prompt\":1}"));
}

TEST_F(CommandsTest, WordsNeedTheKeyOfTheContent) {
  EXPECT_EQ(ShowQuery(Text(), {.words = "围堰"}, out_, err_), 2);
  EXPECT_THAT(err_.str(), HasSubstr("audit.content: encrypted"));
}

TEST_F(CommandsTest, QueryInJsonPrintsTheRecordsThemselves) {
  EXPECT_EQ(ShowQuery(Json(), {.exchange = "ex-1"}, out_, err_), 0);
  std::istringstream lines(out_.str());
  int records = 0;
  for (std::string line; std::getline(lines, line); ++records) {
    EXPECT_TRUE(Decode(line).ok()) << line;
  }
  EXPECT_EQ(records, 2);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CommandsTest, ShowPrintsAllOfAnExchange) {
  for (const char* id : {"1", "2", "ex-1"}) {
    out_.str("");
    EXPECT_EQ(ShowRecord(Text(), id, out_, err_), 0) << err_.str();
    EXPECT_THAT(out_.str(), AllOf(HasSubstr("record 1\n"), HasSubstr("record 2\n"),
                                  HasSubstr("GAM-0010 (A.1.h, high) -> flag")));
  }
  EXPECT_EQ(ShowRecord(Text(), "99", out_, err_), 1);
  EXPECT_EQ(ShowRecord(Text(), "ex-99", out_, err_), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("no record 99"), HasSubstr("ex-99")));
}

TEST_F(CommandsTest, VerifySaysWhatItLookedAt) {
  ASSERT_TRUE(ledger_->Close().ok());
  EXPECT_EQ(VerifyLedger(Text(), {}, out_, err_), 0);
  EXPECT_THAT(out_.str(), StartsWith("verified: All 5 records"));
  out_.str("");
  EXPECT_EQ(VerifyLedger(Json(), {.keys = {scratch_.Path("ledger.vkey")}}, out_, err_), 0);
  EXPECT_THAT(out_.str(), AllOf(StartsWith("{\"ok\":true,\"records\":5,"),
                                HasSubstr("\"unsigned_records\":0")));
  EXPECT_EQ(VerifyLedger(Text(), {.keys = {scratch_.Path("no-such-key")}}, out_, err_), 2);
  EXPECT_EQ(VerifyLedger({.dir = scratch_.dir() + "-none"}, {}, out_, err_), 2);
}

TEST_F(CommandsTest, EvidenceVerifiesHereAndWithWeirVerify) {
  ASSERT_TRUE(ledger_->Close().ok());
  const std::string file = scratch_.dir() + "-evidence";
  EXPECT_EQ(ProveRecord(Text(), "3", file, out_, err_), 0) << err_.str();
  EXPECT_EQ(ProveRecord(Text(), file, "", out_, err_), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("verified: record 3"));
  EXPECT_EQ(ProveRecord(Text(), "99", "", out_, err_), 1);

  const std::string keys = "--keys " + scratch_.Path("ledger.vkey") + " ";
  EXPECT_EQ(WeirVerify(keys + file), 0) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr("record 3"));
  EXPECT_EQ(WeirVerify(file), 2);
  EXPECT_THAT(out_.str(), HasSubstr("--keys"));
  std::ofstream(file, std::ios::app) << "x";
  EXPECT_EQ(WeirVerify(keys + file), 1);
  EXPECT_THAT(out_.str(), HasSubstr("ALTERED"));
  EXPECT_EQ(ProveRecord(Text(), file, "", out_, err_), 1);
}

TEST_F(CommandsTest, AnExportVerifiesWithWeirVerify) {
  ASSERT_TRUE(ledger_->Close().ok());
  const std::string dir = scratch_.dir() + "-export";
  EXPECT_EQ(WriteExport(Text(), {}, {}, dir, out_, err_), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("records 0 to 4"));
  EXPECT_EQ(WriteExport(Text(), {}, {}, dir, out_, err_), 2);
  std::stringstream page;
  page << std::ifstream(dir + "/summary.html").rdbuf();
  EXPECT_THAT(page.str(), AllOf(HasSubstr("<tr><td>GAM-0010</td><td>2</td></tr>"),
                                HasSubstr("<tr><td>A.1.h</td><td>2</td></tr>"),
                                HasSubstr("<tr><td>allow</td><td>4</td></tr>"),
                                HasSubstr("weir.invalid/ledger+")));

  const std::string keys = "--keys " + scratch_.Path("ledger.vkey") + " ";
  EXPECT_EQ(WeirVerify(keys + dir), 0) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr("none left out"));
  EXPECT_EQ(WeirVerify(dir), 0);
  EXPECT_THAT(out_.str(), HasSubstr("names itself"));

  const std::string other = scratch_.dir() + "-other-key";
  std::ofstream(other) << OneLine(scratch_.Path("ledger.vkey")) << "\n"
                       << SigningKey::Generate("witness.example")->VerifierKey() << "\n";
  EXPECT_EQ(WeirVerify("--keys " + other + " " + dir), 1);
  EXPECT_THAT(out_.str(), HasSubstr("not signed by witness.example"));
  EXPECT_EQ(WeirVerify(dir + "-none"), 2);
  EXPECT_EQ(WeirVerify(""), 2);
  EXPECT_EQ(WeirVerify("--keys /dev/null " + dir), 2);
  EXPECT_EQ(WeirVerify("--help"), 0);
}

TEST_F(CommandsTest, CheckpointComesWithAProofForAWitness) {
  ASSERT_TRUE(ledger_->Close().ok());
  EXPECT_EQ(ShowCheckpoint(Text(), -1, out_, err_), 0);
  EXPECT_THAT(out_.str(), StartsWith("weir.invalid/ledger\n5\n"));
  out_.str("");
  EXPECT_EQ(ShowCheckpoint(Text(), 3, out_, err_), 0);
  EXPECT_THAT(out_.str(), AllOf(StartsWith("old 3\n"), HasSubstr("\n\nweir.invalid/ledger\n5\n")));
  EXPECT_EQ(ShowCheckpoint(Text(), 6, out_, err_), 2);
}

}  // namespace
}  // namespace weir::audit
