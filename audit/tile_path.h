// The paths of a C2SP tlog-tiles log (c2sp.org/tlog-tiles). Internal. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::audit {

inline constexpr int kTileHeight = 8;
inline constexpr uint64_t kTileWidth = 1U << kTileHeight;
inline constexpr int kTileLevelMax = 7;  // a tree of 2^64 records has no more

struct TilePath {
  std::optional<int> level;  // none: entries
  uint64_t number = 0;
  uint64_t width = kTileWidth;  // less: a partial tile

  // "tile/0/x001/x234/067", "tile/entries/273.p/112"
  std::string ToString() const;
  // Nothing for a path that no tile has, however it is spelled.
  static std::optional<TilePath> Parse(std::string_view path);
};

}  // namespace weir::audit
