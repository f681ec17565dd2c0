#include "rules/fold_table.h"

namespace weir::rules {
namespace {

#include "fold_data.inc"  // generated

}  // namespace

const uint64_t* const kFoldPlainBits = kFoldPlain;

FoldEntry LookUpFold(char32_t c) {
  return FoldEntry{kFoldPages[kFoldPageOf[c / kFoldPageSize]][c % kFoldPageSize]};
}

std::span<const char32_t> FoldExpansion(FoldEntry entry) {
  const char32_t* const place = kFoldExpansions + entry.value();
  return {place + 1, static_cast<size_t>(*place)};
}

}  // namespace weir::rules
