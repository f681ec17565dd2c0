#include "rules/number_scan.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

namespace weir::rules {
namespace {

using Kind = FoldUnit::Kind;

constexpr size_t kIdCardDigits = 18;
constexpr size_t kMobileDigits = 11;
// "0086" is the longest thing that may touch the front of a mobile number.
constexpr size_t kPrefixDigitsMax = 5;
constexpr size_t kElementsKept = 4096;

// The ways in which people part a mobile number.
constexpr std::array<std::array<uint8_t, kMobileDigits>, 9> kMobileGroups = {{
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {11},
    {3, 8},
    {7, 4},
    {3, 4, 4},
    {3, 3, 5},
    {4, 3, 4},
    {3, 2, 2, 4},
    {3, 2, 2, 2, 2},
}};

struct Element {
  char c = 0;        // ASCII digit or small letter
  bool gap = false;  // parted from the element before
  bool exact = false;
  uint64_t start = 0;
  uint64_t end = 0;
};

// Digits and letters of a text with nothing between them but what may part a number.
struct Field {
  std::vector<Element> elements;
  size_t context = 0;  // so many of them only tell what stands before the first
  bool open = false;   // the text ends here and more may follow
  bool trailing_gap = false;

  bool IsDigit(size_t i) const { return elements[i].c >= '0' && elements[i].c <= '9'; }
  // Whether nothing continues a number that ends before element `end`.
  bool RightIsFree(size_t end) const {
    return end < elements.size() ? elements[end].gap : (!open || trailing_gap);
  }
};

bool MayPartDigits(char32_t c) {
  switch (c) {
    case '\n':
    case ',':
    case ';':
    case 0x3001:  // ideographic comma
      return false;
    default:
      return true;
  }
}

enum class Fit : uint8_t { kNo, kPartly, kWhole };  // kPartly: more text may complete it

// Whether the groups of the digits [first, last) are a way to write a mobile number, or the start
// of one. `closed`: the last group is known to end here.
bool MobileGroupsFit(const Field& field, size_t first, size_t last, bool closed) {
  std::array<uint8_t, kMobileDigits> groups{};
  size_t count = 0;
  for (size_t i = first; i < last; ++i) {
    if (i == first || field.elements[i].gap) ++count;
    ++groups[count - 1];
  }
  const auto fits = [&](std::span<const uint8_t> pattern) {
    if (count > pattern.size()) return false;
    for (size_t g = 0; g < count; ++g) {
      if (groups[g] > pattern[g]) return false;
      if (groups[g] < pattern[g] && (g + 1 < count || closed)) return false;
    }
    return true;
  };
  return std::any_of(kMobileGroups.begin(), kMobileGroups.end(), fits);
}

// Whether a mobile number may begin at element `first` as far as what touches it in front goes.
bool MobileLeftIsFree(const Field& field, size_t first) {
  std::string touching;
  size_t i = first;
  while (i > 0 && !field.elements[i].gap && touching.size() < kPrefixDigitsMax)
    touching.insert(touching.begin(), field.elements[--i].c);
  return touching.empty() || touching == "86" || touching == "0086";
}

// Whether a number parted after every digit goes on beyond [first, last): then it is another one.
bool IsPartOfSpacedDigits(const Field& field, size_t first, size_t last) {
  const bool spaced =
      first + 1 < field.elements.size() ? field.elements[first + 1].gap : field.trailing_gap;
  if (!spaced) return false;
  return (first > 0 && field.IsDigit(first - 1)) ||
         (last < field.elements.size() && field.IsDigit(last));
}

Fit FitMobile(const Field& field, size_t first) {
  const size_t present = std::min(field.elements.size() - first, kMobileDigits);
  if (field.elements[first].c != '1' || !MobileLeftIsFree(field, first)) return Fit::kNo;
  for (size_t i = 0; i < present; ++i) {
    if (!field.IsDigit(first + i)) return Fit::kNo;
  }
  if (present > 1 && field.elements[first + 1].c < '3') return Fit::kNo;
  const bool complete = present == kMobileDigits;
  const bool at_end = first + present == field.elements.size();
  if (!MobileGroupsFit(field, first, first + present, complete || (at_end && field.trailing_gap))) {
    return Fit::kNo;
  }
  if (IsPartOfSpacedDigits(field, first, first + present)) return Fit::kNo;
  if (!at_end) return complete && field.elements[first + present].gap ? Fit::kWhole : Fit::kNo;
  if (!field.open) return complete ? Fit::kWhole : Fit::kNo;
  // One more digit behind a number that is parted after each makes it another one.
  const bool spaced = field.elements[first + 1 < field.elements.size() ? first + 1 : first].gap;
  return complete && field.trailing_gap && !spaced ? Fit::kWhole : Fit::kPartly;
}

Fit FitIdCard(const Field& field, size_t first) {
  if (first > 0 && !field.elements[first].gap) return Fit::kNo;
  const size_t present = std::min(field.elements.size() - first, kIdCardDigits);
  std::string number;
  for (size_t i = 0; i < present; ++i) {
    const char c = field.elements[first + i].c;
    if (!field.IsDigit(first + i) && !(i == kIdCardDigits - 1 && c == 'x')) return Fit::kNo;
    number.push_back(c);
  }
  if (present == kIdCardDigits) {
    if (!Validate(Detector::kCnIdCard, number)) return Fit::kNo;
    if (field.RightIsFree(first + present)) return Fit::kWhole;
    return first + present == field.elements.size() && field.open ? Fit::kPartly : Fit::kNo;
  }
  return field.open && CouldBecomeIdCard(number) ? Fit::kPartly : Fit::kNo;
}

Lane LaneOf(const Field& field, size_t first, size_t last) {
  Lane lane = Lane::kExact;
  for (size_t i = first; i < last; ++i) {
    const Element& element = field.elements[i];
    if (i > first && element.gap) return Lane::kSkeleton;
    if (!element.exact || (i > first && element.start != field.elements[i - 1].end)) {
      lane = Lane::kFold;
    }
  }
  return lane;
}

// Appends the numbers in a field, and returns from where one could still grow.
uint64_t ReadField(const Field& field, DetectorSet detectors, uint64_t nowhere,
                   std::vector<NumberMatch>& matches) {
  uint64_t hold = nowhere;
  for (size_t first = field.context; first < field.elements.size(); ++first) {
    if (!field.IsDigit(first)) continue;
    for (const Detector detector : {Detector::kCnIdCard, Detector::kCnMobile}) {
      if ((detectors & DetectorBit(detector)) == 0) continue;
      const bool id_card = detector == Detector::kCnIdCard;
      const Fit fit = id_card ? FitIdCard(field, first) : FitMobile(field, first);
      const size_t digits = id_card ? kIdCardDigits : kMobileDigits;
      if (fit == Fit::kNo) continue;
      const uint64_t start = field.elements[first].start;
      if (fit == Fit::kPartly) {
        hold = std::min(hold, start);
      } else {
        matches.push_back({detector,
                           {start, field.elements[first + digits - 1].end},
                           LaneOf(field, first, first + digits)});
      }
    }
  }
  return hold;
}

bool IsAlphanumeric(const FoldUnit& unit) {
  return unit.kind == Kind::kSignificant && EdgeOf(unit.c) != Edge::kOpen;
}

Element MakeElement(const FoldUnit& unit, bool gap) {
  return {static_cast<char>(unit.c), gap, unit.end - unit.start == 1, unit.start, unit.end};
}

// What stands before the digit at `from`, as far as it matters; true when that is parted from it.
bool ReadContext(const OriginalText& text, uint64_t from, Field& field) {
  FoldCursor cursor(text, from);
  FoldUnit unit;
  bool from_is_parted = false;
  int gap = 0;
  for (int read = 0; field.elements.size() < kPrefixDigitsMax && read <= kLookBackCharacters;
       ++read) {
    if (!cursor.Previous(unit)) break;
    if (unit.kind == Kind::kNothing) continue;
    if (unit.kind == Kind::kSeparator && MayPartDigits(unit.c) && ++gap <= kNumberGapMax) continue;
    if (!IsAlphanumeric(unit)) break;
    (field.elements.empty() ? from_is_parted : field.elements.front().gap) = gap > 0;
    field.elements.insert(field.elements.begin(), MakeElement(unit, false));
    gap = 0;
  }
  field.context = field.elements.size();
  return from_is_parted;
}

}  // namespace

uint64_t FindNumbers(const OriginalText& text, uint64_t from, DetectorSet detectors, bool one_run,
                     std::vector<NumberMatch>& matches) {
  thread_local Field field;
  // One absurdly long number must not keep its memory for ever.
  if (field.elements.capacity() > kElementsKept) field.elements = {};
  field.elements.clear();
  field.open = false;
  field.trailing_gap = false;
  int gap = ReadContext(text, from, field) ? 1 : 0;
  FoldCursor cursor(text, from);
  FoldUnit unit;
  bool letter_seen = false;
  const auto close = [&] {
    ReadField(field, detectors, text.end(), matches);
    field.elements.clear();
    field.context = 0;
    gap = 0;
  };
  while (cursor.Next(unit)) {
    if (unit.kind == Kind::kNothing) continue;
    // A letter may end an ID card; what follows it only tells whether it does.
    const bool run_ends = one_run && letter_seen;
    if (IsAlphanumeric(unit)) {
      field.elements.push_back(MakeElement(unit, gap > 0));
      gap = 0;
      letter_seen = letter_seen || EdgeOf(unit.c) == Edge::kLetter;
      if (!run_ends) continue;
    } else if (!run_ends && unit.kind == Kind::kSeparator && MayPartDigits(unit.c) &&
               ++gap <= kNumberGapMax) {
      continue;
    }
    close();
    if (run_ends || (one_run && unit.kind != Kind::kSeparator)) return text.end();
  }
  field.open = !text.final;
  field.trailing_gap = gap > 0;
  return ReadField(field, detectors, text.end(), matches);
}

}  // namespace weir::rules
