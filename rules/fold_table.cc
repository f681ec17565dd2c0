#include "rules/fold_table.h"

namespace weir::rules {
namespace {

#include "fold_data.inc"  // generated

}  // namespace

const uint64_t* const kFoldPlainBits = kFoldPlain;
const uint16_t* const kFoldPageOfTable = kFoldPageOf;
const uint32_t (*const kFoldPageTable)[kFoldPageSize] = kFoldPages;

std::span<const char32_t> FoldExpansion(FoldEntry entry) {
  const char32_t* const place = kFoldExpansions + entry.value();
  return {place + 1, static_cast<size_t>(*place)};
}

}  // namespace weir::rules
