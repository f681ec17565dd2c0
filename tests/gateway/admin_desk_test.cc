#include "gateway/admin_desk.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "gateway/json.h"
#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"

namespace weir::gateway {
namespace {

using audit::AppendAndWait;
using audit::PromptRecord;
using ::testing::HasSubstr;
using ::testing::Not;

StaffMember Member(std::string id, Roles roles, const std::string& token) {
  StaffMember member{.id = std::move(id), .roles = roles};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         member.token_sha256.data());
  return member;
}

// A small ledger, a person for each role (whose token is the name), and questions.
class AdminDeskTest : public testing::Test {
 protected:
  AdminDeskTest() {
    config_.ledger.dir = scratch_.dir();
    config_.ledger.content = audit::ContentMode::kEncrypted;
    ledger_ = audit::Ledger::Open(config_.ledger).value();
    reader_ = audit::Reader::Open(scratch_.dir()).value();
    for (const Role role : kRoles) {
      const std::string name(Name(role));
      config_.staff.push_back(Member(name, {role}, name));
    }
    for (int i = 0; i < 3; ++i) {
      audit::Record record = PromptRecord("exchange-" + std::to_string(i));
      record.user = "用户 " + std::to_string(i);
      AppendAndWait(*ledger_, record).value();
      AppendAndWait(*ledger_, audit::AnswerRecord(record.exchange)).value();
    }
  }

  static HttpRequest Request(std::string_view target, std::string_view token = "auditor",
                             std::string_view method = "GET") {
    HttpRequest request;
    request.method = std::string(method);
    const size_t query = std::min(target.find('?'), target.size());
    request.path = std::string(target.substr(0, query));
    if (query < target.size()) request.query = std::string(target.substr(query + 1));
    if (!token.empty()) {
      request.fields.emplace_back("authorization", "Bearer " + std::string(token));
    }
    return request;
  }

  AdminResponse Ask(const HttpRequest& request) {
    AdminSources sources{.ledger = *ledger_, .reader = *reader_, .config = config_};
    return AnswerAtDesk(request, sources);
  }
  AdminResponse Ask(std::string_view target, std::string_view token = "auditor") {
    return Ask(Request(target, token));
  }

  // The numbers of the records in an answer, and its cursor.
  static std::vector<int64_t> Numbers(const AdminResponse& response,
                                      std::string* cursor = nullptr) {
    EXPECT_EQ(response.head.status, 200) << response.body;
    const absl::StatusOr<JsonDocument> document = JsonDocument::Parse(response.body, JsonLimits());
    EXPECT_TRUE(document.ok()) << response.body;
    std::vector<int64_t> numbers;
    const JsonDocument::Node list = document->Member(0, "decisions");
    for (JsonDocument::Node node = document->FirstChild(list); node != JsonDocument::kNone;
         node = document->Next(node)) {
      numbers.push_back(document->Integer(document->Member(node, "seq")).value());
    }
    if (cursor != nullptr) {
      const JsonDocument::Node next = document->Member(0, "next_cursor");
      *cursor = next == JsonDocument::kNone ? "" : std::string(document->String(next));
    }
    return numbers;
  }

  audit::Record Last() { return reader_->Find({.limit = 1})->records.at(0).record; }

  const audit::Scratch scratch_{audit::Scratch::Memory()};
  Config config_;
  std::shared_ptr<audit::Ledger> ledger_;
  std::unique_ptr<audit::Reader> reader_;
};

TEST_F(AdminDeskTest, PagesStayRightWhileRecordsAreAdded) {
  std::string cursor;
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?kind=prompt&limit=2"), &cursor),
              testing::ElementsAre(4, 2));
  AppendAndWait(*ledger_, PromptRecord("later")).value();
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?kind=prompt&limit=2&cursor=" + cursor), &cursor),
              testing::ElementsAre(0));
  EXPECT_EQ(cursor, "");
}

TEST_F(AdminDeskTest, CountsAndHistograms) {
  EXPECT_EQ(Ask("/admin/v1/decisions/count").body, "{\"count\":6,\"complete\":true}\n");
  EXPECT_EQ(Ask("/admin/v1/decisions/count?kind=prompt,service").body,
            "{\"count\":3,\"complete\":true}\n");
  EXPECT_EQ(Ask("/admin/v1/decisions/count?kind=access").body, "{\"count\":2,\"complete\":true}\n");
  const AdminResponse days =
      Ask("/admin/v1/decisions/histogram?from=2026-01-01T12:00:00%2B08:00&to=2026-01-03T08:00:00Z");
  EXPECT_EQ(days.body,
            "{\"interval\":\"day\",\"buckets\":[\n"
            "{\"from\":\"2026-01-01T04:00:00.000000Z\",\"count\":0},\n"
            "{\"from\":\"2026-01-01T16:00:00.000000Z\",\"count\":0},\n"
            "{\"from\":\"2026-01-02T16:00:00.000000Z\",\"count\":0}],"
            "\"to\":\"2026-01-03T08:00:00.000000Z\",\"complete\":true}\n");
  EXPECT_THAT(Ask("/admin/v1/decisions/histogram?app=demo").body, HasSubstr("\"count\":6}]"));
  for (const std::string bad : {"interval=week", "from=2026-01-02&to=2026-01-01",
                                "from=2020-01-01&to=2026-01-01&interval=hour"}) {
    EXPECT_EQ(Ask("/admin/v1/decisions/histogram?" + bad).head.status, 400) << bad;
  }
}

TEST_F(AdminDeskTest, WordsAreFoundInContentAndStandInNoRecord) {
  audit::Record record = PromptRecord("with-words");
  std::promise<absl::Status> appended;
  ledger_->Append(
      record, {"{\"content\":\"修建\\u56f4堰 Weir\"}", audit::ContentMode::kEncrypted},
      [&](const absl::StatusOr<audit::Receipt>& receipt) { appended.set_value(receipt.status()); });
  ASSERT_TRUE(appended.get_future().get().ok());
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?q=%E5%9B%B4%E5%A0%B0+weir")),
              testing::ElementsAre(6));
  EXPECT_THAT(Last().detail, HasSubstr("with q=words of 11 bytes; 1 records were returned"));
  // Who searched for what is kept as content, and looked for only where it is asked for.
  EXPECT_THAT(Last().content_digest, HasSubstr("sealed-"));
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?q=%E5%A0%B0&kind=access")), testing::ElementsAre(7));
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?q=%E5%A0%B0&app=other")), testing::ElementsAre());
}

TEST_F(AdminDeskTest, FiltersAreReadStrictly) {
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?user=%E7%94%A8%E6%88%B7+1")),
              testing::ElementsAre(2));
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions?user=%E7%94%A8%E6%88%B7%201&app=demo&kind=prompt"
                          "&action=allow&model=qwen-plus&exchange=exchange-1"
                          "&from=2000-01-01T00:00:00+08:00&to=2100-01-01")),
              testing::ElementsAre(2));
  const uint64_t before = ledger_->stats().size;
  for (const std::string& bad : std::vector<std::string>{
           "user=%E7%94", "user=%", "user=%zz", "user=%00", "usr=a", "user=a&user=b", "limit=0",
           "limit=1001", "limit=-1", "limit=", "kind=word", "kind=", "kind=prompt,", "action=Allow",
           "from=yesterday", "to=", "cursor=x", "cursor=", "user=" + std::string(513, 'a')}) {
    const AdminResponse response = Ask("/admin/v1/decisions?" + bad);
    EXPECT_EQ(response.head.status, 400) << bad;
    EXPECT_EQ(Find(response.head.fields, "content-type"), "application/problem+json");
    EXPECT_TRUE(JsonDocument::Parse(response.body, JsonLimits()).ok()) << response.body;
  }
  EXPECT_EQ(ledger_->stats().size, before) << "what was not understood shows nothing";
}

TEST_F(AdminDeskTest, ADecisionIsFoundByNumberAndByExchange) {
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions/3")), testing::ElementsAre(2, 3));
  EXPECT_THAT(Numbers(Ask("/admin/v1/decisions/exchange-2")), testing::ElementsAre(4, 5));
  EXPECT_EQ(Ask("/admin/v1/decisions/1000").head.status, 404);
  EXPECT_THAT(Last().detail, HasSubstr("id=1000; 0 records were returned"));
  EXPECT_EQ(Ask("/admin/v1/decisions/nothing").head.status, 404);
}

TEST_F(AdminDeskTest, EvidenceVerifies) {
  ASSERT_TRUE(ledger_->Close().ok());  // signs
  ledger_ = audit::Ledger::Open(config_.ledger).value();
  const AdminResponse response = Ask("/admin/v1/decisions/2/evidence");
  ASSERT_EQ(response.head.status, 200) << response.body;
  const std::vector<audit::VerifierKey> keys = {
      *audit::VerifierKey::Parse(audit::OneLine(scratch_.Path("ledger.vkey")))};
  const absl::StatusOr<audit::Record> record = audit::VerifyEvidenceFile(response.body, keys);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->seq, 2);
  EXPECT_EQ(Ask("/admin/v1/decisions/exchange-2/evidence").head.status, 400);
}

TEST_F(AdminDeskTest, EveryLookIsARecord) {
  Ask("/admin/v1/decisions?app=demo&limit=3", "compliance");
  const audit::Record look = Last();
  EXPECT_EQ(look.kind, audit::RecordKind::kAccess);
  EXPECT_EQ(look.stage, "Decisions");
  EXPECT_EQ(look.user, "compliance");
  EXPECT_EQ(look.cause, "compliance");
  EXPECT_EQ(look.detail,
            "Asked GET /admin/v1/decisions with app=demo, limit=3; 3 records were returned.");
}

TEST_F(AdminDeskTest, WhatCannotBeRecordedIsNotShown) {
  ASSERT_TRUE(ledger_->Close().ok());
  const AdminResponse response = Ask("/admin/v1/decisions");
  EXPECT_EQ(response.head.status, 503);
  EXPECT_THAT(response.body, HasSubstr("cannot be recorded"));
  EXPECT_THAT(response.body, Not(HasSubstr("qwen-plus")));
}

TEST_F(AdminDeskTest, OnlyStaffInTheRightRoleIsAnswered) {
  for (const std::string role : {"auditor", "compliance", "legal"}) {
    EXPECT_EQ(Ask("/admin/v1/decisions", role).head.status, 200) << role;
  }
  const AdminResponse wrong_role = Ask("/admin/v1/decisions", "operator");
  EXPECT_EQ(wrong_role.head.status, 403);
  EXPECT_THAT(wrong_role.body, HasSubstr("auditor, compliance, legal; operator has operator"));
  const AdminResponse nobody = Ask("/admin/v1/decisions", "guess");
  EXPECT_EQ(nobody.head.status, 401);
  EXPECT_EQ(Find(nobody.head.fields, "www-authenticate"), "Bearer");
  EXPECT_THAT(nobody.body, Not(HasSubstr("guess")));
  EXPECT_EQ(Ask("/admin/v1/decisions", "").head.status, 401);
  config_.staff.clear();
  const AdminResponse unconfigured = Ask("/admin/v1/decisions");
  EXPECT_EQ(unconfigured.head.status, 403);
  EXPECT_THAT(unconfigured.body, HasSubstr("under \\\"staff\\\" in the configuration"));
  EXPECT_EQ(Ask("/admin/v1/openapi.json", "").head.status, 200);
}

TEST_F(AdminDeskTest, OtherPathsAndMethodsAreProblems) {
  for (const std::string path : {"/admin/v1/", "/admin/v1/decisions/", "/admin/v1/decisions/1/",
                                 "/admin/v1/decisions/1/evidence/x", "/admin/v1/nothing"}) {
    EXPECT_EQ(Ask(path).head.status, 404) << path;
  }
  const AdminResponse post = Ask(Request("/admin/v1/decisions", "auditor", "DELETE"));
  EXPECT_EQ(post.head.status, 405);
  EXPECT_EQ(Find(post.head.fields, "allow"), "GET");
}

// Each row of the table is described under its path and method, and what is described is answered.
TEST_F(AdminDeskTest, TheOpenApiDocumentIsTheTable) {
  const AdminResponse response = Ask("/admin/v1/openapi.json", "");
  const absl::StatusOr<JsonDocument> parsed = JsonDocument::Parse(response.body, JsonLimits());
  ASSERT_TRUE(parsed.ok()) << parsed.status() << response.body;
  const JsonDocument& document = *parsed;
  EXPECT_EQ(document.String(document.Member(0, "openapi")), "3.1.0");
  const JsonDocument::Node paths = document.Member(0, "paths");
  const JsonDocument::Node schemas = document.Member(document.Member(0, "components"), "schemas");
  size_t described = 0;
  for (JsonDocument::Node path = document.FirstChild(paths); path != JsonDocument::kNone;
       path = document.Next(path)) {
    for (JsonDocument::Node method = document.FirstChild(path); method != JsonDocument::kNone;
         method = document.Next(method)) {
      ++described;
    }
  }
  EXPECT_EQ(described, AdminRoutes().size() + 3) << "and /livez, /readyz, /metrics";
  for (const AdminRoute& route : AdminRoutes()) {
    std::string path(route.path);
    if (const size_t dots = path.find("...}"); dots != std::string::npos) path.erase(dots, 3);
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(), ::tolower);
    const JsonDocument::Node operation = document.Member(document.Member(paths, path), method);
    ASSERT_NE(operation, JsonDocument::kNone) << route.method << " " << path;
    EXPECT_EQ(document.String(document.Member(operation, "operationId")), route.name);
    EXPECT_THAT(std::string(document.Bytes(operation)), HasSubstr("\"200\""));
    for (const AdminParameter& parameter : route.query) {
      EXPECT_THAT(std::string(document.Bytes(operation)),
                  HasSubstr("\"" + std::string(parameter.name) + "\""));
    }
    if (!route.schema.empty()) {
      EXPECT_NE(document.Member(schemas, route.schema), JsonDocument::kNone) << route.schema;
    }
    // Answered: somebody with a role that may gets anything but "there is nothing here".
    std::string target(route.path);
    for (size_t open = target.find('{'); open != std::string::npos; open = target.find('{')) {
      target.replace(open, target.find('}') + 1 - open, "0");
    }
    std::string role = "auditor";
    for (const Role one : kRoles) {
      if (route.roles.Has(one)) role = std::string(Name(one));
    }
    const Admission admission = Admit(Request(target, role, route.method), config_.staff);
    EXPECT_EQ(admission.route, &route) << target << ": " << admission.refusal.body;
  }
}

TEST_F(AdminDeskTest, AFullQueueIs503AndWaitingQuestionsAreAnsweredAtTheEnd) {
  auto config = std::make_shared<const Config>(config_);
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::unique_ptr<AdminDesk> desk = AdminDesk::Open([this] { return ledger_; }, scratch_.dir(),
                                                    [config, open] {
                                                      open.wait();
                                                      return config;
                                                    })
                                        .value();
  // Two threads take one question each and stop at the gate; the others wait in the queue.
  std::vector<std::future<int>> answers;
  const auto ask = [&] {
    auto promise = std::make_shared<std::promise<int>>();
    answers.push_back(promise->get_future());
    desk->HandIn(Request("/admin/v1/decisions?limit=1"),
                 [promise](AdminResponse response) { promise->set_value(response.head.status); });
  };
  // A refusal is said at once; whatever the threads have taken by then, it comes.
  do {
    ask();
  } while (answers.back().wait_for(std::chrono::seconds(0)) != std::future_status::ready);
  EXPECT_EQ(answers.back().get(), 503);
  EXPECT_LE(answers.size(), kDeskQueueMax + 3) << "two are taken at most";
  answers.pop_back();
  gate.set_value();
  size_t answered = 0;
  for (std::future<int>& answer : answers) answered += answer.get() == 200 ? 1 : 0;
  EXPECT_GE(answered, kDeskQueueMax);
  desk.reset();
  EXPECT_TRUE(ledger_->status().ok());
}

class ContentRoutesTest : public AdminDeskTest {
 protected:
  ContentRoutesTest() {
    audit::Record record = PromptRecord("told");
    record.user = "u";
    text_ = audit::AppendContent(*ledger_, record, "一段原文", audit::ContentMode::kEncrypted)
                .value()
                .seq;
  }
  AdminResponse Post(std::string_view path, std::string body, std::string_view token = "legal") {
    HttpRequest request = Request(path, token, "POST");
    request.body = std::move(body);
    return Ask(request);
  }
  std::string RevealPath() { return "/admin/v1/decisions/" + std::to_string(text_) + "/reveal"; }
  uint64_t text_ = 0;
};

TEST_F(ContentRoutesTest, ContentIsShownWithAReasonAndARecord) {
  const AdminResponse shown = Post(RevealPath(), R"({"reason":"案件 7"})", "auditor");
  EXPECT_EQ(shown.head.status, 200) << shown.body;
  EXPECT_THAT(shown.body, HasSubstr("一段原文"));
  const audit::Record look = Last();
  EXPECT_EQ(look.kind, audit::RecordKind::kAccess);
  EXPECT_EQ(look.stage, "Reveal");
  EXPECT_EQ(look.user, "auditor");
  EXPECT_EQ(look.cause, "auditor");
  EXPECT_THAT(look.detail, HasSubstr("案件 7"));
  EXPECT_EQ(Post(RevealPath(), R"({"reason":"a"})", "operator").head.status, 403);
  EXPECT_EQ(Post(RevealPath(), R"({"reason":"a"})", "").head.status, 401);
  const uint64_t before = ledger_->stats().size;
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string("[]"), std::string(R"({"reason":7})"),
        std::string(R"({"reason":""})"), std::string(R"({"reason":"a","why":"b"})")}) {
    EXPECT_EQ(Post(RevealPath(), bad, "auditor").head.status, 400) << bad;
  }
  EXPECT_EQ(Post("/admin/v1/decisions/told/reveal", R"({"reason":"a"})").head.status, 400);
  EXPECT_EQ(ledger_->stats().size, before);
  EXPECT_EQ(Post("/admin/v1/decisions/1000/reveal", R"({"reason":"a"})").head.status, 404);
  ASSERT_TRUE(ledger_->Close().ok());
  EXPECT_EQ(Post(RevealPath(), R"({"reason":"a"})", "auditor").head.status, 409);
}

TEST_F(ContentRoutesTest, WhatMustBeKeptIsRestrictedAndShownToLegalAlone) {
  const std::string subject = R"("app":"demo","user":"u","reason":"用户要求")";
  EXPECT_EQ(Post("/admin/v1/erasures", "{" + subject + "}", "auditor").head.status, 403);
  const AdminResponse restricted = Post("/admin/v1/erasures", "{" + subject + "}");
  EXPECT_EQ(restricted.head.status, 200) << restricted.body;
  EXPECT_THAT(restricted.body, HasSubstr(R"("kind":"restricted")"));
  EXPECT_EQ(Post(RevealPath(), R"({"reason":"a"})", "auditor").head.status, 403);
  EXPECT_EQ(Post(RevealPath(), R"({"reason":"a"})", "legal").head.status, 200);
  const AdminResponse held = Post("/admin/v1/holds", "{" + subject + "}");
  EXPECT_THAT(held.body, HasSubstr(R"("kind":"hold")"));
  const std::string release = "/admin/v1/holds/" + std::to_string(Last().seq) + "/release";
  EXPECT_THAT(Post(release, R"({"reason":"a"})").body, HasSubstr(R"("kind":"release")"));
  EXPECT_EQ(Post(release, R"({"reason":"a"})").head.status, 404);
}

}  // namespace
}  // namespace weir::gateway
