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

absl::StatusOr<Tables> Tables::Prepare(const Database& db) {
  Tables tables;
  const auto prepare = [&db](std::string_view sql, Statement& statement) {
    absl::StatusOr<Statement> prepared = db.Prepare(sql);
    if (prepared.ok()) statement = *std::move(prepared);
    return prepared.status();
  };
  absl::Status status = prepare(
      "SELECT first_seq, count FROM batches ORDER BY first_seq DESC LIMIT 1", tables.last_batch_);
  status.Update(
      prepare("SELECT first_seq, count, records FROM batches WHERE first_seq <= ?1"
              " ORDER BY first_seq DESC LIMIT 1",
              tables.batch_at_));
  status.Update(
      prepare("SELECT first_seq FROM batches WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1",
              tables.batch_at_));
  status.Update(
      prepare("SELECT * FROM batches WHERE first_seq >= ?1 ORDER BY first_seq", tables.batches_));
  status.Update(
      prepare("SELECT id, hash FROM nodes WHERE id >= ?1 ORDER BY id LIMIT ?2", tables.nodes_));
  if (!status.ok()) return status;
  return tables;
}

absl::StatusOr<uint64_t> Tables::Size() {
  absl::StatusOr<bool> row = last_batch_.Step();
  const uint64_t size = row.ok() && *row ? last_batch_.Uint(0) + last_batch_.Uint(1) : 0;
  last_batch_.Reset();
  if (!row.ok()) return row.status();
  return size;
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
    status = Scan(begin, end, [&](const Batch& batch) {
      absl::StatusOr<std::vector<Hash>> leaves = SplitLeaves(batch);
      if (!leaves.ok()) return leaves.status();
      for (uint64_t i = 0; i < batch.count; ++i) {
        const uint64_t seq = batch.first_seq + i;
        if (seq >= begin && seq < end) hashes.push_back((*leaves)[i]);
      }
      return absl::OkStatus();
    });
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
