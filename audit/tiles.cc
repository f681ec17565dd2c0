#include "audit/tiles.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include "audit/concat.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

constexpr uint64_t kWidth = 256;
constexpr int kLevelMax = 7;  // a tree of 2^64 records has no more

struct TilePath {
  std::optional<int> level;  // none: entries
  uint64_t number = 0;
  uint64_t width = kWidth;
};

// "x001/x234/067"
std::string NumberPath(uint64_t number) {
  std::string path;
  for (bool last = true; last || number > 0; last = false) {
    const std::string digits = Concat(number % 1'000);
    path =
        Concat(last ? "" : "x", std::string(3 - digits.size(), '0'), digits, last ? "" : "/", path);
    number /= 1'000;
  }
  return path;
}

std::string PathOf(const TilePath& tile) {
  std::string path =
      Concat("tile/", tile.level ? Concat(*tile.level) : "entries", "/", NumberPath(tile.number));
  if (tile.width < kWidth) path += Concat(".p/", tile.width);
  return path;
}

bool TakeNumber(std::string_view& text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// Lenient in reading, strict in the end: the path must be the one that the tile has.
std::optional<TilePath> Parse(std::string_view path) {
  TilePath tile;
  std::string_view rest = path;
  if (!rest.starts_with("tile/")) return std::nullopt;
  rest.remove_prefix(5);
  if (rest.starts_with("entries/")) {
    rest.remove_prefix(7);
  } else {
    uint64_t level = 0;
    if (!TakeNumber(rest, level) || level > kLevelMax) return std::nullopt;
    tile.level = static_cast<int>(level);
  }
  for (int groups = 0; rest.starts_with("/") && groups < 7; ++groups) {
    rest.remove_prefix(rest.starts_with("/x") ? 2 : 1);
    uint64_t group = 0;
    if (!TakeNumber(rest, group) || group > 999) return std::nullopt;
    tile.number = tile.number * 1'000 + group;
  }
  if (rest.starts_with(".p/")) {
    rest.remove_prefix(3);
    if (!TakeNumber(rest, tile.width) || tile.width == 0 || tile.width >= kWidth) {
      return std::nullopt;
    }
  }
  // No tree reaches further, and no arithmetic below overflows.
  if (tile.number >= uint64_t{1} << 48) return std::nullopt;
  if (!rest.empty() || PathOf(tile) != path) return std::nullopt;
  return tile;
}

absl::StatusOr<std::string> ReadTile(Reader& reader, const TilePath& tile) {
  if (tile.level) {
    absl::StatusOr<std::vector<Hash>> hashes = reader.Tile(*tile.level, tile.number, tile.width);
    if (!hashes.ok()) return hashes.status();
    return std::string(reinterpret_cast<const char*>(hashes->data()),
                       hashes->size() * sizeof(Hash));
  }
  std::string entries;
  uint64_t found = 0;
  const uint64_t begin = tile.number * kWidth;
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
  const std::string path = Concat(out_dir, "/", PathOf(tile));
  const absl::Status status = MakeDirectory(path.substr(0, path.rfind('/')));
  return status.ok() ? WriteFileDurably(path, *bytes, 0644) : status;
}

}  // namespace

absl::StatusOr<std::string> ReadTileFile(Reader& reader, std::string_view path) {
  if (path == "checkpoint") return reader.LatestCheckpoint();
  const std::optional<TilePath> tile = Parse(path);
  if (!tile) return absl::NotFoundError("a log of tiles has no such file");
  return ReadTile(reader, *tile);
}

absl::StatusOr<uint64_t> WriteTiles(const std::string& dir, const std::string& out_dir) {
  absl::StatusOr<std::unique_ptr<Reader>> opened = Reader::Open(dir);
  if (!opened.ok()) return opened.status();
  Reader& reader = **opened;
  absl::StatusOr<std::string> checkpoint = reader.LatestCheckpoint();
  if (!checkpoint.ok()) return checkpoint.status();
  absl::StatusOr<uint64_t> size = reader.SignedSize();
  if (!size.ok()) return size.status();
  if (::mkdir(out_dir.c_str(), 0755) != 0) {
    return absl::UnavailableError(
        Concat("cannot create ", out_dir, ": name a directory that does not exist yet"));
  }
  for (int level = 0; (*size >> (8 * level)) > 0 && level <= kLevelMax; ++level) {
    const uint64_t hashes = *size >> (8 * level);
    for (uint64_t number = 0; number * kWidth < hashes; ++number) {
      TilePath tile{
          .level = level, .number = number, .width = std::min(kWidth, hashes - number * kWidth)};
      if (absl::Status status = WriteTile(reader, out_dir, tile); !status.ok()) return status;
      if (level > 0) continue;
      tile.level.reset();
      if (absl::Status status = WriteTile(reader, out_dir, tile); !status.ok()) return status;
    }
  }
  const absl::Status status = WriteFileDurably(Concat(out_dir, "/checkpoint"), *checkpoint, 0644);
  if (!status.ok()) return status;
  return *size;
}

}  // namespace weir::audit
