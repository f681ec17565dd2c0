#include "audit/verify_tiles.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "audit/big_endian.h"
#include "audit/concat.h"
#include "audit/files.h"
#include "audit/record_order.h"
#include "audit/tile_path.h"

namespace weir::audit {
namespace {

class TilesVerification {
 public:
  TilesVerification(const std::string& dir, const Quorum& quorum,
                    const std::optional<Checkpoint>& seen)
      : dir_(dir), quorum_(quorum), seen_(seen) {}

  absl::StatusOr<VerifyReport> Run();

 private:
  // All return false when the report says what is wrong; a status when a file cannot be read.
  absl::StatusOr<bool> ReadTile(const TilePath& tile, std::string& bytes);
  absl::StatusOr<bool> CheckBundle(uint64_t number);
  absl::StatusOr<bool> CheckHashes(int level, uint64_t number);
  bool CheckRecord(std::string_view encoded);
  bool CheckSeen();
  bool Bad(uint64_t seq, std::string reason) {
    report_.first_bad_seq = seq;
    report_.reason = std::move(reason);
    return false;
  }
  uint64_t Width(int level, uint64_t number) const {
    return std::min(kTileWidth, (checkpoint_.size >> (kTileHeight * level)) - number * kTileWidth);
  }

  const std::string& dir_;
  const Quorum& quorum_;
  const std::optional<Checkpoint>& seen_;
  Checkpoint checkpoint_;
  CompactRange tree_;
  std::vector<std::vector<Hash>> hashes_{kTileLevelMax + 1};  // of the tile under way, by level
  RecordOrder order_;
  VerifyReport report_;
};

absl::StatusOr<bool> TilesVerification::ReadTile(const TilePath& tile, std::string& bytes) {
  const std::string path = Concat(dir_, "/", tile.ToString());
  if (!FileExists(path)) return Bad(tree_.size(), Concat(tile.ToString(), " is missing"));
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  bytes = *std::move(text);
  return true;
}

bool TilesVerification::CheckRecord(std::string_view encoded) {
  const uint64_t seq = tree_.size();
  if (std::string wrong = order_.Wrong(seq, encoded); !wrong.empty()) {
    return Bad(seq, std::move(wrong));
  }
  tree_.Append(LeafHash(encoded), [this](int level, uint64_t /*index*/, const Hash& hash) {
    if (level % kTileHeight == 0) {
      hashes_[static_cast<size_t>(level / kTileHeight)].push_back(hash);
    }
  });
  ++report_.records;
  return CheckSeen();
}

bool TilesVerification::CheckSeen() {
  if (!seen_ || seen_->size != tree_.size() || seen_->root == tree_.Root()) return true;
  return Bad(0, Concat("the records before ", tree_.size(),
                       " are not those that the checkpoint seen elsewhere was signed over"));
}

absl::StatusOr<bool> TilesVerification::CheckBundle(uint64_t number) {
  const TilePath bundle{.level = {}, .number = number, .width = Width(0, number)};
  const uint64_t first = tree_.size();
  std::string bytes;
  absl::StatusOr<bool> read = ReadTile(bundle, bytes);
  if (!read.ok() || !*read) return read;
  std::string_view rest = bytes;
  while (tree_.size() < first + bundle.width) {
    const size_t length = ReadBigEndian<uint16_t>(rest);
    if (rest.size() < 2 || length > rest.size() - 2) {
      return Bad(tree_.size(), Concat(bundle.ToString(), " ends inside record ", tree_.size()));
    }
    if (!CheckRecord(rest.substr(2, length))) return false;
    rest.remove_prefix(2 + length);
  }
  if (rest.empty()) return true;
  return Bad(tree_.size(), Concat(bundle.ToString(), " goes on behind record ", tree_.size() - 1));
}

absl::StatusOr<bool> TilesVerification::CheckHashes(int level, uint64_t number) {
  std::vector<Hash>& hashes = hashes_[static_cast<size_t>(level)];
  const TilePath tile{.level = level, .number = number, .width = Width(level, number)};
  std::string bytes;
  absl::StatusOr<bool> read = ReadTile(tile, bytes);
  if (!read.ok() || !*read) return read;
  const std::string_view expected(reinterpret_cast<const char*>(hashes.data()),
                                  hashes.size() * sizeof(Hash));
  if (bytes != expected) {
    const auto differs =
        std::mismatch(bytes.begin(), bytes.end(), expected.begin(), expected.end());
    const auto hash = static_cast<uint64_t>(differs.first - bytes.begin()) / sizeof(Hash);
    const uint64_t seq = (number * kTileWidth + std::min(hash, tile.width - 1))
                         << (kTileHeight * level);
    return Bad(seq,
               level == 0
                   ? Concat("record ", seq, " or its hash in ", tile.ToString(), " was altered")
                   : Concat(tile.ToString(), " was altered at the hash over the records from ", seq,
                            " on"));
  }
  hashes.clear();
  return true;
}

absl::StatusOr<VerifyReport> TilesVerification::Run() {
  absl::StatusOr<std::string> note = ReadFile(dir_ + "/checkpoint");
  if (!note.ok()) return note.status();
  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(*note, quorum_);
  if (!checkpoint.ok()) {
    Bad(0, Concat("checkpoint: ", checkpoint.status().message()));
    return report_;
  }
  checkpoint_ = *std::move(checkpoint);
  if (seen_ && seen_->origin != checkpoint_.origin) {
    Bad(0, Concat("this is the ledger ", checkpoint_.origin,
                  ", the checkpoint seen elsewhere is of ", seen_->origin));
    return report_;
  }
  while (tree_.size() < checkpoint_.size) {
    absl::StatusOr<bool> checked = CheckBundle(tree_.size() / kTileWidth);
    for (int level = 0; checked.ok() && *checked && level <= kTileLevelMax; ++level) {
      // A tile is whole, or the tree's last of its level.
      const uint64_t hashes = tree_.size() >> (kTileHeight * level);
      const bool due =
          hashes_[static_cast<size_t>(level)].size() == kTileWidth ||
          (tree_.size() == checkpoint_.size && !hashes_[static_cast<size_t>(level)].empty());
      if (due) checked = CheckHashes(level, (hashes - 1) / kTileWidth);
    }
    if (!checked.ok()) return checked.status();
    if (!*checked) return report_;
  }
  if (tree_.Root() != checkpoint_.root) {
    Bad(0, Concat("the checkpoint over ", checkpoint_.size,
                  " records does not fit them: one of them was altered, and its tiles with it"));
    return report_;
  }
  if (seen_ && seen_->size > checkpoint_.size) {
    Bad(checkpoint_.size, Concat("the log was rolled back: it ends with ", checkpoint_.size,
                                 " records though a checkpoint over ", seen_->size, " was seen"));
    return report_;
  }
  report_.checkpoints = 1;
  report_.ok = true;
  report_.reason = Concat("All ", checkpoint_.size, " records of ", checkpoint_.origin,
                          " and all tiles are as they were signed.");
  return report_;
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyTiles(const std::string& dir, const Quorum& quorum,
                                         const std::optional<Checkpoint>& seen) {
  return TilesVerification(dir, quorum, seen).Run();
}

}  // namespace weir::audit
