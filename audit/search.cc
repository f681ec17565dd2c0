#include "audit/search.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "audit/concat.h"
#include "audit/content.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

// What one call decrypts at most: a few hundredths of a second of work.
constexpr uint64_t kContentsMax = 6'000;
constexpr uint64_t kContentBytesMax = 24U << 20;

}  // namespace

Filter::Filter(const Query& query) {
  Record probe;
  probe.exchange = query.exchange;
  probe.app = query.app;
  probe.user = query.user;
  probe.profile = query.profile;
  probe.region = query.region;
  probe.action = query.action;
  probe.model = query.model;
  if (!query.rule.empty() || !query.category.empty()) {
    probe.findings.emplace_back();
    probe.findings[0].rule = query.rule;
    probe.findings[0].category = query.category;
  }
  Group kinds;
  for (const RecordKind kind : query.kinds) {
    kinds.texts.push_back(Concat("\"kind\":", JsonString(Name(kind))));
  }
  if (!kinds.texts.empty()) groups_.push_back(std::move(kinds));
  const std::string encoded = Encode(probe);
  bool kind = true;  // comes first and always
  ForEachTerm(encoded, [&](std::string_view text) {
    if (!std::exchange(kind, false)) groups_.push_back({.texts = {std::string(text)}, .terms = {}});
  });
  for (Group& group : groups_) {
    for (const std::string& text : group.texts) group.terms.push_back(TermOf(text));
  }
}

bool Filter::Matches(std::string_view encoded) const {
  // Most records lack a term; looking for its text anywhere is quicker than taking them apart.
  for (const Group& group : groups_) {
    const bool somewhere =
        std::any_of(group.texts.begin(), group.texts.end(), [encoded](const std::string& text) {
          return ::memmem(encoded.data(), encoded.size(), text.data(), text.size()) != nullptr;
        });
    if (!somewhere) return false;
  }
  if (groups_.empty()) return true;
  uint32_t missing = (1U << groups_.size()) - 1;
  ForEachTerm(encoded, [&](std::string_view text) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      const std::vector<std::string>& texts = groups_[i].texts;
      if (std::find(texts.begin(), texts.end(), text) != texts.end()) missing &= ~(1U << i);
    }
  });
  return missing == 0;
}

absl::StatusOr<std::unique_ptr<Searcher>> Searcher::Prepare(const Database& db, Tables& tables,
                                                            std::string dir) {
  std::unique_ptr<Searcher> searcher(new Searcher(db, tables, std::move(dir)));
  absl::StatusOr<SegmentReader> segments = SegmentReader::Prepare(db);
  if (!segments.ok()) return segments.status();
  searcher->segments_ = *std::move(segments);
  absl::StatusOr<WordTables> words = WordTables::Prepare(db, false);
  if (!words.ok()) return words.status();
  searcher->words_ = *std::move(words);
  absl::Status status;
  const auto prepare = [&](std::string_view sql, Statement& statement) {
    status.Update(db.Prepare(sql, statement));
  };
  prepare(
      "SELECT first_seq, count, time_us FROM batches WHERE first_seq <= ?1"
      " ORDER BY first_seq DESC LIMIT 1",
      searcher->batch_at_);
  // Content that is restricted is found by nobody.
  prepare(Concat("SELECT ", kContentColumns,
                 " WHERE c.seq = ?1 AND NOT EXISTS (SELECT 1 FROM restrictions r"
                 " WHERE r.subject = k.subject AND k.id < r.keys_below)"),
          searcher->content_at_);
  prepare("SELECT seq FROM contents WHERE seq >= ?1 AND seq < ?2", searcher->contents_from_);
  if (!status.ok()) return status;
  return searcher;
}

absl::StatusOr<uint64_t> Searcher::FirstFrom(int64_t time_us, uint64_t size,
                                             const std::vector<SegmentSpan>& closed) {
  const auto segment =
      std::partition_point(closed.begin(), closed.end(),
                           [time_us](const SegmentSpan& span) { return span.last_us < time_us; });
  if (segment != closed.end()) {
    absl::StatusOr<uint64_t> first = segments_.FirstFrom(*segment, time_us);
    if (!first.ok()) return first.status();
    return std::min(*first, size);
  }
  // Behind the closed segments; time never falls along the sequence, so halving finds it.
  uint64_t begin = closed.empty() ? 0 : closed.back().end();
  uint64_t end = size;
  while (begin < end) {
    batch_at_.Bind(1, begin + (end - begin) / 2);
    absl::StatusOr<bool> row = batch_at_.Step();
    const uint64_t first = row.ok() && *row ? batch_at_.Uint(0) : 0;
    const uint64_t behind = row.ok() && *row ? first + batch_at_.Uint(1) : end;
    const bool earlier = row.ok() && *row && batch_at_.Int(2) < time_us;
    batch_at_.Reset();
    if (!row.ok()) return row.status();
    if (earlier) {
      begin = std::max(behind, begin + 1);
    } else {
      end = std::min(first, end - 1);
    }
  }
  return std::min(begin, size);
}

absl::Status Searcher::Begin(const Query& query, const std::vector<SegmentSpan>& closed,
                             Search& search) {
  absl::StatusOr<uint64_t> size = tables_.Size();
  if (!size.ok()) return size.status();
  search.end = *size;
  if (query.before_seq) search.end = std::min(search.end, *query.before_seq);
  for (const auto& [time_us, is_begin] :
       {std::pair(query.from_us, true), std::pair(query.to_us, false)}) {
    if (!time_us) continue;
    absl::StatusOr<uint64_t> first = FirstFrom(*time_us, *size, closed);
    if (!first.ok()) return first.status();
    if (is_begin) {
      search.begin = *first;
    } else {
      search.end = std::min(search.end, *first);
    }
  }
  search.looked_down_to = search.end;
  search.contents_left = kContentsMax;
  search.bytes_left = kContentBytesMax;
  search.words = FoldWords(query.words);
  if (search.words.empty()) return absl::OkStatus();
  search.grams = GramsToFind(search.words);
  const std::string path =
      query.content_key_file.empty() ? dir_ + "/content.key" : query.content_key_file;
  absl::StatusOr<ContentKey> key = LoadKeyEncryptionKey(path, false);
  if (!key.ok()) {
    return absl::FailedPreconditionError(
        Concat("words are looked for in stored content, whose key cannot be read (",
               key.status().message(), "); content is kept with `audit.content: encrypted`"));
  }
  search.key_encryption_key = *key;
  return absl::OkStatus();
}

std::vector<SegmentSpan> Searcher::SegmentsOf(const Search& search,
                                              const std::vector<SegmentSpan>& closed) const {
  std::vector<SegmentSpan> spans;
  // What is not closed is at most one segment; in pieces of that size all the same, whatever the
  // store says.
  const uint64_t indexed = closed.empty() ? 0 : closed.back().end();
  for (uint64_t end = search.end; end > std::max(search.begin, indexed);) {
    const uint64_t count = (end - indexed - 1) % kSegmentRecords + 1;
    spans.push_back({.number = closed.size(), .begin = end - count, .count = count});
    end -= count;
  }
  for (auto segment = closed.rbegin(); segment != closed.rend(); ++segment) {
    if (segment->end() > search.begin && segment->begin < search.end) spans.push_back(*segment);
  }
  return spans;
}

absl::StatusOr<Postings> Searcher::Candidates(const SegmentSpan& segment, bool closed,
                                              Search& search) {
  Postings postings;
  if (closed) {
    absl::StatusOr<std::optional<SegmentHome>> home = tables_.HomeOf(segment.begin);
    if (!home.ok()) return home.status();
    if (home->has_value() && (*home)->removed_by.has_value()) return postings;
  }
  postings.AddRange(std::max(search.begin, segment.begin) - segment.begin,
                    std::min(search.end, segment.end()) - segment.begin);
  for (const Filter::Group& group : search.filter.groups()) {
    if (!closed) break;
    Postings carried;
    for (const Term term : group.terms) {
      absl::Status status = segments_.Read(segment.number, term, carried);
      if (!status.ok()) return status;
    }
    postings.Intersect(carried);
    if (!postings.Any()) return postings;
  }
  if (search.words.empty()) return postings;
  if (absl::Status status = NarrowByWords(segment, search, postings); !status.ok()) return status;
  return postings;
}

absl::Status Searcher::NarrowByWords(const SegmentSpan& segment, const Search& search,
                                     Postings& postings) {
  Postings carried;
  absl::StatusOr<std::vector<WordPart>> parts = words_.Parts(segment.begin, segment.end());
  if (!parts.ok()) return parts.status();
  const auto add = [&](uint64_t seq) {
    if (seq >= segment.begin && seq < segment.end()) carried.Add(seq - segment.begin);
  };
  std::optional<WordKey> key;
  std::vector<WordToken> tokens;
  for (const WordPart& part : *parts) {
    if (!key || key->suite() != part.suite) {
      absl::StatusOr<WordKey> derived = WordKey::Derive(part.suite, search.key_encryption_key);
      if (!derived.ok()) return derived.status();
      key = *derived;
      absl::StatusOr<std::vector<WordToken>> named = key->Tokens(search.grams);
      if (!named.ok()) return named.status();
      tokens = *std::move(named);
    }
    absl::StatusOr<std::vector<uint64_t>> found = words_.Find(part, *key, tokens);
    if (!found.ok()) return found.status();
    for (const uint64_t seq : *found) add(seq);
  }
  // Contents that no part speaks for: behind the last, or between two.
  uint64_t begin = segment.begin;
  parts->push_back({.begin = segment.end(), .end = segment.end()});
  for (const WordPart& part : *parts) {
    if (part.begin > begin) {
      contents_from_.Bind(1, begin);
      contents_from_.Bind(2, part.begin);
      absl::StatusOr<bool> row = contents_from_.Step();
      for (; row.ok() && *row; row = contents_from_.Step()) add(contents_from_.Uint(0));
      contents_from_.Reset();
      if (!row.ok()) return row.status();
    }
    begin = std::max(begin, part.end);
  }
  postings.Intersect(carried);
  return absl::OkStatus();
}

absl::StatusOr<bool> Searcher::HasWords(uint64_t seq, Search& search) {
  --search.contents_left;
  content_at_.Bind(1, seq);
  absl::StatusOr<bool> row = content_at_.Step();
  bool found = false;
  if (row.ok() && *row) {
    search.bytes_left -= std::min<uint64_t>(search.bytes_left, content_at_.Bytes(5).size());
    // What cannot be read holds no words; that it was altered is for verification to say.
    const absl::StatusOr<std::string> text =
        FoldedContentOf(content_at_, 0, search.key_encryption_key);
    found = text.ok() && text->find(search.words) != std::string::npos;
  }
  content_at_.Reset();
  if (!row.ok()) return row.status();
  return found;
}

// Looks at every record from `end` down to `begin`.
absl::Status Searcher::WalkBatches(uint64_t begin, uint64_t end, Search& search) {
  return tables_.ScanBackward(begin, end, [&](const Batch& batch) -> absl::StatusOr<bool> {
    absl::StatusOr<std::vector<std::string_view>> records = SplitRecords(batch);
    absl::Status status = records.status();
    for (uint64_t i = records.ok() ? records->size() : 0; i > 0 && status.ok(); --i) {
      const uint64_t seq = batch.first_seq + i - 1;
      if (seq >= end || seq < begin || search.enough) continue;
      if (!search.filter.Matches((*records)[i - 1])) continue;
      absl::StatusOr<bool> more = search.see(seq, (*records)[i - 1]);
      status = more.status();
      search.enough = more.ok() && !*more;
    }
    if (!status.ok()) return status;
    return !search.enough;
  });
}

absl::Status Searcher::WalkSegment(const SegmentSpan& segment, const Postings& postings,
                                   Search& search) {
  // Named records that lie close together come in one walk over their batches.
  uint64_t end = postings.EndBelow(segment.count);
  while (end > 0 && !search.enough) {
    uint64_t run = end - 1;
    while (run > 0 && postings.Has(run - 1)) --run;
    const absl::Status status = WalkBatches(segment.begin + run, segment.begin + end, search);
    if (!status.ok()) return status;
    end = postings.EndBelow(run);
  }
  return absl::OkStatus();
}

// A content costs less to look at than a record in the middle of its batch, so it comes first.
absl::Status Searcher::WalkContents(const SegmentSpan& segment, const Postings& postings,
                                    Search& search) {
  for (uint64_t end = postings.EndBelow(segment.count); end > 0 && !search.enough;
       end = postings.EndBelow(end - 1)) {
    if (search.Exhausted()) {
      search.looked_down_to = segment.begin + end;
      return absl::OkStatus();
    }
    const uint64_t seq = segment.begin + end - 1;
    absl::StatusOr<bool> has_words = HasWords(seq, search);
    if (!has_words.ok()) return has_words.status();
    if (!*has_words) continue;
    if (absl::Status status = WalkBatches(seq, seq + 1, search); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<QueryPage> Searcher::Find(const Query& query) {
  if (query.limit == 0) return absl::InvalidArgumentError("the limit must be at least 1");
  absl::StatusOr<std::vector<SegmentSpan>> closed = segments_.List();
  if (!closed.ok()) return closed.status();
  QueryPage page;
  // One more than asked for only tells that there is a next page.
  const auto see = [&](uint64_t, std::string_view encoded) -> absl::StatusOr<bool> {
    absl::StatusOr<Record> record = Decode(encoded);
    if (!record.ok()) {
      return absl::DataLossError(Concat("a record of the ledger is damaged (",
                                        record.status().message(), "): run `weir audit verify`"));
    }
    page.records.push_back({*std::move(record), std::string(encoded)});
    return page.records.size() <= query.limit;
  };
  Search search{.filter = Filter(query), .see = see};
  if (absl::Status status = Begin(query, *closed, search); !status.ok()) return status;
  for (const SegmentSpan& segment : SegmentsOf(search, *closed)) {
    absl::StatusOr<Postings> postings =
        Candidates(segment, segment.number < closed->size(), search);
    if (!postings.ok()) return postings.status();
    const absl::Status status = search.words.empty() ? WalkSegment(segment, *postings, search)
                                                     : WalkContents(segment, *postings, search);
    if (!status.ok()) return status;
    if (search.enough) break;
    if (search.looked_down_to < search.end) break;
  }
  if (page.records.size() > query.limit) {
    page.records.pop_back();
    page.next_before_seq = page.records.back().record.seq;
  } else if (search.looked_down_to < search.end && search.looked_down_to > search.begin) {
    page.next_before_seq = search.looked_down_to;
  }
  return page;
}

absl::StatusOr<CountResult> Searcher::Count(const Query& query,
                                            const std::vector<int64_t>& edges_us) {
  absl::StatusOr<std::vector<SegmentSpan>> closed = segments_.List();
  if (!closed.ok()) return closed.status();
  CountResult result;
  std::vector<uint64_t> edges;  // records at which the buckets begin, and where the last ends
  const auto see = [&](uint64_t seq, std::string_view) -> absl::StatusOr<bool> {
    const auto bucket = std::upper_bound(edges.begin(), edges.end(), seq);
    if (bucket != edges.begin() && bucket != edges.end()) {
      ++result.counts[static_cast<size_t>(bucket - edges.begin()) - 1];
    }
    return true;
  };
  Search search{.filter = Filter(query), .see = see};
  if (absl::Status status = Begin(query, *closed, search); !status.ok()) return status;
  for (const int64_t edge : edges_us) {
    absl::StatusOr<uint64_t> first = FirstFrom(edge, search.end, *closed);
    if (!first.ok()) return first.status();
    edges.push_back(std::clamp(*first, search.begin, std::max(search.begin, search.end)));
  }
  if (edges.empty()) edges = {search.begin, std::max(search.begin, search.end)};
  if (edges.size() < 2 || !std::is_sorted(edges_us.begin(), edges_us.end())) {
    return absl::InvalidArgumentError("a histogram needs two or more moments, in order");
  }
  result.counts.resize(edges.size() - 1);
  search.begin = edges.front();
  search.end = std::min(search.end, edges.back());
  search.looked_down_to = search.end;
  for (const SegmentSpan& segment : SegmentsOf(search, *closed)) {
    const bool is_closed = segment.number < closed->size();
    const bool no_terms = search.filter.groups().empty();
    absl::StatusOr<Postings> postings = Candidates(segment, is_closed, search);
    if (!postings.ok()) return postings.status();
    if (search.words.empty() && (is_closed || no_terms)) {
      for (size_t i = 0; i + 1 < edges.size(); ++i) {
        const uint64_t begin = std::max(edges[i], segment.begin);
        const uint64_t end = std::min(edges[i + 1], segment.end());
        if (begin >= end) continue;
        result.counts[i] += postings->Count(begin - segment.begin, end - segment.begin);
      }
      continue;
    }
    const absl::Status status = search.words.empty() ? WalkSegment(segment, *postings, search)
                                                     : WalkContents(segment, *postings, search);
    if (!status.ok()) return status;
    if (search.looked_down_to < search.end) {
      if (search.looked_down_to > search.begin) result.next_before_seq = search.looked_down_to;
      break;
    }
  }
  return result;
}

}  // namespace weir::audit
