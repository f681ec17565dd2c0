#include "rules/number_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rules/detector_context.h"
#include "rules/number_form.h"
#include "rules/text_cursor.h"

namespace weir::rules {
namespace {

// Letters that may touch the front of a number: they say what it is.
constexpr std::string_view kLabels[] = {"tel", "phone", "mobile", "mob", "cell", "qq",
                                        "q",   "vx",    "wx",     "v",   "imei"};
constexpr size_t kTouchingMax = 7;
constexpr int kWholeMax = 3;  // digits in front of a point that no mark of a list has

// Han characters behind a number that make it an amount, of the numbers that nothing else proves.
constexpr std::u32string_view kMeasures = U"人元块万千百个条年月日版级天位名次分多余米岁度楼";

// The same for a mobile number: letters that follow no telephone number in running text.
constexpr std::u32string_view kSumMeasures = U"元块股吨字";

// ￥ folds to ¥.
bool IsCurrency(const Glyph& glyph) {
  return std::u32string_view(U"¥$€£").find(glyph.folded) != std::u32string_view::npos;
}

// Not initialised: a window of them is made for every place that is looked at.
struct Element {
  char c;      // ASCII digit or small letter
  bool gap;    // parted from the element before
  bool point;  // by one full stop
  bool exact;  // as the fold lane has it
  Glyph::Script script;
  uint64_t start;
  uint64_t end;

  bool IsDigit() const { return c >= '0' && c <= '9'; }
};

// The digits and letters from a byte on, read as they are asked for.
class Window {
 public:
  Window(const OriginalText& text, uint64_t at) : cursor_(text, at), final_(text.final) {}

  // Null when what may be part of a number ends before element `i`, at most kNumberWidthMax.
  const Element* At(size_t i) {
    while (count_ <= i) {
      if (ended_) return nullptr;
      Read();
    }
    return &elements_[i];
  }
  // How many there are, at most `limit`.
  size_t Count(size_t limit) { return limit == 0 || At(limit - 1) != nullptr ? limit : count_; }
  // Once At() gave null: whether that is because the text has not arrived, and what is known then.
  bool open() const { return open_; }
  bool trailing_gap() const { return gap_ > 0; }
  bool trailing_point() const { return gap_ == 1 && point_; }
  // The character that ended the elements; 0 at the end of the text.
  char32_t ended_by() const { return ended_by_; }

  Lane LaneOf(size_t count) const {
    Lane lane = Lane::kExact;
    for (size_t i = 0; i < count; ++i) {
      const Element& element = elements_[i];
      Lane own = element.exact ? Lane::kExact : Lane::kFold;
      if (i > 0 && element.start > elements_[i - 1].end) own = Lane::kFold;
      if (i > 0 && element.gap) own = Lane::kSkeleton;
      if (element.script == Glyph::Script::kForeign) own = Lane::kDigits;
      lane = std::max(lane, own);
    }
    return lane;
  }

 private:
  void Read() {
    Glyph glyph;
    while (cursor_.Next(glyph)) {
      if (glyph.vanishes) continue;
      if (glyph.IsDigit()) {
        for (const char digit : glyph.numeral.digits()) Put(digit, glyph);
        return;
      }
      if (glyph.IsLetter()) {
        Put(SmallLetter(glyph.ascii), glyph);
        return;
      }
      if (glyph.MayPart() && ++gap_ <= kNumberGapMax) {
        point_ = glyph.folded == '.';
        continue;
      }
      ended_ = true;
      ended_by_ = gap_ > 0 ? 0 : glyph.folded;
      return;
    }
    ended_ = true;
    open_ = !final_;
  }

  void Put(char c, const Glyph& glyph) {
    // One character may bring two digits: there is room for one more than is asked for.
    elements_[count_++] = {c,           gap_ > 0, trailing_point(), glyph.exact, glyph.script(),
                           glyph.start, glyph.end};
    gap_ = 0;
  }

  TextCursor cursor_;
  bool final_;
  std::array<Element, kNumberWidthMax + 3> elements_;
  size_t count_ = 0;
  int gap_ = 0;
  bool point_ = false;
  bool ended_ = false;
  bool open_ = false;
  char32_t ended_by_ = 0;
};

// What stands in front of a byte, as far as a number that begins there asks.
struct Front {
  std::string touching;  // digits and small letters, the nearest last
  Glyph::Script touching_script = Glyph::Script::kPlain;  // of the nearest
  bool digit_behind_gap = false;  // nothing touches, but a digit stands behind what may part digits
  bool fraction = false;          // 0. or 116. or -75., but not 1. or 12., marks of a list
  bool plus = false;              // one that adds to nothing, as before the code of a country
  bool currency = false;          // its sign, a blank between or not

  Front(const OriginalText& text, uint64_t at) {
    TextCursor cursor(text, at);
    Glyph glyph;
    int gap = 0;
    bool point = false;
    bool blank = false;
    bool zero = false;
    int whole = 0;
    for (int read = 0; read < kLookBackCharacters && cursor.Previous(glyph); ++read) {
      if (glyph.vanishes) continue;
      const bool digit = glyph.IsDigit();
      if (gap == 1) {
        plus = plus && !digit && !glyph.IsLetter();
        currency = currency || (blank && IsCurrency(glyph));
      }
      if (gap > 0) {
        if (digit) {
          digit_behind_gap = true;
          if (!point || gap > 1) return;
          zero = glyph.ascii == '0';
          if (++whole == kWholeMax) fraction = true;
          if (fraction) return;
          continue;
        }
        if (digit_behind_gap) {
          fraction = (whole == 1 && zero) || glyph.ascii == '-';
          return;
        }
        if (!glyph.MayPart() || ++gap > kNumberGapMax) return;
        continue;
      }
      if (!digit && !glyph.IsLetter()) {
        if (!touching.empty() || !glyph.MayPart()) return;
        point = glyph.ascii == '.';
        plus = glyph.ascii == '+';
        currency = IsCurrency(glyph);
        blank = glyph.folded == ' ';
        gap = 1;
        continue;
      }
      if (touching.empty()) touching_script = glyph.script();
      const std::string_view digits = glyph.numeral.digits();
      if (digit) {
        touching.insert(0, digits);
      } else {
        touching.insert(touching.begin(), SmallLetter(glyph.ascii));
      }
      if (touching.size() > kTouchingMax) return;
    }
    fraction = whole == 1 && zero;
  }
};

size_t GroupSize(char c) {
  return static_cast<size_t>(c <= '9' ? c - '0' : c - 'A' + 10);
}

// Looks for numbers that begin at one byte.
class Anchor {
 public:
  Anchor(const OriginalText& text, uint64_t at, ContextRule context)
      : text_(text), at_(at), context_rule_(context), window_(text, at) {}

  // The forms that the characters allow, as far as they reach; of those that want more characters
  // none where no more can come.
  FormSet Follow(FormSet forms);
  Fit TryForm(const NumberForm& form, DetectorMatch& match);

 private:
  const Front& front() {
    if (!front_.has_value()) front_.emplace(text_, at_);
    return *front_;
  }

  bool FrontIsFree(const NumberForm& form);
  bool GroupsFit(const NumberForm& form, size_t count, bool closed);
  bool HasContext(const NumberForm& form);
  bool MeansOther(const NumberForm& form);
  bool CouldBecome(const NumberForm& form, size_t count);
  Fit FitBehind(const NumberForm& form);
  Fit FitDecimals(size_t width);
  std::string Characters(size_t count) {
    std::string characters;
    for (size_t i = 0; i < count; ++i) characters.push_back(window_.At(i)->c);
    return characters;
  }
  // Whether each character is parted from the next, as far as is known.
  bool IsSpaced() {
    const Element* const second = window_.At(1);
    return second != nullptr ? second->gap : window_.trailing_gap();
  }

  // Whether the first `count` characters are parted in a way that allows no further digits beside
  // them behind a gap.
  bool StandsAlone(const NumberForm& form, size_t count) {
    if (form.parting == NumberForm::Parting::kAnyhow) return false;
    return IsSpaced() || (form.parting == NumberForm::Parting::kAsListedAlone && IsParted(count));
  }
  bool IsParted(size_t count) {
    for (size_t i = 1; i < count; ++i) {
      if (window_.At(i)->gap) return true;
    }
    return false;
  }

  const OriginalText& text_;
  uint64_t at_;
  ContextRule context_rule_;
  Window window_;
  std::optional<Front> front_;
  Context context_asked_ = Context::kNone;
  bool context_found_ = true;
  std::optional<bool> means_other_;
};

// 852, 853, 886 and 86 in front of a number, which + or 00 may precede.
bool BeginsWithCountry(const NumberForm& form) {
  return form.context == Context::kPhone && form.pattern.front() == '8';
}

bool Anchor::FrontIsFree(const NumberForm& form) {
  const std::string& touching = front().touching;
  const bool digits_only = window_.At(0)->IsDigit();
  if (front().fraction && digits_only && form.context == Context::kNone) return false;
  if (touching.empty()) return true;
  const char nearest = touching.back();
  if (nearest >= '0' && nearest <= '9') {
    if (digits_only && front().touching_script != window_.At(0)->script) return true;
    if (BeginsWithCountry(form)) return touching == "00";
    return form.detector == Detector::kCnMobile &&
           (touching == "86" || touching == "0086" || touching == "0");
  }
  return digits_only &&
         std::find(std::begin(kLabels), std::end(kLabels), touching) != std::end(kLabels);
}

// Whether the first `count` characters are grouped as the form may be, or as the start of it.
// `closed`: the last group is known to end here.
bool Anchor::GroupsFit(const NumberForm& form, size_t count, bool closed) {
  if (form.parting == NumberForm::Parting::kAnyhow) return true;
  std::array<size_t, kNumberWidthMax> groups{};
  size_t used = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i == 0 || window_.At(i)->gap) ++used;
    ++groups[used - 1];
  }
  // Reading a listed way: group g, or 0 behind the last.
  const auto fits = [&](auto size_of) {
    for (size_t g = 0; g < used; ++g) {
      const size_t size = size_of(g);
      if (groups[g] > size) return false;
      if (groups[g] < size && (g + 1 < used || closed)) return false;
    }
    return true;
  };
  const size_t width = form.pattern.size();
  if (fits([&](size_t g) { return g == 0 ? width : 0; })) return true;
  if (fits([&](size_t g) { return g < width ? size_t{1} : 0; })) return true;
  for (size_t from = 0; from < form.groups.size();) {
    const size_t end = std::min(form.groups.find(' ', from), form.groups.size());
    const std::string_view way = form.groups.substr(from, end - from);
    if (fits([&](size_t g) { return g < way.size() ? GroupSize(way[g]) : 0; })) return true;
    from = end + 1;
  }
  return false;
}

bool Anchor::HasContext(const NumberForm& form) {
  if (form.context == Context::kNone || context_rule_ == ContextRule::kTakeForGranted) return true;
  if (BeginsWithCountry(form) && (front().plus || !front().touching.empty())) return true;
  if (form.context != context_asked_) {
    context_asked_ = form.context;
    context_found_ = FindContext(text_, at_, form.context) != ContextFound::kNo;
  }
  return context_found_;
}

// Whether what stands right in front says that a telephone number or a card is none: an amount, the
// number of an order.
bool Anchor::MeansOther(const NumberForm& form) {
  constexpr DetectorSet kDoubted =
      DetectorBit(Detector::kCnMobile) | DetectorBit(Detector::kCnLandline) |
      DetectorBit(Detector::kHkMacauTaiwanPhone) | DetectorBit(Detector::kBankCard);
  if ((kDoubted & DetectorBit(form.detector)) == 0 ||
      context_rule_ == ContextRule::kTakeForGranted) {
    return false;
  }
  if (!means_other_.has_value()) {
    means_other_ =
        front().currency || FindContext(text_, at_, Context::kOtherNumber) != ContextFound::kNo;
  }
  return *means_other_;
}

bool Anchor::CouldBecome(const NumberForm& form, size_t count) {
  return rules::CouldBecome(form.detector, Characters(count), form.pattern.size());
}

// What stands behind the last character decides whether the number ends there.
Fit Anchor::FitBehind(const NumberForm& form) {
  const size_t width = form.pattern.size();
  const Element& last = *window_.At(width - 1);
  const bool parted = StandsAlone(form, width);
  if (parted && front().digit_behind_gap) return Fit::kNo;
  const Element* const next = window_.At(width);
  if (form.detector == Detector::kCnMobile && !IsParted(width) &&
      (next != nullptr ? next->point : window_.open() && window_.trailing_point())) {
    return FitDecimals(width);
  }
  if (next != nullptr) {
    if (next->gap) return parted && next->IsDigit() ? Fit::kNo : Fit::kWhole;
    return next->IsDigit() && next->script != last.script ? Fit::kWhole : Fit::kNo;
  }
  if (window_.open()) return window_.trailing_gap() && !parted ? Fit::kWhole : Fit::kPartly;
  const std::u32string_view measures = form.detector == Detector::kQqNumber ? kMeasures
                                       : form.detector == Detector::kCnMobile && !IsParted(width)
                                           ? kSumMeasures
                                           : U"";
  const bool amount =
      window_.ended_by() != 0 && measures.find(window_.ended_by()) != std::u32string_view::npos;
  return amount ? Fit::kNo : Fit::kWhole;
}

// Behind a number stands a full stop: two digits and no third make an amount of it.
Fit Anchor::FitDecimals(size_t width) {
  const auto is_digit = [&](size_t i) {
    const Element& element = *window_.At(i);
    return element.IsDigit() && element.script == Glyph::Script::kPlain &&
           (i == width || !element.gap);
  };
  if (window_.At(width - 1)->script != Glyph::Script::kPlain) return Fit::kWhole;
  for (size_t i = width; i < width + 3; ++i) {
    if (window_.At(i) == nullptr) {
      const bool more = window_.open() && (i == width || !window_.trailing_gap());
      if (more) return Fit::kPartly;
      return i == width + 2 ? Fit::kNo : Fit::kWhole;
    }
    if (!is_digit(i)) return i == width + 2 ? Fit::kNo : Fit::kWhole;
  }
  return Fit::kWhole;
}

FormSet Anchor::Follow(FormSet forms) {
  FormSet whole = 0;
  for (size_t i = 0; forms != 0; ++i) {
    const Element* const element = window_.At(i);
    if (element == nullptr) return window_.open() ? whole | forms : whole;
    forms &= FormsThatAllow(i, element->c);
    whole |= forms & FormsOfWidth(i + 1);
    forms &= ~FormsOfWidth(i + 1);
  }
  return whole;
}

// Of a form that Follow() has left.
Fit Anchor::TryForm(const NumberForm& form, DetectorMatch& match) {
  const size_t width = form.pattern.size();
  if (!FrontIsFree(form)) return Fit::kNo;
  if (const size_t count = window_.Count(width); count < width) {
    if (!CouldBecome(form, count) || !GroupsFit(form, count, window_.trailing_gap()) ||
        !HasContext(form) || MeansOther(form)) {
      return Fit::kNo;
    }
    // A number that is parted so and goes on in front is another one.
    const bool parted =
        StandsAlone(form, count) ||
        (form.parting == NumberForm::Parting::kAsListedAlone && window_.trailing_gap());
    return parted && front().digit_behind_gap ? Fit::kNo : Fit::kPartly;
  }
  if (!GroupsFit(form, width, true) || !Validate(form.detector, Characters(width)) ||
      !HasContext(form) || MeansOther(form)) {
    return Fit::kNo;
  }
  const Fit fit = FitBehind(form);
  if (fit == Fit::kWhole) {
    match = {form.detector, {at_, window_.At(width - 1)->end}, window_.LaneOf(width)};
  }
  return fit;
}

}  // namespace

DetectorSet FindNumbersAt(const OriginalText& text, uint64_t at, DetectorSet detectors,
                          ContextRule context, std::vector<DetectorMatch>& matches) {
  DetectorSet undecided = 0;
  Anchor anchor(text, at, context);
  const std::span<const NumberForm> forms = NumberForms();
  DetectorMatch longest;
  // The forms of one detector are in a row: its longest match is known where the next one's begin.
  const auto settle = [&](Detector next) {
    if (longest.detector == next) return;
    if (longest.detector != Detector::kNone && (undecided & DetectorBit(longest.detector)) == 0) {
      matches.push_back(longest);
    }
    longest = {};
  };
  for (FormSet left = anchor.Follow(FormsOf(detectors)); left != 0; left &= left - 1) {
    const NumberForm& form = forms[static_cast<size_t>(std::countr_zero(left))];
    settle(form.detector);
    DetectorMatch match;
    const Fit fit = anchor.TryForm(form, match);
    if (fit == Fit::kPartly) undecided |= DetectorBit(form.detector);
    if (fit == Fit::kWhole && match.span.end > longest.span.end) longest = match;
  }
  settle(Detector::kNone);
  return undecided;
}

}  // namespace weir::rules
