#include "audit/record.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/seed.h"

namespace weir::audit {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

Record FullRecord() {
  Record record;
  record.seq = 41;
  record.time_us = 1'795'409'395'123'456;
  record.kind = RecordKind::kAnswer;
  record.exchange = "019adf5c-3a1e-7c44-9b1d-5f2f6f0c2a11";
  record.stage = "RecordAnswer";
  record.app = "demo";
  record.user = "u-7";
  record.profile = "cn-public";
  record.region = "cn";
  record.dialect = "openai.chat";
  record.model = "qwen-plus";
  record.upstream = "qwen";
  record.direction = "answer";
  record.action = "mask";
  record.review = true;
  record.bundle = "sha256:00";
  record.findings = {
      {"PII-0001", "B.2.a", "high", "digits", "/choices/0/message/content", 6, 24, "mask"},
      {"PII-0002", "B.2.b", "", "", "", 0, 0, ""}};
  record.findings_total = 2;
  record.content_digest = "sha256:01";
  record.content_bytes = 812;
  record.status = 200;
  record.duration_us = 431'022;
  record.cause = "c";
  record.detail = "quote \" slash \\ newline \n bell \x07 han \xE6\xB0\xB4";
  return record;
}

TEST(RecordTest, EncodesEveryFieldInOneOrder) {
  EXPECT_EQ(Encode(FullRecord()),
            "{\"v\":1,\"seq\":41,\"time\":\"2026-11-23T04:49:55.123456Z\",\"kind\":\"answer\","
            "\"exchange\":\"019adf5c-3a1e-7c44-9b1d-5f2f6f0c2a11\",\"stage\":\"RecordAnswer\","
            "\"app\":\"demo\",\"user\":\"u-7\",\"profile\":\"cn-public\",\"region\":\"cn\","
            "\"dialect\":\"openai.chat\",\"model\":\"qwen-plus\",\"upstream\":\"qwen\","
            "\"direction\":\"answer\",\"action\":\"mask\",\"review\":true,\"bundle\":\"sha256:00\","
            "\"findings\":[{\"rule\":\"PII-0001\",\"category\":\"B.2.a\",\"severity\":\"high\","
            "\"lane\":\"digits\",\"part\":\"/choices/0/message/content\",\"start\":6,\"end\":24,"
            "\"action\":\"mask\"},{\"rule\":\"PII-0002\",\"category\":\"B.2.b\"}],"
            "\"content_digest\":\"sha256:01\",\"content_bytes\":812,\"status\":200,"
            "\"duration_us\":431022,\"cause\":\"c\",\"detail\":\"quote \\\" slash \\\\ newline \\n "
            "bell \\u0007 han \xE6\xB0\xB4\"}");
}

TEST(RecordTest, LeavesOutWhatIsNotSet) {
  EXPECT_EQ(Encode(Record()),
            "{\"v\":1,\"seq\":0,\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"service\"}");
}

TEST(RecordTest, DecodesWhatItEncoded) {
  const std::string encoded = Encode(FullRecord());
  const absl::StatusOr<Record> record = Decode(encoded);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(Encode(*record), encoded);
  EXPECT_EQ(record->detail, FullRecord().detail);
  EXPECT_EQ(record->time_us, FullRecord().time_us);
  EXPECT_EQ(record->findings_total, 2);
  EXPECT_EQ(record->findings[1].category, "B.2.b");
}

TEST(RecordTest, TimesAreCalendarTimes) {
  const std::pair<int64_t, const char*> times[] = {
      {0, "1970-01-01T00:00:00.000000Z"},
      {951'782'399'999'999, "2000-02-28T23:59:59.999999Z"},
      {951'868'800'000'000, "2000-03-01T00:00:00.000000Z"},
      {1'709'164'800'000'001, "2024-02-29T00:00:00.000001Z"},
      {4'107'542'400'000'000, "2100-03-01T00:00:00.000000Z"},
      {253'402'300'799'999'999, "9999-12-31T23:59:59.999999Z"},
  };
  for (const auto& [time_us, text] : times) {
    EXPECT_EQ(FormatTime(time_us), text);
    Record record;
    record.time_us = time_us;
    const absl::StatusOr<Record> decoded = Decode(Encode(record));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->time_us, time_us);
  }
}

TEST(RecordTest, TheTwoStepsOfEncodingAreOne) {
  const Record record = FullRecord();
  std::string out;
  AppendEncoding(record.seq, record.time_us, EncodeBody(record), out);
  EXPECT_EQ(out, Encode(record));
}

// Each differs from a canonical record in one thing.
TEST(RecordTest, RefusesWhatEncodeCannotHaveWritten) {
  const std::string head = "{\"v\":1,\"seq\":3,\"time\":\"2026-11-23T04:49:55.123456Z\",";
  ASSERT_TRUE(Decode(head + "\"kind\":\"prompt\",\"app\":\"a\",\"user\":\"b\"}").ok());
  const std::string bad[] = {
      "",
      "{}",
      head,
      head + "\"kind\":\"prompt\"",
      head + "\"kind\":\"prompt\"} ",
      head + "\"kind\":\"prompt\"}}",
      head + "\"kind\":\"Prompt\"}",
      head + "\"kind\":\"prompt\",\"user\":\"b\",\"app\":\"a\"}",
      head + "\"kind\":\"prompt\",\"app\":\"a\",\"app\":\"a\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\"}",
      head + "\"kind\":\"prompt\", \"app\":\"a\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\\u0061\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\\/\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\\u000a\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\\u001F\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\xFF\"}",
      head + "\"kind\":\"prompt\",\"app\":\"\n\"}",
      head + "\"kind\":\"prompt\",\"app\":\"" + std::string(1, '\0') + "\"}",
      head + "\"kind\":\"prompt\",\"status\":0}",
      head + "\"kind\":\"prompt\",\"status\":0200}",
      head + "\"kind\":\"prompt\",\"status\":200.0}",
      head + "\"kind\":\"prompt\",\"status\":\"200\"}",
      head + "\"kind\":\"prompt\",\"status\":99999999999}",
      head + "\"kind\":\"prompt\",\"review\":false}",
      head + "\"kind\":\"prompt\",\"findings\":[]}",
      head + "\"kind\":\"prompt\",\"findings\":[{\"rule\":\"r\"},]}",
      head + "\"kind\":\"prompt\",\"findings\":[{\"rule\":\"r\"}],\"findings_total\":1}",
      head + "\"kind\":\"prompt\",\"unknown\":1}",
      "{\"v\":2,\"seq\":3,\"time\":\"2026-11-23T04:49:55.123456Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":-3,\"time\":\"2026-11-23T04:49:55.123456Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":03,\"time\":\"2026-11-23T04:49:55.123456Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":3,\"time\":\"2026-13-23T04:49:55.123456Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":3,\"time\":\"2026-02-30T04:49:55.123456Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":3,\"time\":\"2026-11-23T24:00:00.000000Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":3,\"time\":\"2026-11-23 04:49:55.123456Z\",\"kind\":\"prompt\"}",
      "{\"v\":1,\"seq\":3,\"time\":\"1969-12-31T23:59:59.999999Z\",\"kind\":\"prompt\"}",
      std::string(kRecordBytesMax + 1, ' '),
  };
  for (const std::string& encoded : bad) {
    EXPECT_EQ(Decode(encoded).status().code(), absl::StatusCode::kInvalidArgument)
        << encoded.substr(0, 200);
  }
}

// No other bytes than its own decode to a record: every single-bit change is refused or is
// another record.
TEST(RecordTest, EveryEncodingIsItsOwn) {
  const std::string encoded = Encode(FullRecord());
  for (size_t i = 0; i < encoded.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string altered = encoded;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      const absl::StatusOr<Record> record = Decode(altered);
      if (record.ok()) {
        EXPECT_EQ(Encode(*record), altered) << "byte " << i;
      }
    }
  }
}

TEST(RecordTest, ReplacesWhatIsNoUtf8) {
  Record record;
  record.app =
      "a\xFF"
      "b\xC3(\xED\xA0\x80\xF4\x90\x80\x80\xE2\x82";
  const absl::StatusOr<Record> decoded = Decode(Encode(record));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(decoded->app, HasSubstr("a\xEF\xBF\xBD"
                                      "b\xEF\xBF\xBD("));
  EXPECT_EQ(Decode(Encode(*decoded))->app, decoded->app);
}

TEST(RecordTest, CutsLongStringsAtACharacter) {
  for (size_t lead = 0; lead < 4; ++lead) {
    Record record;
    record.app = std::string(lead, 'a');
    for (int i = 0; i < 2'000; ++i) record.app += "\xE6\xB0\xB4";
    record.user = std::string(lead, 'a') + std::string(5'000, '"');
    record.model = std::string(kStringBytesMax, 'x');
    record.detail = std::string(100'000, 'y');
    const absl::StatusOr<Record> decoded = Decode(Encode(record));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_LE(decoded->app.size(), kStringBytesMax);
    EXPECT_GT(decoded->app.size(), kStringBytesMax - 4);
    EXPECT_THAT(decoded->app, EndsWith("\xE6\xB0\xB4\xE2\x80\xA6"));
    EXPECT_THAT(decoded->user, EndsWith("\"\xE2\x80\xA6"));
    EXPECT_EQ(decoded->model, record.model);
    EXPECT_EQ(decoded->detail.size(), kDetailBytesMax);
    EXPECT_EQ(Encode(*decoded), Encode(record));
  }
}

TEST(RecordTest, DropsFindingsFromTheEndAndSaysHowManyThereWere) {
  Record record = FullRecord();
  record.detail = std::string(10'000, '\x01');
  record.findings.assign(2'000, record.findings[0]);
  record.findings_total = 5'000;
  const std::string encoded = Encode(record);
  EXPECT_LE(encoded.size(), kRecordBytesMax);
  EXPECT_GT(encoded.size(), kRecordBytesMax - 8'000);
  const absl::StatusOr<Record> decoded = Decode(encoded);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_GT(decoded->findings.size(), 300);
  EXPECT_EQ(decoded->findings_total, 5'000);
}

TEST(RecordTest, NoRecordIsTooLongOrUnreadable) {
  std::mt19937_64 random(Seed());
  const auto text = [&random] {
    std::string bytes(random() % 3 == 0 ? random() % 9'000 : random() % 20, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 128);
    return bytes;
  };
  for (int i = 0; i < 500; ++i) {
    Record record;
    record.kind = static_cast<RecordKind>(random() % 6);
    record.time_us = static_cast<int64_t>(random());
    record.status = static_cast<int32_t>(random());
    record.duration_us = static_cast<int64_t>(random());
    for (std::string* field :
         {&record.exchange, &record.stage, &record.app, &record.user, &record.profile,
          &record.region, &record.dialect, &record.model, &record.upstream, &record.direction,
          &record.action, &record.bundle, &record.content_digest, &record.cause, &record.detail}) {
      *field = text();
    }
    record.findings.resize(random() % 40);
    for (FindingEntry& finding : record.findings) finding.part = text();
    const std::string encoded = Encode(record);
    ASSERT_LE(encoded.size(), kRecordBytesMax);
    const absl::StatusOr<Record> decoded = Decode(encoded);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(Encode(*decoded), encoded);
  }
}

}  // namespace
}  // namespace weir::audit
