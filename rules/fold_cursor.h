// Reads the original text as the characters of the fold lane, forwards and backwards, with the
// bytes each came from. For confirming a hit; the scan itself reads LaneText.
//
// A character that folds to several is read as several units with the same bytes; one that folds to
// nothing is read as one unit of its own kind. With another reading than kFold (reading.h), units
// are those of that reading. Cheap to copy. Borrows the text.
#pragma once

#include <cstdint>
#include <string_view>

#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/numeral_table.h"
#include "rules/reading.h"

namespace weir::rules {

// How far a confirmation looks back at text that may have been released, in characters: a stream
// keeps that much.
inline constexpr int kLookBackCharacters = 66;

// A piece of the original: its first byte is byte `base` of the scan, it holds whole characters
// only, and when `final` nothing follows it. `reading` is how cursors read it.
struct OriginalText {
  std::string_view bytes;
  uint64_t base = 0;
  bool final = false;
  Reading reading = Reading::kFold;

  uint64_t end() const { return base + bytes.size(); }
  std::string_view Between(uint64_t from, uint64_t to) const {
    return bytes.substr(static_cast<size_t>(from - base), static_cast<size_t>(to - from));
  }
};

struct FoldUnit {
  enum class Kind : uint8_t { kSignificant, kSeparator, kNothing, kInvalid };
  Kind kind = Kind::kInvalid;
  char32_t c = 0;
  uint64_t start = 0;
  uint64_t end = 0;
  bool leet = false;  // kLeet: a digit or symbol that is read as the letter `c`
};

class FoldCursor {
 public:
  // Between the characters before and after byte `at`, a boundary.
  FoldCursor(const OriginalText& text, uint64_t at)
      : text_(text.bytes),
        base_(text.base),
        start_(at - text.base),
        end_(start_),
        reading_(text.reading) {}

  // False at the end of what has arrived, or at its beginning.
  bool Next(FoldUnit& unit) {
    if (index_ == count_) {
      if (end_ >= text_.size()) return false;
      start_ = end_;
      const Decoded decoded = DecodeAt(text_, static_cast<size_t>(start_));
      end_ = start_ + decoded.length;
      Load(decoded.c);
      index_ = 0;
    }
    unit = At(index_++);
    return true;
  }
  bool Previous(FoldUnit& unit) {
    if (index_ == 0) {
      if (start_ == 0) return false;
      end_ = start_;
      const Decoded decoded = DecodeBefore(text_, static_cast<size_t>(end_));
      start_ = end_ - decoded.length;
      Load(decoded.c);
      index_ = count_;
    }
    unit = At(--index_);
    return true;
  }

 private:
  void Load(char32_t c) {
    parts_ = nullptr;
    count_ = 1;
    if (c == kInvalidByte) {
      kind_ = FoldUnit::Kind::kInvalid;
      return;
    }
    if (reading_ == Reading::kNumerals) {
      if (const std::u32string_view digits = LookUpNumeral(c).characters(); !digits.empty()) {
        parts_ = digits.data();
        count_ = static_cast<uint32_t>(digits.size());
        return;
      }
    }
    const FoldEntry entry = LookUpFold(c);
    kind_ = entry.separator() ? FoldUnit::Kind::kSeparator : FoldUnit::Kind::kSignificant;
    one_ = c;
    if (entry.kind() == FoldEntry::Kind::kOne) one_ = entry.value();
    if (entry.kind() == FoldEntry::Kind::kNothing) kind_ = FoldUnit::Kind::kNothing;
    if (entry.kind() == FoldEntry::Kind::kMany) {
      const auto expansion = FoldExpansion(entry);
      parts_ = expansion.data();
      count_ = static_cast<uint32_t>(expansion.size());
    }
  }
  FoldUnit At(uint32_t index) const {
    FoldUnit unit{kind_, one_, base_ + start_, base_ + end_};
    if (parts_ != nullptr) {
      unit.c = parts_[index];
      unit.kind = LookUpFold(unit.c).separator() ? FoldUnit::Kind::kSeparator
                                                 : FoldUnit::Kind::kSignificant;
    }
    const bool seen =
        unit.kind != FoldUnit::Kind::kNothing && unit.kind != FoldUnit::Kind::kInvalid;
    if (reading_ == Reading::kLeet && seen) {
      if (const char letter = LeetLetter(unit.c); letter != 0) {
        unit.leet = IsLeet(unit.c);
        unit.c = static_cast<char32_t>(letter);
        unit.kind = FoldUnit::Kind::kSignificant;
      }
    }
    return unit;
  }

  std::string_view text_;
  uint64_t base_;
  uint64_t start_;  // of the loaded character, in text_
  uint64_t end_;
  const char32_t* parts_ = nullptr;  // of an expansion
  char32_t one_ = 0;
  uint32_t count_ = 0;
  uint32_t index_ = 0;
  FoldUnit::Kind kind_ = FoldUnit::Kind::kInvalid;
  Reading reading_;
};

}  // namespace weir::rules
