#include "audit/tiles.h"

#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "audit/concat.h"
#include "audit/files.h"
#include "audit/tile_path.h"

namespace weir::audit {
namespace {

absl::StatusOr<std::string> ReadTile(Reader& reader, const TilePath& tile) {
  if (tile.level) {
    absl::StatusOr<std::vector<Hash>> hashes = reader.Tile(*tile.level, tile.number, tile.width);
    if (!hashes.ok()) return hashes.status();
    return std::string(reinterpret_cast<const char*>(hashes->data()),
                       hashes->size() * sizeof(Hash));
  }
  std::string entries;
  uint64_t found = 0;
  const uint64_t begin = tile.number * kTileWidth;
  const absl::Status status = reader.Scan(begin, begin + tile.width, [&](std::string_view encoded) {
    entries += static_cast<char>(encoded.size() >> 8);
    entries += static_cast<char>(encoded.size());
    entries += encoded;
    ++found;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (found < tile.width) return absl::NotFoundError("the ledger has not so many records");
  return entries;
}

absl::Status WriteTile(Reader& reader, const std::string& out_dir, const TilePath& tile) {
  absl::StatusOr<std::string> bytes = ReadTile(reader, tile);
  if (!bytes.ok()) return bytes.status();
  const std::string path = Concat(out_dir, "/", tile.ToString());
  const absl::Status status = MakeDirectory(path.substr(0, path.rfind('/')));
  return status.ok() ? WriteFileDurably(path, *bytes, 0644) : status;
}

// Records behind the last checkpoint may still be lost with the machine, and a tile of theirs is
// cached for ever.
absl::Status CheckSigned(Reader& reader, const TilePath& tile) {
  absl::StatusOr<uint64_t> size = reader.SignedSize();
  if (!size.ok()) return size.status();
  const uint64_t hashes = *size >> (kTileHeight * tile.level.value_or(0));
  if (tile.number * kTileWidth + tile.width <= hashes) return absl::OkStatus();
  return absl::NotFoundError(
      Concat("a tree of ", *size, " signed records has no tile ", tile.number, " so wide"));
}

}  // namespace

absl::StatusOr<std::string> ReadTileFile(Reader& reader, std::string_view path) {
  if (path == "checkpoint") return reader.LatestCheckpoint();
  const std::optional<TilePath> tile = TilePath::Parse(path);
  if (!tile) return absl::NotFoundError("a log of tiles has no such file");
  const absl::Status status = CheckSigned(reader, *tile);
  if (!status.ok()) return status;
  return ReadTile(reader, *tile);
}

absl::StatusOr<uint64_t> WriteTiles(const std::string& dir, const std::string& out_dir) {
  absl::StatusOr<std::unique_ptr<Reader>> opened = Reader::Open(dir);
  if (!opened.ok()) return opened.status();
  Reader& reader = **opened;
  absl::StatusOr<std::string> checkpoint = reader.LatestCheckpoint();
  if (!checkpoint.ok()) return checkpoint.status();
  absl::StatusOr<SignedNote> note = SignedNote::Parse(*checkpoint);
  if (!note.ok()) return note.status();
  absl::StatusOr<Checkpoint> head = Checkpoint::Parse(note->text);
  if (!head.ok()) return head.status();
  const uint64_t size = head->size;
  if (::mkdir(out_dir.c_str(), 0755) != 0) {
    return absl::UnavailableError(
        Concat("cannot create ", out_dir, ": name a directory that does not exist yet"));
  }
  for (int level = 0; (size >> (8 * level)) > 0 && level <= kTileLevelMax; ++level) {
    const uint64_t hashes = size >> (8 * level);
    for (uint64_t number = 0; number * kTileWidth < hashes; ++number) {
      TilePath tile{.level = level,
                    .number = number,
                    .width = std::min(kTileWidth, hashes - number * kTileWidth)};
      if (absl::Status status = WriteTile(reader, out_dir, tile); !status.ok()) return status;
      if (level > 0) continue;
      tile.level.reset();
      if (absl::Status status = WriteTile(reader, out_dir, tile); !status.ok()) return status;
    }
  }
  const absl::Status status = WriteFileDurably(Concat(out_dir, "/checkpoint"), *checkpoint, 0644);
  if (!status.ok()) return status;
  return size;
}

}  // namespace weir::audit
