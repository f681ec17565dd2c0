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

absl::StatusOr<std::vector<Hash>> ParseHashes(std::string_view bytes, uint64_t count) {
  if (bytes.size() != count * sizeof(Hash)) {
    return absl::DataLossError(
        Concat("has ", bytes.size(), " bytes instead of ", count, " hashes"));
  }
  std::vector<Hash> hashes(count);
  std::memcpy(hashes.data(), bytes.data(), bytes.size());
  return hashes;
}

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

absl::StatusOr<std::vector<std::string_view>> SplitBatch(std::string_view batch, uint64_t count) {
  std::vector<std::string_view> records;
  while (!batch.empty()) {
    if (batch.size() < 2) return absl::DataLossError("the batch ends inside a length");
    const size_t length = static_cast<size_t>(static_cast<unsigned char>(batch[0])) << 8 |
                          static_cast<unsigned char>(batch[1]);
    if (batch.size() - 2 < length) return absl::DataLossError("the batch ends inside a record");
    records.push_back(batch.substr(2, length));
    batch.remove_prefix(2 + length);
  }
  if (records.size() != count) {
    return absl::DataLossError(
        Concat("the batch holds ", records.size(), " records and says ", count));
  }
  return records;
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
  status.Update(prepare(
      "SELECT first_seq, count, records FROM batches WHERE first_seq >= ?1 ORDER BY first_seq",
      tables.batches_));
  status.Update(prepare("SELECT root, hashes FROM tiles WHERE id = ?1", tables.tile_));
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
  const absl::Status status = Scan(seq, seq + 1, [&found](uint64_t, std::string_view encoded) {
    found = std::string(encoded);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (found.empty()) return absl::NotFoundError(Concat("the ledger has no record ", seq));
  return found;
}

absl::Status Tables::Scan(
    uint64_t begin, uint64_t end,
    absl::FunctionRef<absl::Status(uint64_t seq, std::string_view encoded)> see) {
  if (begin >= end) return absl::OkStatus();
  batch_at_.Bind(1, begin);
  absl::StatusOr<bool> row = batch_at_.Step();
  const uint64_t first = row.ok() && *row ? batch_at_.Uint(0) : 0;
  batch_at_.Reset();
  if (!row.ok()) return row.status();

  batches_.Bind(1, first);
  uint64_t next = first;
  absl::Status status;
  while (status.ok() && next < end) {
    row = batches_.Step();
    if (!row.ok()) status = row.status();
    if (!row.ok() || !*row) break;
    if (batches_.Uint(0) != next) {
      status = BadRecord(next, Concat("is missing; the next batch begins at ", batches_.Uint(0)));
      break;
    }
    absl::StatusOr<std::vector<std::string_view>> records =
        SplitBatch(batches_.Bytes(2), batches_.Uint(1));
    if (!records.ok()) {
      status = BadRecord(next, Concat(records.status().message()));
      break;
    }
    for (const std::string_view encoded : *records) {
      if (next >= begin && next < end && status.ok()) status = see(next, encoded);
      ++next;
    }
  }
  batches_.Reset();
  return status;
}

absl::StatusOr<std::vector<Hash>> Tables::Tile(int level, uint64_t number, uint64_t size) {
  const uint64_t width_total = size >> (level * kTileHeight);
  const uint64_t begin = number * kTileWidth;
  if (begin >= width_total) {
    return absl::NotFoundError(
        Concat("a tree of size ", size, " has no tile ", number, " of level ", level));
  }
  const uint64_t width = std::min(kTileWidth, width_total - begin);
  if (width == kTileWidth) {
    tile_.Bind(1, TileId(level, number));
    absl::StatusOr<bool> row = tile_.Step();
    absl::StatusOr<std::vector<Hash>> hashes = !row.ok() ? row.status()
                                               : *row    ? ParseHashes(tile_.Bytes(1), width)
                                                         : absl::DataLossError("is missing");
    tile_.Reset();
    if (!hashes.ok()) {
      return absl::DataLossError(Concat("tile ", number, " of level ", level, ", over record ",
                                        begin << (level * kTileHeight), ": ",
                                        hashes.status().message()));
    }
    return hashes;
  }

  // The tree's right edge is not stored: it follows from the records, or from the tiles below.
  std::vector<Hash> hashes;
  hashes.reserve(width);
  if (level == 0) {
    const absl::Status status =
        Scan(begin, begin + width, [&hashes](uint64_t, std::string_view encoded) {
          hashes.push_back(LeafHash(encoded));
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
  } else {
    for (uint64_t below = begin; below < begin + width; ++below) {
      tile_.Bind(1, TileId(level - 1, below));
      absl::StatusOr<bool> row = tile_.Step();
      absl::StatusOr<std::vector<Hash>> root = !row.ok() ? row.status()
                                               : *row    ? ParseHashes(tile_.Bytes(0), 1)
                                                         : absl::DataLossError("is missing");
      tile_.Reset();
      if (!root.ok()) {
        return absl::DataLossError(
            Concat("tile ", below, " of level ", level - 1, ": ", root.status().message()));
      }
      hashes.push_back(root->front());
    }
  }
  if (hashes.size() != width) {
    return BadRecord(begin + hashes.size(), "is missing");
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
