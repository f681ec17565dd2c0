#include "rules/disguise_walk.h"

#include <span>

namespace weir::rules {

void DisguiseIndex::Walk::Go(const Place& place) {
  if (growths_ != nullptr) NoteGrowths(place);
  if (!ends(place)) {
    const Decoded decoded = DecodeLane(skeleton_, place.at);
    const size_t next = place.at + decoded.length;
    TakeAlone(place, decoded.c, next);
    if (place.tone && decoded.c >= '0' && decoded.c <= '5') {
      Place toned = place;
      ++toned.at;
      toned.before = 0;
      toned.tone = false;
      Go(toned);
    }
    if (place.before == 0 && !MayCompose(decoded.c, next)) return;
  } else if (place.before == 0) {
    return;
  }
  TextSymbols symbols;
  index_.alphabet_->AppendComposites(skeleton_, place.at, place.before, symbols);
  for (const TextSymbol& symbol : symbols) Take(place, symbol);
}

bool DisguiseIndex::Walk::MayCompose(char32_t c, size_t next) const {
  if ((index_.MarkAt(c) & kBeginsComposite) == 0) return false;
  return index_.alphabet_->MayCompose(
      c, next < skeleton_.size() ? DecodeLane(skeleton_, next).c : kInvalidByte);
}

void DisguiseIndex::Walk::TakeAlone(const Place& place, char32_t c, size_t next) {
  if (c >= kTabled) {
    index_.ForEachReading(c, [&](const Read& read) {
      Take(place, {next, read.symbol, read.certain, read.alike});
    });
    return;
  }
  const std::span<const Read> readings = index_.ReadingsOf(c);
  if (place.only == nullptr) {
    for (const Read& read : readings) {
      Take(place, {next, read.symbol, read.certain, read.alike}, place.last == 0 ? &read : nullptr);
    }
    return;
  }
  // What may stand second is mostly less than what may stand for both.
  if (seconds_of_ != c) {
    seconds_of_ = c;
    seconds_ = SymbolSet();
    for (const Read& read : readings) seconds_.Add(read.symbol);
  }
  for (uint32_t i = 0; i < place.only->second_count; ++i) {
    const Symbol symbol = index_.seconds_[place.only->second_first + i];
    if (!seconds_.Has(symbol)) continue;
    for (const Read& read : readings) {
      if (read.symbol == symbol) Take(place, {next, symbol, read.certain, read.alike});
    }
  }
}

void DisguiseIndex::Walk::Take(const Place& from, const TextSymbol& symbol, const Read* only) {
  Place to;
  to.only = only;
  to.path = from.path.Then(symbol.symbol);
  if (from.last == 0) {
    const First& first = index_.symbol_firsts_[symbol.symbol];
    if (first.is_whole) {
      to.prefix = index_.forms_.Find(to.path);
    } else if (!first.grows) {
      return;
    }
  } else {
    if (!index_.AreNeighbours(from.last, symbol.symbol)) return;
    to.prefix = index_.forms_.Find(to.path);
    if (to.prefix == nullptr) return;
  }
  if (hits_ != nullptr && to.prefix != nullptr && to.prefix->literal != PrefixSet::kNoLiteral) {
    hits_->push_back({base_ + start_, base_ + symbol.end, to.prefix->literal});
  }
  to.at = symbol.end;
  to.last = symbol.symbol;
  const char32_t last =
      symbol.end > start_ ? static_cast<unsigned char>(skeleton_[symbol.end - 1]) : 0;
  to.tone = index_.lane_ == Lane::kPinyin && last >= 'a' && last <= 'z';
  to.before = to.tone ? last : 0;
  to.certain = from.certain && symbol.certain;
  if (to.prefix == nullptr || to.prefix->last != 0) Go(to);
}

void DisguiseIndex::Walk::NoteGrowths(const Place& place) {
  if (ends(place)) {
    if (place.last != 0) {
      const PrefixSet::Prefix* const prefix =
          place.prefix != nullptr ? place.prefix : index_.forms_.Find(place.path);
      if (prefix->last != 0) Visit({prefix, false, place.certain});
    }
    if (place.before == 0) return;
  } else {
    const Decoded decoded = DecodeLane(skeleton_, place.at);
    const size_t next = place.at + decoded.length;
    const bool last = next == skeleton_.size();
    if (place.before == 0 && (last ? (index_.MarkAt(decoded.c) & kBeginsComposite) == 0
                                   : !MayCompose(decoded.c, next))) {
      return;
    }
  }
  if (growths_ == nullptr) return;
  index_.alphabet_->ForEachUnfinished(
      skeleton_, place.at, place.before, [&](Symbol symbol, bool certain) {
        if (place.last != 0 && !index_.AreNeighbours(place.last, symbol)) return true;
        const PrefixSet::Prefix* const prefix = index_.forms_.Find(place.path.Then(symbol));
        if (prefix != nullptr) Visit({prefix, true, place.certain && certain});
        return growths_ != nullptr;
      });
}

}  // namespace weir::rules
