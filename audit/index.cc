#include "audit/index.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "audit/big_endian.h"
#include "audit/concat.h"
#include "audit/varint.h"

namespace weir::audit {
namespace {

// A page that fits into a leaf of the B-tree is read by one access.
constexpr size_t kPageBytes = 4'000;
constexpr size_t kBitmapBytes = kSegmentRecords / 8;

constexpr std::string_view kRecordKeys[] = {"kind",    "exchange", "app",   "user",
                                            "profile", "region",   "model", "action"};
constexpr std::string_view kFindingKeys[] = {"rule", "category"};

// The place behind the JSON string that begins at `at`.
size_t SkipString(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// Walks the members of the object that begins at `at` and returns the place behind it. `member`
// gets each key and the place of its value, and returns the place behind the value.
template <typename Member>
size_t WalkObject(std::string_view text, size_t at, Member member) {
  ++at;
  while (at < text.size() && text[at] == '"') {
    const size_t key_end = SkipString(text, at);
    const std::string_view key = text.substr(at + 1, std::max(key_end, at + 2) - at - 2);
    at = member(key, at, key_end + 1);
    if (at < text.size() && text[at] == ',') ++at;
  }
  return at + 1;
}

size_t SkipScalar(std::string_view text, size_t at) {
  if (at < text.size() && text[at] == '"') return SkipString(text, at);
  return std::min(text.find_first_of(",}", at), text.size());
}

template <size_t kCount>
bool IsIn(std::string_view key, const std::string_view (&keys)[kCount]) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

absl::Status Damaged(uint64_t segment) {
  return absl::DataLossError(
      Concat("the index of segment ", segment, " is damaged: run `weir audit verify`"));
}

}  // namespace

Term TermOf(std::string_view field_and_value) {
  uint64_t hash = field_and_value.size();
  const auto mix = [&hash](std::string_view bytes) {
    uint64_t word = 0;  // little end first, zeros behind
    std::memcpy(&word, bytes.data(), bytes.size());
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
  };
  static_assert(std::endian::native == std::endian::little);
  for (; field_and_value.size() >= 8; field_and_value.remove_prefix(8)) {
    mix(field_and_value.substr(0, 8));
  }
  if (!field_and_value.empty()) mix(field_and_value);
  return hash;
}

void ForEachTerm(std::string_view encoded,
                 absl::FunctionRef<void(std::string_view field_and_value)> see) {
  WalkObject(encoded, 0, [&](std::string_view key, size_t member_at, size_t at) {
    if (key != "findings") {
      const size_t end = SkipScalar(encoded, at);
      if (IsIn(key, kRecordKeys)) see(encoded.substr(member_at, end - member_at));
      return end;
    }
    ++at;  // the bracket
    while (at < encoded.size() && encoded[at] == '{') {
      at = WalkObject(encoded, at, [&](std::string_view inner, size_t inner_at, size_t value_at) {
        const size_t end = SkipScalar(encoded, value_at);
        if (IsIn(inner, kFindingKeys)) see(encoded.substr(inner_at, end - inner_at));
        return end;
      });
      if (at < encoded.size() && encoded[at] == ',') ++at;
    }
    return at + 1;
  });
}

std::string RemovalOf(const SegmentSpan& span) {
  return Concat("Segment ", span.number, ", records ", span.begin, " to ", span.end() - 1, ",");
}

void SegmentBuilder::Add(uint64_t seq, int64_t time_us, std::string_view encoded) {
  if (span_.count == 0) span_.first_us = time_us;
  // The first time of a page counts from the segment's first, the others each from the one before.
  const bool new_page = span_.count % kTimePageRecords == 0;
  if (new_page) times_.emplace_back();
  AppendVarint(static_cast<uint64_t>(time_us - (new_page ? span_.first_us : span_.last_us)),
               times_.back());
  span_.last_us = time_us;
  ++span_.count;
  const auto offset = static_cast<uint32_t>(seq - span_.begin);
  ForEachTerm(encoded, [&](std::string_view text) { entries_.push_back({TermOf(text), offset}); });
}

std::vector<IndexPage> SegmentBuilder::Finish() {
  const uint64_t segment = span_.number;
  // Entries came in order of offset, so a stable order by term is an order by both.
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.term != b.term ? a.term < b.term : a.offset < b.offset;
  });
  entries_.erase(std::unique(entries_.begin(), entries_.end()), entries_.end());

  std::vector<IndexPage> pages = {{.id = IndexPageId(segment, 0), .bytes = {}}};
  std::string postings;
  for (auto begin = entries_.begin(); begin != entries_.end();) {
    const auto end = std::find_if(
        begin, entries_.end(), [begin](const Entry& entry) { return entry.term != begin->term; });
    postings.clear();
    uint32_t next = 0;
    for (auto entry = begin; entry != end; ++entry) {
      AppendVarint(entry->offset - next, postings);
      next = entry->offset + 1;
    }
    if (postings.size() >= kBitmapBytes) {
      postings.assign(kBitmapBytes, '\0');
      for (auto entry = begin; entry != end; ++entry) {
        char& byte = postings[entry->offset / 8];
        byte = static_cast<char>(byte | (1 << (entry->offset % 8)));
      }
    }
    if (pages.size() == 1 || pages.back().bytes.size() + postings.size() + 12 > kPageBytes) {
      AppendBigEndian(begin->term, pages.front().bytes);
      pages.push_back({.id = IndexPageId(segment, pages.size()), .bytes = {}});
    }
    AppendBigEndian(begin->term, pages.back().bytes);
    AppendVarint(postings.size(), pages.back().bytes);
    pages.back().bytes += postings;
    begin = end;
  }
  for (uint64_t i = 0; i < times_.size(); ++i) {
    pages.push_back({.id = TimePageId(segment, i), .bytes = std::move(times_[i])});
  }
  times_.clear();
  entries_.clear();
  span_ = SegmentSpan{.number = segment + 1, .begin = span_.end()};
  return pages;
}

void Postings::AddRange(uint64_t begin, uint64_t end) {
  for (; begin < end && begin % 64 != 0; ++begin) Add(begin);
  for (; begin + 64 <= end; begin += 64) words_[begin / 64] = ~uint64_t{0};
  for (; begin < end; ++begin) Add(begin);
}

void Postings::AddBitmap(std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little);
  for (size_t i = 0; i < words_.size(); ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i * sizeof(word), sizeof(word));
    words_[i] |= word;
  }
}

void Postings::Union(const Postings& other) {
  for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

void Postings::Intersect(const Postings& other) {
  for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
}

bool Postings::Any() const {
  return std::any_of(words_.begin(), words_.end(), [](uint64_t word) { return word != 0; });
}

uint64_t Postings::Count(uint64_t begin, uint64_t end) const {
  uint64_t count = 0;
  for (; begin < end && begin % 64 != 0; ++begin) count += Has(begin) ? 1 : 0;
  for (; begin + 64 <= end; begin += 64) {
    count += static_cast<uint64_t>(std::popcount(words_[begin / 64]));
  }
  for (; begin < end; ++begin) count += Has(begin) ? 1 : 0;
  return count;
}

uint64_t Postings::EndBelow(uint64_t end) const {
  while (end > 0) {
    const uint64_t word = (end - 1) / 64;
    const uint64_t kept = end % 64;
    const uint64_t below = kept == 0 ? words_[word] : words_[word] & ((uint64_t{1} << kept) - 1);
    if (below != 0) return word * 64 + 64 - static_cast<uint64_t>(std::countl_zero(below));
    end = word * 64;
  }
  return 0;
}

absl::StatusOr<SegmentReader> SegmentReader::Prepare(const Database& db) {
  SegmentReader reader;
  absl::StatusOr<Statement> segments = db.Prepare("SELECT * FROM segments ORDER BY number");
  absl::StatusOr<Statement> page = db.Prepare("SELECT page FROM index_pages WHERE id = ?1");
  if (!segments.ok()) return segments.status();
  if (!page.ok()) return page.status();
  reader.segments_ = *std::move(segments);
  reader.page_ = *std::move(page);
  return reader;
}

absl::StatusOr<std::vector<SegmentSpan>> SegmentReader::List() {
  std::vector<SegmentSpan> list;
  uint64_t next = 0;
  absl::StatusOr<bool> row = segments_.Step();
  for (; row.ok() && *row; row = segments_.Step()) {
    const SegmentSpan span{.number = segments_.Uint(0),
                           .begin = segments_.Uint(1),
                           .count = segments_.Uint(2),
                           .first_us = segments_.Int(3),
                           .last_us = segments_.Int(4)};
    if (span.number != list.size() || span.begin != next || span.count == 0 ||
        span.count > kSegmentRecords) {
      row = absl::DataLossError(Concat("segment ", list.size(), " of the ledger, from record ",
                                       next, " on, was altered or is missing"));
      break;
    }
    next = span.end();
    list.push_back(span);
  }
  segments_.Reset();
  if (!row.ok()) return row.status();
  return list;
}

absl::StatusOr<std::string> SegmentReader::Page(int64_t id) {
  page_.Bind(1, id);
  absl::StatusOr<bool> row = page_.Step();
  absl::StatusOr<std::string> bytes = !row.ok() ? absl::StatusOr<std::string>(row.status())
                                      : *row    ? std::string(page_.Bytes(0))
                                                : std::string();
  page_.Reset();
  return bytes;
}

absl::StatusOr<uint64_t> SegmentReader::FirstFrom(const SegmentSpan& segment, int64_t time_us) {
  const auto wanted = static_cast<uint64_t>(std::max(time_us - segment.first_us, int64_t{0}));
  // The last page whose first time is before ours; times do not fall.
  uint64_t page = 0;
  uint64_t time = 0;
  std::string bytes;
  std::string_view rest;
  for (uint64_t end = (segment.count + kTimePageRecords - 1) / kTimePageRecords; page + 1 < end;) {
    const uint64_t middle = page + (end - page) / 2;
    absl::StatusOr<std::string> read = Page(TimePageId(segment.number, middle));
    if (!read.ok()) return read.status();
    rest = *read;
    if (!TakeVarint(rest, time)) return Damaged(segment.number);
    if (time < wanted) {
      page = middle;
    } else {
      end = middle;
    }
  }
  absl::StatusOr<std::string> read = Page(TimePageId(segment.number, page));
  if (!read.ok()) return read.status();
  bytes = *std::move(read);
  rest = bytes;
  time = 0;
  uint64_t seq = segment.begin + page * kTimePageRecords;
  for (uint64_t delta = 0; !rest.empty(); ++seq) {
    if (!TakeVarint(rest, delta)) return Damaged(segment.number);
    time += delta;
    if (time >= wanted) return seq;
  }
  return std::min(seq, segment.end());
}

absl::Status SegmentReader::Read(uint64_t segment, Term term, Postings& postings) {
  absl::StatusOr<std::string> directory = Page(IndexPageId(segment, 0));
  if (!directory.ok()) return directory.status();
  if (directory->empty() || directory->size() % sizeof(Term) != 0) return Damaged(segment);
  // The last page whose first term is not behind ours.
  uint64_t page = 0;
  for (uint64_t below = directory->size() / sizeof(Term); below > 0;) {
    const uint64_t half = below / 2;
    if (ReadBigEndian<Term>(std::string_view(*directory).substr((page + half) * sizeof(Term))) <=
        term) {
      page += half + 1;
      below -= half + 1;
    } else {
      below = half;
    }
  }
  if (page == 0) return absl::OkStatus();
  absl::StatusOr<std::string> bytes = Page(IndexPageId(segment, page));
  if (!bytes.ok()) return bytes.status();
  std::string_view rest = *bytes;
  while (rest.size() > sizeof(Term)) {
    const Term found = ReadBigEndian<Term>(rest);
    rest.remove_prefix(sizeof(Term));
    uint64_t length = 0;
    if (!TakeVarint(rest, length) || length > rest.size()) return Damaged(segment);
    std::string_view list = rest.substr(0, length);
    rest.remove_prefix(length);
    if (found != term) continue;
    if (length == kBitmapBytes) {
      postings.AddBitmap(list);
      return absl::OkStatus();
    }
    for (uint64_t next = 0, delta = 0; !list.empty(); ++next) {
      if (!TakeVarint(list, delta) || delta >= kSegmentRecords - next) return Damaged(segment);
      next += delta;
      postings.Add(next);
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace weir::audit
