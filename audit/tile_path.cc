#include "audit/tile_path.h"

#include <charconv>

#include "audit/concat.h"

namespace weir::audit {
namespace {

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

bool TakeNumber(std::string_view& text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string TilePath::ToString() const {
  std::string path = Concat("tile/", level ? Concat(*level) : "entries", "/", NumberPath(number));
  if (width < kTileWidth) path += Concat(".p/", width);
  return path;
}

// Lenient in reading, strict in the end: the path must be the one that the tile has.
std::optional<TilePath> TilePath::Parse(std::string_view path) {
  TilePath tile;
  std::string_view rest = path;
  if (!rest.starts_with("tile/")) return std::nullopt;
  rest.remove_prefix(5);
  if (rest.starts_with("entries/")) {
    rest.remove_prefix(7);
  } else {
    uint64_t level = 0;
    if (!TakeNumber(rest, level) || level > kTileLevelMax) return std::nullopt;
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
    if (!TakeNumber(rest, tile.width) || tile.width == 0 || tile.width >= kTileWidth) {
      return std::nullopt;
    }
  }
  // No tree reaches further, and no arithmetic below overflows.
  if (tile.number >= uint64_t{1} << 48) return std::nullopt;
  if (!rest.empty() || tile.ToString() != path) return std::nullopt;
  return tile;
}

}  // namespace weir::audit
