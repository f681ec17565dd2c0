#include "audit/tables.h"

#include <algorithm>
#include <cstring>

#include "audit/concat.h"
#include "audit/record.h"

namespace weir::audit {
namespace {

absl::Status BadRecord(uint64_t seq, const std::string& what) {
  return absl::DataLossError(Concat("record ", seq, ": ", what));
}

// No batch is nearly as large; what says more is damaged.
constexpr uint64_t kBatchRecordsMax = uint64_t{1} << 32;

}  // namespace

std::string_view AppendToBatch(uint64_t seq, int64_t time_us, std::string_view body,
                               std::string& batch) {
  const size_t begin = batch.size();
  batch.append(2, '\0');
  AppendEncoding(seq, time_us, body, batch);
  const size_t length = batch.size() - begin - 2;
  batch[begin] = static_cast<char>(length >> 8);
  batch[begin + 1] = static_cast<char>(length);
  return std::string_view(batch).substr(begin + 2);
}

Batch ReadBatch(const Statement& row) {
  return {.first_seq = row.Uint(0),
          .count = row.Uint(1),
          .time_us = row.Int(2),
          .leaves = row.Bytes(3),
          .records = row.Bytes(4)};
}

absl::StatusOr<std::vector<std::string_view>> SplitRecords(const Batch& batch) {
  std::vector<std::string_view> records;
  std::string_view rest = batch.records;
  while (!rest.empty()) {
    const uint64_t seq = batch.first_seq + records.size();
    const size_t length = rest.size() < 2
                              ? kRecordBytesMax + 1
                              : static_cast<size_t>(static_cast<uint8_t>(rest[0])) << 8 |
                                    static_cast<uint8_t>(rest[1]);
    if (length + 2 > rest.size()) return BadRecord(seq, "its bytes end too early");
    records.push_back(rest.substr(2, length));
    rest.remove_prefix(2 + length);
  }
  if (records.size() == batch.count && batch.count > 0) return records;
  return BadRecord(batch.first_seq, Concat("the batch that it begins holds ", records.size(),
                                           " records and says ", batch.count));
}

absl::StatusOr<std::vector<Hash>> SplitLeaves(const Batch& batch) {
  if (batch.leaves.size() % sizeof(Hash) != 0 ||
      batch.leaves.size() / sizeof(Hash) != batch.count) {
    return BadRecord(batch.first_seq, Concat("the batch that it begins has ", batch.leaves.size(),
                                             " bytes of leaves for ", batch.count, " records"));
  }
  std::vector<Hash> leaves(batch.count);
  std::memcpy(leaves.data(), batch.leaves.data(), batch.leaves.size());
  return leaves;
}

std::string ArchivePath(const std::string& dir, uint64_t segment) {
  std::string number = Concat(segment);
  if (number.size() < 6) number.insert(0, 6 - number.size(), '0');
  return Concat(dir, "/segments/", number, ".zst");
}

absl::StatusOr<Tables> Tables::Prepare(const Database& db, const std::string& dir) {
  Tables tables;
  tables.dir_ = dir;
  absl::Status status = db.Prepare(
      "SELECT first_seq, count FROM batches ORDER BY first_seq DESC LIMIT 1", tables.last_batch_);
  status.Update(db.Prepare("SELECT begin + count FROM segments ORDER BY number DESC LIMIT 1",
                           tables.last_segment_));
  status.Update(db.Prepare(
      "SELECT first_seq, count, time_us FROM batches WHERE first_seq <= ?1 ORDER BY first_seq DESC"
      " LIMIT 1",
      tables.batch_at_));
  status.Update(db.Prepare("SELECT * FROM batches WHERE first_seq >= ?1 ORDER BY first_seq",
                           tables.batches_));
  status.Update(db.Prepare("SELECT * FROM batches WHERE first_seq < ?1 ORDER BY first_seq DESC",
                           tables.batches_before_));
  status.Update(
      db.Prepare("SELECT id, hash FROM nodes WHERE id >= ?1 ORDER BY id LIMIT ?2", tables.nodes_));
  status.Update(db.Prepare(
      "SELECT s.number, s.begin, s.count, s.first_us, s.last_us, a.number IS NOT NULL, r.seq"
      " FROM segments s LEFT JOIN archives a USING(number) LEFT JOIN removals r USING(number)"
      " WHERE s.begin <= ?1 ORDER BY s.begin DESC LIMIT 1",
      tables.home_));
  status.Update(
      db.Prepare("SELECT first, hashes FROM leaves WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
                 tables.leaves_));
  if (!status.ok()) return status;
  return tables;
}

absl::StatusOr<uint64_t> Tables::Size() {
  uint64_t size = 0;
  absl::StatusOr<bool> row = last_segment_.Step();
  if (row.ok() && *row) size = last_segment_.Uint(0);
  last_segment_.Reset();
  if (!row.ok()) return row.status();
  row = last_batch_.Step();
  if (row.ok() && *row) size = std::max(size, last_batch_.Uint(0) + last_batch_.Uint(1));
  last_batch_.Reset();
  if (!row.ok()) return row.status();
  return size;
}

absl::StatusOr<std::optional<SegmentHome>> Tables::HomeOf(uint64_t seq) {
  home_.Bind(1, seq);
  absl::StatusOr<bool> row = home_.Step();
  std::optional<SegmentHome> home;
  if (row.ok() && *row) {
    home = SegmentHome{.span = {.number = home_.Uint(0),
                                .begin = home_.Uint(1),
                                .count = home_.Uint(2),
                                .first_us = home_.Int(3),
                                .last_us = home_.Int(4)},
                       .archived = home_.Int(5) != 0,
                       .removed_by = std::nullopt};
    if (!home_.IsNull(6)) home->removed_by = home_.Uint(6);
  }
  home_.Reset();
  if (!row.ok()) return row.status();
  return home;
}

absl::StatusOr<std::string> Tables::Get(uint64_t seq) {
  std::string found;
  const absl::Status status = Scan(seq, seq + 1, [&](const Batch& batch) {
    absl::StatusOr<std::vector<std::string_view>> records = SplitRecords(batch);
    if (records.ok()) found = std::string((*records)[seq - batch.first_seq]);
    return records.status();
  });
  if (!status.ok()) return status;
  if (found.empty()) return absl::NotFoundError(Concat("the ledger has no record ", seq));
  return found;
}

absl::Status Tables::Scan(uint64_t begin, uint64_t end,
                          absl::FunctionRef<absl::Status(const Batch& batch)> see) {
  for (uint64_t next = begin; next < end;) {
    absl::StatusOr<std::optional<SegmentHome>> home = HomeOf(next);
    if (!home.ok()) return home.status();
    const bool closed = home->has_value() && next < (*home)->span.end();
    if (!closed) return ScanStore(next, end, see);
    const SegmentSpan& span = (*home)->span;
    if ((*home)->removed_by.has_value()) {
      return absl::NotFoundError(Concat("the records ", span.begin, " to ", span.end() - 1,
                                        " were removed when their retention had passed, as record ",
                                        *(*home)->removed_by, " says"));
    }
    const uint64_t until = std::min(end, span.end());
    if (!(*home)->archived) {
      if (absl::Status status = ScanStore(next, until, see); !status.ok()) return status;
    }
    for (uint64_t seq = next; (*home)->archived && seq < until;) {
      absl::StatusOr<const Frame*> frame = FrameWith(span, seq);
      if (!frame.ok()) return frame.status();
      for (const Batch& batch : (*frame)->batches) {
        if (batch.first_seq + batch.count <= seq || batch.first_seq >= until) continue;
        if (absl::Status status = see(batch); !status.ok()) return status;
      }
      seq = (*frame)->batches.back().first_seq + (*frame)->batches.back().count;
    }
    next = until;
  }
  return absl::OkStatus();
}

absl::Status Tables::ScanStore(uint64_t begin, uint64_t end,
                               absl::FunctionRef<absl::Status(const Batch& batch)> see) {
  if (begin >= end) return absl::OkStatus();
  batch_at_.Bind(1, begin);
  absl::StatusOr<bool> row = batch_at_.Step();
  uint64_t next = row.ok() && *row ? batch_at_.Uint(0) : 0;
  batch_at_.Reset();
  if (!row.ok()) return row.status();

  batches_.Bind(1, next);
  absl::Status status;
  while (status.ok() && next < end) {
    row = batches_.Step();
    status = row.status();
    if (!row.ok() || !*row) break;
    const Batch batch = ReadBatch(batches_);
    if (batch.first_seq != next || batch.count == 0 || batch.count > kBatchRecordsMax) {
      status = BadRecord(next, Concat("is missing; the next batch begins at ", batch.first_seq));
      break;
    }
    next = batch.first_seq + batch.count;
    if (next > begin) status = see(batch);
  }
  batches_.Reset();
  return status;
}

absl::Status Tables::ScanBackward(uint64_t begin, uint64_t end,
                                  absl::FunctionRef<absl::StatusOr<bool>(const Batch& batch)> see) {
  for (uint64_t behind = end; behind > begin;) {
    absl::StatusOr<std::optional<SegmentHome>> home = HomeOf(behind - 1);
    if (!home.ok()) return home.status();
    const bool closed = home->has_value() && behind <= (*home)->span.end();
    if (!closed || !(*home)->archived) {
      const uint64_t from = !home->has_value() ? begin
                            : closed           ? std::max(begin, (*home)->span.begin)
                                               : std::max(begin, (*home)->span.end());
      absl::StatusOr<bool> more = ScanStoreBackward(from, behind, see);
      if (!more.ok() || !*more) return more.status();
      behind = from;
      continue;
    }
    const SegmentSpan& span = (*home)->span;
    const uint64_t from = std::max(begin, span.begin);
    while (!(*home)->removed_by.has_value() && behind > from) {
      absl::StatusOr<const Frame*> frame = FrameWith(span, behind - 1);
      if (!frame.ok()) return frame.status();
      for (auto batch = (*frame)->batches.rbegin(); batch != (*frame)->batches.rend(); ++batch) {
        if (batch->first_seq >= behind || batch->first_seq + batch->count <= from) continue;
        absl::StatusOr<bool> more = see(*batch);
        if (!more.ok() || !*more) return more.status();
      }
      behind = (*frame)->begin;
    }
    behind = from;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Tables::ScanStoreBackward(
    uint64_t begin, uint64_t end, absl::FunctionRef<absl::StatusOr<bool>(const Batch& batch)> see) {
  batches_before_.Bind(1, end);
  absl::StatusOr<bool> more = true;
  for (uint64_t behind = end; more.ok() && *more && behind > begin;) {
    absl::StatusOr<bool> row = batches_before_.Step();
    if (!row.ok() || !*row) {
      if (!row.ok()) more = row.status();
      break;
    }
    const Batch batch = ReadBatch(batches_before_);
    behind = batch.first_seq;
    more = see(batch);
  }
  batches_before_.Reset();
  return more;
}

absl::StatusOr<const Tables::Frame*> Tables::FrameWith(const SegmentSpan& span, uint64_t seq) {
  const uint64_t index = (seq - span.begin) / kArchiveFrameRecords;
  const uint64_t begin = span.begin + index * kArchiveFrameRecords;
  const uint64_t count = std::min(kArchiveFrameRecords, span.end() - begin);
  if (!frame_.batches.empty() && frame_.begin == begin) return &frame_;
  frame_.batches.clear();
  if (!archive_.has_value() || archive_number_ != span.number) {
    absl::StatusOr<Archive> archive = Archive::Open(ArchivePath(dir_, span.number));
    if (!archive.ok()) return absl::DataLossError(archive.status().message());
    archive_ = *std::move(archive);
    archive_number_ = span.number;
  }
  if (index >= archive_->record_frames()) return BadRecord(seq, "its archive ends before it");
  absl::StatusOr<std::string> lines = archive_->Records(index);
  if (!lines.ok()) return lines.status();
  uint64_t first = 0;
  absl::StatusOr<std::string> leaves = ArchivedLeaves(begin, first);
  if (!leaves.ok()) return leaves.status();
  if (first != begin || leaves->size() != count * sizeof(Hash)) {
    return BadRecord(begin, "its leaf hash and those behind it are missing");
  }

  // The records as batches write them; one batch for each time.
  std::vector<std::pair<Batch, std::pair<size_t, size_t>>> parts;
  frame_ = {.begin = begin, .records = {}, .leaves = *std::move(leaves), .batches = {}};
  uint64_t number = begin;
  for (std::string_view rest = *lines; !rest.empty(); ++number) {
    const size_t length = rest.find('\n');
    absl::StatusOr<int64_t> time_us = TimeOfEncoded(rest.substr(0, length));
    if (length == std::string_view::npos || length > kRecordBytesMax || !time_us.ok()) {
      return BadRecord(number, "its line in the archive was altered");
    }
    if (parts.empty() || parts.back().first.time_us != *time_us) {
      parts.push_back(
          {{.first_seq = number, .count = 0, .time_us = *time_us, .leaves = {}, .records = {}},
           {frame_.records.size(), 0}});
    }
    frame_.records += static_cast<char>(length >> 8);
    frame_.records += static_cast<char>(length);
    frame_.records += rest.substr(0, length);
    ++parts.back().first.count;
    parts.back().second.second = frame_.records.size();
    rest.remove_prefix(length + 1);
  }
  if (number != begin + count) {
    return BadRecord(
        begin, Concat("its archive holds ", number - begin, " records where ", count, " belong"));
  }
  for (auto& [batch, bytes] : parts) {
    batch.records =
        std::string_view(frame_.records).substr(bytes.first, bytes.second - bytes.first);
    batch.leaves =
        std::string_view(frame_.leaves)
            .substr((batch.first_seq - begin) * sizeof(Hash), batch.count * sizeof(Hash));
    frame_.batches.push_back(batch);
  }
  return &frame_;
}

absl::StatusOr<std::string> Tables::ArchivedLeaves(uint64_t seq, uint64_t& first) {
  leaves_.Bind(1, seq);
  absl::StatusOr<bool> row = leaves_.Step();
  std::string hashes;
  if (row.ok() && *row) {
    first = leaves_.Uint(0);
    hashes = std::string(leaves_.Bytes(1));
  }
  leaves_.Reset();
  if (!row.ok()) return row.status();
  if (hashes.empty() || hashes.size() % sizeof(Hash) != 0 ||
      first + hashes.size() / sizeof(Hash) <= seq) {
    return BadRecord(seq, "its leaf hash is missing");
  }
  return hashes;
}

absl::StatusOr<std::vector<Hash>> Tables::Leaves(uint64_t begin, uint64_t end) {
  std::vector<Hash> hashes;
  hashes.reserve(end - begin);
  for (uint64_t next = begin; next < end; next = begin + hashes.size()) {
    absl::StatusOr<std::optional<SegmentHome>> home = HomeOf(next);
    if (!home.ok()) return home.status();
    const bool closed = home->has_value() && next < (*home)->span.end();
    if (closed && (*home)->archived) {
      uint64_t first = 0;
      absl::StatusOr<std::string> row = ArchivedLeaves(next, first);
      if (!row.ok()) return row.status();
      const uint64_t until = std::min(end, first + row->size() / sizeof(Hash));
      const size_t had = hashes.size();
      hashes.resize(had + (until - next));
      std::memcpy(hashes.data() + had, row->data() + (next - first) * sizeof(Hash),
                  (until - next) * sizeof(Hash));
      continue;
    }
    const uint64_t until = closed ? std::min(end, (*home)->span.end()) : end;
    absl::Status status = ScanStore(next, until, [&](const Batch& batch) {
      absl::StatusOr<std::vector<Hash>> leaves = SplitLeaves(batch);
      if (!leaves.ok()) return leaves.status();
      for (uint64_t i = 0; i < batch.count; ++i) {
        const uint64_t seq = batch.first_seq + i;
        if (seq >= next && seq < until) hashes.push_back((*leaves)[i]);
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    if (begin + hashes.size() < until) return BadRecord(begin + hashes.size(), "is missing");
  }
  return hashes;
}

absl::StatusOr<Tables::Moment> Tables::MomentOf(uint64_t seq) {
  absl::StatusOr<std::optional<SegmentHome>> home = HomeOf(seq);
  if (!home.ok()) return home.status();
  if (home->has_value() && seq < (*home)->span.end() && (*home)->archived) {
    const SegmentSpan& span = (*home)->span;
    if ((*home)->removed_by.has_value()) return Moment{span.begin, span.end(), span.last_us};
    absl::StatusOr<const Frame*> frame = FrameWith(span, seq);
    if (!frame.ok()) return frame.status();
    for (const Batch& batch : (*frame)->batches) {
      const uint64_t end = batch.first_seq + batch.count;
      if (seq < end) return Moment{batch.first_seq, end, batch.time_us};
    }
  }
  batch_at_.Bind(1, seq);
  absl::StatusOr<bool> row = batch_at_.Step();
  Moment moment;
  if (row.ok() && *row) {
    moment = {batch_at_.Uint(0), batch_at_.Uint(0) + batch_at_.Uint(1), batch_at_.Int(2)};
  }
  batch_at_.Reset();
  if (!row.ok()) return row.status();
  if (seq < moment.begin || seq >= moment.end) return BadRecord(seq, "is missing");
  return moment;
}

// Time never falls along the sequence, so halving finds it.
absl::StatusOr<uint64_t> Tables::FirstFrom(int64_t time_us, uint64_t size) {
  uint64_t begin = 0;
  uint64_t end = size;
  while (begin < end) {
    absl::StatusOr<Moment> moment = MomentOf(begin + (end - begin) / 2);
    if (!moment.ok()) return moment.status();
    if (moment->time_us < time_us) {
      begin = moment->end;
    } else {
      end = std::max(begin, moment->begin);
    }
  }
  return std::min(begin, size);
}

absl::StatusOr<std::vector<Hash>> Tables::Tile(int level, uint64_t number, uint64_t size) {
  const uint64_t hashes_total = size >> (level * kTileHeight);
  const uint64_t begin = number * kTileWidth;
  if (begin >= hashes_total) {
    return absl::NotFoundError(
        Concat("a tree of size ", size, " has no tile ", number, " of level ", level));
  }
  const uint64_t end = std::min(begin + kTileWidth, hashes_total);
  std::vector<Hash> hashes;
  hashes.reserve(kTileWidth);
  absl::Status status;
  if (level == 0) {
    absl::StatusOr<std::vector<Hash>> leaves = Leaves(begin, end);
    status = leaves.status();
    if (leaves.ok()) hashes = *std::move(leaves);
  } else {
    nodes_.Bind(1, NodeId(level, begin));
    nodes_.Bind(2, end - begin);
    absl::StatusOr<bool> row = nodes_.Step();
    while (row.ok() && *row && nodes_.Int(0) == NodeId(level, begin + hashes.size()) &&
           nodes_.Bytes(1).size() == sizeof(Hash)) {
      std::memcpy(hashes.emplace_back().data(), nodes_.Bytes(1).data(), sizeof(Hash));
      row = nodes_.Step();
    }
    nodes_.Reset();
    status = row.status();
  }
  if (!status.ok()) return status;
  if (hashes.size() != end - begin) {
    return absl::DataLossError(Concat("tile ", number, " of level ", level, ", over record ",
                                      begin << (level * kTileHeight), ", is not whole"));
  }
  return hashes;
}

absl::StatusOr<Hash> Tables::Node(int level, uint64_t index, uint64_t size) {
  const int height = level % kTileHeight;  // above the hashes of its tile
  const uint64_t first = index << height;
  absl::StatusOr<std::vector<Hash>> tile = Tile(level / kTileHeight, first / kTileWidth, size);
  if (!tile.ok()) return tile.status();
  const size_t offset = first % kTileWidth;
  const size_t width = size_t{1} << height;
  if (offset + width > tile->size()) {
    return absl::NotFoundError(
        Concat("node ", index, " of level ", level, " is not complete in a tree of size ", size));
  }
  CompactRange range;
  for (size_t i = 0; i < width; ++i) range.Append((*tile)[offset + i]);
  return range.Root();
}

NodeReader Tables::Nodes(uint64_t size) {
  return [this, size](int level, uint64_t index) { return Node(level, index, size); };
}

}  // namespace weir::audit
