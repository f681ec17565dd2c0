#include "rules/disguise_index.h"

#include <algorithm>

#include "rules/disguise_walk.h"

namespace weir::rules {

bool DisguiseIndex::IsCollapsed(uint32_t form) const {
  return (form_collapsed_[form] & kForAll) != 0;
}

bool DisguiseIndex::LooksFor(Lane lane, const Word& word) {
  const bool latin = std::ranges::all_of(word.characters, [](char32_t c) { return c < 0x80; });
  return !latin && (lane == Lane::kShape || word.characters.size() > 1);
}

Mark DisguiseIndex::RareMarkOf(char32_t c) const {
  if (c == kInvalidByte) return 0;
  return MarkOf(alphabet_->ClassOf(c)) | kSeeksComposite | kHasFurtherClasses | kMayBeSeveral |
         (alphabet_->BeginsComposite(c) ? kBeginsComposite : 0);
}

bool DisguiseIndex::MayBe(char32_t c, Symbol symbol) const {
  bool may_be = false;
  ForEachReading(c, [&](const Read& read) { may_be |= read.symbol == symbol; });
  return may_be;
}

void DisguiseIndex::ScanPlainly(std::string_view skeleton, std::vector<Hit>& hits) const {
  Walk walk(*this, skeleton, 0, &hits, nullptr);
  for (size_t at = 0; at < skeleton.size(); at += DecodeAt(skeleton, at).length) walk.From(at);
}

size_t DisguiseIndex::memory_bytes() const {
  size_t bytes = alphabet_ == nullptr ? 0 : alphabet_->memory_bytes();
  bytes += forms_.memory_bytes() + (form_first_.capacity() + form_use_.capacity()) * 4 +
           form_collapsed_.capacity() + prefix_uses_.capacity() * sizeof(PrefixUses) +
           neighbours_.memory_bytes() + collapsed_neighbours_.memory_bytes() +
           reading_bits_.memory_bytes() + windows_.memory_bytes() +
           (marks_.capacity() + reading_first_.capacity()) * 4 +
           readings_.capacity() * sizeof(Read) +
           (seconds_.capacity() + begun_first_.capacity() + begun_.capacity()) * 4 +
           (symbol_firsts_.capacity() + character_firsts_.capacity()) * sizeof(First);
  for (const auto& [c, marks] : further_marks_) {
    bytes += sizeof(c) + sizeof(marks) + marks.capacity() * sizeof(Mark);
  }
  for (const auto& [key, places] : collapsed_forms_) {
    bytes += sizeof(key) + sizeof(places) + places.capacity() * sizeof(FormPlace);
  }
  for (const WordUse& use : uses_) {
    bytes += sizeof(use) + use.word.exact.capacity() + use.word.fold.capacity() +
             use.word.skeleton.capacity() + use.word.runs.capacity() * sizeof(Word::Run) +
             use.word.characters.capacity() * sizeof(char32_t);
  }
  return bytes;
}

}  // namespace weir::rules
