// Searches for words, counts and histograms against a scan that knows nothing of indexes.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/content.h"
#include "audit/reader.h"
#include "audit/store.h"
#include "audit/word_index.h"
#include "tests/audit/scratch.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

constexpr int64_t kHourUs = int64_t{3'600} * 1'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kEpochUs = int64_t{1'790'000'000} * 1'000'000;

// Few characters, so that words meet; capitals, widths and escapes that folding undoes.
const std::vector<std::string>& Alphabet() {
  static const auto* const kAlphabet = new std::vector<std::string>{
      "围", "堰", "抽", "水", "闸", "门", "的", "a", "B", "c", "Ｂ", "1", " ", "，", "é", "😀"};
  return *kAlphabet;
}

std::string RandomText(std::mt19937_64& random, uint64_t length) {
  std::string text;
  for (; length > 0; --length) {
    // Some are rare.
    const uint64_t i = random() % 4 == 0 ? random() % Alphabet().size() : random() % 6;
    text += Alphabet()[i];
  }
  return text;
}

std::string Folded(std::string text) {
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"B", "b"}, {"Ｂ", "b"}, {"，", ","}}) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

// As a client may write it: some characters escaped.
std::string AsJson(std::mt19937_64& random, const std::string& text) {
  std::string json = "{\"t\":\"";
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "围") == 0 && random() % 2 == 0) {
      json += "\\u56F4";
      i += 3;
    } else if (text.compare(i, 4, "😀") == 0 && random() % 2 == 0) {
      json += "\\ud83d\\ude00";
      i += 4;
    } else {
      json += text[i++];
    }
  }
  return json + "\"}";
}

struct Written {
  Record record;
  std::string searched;  // folded; empty: no content can be found
};

Record RandomRecord(std::mt19937_64& random) {
  Record record;
  record.kind = static_cast<RecordKind>(random() % 3);
  record.app = Concat("app", random() % 3);
  record.user = Concat("user", random() % 20);
  record.action = random() % 10 == 0 ? "block" : "allow";
  if (random() % 10 == 0) record.findings.emplace_back().rule = Concat("R-", random() % 5);
  return record;
}

// A ledger over several days, each a segment, with parts, an open segment and contents that no part
// has, and what was written.
class Searched {
 public:
  Searched(std::mt19937_64& random, uint64_t days, uint64_t records_a_day) : random_(random) {
    LedgerOptions options = Options();
    ledger_ = Ledger::Open(options).value();
    for (uint64_t day = 0; day < days; ++day) {
      now_us_ = kEpochUs + static_cast<int64_t>(day) * kDayUs;
      for (uint64_t i = 0; i < records_a_day; ++i) Append();
    }
    AwaitIndex();
  }

  void Append() {
    now_us_ += static_cast<int64_t>(random_() % 3) * 60 * 1'000'000;
    Written written{.record = RandomRecord(random_), .searched = {}};
    const uint64_t how = random_() % 10;
    const std::string text = RandomText(random_, random_() % 40);
    std::string content;
    if (how < 6) content = text;
    if (how == 6) content = AsJson(random_, text);
    if (how == 7) content = std::string(5, ' ');
    const ContentMode mode = how < 8    ? ContentMode::kEncrypted
                             : how == 8 ? ContentMode::kDigest
                                        : ContentMode::kNone;
    if (how < 6) written.searched = Folded(text);
    if (how == 6) written.searched = "{\"t\":\"" + Folded(text) + "\"}";
    if (how == 7) written.searched = content;
    std::promise<Receipt> promise;
    ledger_->Append(written.record, {content, mode},
                    [&promise](absl::StatusOr<Receipt> receipt) { promise.set_value(*receipt); });
    const Receipt receipt = promise.get_future().get();
    written.record.seq = receipt.seq;
    written.record.time_us = receipt.time_us;
    ASSERT_GE(receipt.seq, written_.size());
    Fill(receipt.seq);
    written_[receipt.seq] = std::move(written);
  }

  // Until every closed segment's contents have their parts.
  void AwaitIndex() {
    uint64_t behind = UINT64_MAX;
    // What has not changed for a while is what gathers for the next part.
    for (int same = 0; same < 50; ++same) {
      const Receipt receipt = AppendAndWait(*ledger_, ServiceRecord("tick")).value();
      Fill(receipt.seq);
      written_[receipt.seq].record = ServiceRecord("tick");
      written_[receipt.seq].record.time_us = receipt.time_us;
      if (std::exchange(behind, ledger_->stats().unindexed_contents) != behind) same = 0;
    }
  }

  bool Matches(const Query& query, const std::string& folded, uint64_t seq) const {
    const Record& record = written_[seq].record;
    const auto is = [](const std::string& wanted, const std::string& value) {
      return wanted.empty() || wanted == value;
    };
    const bool kind =
        query.kinds.empty() || std::count(query.kinds.begin(), query.kinds.end(), record.kind) > 0;
    const bool rule =
        query.rule.empty() || (!record.findings.empty() && record.findings[0].rule == query.rule);
    return kind && rule && is(query.app, record.app) && is(query.user, record.user) &&
           is(query.action, record.action) &&
           (!query.from_us || record.time_us >= *query.from_us) &&
           (!query.to_us || record.time_us < *query.to_us) &&
           (!query.before_seq || seq < *query.before_seq) &&
           (folded.empty() || written_[seq].searched.find(folded) != std::string::npos);
  }
  std::vector<uint64_t> Scan(const Query& query) const {
    const std::string folded = Folded(query.words);
    std::vector<uint64_t> found;
    for (uint64_t seq = written_.size(); seq > 0; --seq) {
      if (Matches(query, folded, seq - 1)) found.push_back(seq - 1);
    }
    return found;
  }

  Query RandomQuery() {
    Query query;
    const auto maybe = [this] { return random_() % 8 == 0; };
    if (maybe()) query.app = Concat("app", random_() % 4);
    if (maybe()) query.user = Concat("user", random_() % 21);
    if (maybe()) query.action = "block";
    if (maybe()) query.rule = Concat("R-", random_() % 6);
    if (maybe()) query.kinds = {RecordKind::kPrompt, RecordKind::kFailure};
    if (maybe()) query.from_us = written_[random_() % written_.size()].record.time_us;
    if (maybe()) query.to_us = written_[random_() % written_.size()].record.time_us;
    if (maybe()) query.before_seq = random_() % (written_.size() + 3);
    const std::string& text = written_[random_() % written_.size()].searched;
    if (random_() % 2 == 0 && !text.empty()) {
      // Words that stand somewhere, cut at characters.
      const auto boundary = [&text](size_t at) {
        while (at < text.size() && (text[at] & '\xC0') == '\x80') ++at;
        return at;
      };
      const size_t begin = boundary(random_() % text.size());
      const size_t end = boundary(std::min(text.size(), begin + 1 + random_() % 15));
      query.words = text.substr(begin, end - begin);
    } else if (random_() % 8 != 0) {
      query.words = RandomText(random_, 1 + random_() % 5);
    }
    return query;
  }

  LedgerOptions Options() {
    return {.dir = scratch_.dir(),
            .content = ContentMode::kEncrypted,
            .segment_period = SegmentPeriod::kDay,
            .now_us = [this] { return now_us_.load(); }};
  }
  // What the ledger's clock says passes.
  void Pass(int64_t us) { now_us_ += us; }
  // Erases, or as it may be restricts, what was written for a user so far.
  void Erase(const std::string& app, const std::string& user) {
    std::promise<absl::StatusOr<Receipt>> promise;
    ledger_->Erase(app, user, {"li.legal", "legal", "asked for by the user"},
                   [&promise](absl::StatusOr<Receipt> receipt) { promise.set_value(receipt); });
    const Receipt receipt = promise.get_future().get().value();
    for (Written& written : written_) {
      if (written.record.app == app && written.record.user == user) written.searched.clear();
    }
    Fill(receipt.seq);
    written_[receipt.seq].record.kind = RecordKind::kErased;
    written_[receipt.seq].record.app = app;
    written_[receipt.seq].record.user = user;
    written_[receipt.seq].record.time_us = receipt.time_us;
  }
  std::string dir() const { return scratch_.dir(); }
  Ledger& ledger() { return *ledger_; }
  void CloseLedger() { ledger_.reset(); }
  std::vector<Written>& written() { return written_; }

 private:
  void Fill(uint64_t seq) {
    if (written_.size() <= seq) written_.resize(seq + 1);
  }

  const Scratch scratch_{Scratch::Memory()};
  std::mt19937_64& random_;
  std::atomic<int64_t> now_us_ = kEpochUs;
  std::vector<Written> written_;
  std::unique_ptr<Ledger> ledger_;
};

// Every page to the end; pages must join.
std::vector<uint64_t> FindAll(Reader& reader, Query query) {
  std::vector<uint64_t> found;
  do {
    const absl::StatusOr<QueryPage> page = reader.Find(query);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return found;
    EXPECT_LE(page->records.size(), query.limit);
    for (const Found& record : page->records) found.push_back(record.record.seq);
    query.before_seq = page->next_before_seq;
  } while (query.before_seq);
  return found;
}

std::string Text(const Query& query) {
  return Concat("words '", query.words, "' app ", query.app, " user ", query.user, " rule ",
                query.rule, " action ", query.action, " before ", query.before_seq.value_or(0));
}

// The records that the index names for any character, as whoever has the key may read it.
std::set<uint64_t> Indexed(const std::string& dir) {
  const Database db = Database::OpenReader(dir + "/ledger.db").value();
  WordTables tables = WordTables::Prepare(db, false).value();
  const WordKey key =
      WordKey::Derive(Suite::kInternational, *LoadKeyEncryptionKey(dir + "/content.key", false))
          .value();
  std::set<uint64_t> indexed;
  const std::vector<WordPart> parts = tables.Parts(0, INT64_MAX).value();
  for (const WordPart& part : parts) {
    for (const std::string& character : Alphabet()) {
      const std::vector<WordToken> tokens = key.Tokens(GramsToFind(Folded(character))).value();
      const std::vector<uint64_t> found = tables.Find(part, key, tokens).value();
      indexed.insert(found.begin(), found.end());
    }
  }
  return indexed;
}

TEST(SearchTest, FindsExactlyWhatAScanFinds) {
  std::mt19937_64 random(Seed());
  Searched ledger(random, 5, 60);
  for (int i = 0; i < 25; ++i) ledger.Append();  // of these no part has any
  const std::unique_ptr<Reader> reader = Reader::Open(ledger.dir()).value();
  EXPECT_GT(ledger.ledger().stats().unindexed_contents, 0);
  EXPECT_GT(Indexed(ledger.dir()).size(), 100);
  const char* given = std::getenv("WEIR_QUERIES");
  const int queries = given != nullptr ? std::atoi(given) : 10'000;
  uint64_t hits = 0;
  for (int i = 0; i < queries; ++i) {
    Query query = ledger.RandomQuery();
    const std::vector<uint64_t> expected = ledger.Scan(query);
    query.limit = 1 + random() % 2'000;
    ASSERT_EQ(FindAll(*reader, query), expected) << Text(query);
    hits += expected.size();
    if (i % 10 != 0) continue;
    const absl::StatusOr<CountResult> count = reader->Count(query);
    ASSERT_TRUE(count.ok()) << count.status();
    ASSERT_EQ(count->counts, std::vector<uint64_t>{expected.size()}) << Text(query);
  }
  EXPECT_GT(hits, static_cast<uint64_t>(queries));
}

TEST(SearchTest, HistogramsCountEveryRecordOnce) {
  std::mt19937_64 random(Seed());
  Searched ledger(random, 4, 120);
  const std::unique_ptr<Reader> reader = Reader::Open(ledger.dir()).value();
  for (int i = 0; i < 300; ++i) {
    Query query = ledger.RandomQuery();
    std::vector<int64_t> edges;
    int64_t edge = kEpochUs + static_cast<int64_t>(random() % 72) * kHourUs - kDayUs;
    for (uint64_t n = 2 + random() % 20; n > 0; --n) {
      edges.push_back(edge);
      edge += static_cast<int64_t>(random() % 24) * kHourUs;
    }
    std::vector<uint64_t> expected(edges.size() - 1);
    for (const uint64_t seq : ledger.Scan(query)) {
      const int64_t time_us = ledger.written()[seq].record.time_us;
      for (size_t bucket = 0; bucket + 1 < edges.size(); ++bucket) {
        if (time_us >= edges[bucket] && time_us < edges[bucket + 1]) ++expected[bucket];
      }
    }
    const absl::StatusOr<CountResult> count = reader->Count(query, edges);
    ASSERT_TRUE(count.ok()) << count.status();
    ASSERT_EQ(count->counts, expected) << Text(query);
  }
  EXPECT_FALSE(reader->Count({}, {1}).ok());
  EXPECT_FALSE(reader->Count({}, {2, 1}).ok());
}

// Parts of their full size, several in one segment, taken up again by another process's Open.
TEST(SearchTest, FullPartsAndARestart) {
  std::mt19937_64 random(Seed());
  Searched ledger(random, 1, 13'000);
  EXPECT_LT(ledger.ledger().stats().unindexed_contents, 4'096);
  const std::unique_ptr<Reader> reader = Reader::Open(ledger.dir()).value();
  const auto check = [&](int queries) {
    for (int i = 0; i < queries; ++i) {
      Query query = ledger.RandomQuery();
      const std::vector<uint64_t> expected = ledger.Scan(query);
      query.limit = 20'000;
      ASSERT_EQ(FindAll(*reader, query), expected) << Text(query);
    }
  };
  check(40);
  ledger.CloseLedger();
  check(10);
  { const std::unique_ptr<Ledger> again = Ledger::Open(ledger.Options()).value(); }
  const VerifyReport report = *reader->Verify({});
  EXPECT_TRUE(report.ok) << report.reason;
}

TEST(SearchTest, ErasedAndRestrictedContentIsNotFoundAndErasedEntriesGo) {
  std::mt19937_64 random(Seed());
  Searched ledger(random, 3, 300);
  const std::unique_ptr<Reader> reader = Reader::Open(ledger.dir()).value();
  const auto check = [&] {
    for (int i = 0; i < 200; ++i) {
      Query query = ledger.RandomQuery();
      query.before_seq = std::min<uint64_t>(query.before_seq.value_or(900), 900);
      query.limit = 2'000;
      ASSERT_EQ(FindAll(*reader, query), ledger.Scan(query)) << Text(query);
    }
  };
  const auto indexed_of = [&](const std::string& user) {
    size_t count = 0;
    for (const uint64_t seq : Indexed(ledger.dir())) {
      const Record& record = ledger.written()[seq].record;
      count += record.app == "app1" && record.user == user ? 1 : 0;
    }
    return count;
  };
  EXPECT_GT(indexed_of("user3"), 0);
  // The floor demands that it be kept: found by nobody all the same.
  ledger.Erase("app1", "user3");
  check();
  EXPECT_GT(indexed_of("user3"), 0);
  // Old enough, it goes at once, and so does what was restricted.
  ledger.Pass(400 * kDayUs);
  ledger.Erase("app1", "user5");
  EXPECT_EQ(indexed_of("user5"), 0) << "when the caller is told, the entries are gone";
  ledger.CloseLedger();
  EXPECT_EQ(indexed_of("user3"), 0);
  EXPECT_GT(Indexed(ledger.dir()).size(), 100);
  check();
  const VerifyReport report = *reader->Verify({});
  EXPECT_TRUE(report.ok) << report.reason;
}

}  // namespace
}  // namespace weir::audit
