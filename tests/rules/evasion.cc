#include "tests/rules/evasion.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <utility>

#include <opencc/SimpleConverter.hpp>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "tests/base64.h"
#include "tests/code_points.h"
#include "tests/rules/evasion_material.h"

namespace weir::rules {
namespace {

using enum Family;

constexpr FamilyTraits kFamilies[] = {
    {kWidth, "width", "ｃａｓｉｎｏ", Lane::kFold, 0.99},
    {kCase, "case", "CaSiNo", Lane::kFold, 0.99},
    {kTraditional, "traditional", "線上賭場", Lane::kFold, 0.99},
    {kCompatibility, "compatibility forms", "⾦沙娱⽼城", Lane::kFold, 0.99},
    {kZeroWidth, "zero-width", "赌<U+200B>场", Lane::kFold, 0.99},
    {kMarks, "combining marks", "赌̶场̶", Lane::kFold, 0.99},
    {kLookAlikeLatin, "look-alike Latin", "саsіnо", Lane::kFold, 0.99},
    {kEnclosed, "enclosed", "ⓒⓐⓢⓘⓝⓞ", Lane::kFold, 0.99},
    {kSeparators, "separators", "线-上 赌/场", Lane::kSkeleton, 0.99},
    {kEmoji, "emoji between", "线🎲上🎲赌🎲场", Lane::kSkeleton, 0.99},
    {kRepeated, "repeated", "线线上赌赌赌场", Lane::kSkeleton, 0.99},
    {kTwoOrThree, "two or three of these", "線🎲上‧賭場", Lane::kSkeleton, 0.99},
    {kHomophone, "homophone", "线尚读厂", Lane::kPinyin, 0.95},
    {kPinyin, "full pinyin", "xian shang du chang", Lane::kPinyin, 0.95},
    {kMixedPinyin, "Han and pinyin", "线上du场", Lane::kPinyin, 0.95},
    {kPinyinAndMore, "pinyin and one above", "線🎲上ｄｕ場", Lane::kPinyin, 0.95},
    {kNumerals, "numerals", "一三八①②③四5678", Lane::kDigits, 0.95},
    {kNumeralsAndMore, "numerals and one above", "一三八-①②③ 四5678", Lane::kDigits, 0.95},
    {kSplit, "component split", "贝者场", Lane::kShape, 0.85},
    {kLookAlikeHan, "look-alike character", "睹场", Lane::kShape, 0.85},
    {kLeet, "leet", "c4s1n0", Lane::kShape, 0.85},
    {kShapeAndMore, "shape and one above", "贝者-場", Lane::kShape, 0.85},
    {kBase64, "base64", "6LWM5Zy6", Lane::kDecoded, 0.85},
    {kPercent, "percent", "%E8%B5%8C场", Lane::kDecoded, 0.85},
    {kEntities, "entities", "&#36172;场", Lane::kDecoded, 0.85},
    {kEscapes, "escapes", "\\u8d4c场", Lane::kDecoded, 0.85},
    {kDecodedAndMore, "encoded and one above", "%E8%B3%AD-场", Lane::kDecoded, 0.85},
};

constexpr Family kFoldFamilies[] = {kWidth,     kCase,  kTraditional,    kCompatibility,
                                    kZeroWidth, kMarks, kLookAlikeLatin, kEnclosed};
constexpr Family kInsertions[] = {kZeroWidth, kMarks, kSeparators, kEmoji, kRepeated};

std::unique_ptr<icu::Transliterator> Transliterator(const char* id) {
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::Transliterator> made(
      icu::Transliterator::createInstance(id, UTRANS_FORWARD, error));
  if (U_FAILURE(error)) {
    std::fprintf(stderr, "evasion: ICU lacks the transliterator %s\n", id);
    std::abort();
  }
  return made;
}

const std::u32string kInvisible =
    U"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u180e\u2061\u2062\u2063\u2064\u200e\u200f"
    U"\u202a\u202c\u202d\u2066\u2069\ufe0f\ufe00\U000E0020\U000E0061\U000E007F\U000E0100";
const std::u32string kCombining =
    U"\u0300\u0301\u0302\u0303\u0307\u0308\u0323\u0331\u0332\u0333\u0334\u0335\u0336\u0337\u0338"
    U"\u20d0\u20dd\u20de\u20e0";
const std::u32string kSeparating =
    U"  　\t\n-_.·,，。、/\\|*+~～!！?？:：;；'\"“”‘’()（）[]【】《》「」<>#&^=%@…—–•●○◆★☆♥→✦✿"
    U"\u00a0\u2003\u30fb\uff65\u3000\u2027\uff0f\uff3f";

const std::map<char32_t, std::u32string> kLeetForms = {
    {'a', U"4@"}, {'b', U"8"}, {'e', U"3"},  {'g', U"9"},  {'i', U"1!"},
    {'l', U"1|"}, {'o', U"0"}, {'s', U"5$"}, {'t', U"7+"}, {'z', U"2"},
};

constexpr std::u32string_view kNumeralForms[10] = {
    U"零〇０⓪𝟎",     U"一壹幺１①❶⑴𝟏㈠Ⅰ", U"二贰两２②❷⑵𝟐㈡Ⅱ", U"三叁３③❸⑶𝟑㈢Ⅲ", U"四肆４④❹⑷𝟒㈣",
    U"五伍５⑤❺⑸𝟓㈤", U"六陆６⑥❻⑹𝟔㈥",    U"七柒７⑦❼⑺𝟕㈦",    U"八捌８⑧❽⑻𝟖㈧",  U"九玖９⑨❾⑼𝟗㈨"};

std::string Print(const char* format, uint32_t value) {
  std::array<char, 32> out;
  std::snprintf(out.data(), out.size(), format, value);
  return out.data();
}

}  // namespace

std::span<const FamilyTraits> Families() {
  return kFamilies;
}

// Makes the disguises of one Evader.
class Evader::Hand {
 public:
  explicit Hand(uint64_t seed)
      : random_(seed),
        to_pinyin_(Transliterator("Han-Latin")),
        to_traditional_(Transliterator("Simplified-Traditional")) {
    for (const char* config : {"s2t.json", "s2tw.json", "s2hk.json"}) {
      converters_.push_back(std::make_unique<opencc::SimpleConverter>(config));
    }
  }

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  bool OneIn(size_t n) { return Below(n) == 0; }

  std::string Apply(Family family, const std::string& word);

  Hidden Embed(std::string_view disguised) {
    const auto& [before, after] = material_.sentences[Below(material_.sentences.size())];
    Hidden hidden{before, before.size(), 0};
    hidden.text += disguised;
    hidden.end = hidden.text.size();
    hidden.text += after;
    return hidden;
  }

 private:
  char32_t OneOf(std::u32string_view set) { return set[Below(set.size())]; }
  template <typename T>
  const T& OneOf(const std::vector<T>& set) {
    return set[Below(set.size())];
  }

  // Replaces some of the characters for which `replace` has a string, at least one, all of them
  // every other time.
  template <typename Replace>
  std::string ReplaceSome(const std::string& word, Replace replace) {
    const std::u32string characters = CodePoints(word);
    std::vector<std::string> replaced;
    std::vector<size_t> possible;
    for (size_t i = 0; i < characters.size(); ++i) {
      replaced.push_back(replace(characters[i]));
      if (!replaced.back().empty()) possible.push_back(i);
    }
    if (possible.empty()) return word;
    const size_t forced = OneOf(possible);
    const bool all = OneIn(2);
    std::string out;
    for (size_t i = 0; i < characters.size(); ++i) {
      const bool use = !replaced[i].empty() && (all || i == forced || OneIn(2));
      out += use ? replaced[i] : Utf8(characters.substr(i, 1));
    }
    return out;
  }

  // The same with a table from a character to characters.
  std::string ReplaceFrom(const std::map<char32_t, std::u32string>& table,
                          const std::string& word) {
    return ReplaceSome(word, [&](char32_t c) {
      const auto forms = table.find(Lower(c));
      return forms == table.end() ? std::string() : Utf8(std::u32string(1, OneOf(forms->second)));
    });
  }

  // Whether a reader sees a character of a word in it, and not what stands between or on top.
  bool Bears(char32_t c) const {
    return u_isalnum(static_cast<UChar32>(c)) || material_.enclosed_forms.contains(c);
  }

  // Puts what `make` gives before characters of the word: all but the first, or some.
  template <typename Make>
  std::string InsertBetween(const std::string& word, Make make) {
    const std::u32string characters = CodePoints(word);
    std::vector<size_t> places;
    for (size_t i = 1; i < characters.size(); ++i) {
      if (Bears(characters[i])) places.push_back(i);
    }
    if (places.empty()) return word;
    const bool everywhere = OneIn(2);
    const size_t forced = OneOf(places);
    std::string out;
    for (size_t i = 0, place = 0; i < characters.size(); ++i) {
      if (place < places.size() && i == places[place]) {
        ++place;
        if (i == forced || everywhere || OneIn(2)) out += make();
      }
      out += Utf8(characters.substr(i, 1));
    }
    return out;
  }

  std::string ApplyFold(Family family, const std::string& word);
  std::string Traditional(const std::string& word);
  std::string Repeated(const std::string& word);
  std::string Separated(const std::string& word);

  Pronunciation ReadingOf(char32_t c);
  std::string Homophones(const std::string& word);
  std::string Spell(const Pronunciation& reading, size_t style);
  std::string Pinyin(const std::string& word);
  std::string Mixed(const std::string& word);

  std::string ApplyShape(Family family, const std::string& word);
  std::string Split(const std::string& word);
  std::string ApplyDecoded(Family family, const std::string& word);
  std::string Percent(const std::string& word);
  std::string Entities(const std::string& word);
  std::string Escapes(const std::string& word);
  std::string HideInBase64(const std::string& word);
  std::string ApplySeveral(Family family, const std::string& word);

  // `word` with one of the families that change it, or as it is when none does.
  std::string OneMore(std::span<const Family> families, const std::string& word) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      std::string out = Apply(families[Below(families.size())], word);
      if (out != word) return out;
    }
    return word;
  }

  const Material& material_ = Material::Get();
  std::mt19937_64 random_;
  std::unique_ptr<icu::Transliterator> to_pinyin_;
  std::unique_ptr<icu::Transliterator> to_traditional_;
  std::vector<std::unique_ptr<opencc::SimpleConverter>> converters_;
};

std::string Evader::Hand::Apply(Family family, const std::string& word) {
  switch (family) {
    case kSeparators:
      return Separated(word);
    case kEmoji: {
      const bool same = OneIn(2);
      const std::string first = OneOf(material_.emoji);
      return InsertBetween(word, [&] { return same ? first : OneOf(material_.emoji); });
    }
    case kRepeated:
      return Repeated(word);
    case kHomophone:
      return Homophones(word);
    case kPinyin:
      return Pinyin(word);
    case kMixedPinyin:
      return Mixed(word);
    case kNumerals:
      return ReplaceSome(word, [&](char32_t c) {
        return IsDigit(c) ? Utf8(std::u32string(1, OneOf(kNumeralForms[c - '0']))) : std::string();
      });
    case kSplit:
    case kLookAlikeHan:
    case kLeet:
      return ApplyShape(family, word);
    case kBase64:
    case kPercent:
    case kEntities:
    case kEscapes:
      return ApplyDecoded(family, word);
    case kTwoOrThree:
    case kPinyinAndMore:
    case kNumeralsAndMore:
    case kShapeAndMore:
    case kDecodedAndMore:
      return ApplySeveral(family, word);
    default:
      return ApplyFold(family, word);
  }
}

std::string Evader::Hand::ApplyFold(Family family, const std::string& word) {
  switch (family) {
    case kWidth:
      return ReplaceSome(word, [](char32_t c) {
        return c > ' ' && c < 0x7F ? Utf8(std::u32string(1, c + 0xFEE0)) : std::string();
      });
    case kCase:
      return ReplaceSome(word, [](char32_t c) {
        return c >= 'a' && c <= 'z' ? std::string(1, static_cast<char>(c - 32)) : std::string();
      });
    case kTraditional:
      return Traditional(word);
    case kCompatibility:
      return ReplaceFrom(material_.compatibility, word);
    case kZeroWidth:
      return InsertBetween(word, [&] {
        std::u32string invisible(1, OneOf(kInvisible));
        while (OneIn(3)) invisible.push_back(OneOf(kInvisible));
        return Utf8(invisible);
      });
    case kMarks: {
      const char32_t mark = OneOf(kCombining);
      const std::string out =
          InsertBetween(word, [&] { return Utf8(std::u32string(1 + Below(3), mark)); });
      return out == word ? word : out + Utf8(std::u32string(1, mark));
    }
    case kLookAlikeLatin:
      return ReplaceFrom(material_.look_alike_letters, word);
    default:
      return ReplaceFrom(material_.enclosed, word);
  }
}

std::string Evader::Hand::Traditional(const std::string& word) {
  if (const size_t which = Below(converters_.size() + 1); which < converters_.size()) {
    return converters_[which]->Convert(word);
  }
  icu::UnicodeString text = icu::UnicodeString::fromUTF8(word);
  to_traditional_->transliterate(text);
  std::string utf8;
  return text.toUTF8String(utf8);
}

std::string Evader::Hand::Repeated(const std::string& word) {
  return ReplaceSome(word, [&](char32_t c) {
    return !u_isalpha(static_cast<UChar32>(c)) ? std::string()
                                               : Utf8(std::u32string(2 + Below(3), c));
  });
}

std::string Evader::Hand::Separated(const std::string& word) {
  const bool same = OneIn(2);
  const char32_t first = OneOf(kSeparating);
  return InsertBetween(word, [&] {
    std::u32string separators(1, same ? first : OneOf(kSeparating));
    while (OneIn(4)) separators.push_back(same ? first : OneOf(kSeparating));
    return Utf8(separators);
  });
}

// As ICU reads it, or now and then another way in which it is often read.
Pronunciation Evader::Hand::ReadingOf(char32_t c) {
  const auto known = material_.readings.find(c);
  if (known != material_.readings.end() && OneIn(5)) {
    double all = 0;
    for (const Pronunciation& reading : known->second) all += reading.weight;
    const Pronunciation& other = OneOf(known->second);
    if (other.weight >= all / 5) return other;
  }
  icu::UnicodeString text(static_cast<UChar32>(c));
  to_pinyin_->transliterate(text);
  Pronunciation reading;
  text.toUTF8String(reading.marked);
  std::tie(reading.letters, reading.tone) = Toneless(reading.marked);
  return reading;
}

std::string Evader::Hand::Homophones(const std::string& word) {
  return ReplaceSome(word, [&](char32_t c) -> std::string {
    if (!IsHan(c)) return {};
    const Pronunciation reading = ReadingOf(c);
    const auto all = material_.homophones.find(reading.letters);
    if (all == material_.homophones.end()) return {};
    const bool same_tone = !OneIn(3);
    std::vector<Homophone> others;
    std::vector<double> weights;
    for (const Homophone& other : all->second) {
      if (other.c == c || (same_tone && other.tone != reading.tone)) continue;
      others.push_back(other);
      weights.push_back(other.weight);
    }
    if (others.empty()) return {};
    std::discrete_distribution<size_t> pick(weights.begin(), weights.end());
    return Utf8(std::u32string(1, others[pick(random_)].c));
  });
}

// Style 0 to 3: plain, tone marks, a digit for the tone, capitalised.
std::string Evader::Hand::Spell(const Pronunciation& reading, size_t style) {
  std::string letters = reading.letters;
  if (style == 1) return reading.marked;
  if (style == 2 && reading.tone != 0) letters += static_cast<char>('0' + reading.tone);
  if (style == 3) letters[0] = static_cast<char>(letters[0] - 32);
  return letters;
}

std::string Evader::Hand::Pinyin(const std::string& word) {
  const std::u32string characters = CodePoints(word);
  if (!std::any_of(characters.begin(), characters.end(), IsHan)) return word;
  static const std::vector<std::string> kBetween = {"", "", "", " ", " ", "-", "'", "."};
  const size_t style = OneIn(2) ? 0 : Below(4);
  const std::string& between = OneOf(kBetween);
  std::string out;
  bool behind_one = false;
  for (const char32_t c : characters) {
    if (behind_one && Bears(c)) out += between;
    behind_one = Bears(c);
    out += IsHan(c) ? Spell(ReadingOf(c), style) : Utf8(std::u32string(1, c));
  }
  return out;
}

std::string Evader::Hand::Mixed(const std::string& word) {
  const std::u32string characters = CodePoints(word);
  std::vector<size_t> han;
  for (size_t i = 0; i < characters.size(); ++i) {
    if (IsHan(characters[i])) han.push_back(i);
  }
  if (han.size() < 2) return word;
  const size_t spelled = OneOf(han);
  size_t kept = spelled;
  while (kept == spelled) kept = OneOf(han);
  const std::string rest =
      OneIn(4) ? Homophones(Utf8(characters.substr(kept, 1))) : Utf8(characters.substr(kept, 1));
  const std::string between = OneIn(4) ? " " : "";
  std::string out;
  for (size_t i = 0; i < characters.size(); ++i) {
    const char32_t c = characters[i];
    if (i == spelled || (i != kept && IsHan(c) && OneIn(3))) {
      out += between + Spell(ReadingOf(c), 0) + between;
    } else {
      out += i == kept ? rest : Utf8(std::u32string(1, c));
    }
  }
  return out;
}

std::string Evader::Hand::Split(const std::string& word) {
  static const std::map<char32_t, char32_t> kWholeRadicals = {
      {U'氵', U'水'}, {U'扌', U'手'}, {U'亻', U'人'}, {U'忄', U'心'},
      {U'钅', U'金'}, {U'讠', U'言'}, {U'礻', U'示'}, {U'艹', U'草'}};
  const bool whole_radicals = OneIn(5);
  return ReplaceSome(word, [&](char32_t c) -> std::string {
    const auto split = material_.splits.find(c);
    if (split == material_.splits.end()) return {};
    std::u32string parts = split->second;
    const auto whole = kWholeRadicals.find(parts[0]);
    if (whole_radicals && whole != kWholeRadicals.end() && parts[0] != U'艹') {
      parts[0] = whole->second;
    }
    return Utf8(parts);
  });
}

std::string Evader::Hand::ApplyShape(Family family, const std::string& word) {
  if (family == kSplit) return Split(word);
  if (family == kLookAlikeHan) return ReplaceFrom(material_.look_alikes, word);
  return ReplaceFrom(kLeetForms, word);
}

std::string Evader::Hand::Percent(const std::string& word) {
  const bool upper = !OneIn(3);
  const bool letters_too = OneIn(3);
  const bool utf16 = OneIn(8);
  const bool twice = !utf16 && OneIn(10);
  return ReplaceSome(word, [&](char32_t c) -> std::string {
    if (c < 0x80 && !letters_too && c != ' ') return {};
    if (utf16 && c < 0x10000) return Print(upper ? "%%u%04X" : "%%u%04x", c);
    std::string out;
    for (const char byte : Utf8(std::u32string(1, c))) {
      if (twice) {
        out += "%25" + Print(upper ? "%02X" : "%02x", static_cast<unsigned char>(byte));
      } else {
        out += Print(upper ? "%%%02X" : "%%%02x", static_cast<unsigned char>(byte));
      }
    }
    return out;
  });
}

std::string Evader::Hand::Entities(const std::string& word) {
  static const std::vector<const char*> kFormats = {"&#%u;",  "&#%u;",   "&#x%x;",
                                                    "&#X%X;", "&#%07u;", "&amp;#%u;"};
  const char* const format = OneOf(kFormats);
  return ReplaceSome(word, [&](char32_t c) { return Print(format, c); });
}

std::string Evader::Hand::Escapes(const std::string& word) {
  const size_t style = Below(5);
  return ReplaceSome(word, [&](char32_t c) -> std::string {
    if (style == 3) return Print("\\u{%x}", c);
    if (style == 4) return Print("\\U%08X", c);
    if (style == 2) {
      std::string out;
      for (const char byte : Utf8(std::u32string(1, c))) {
        out += Print("\\x%02x", static_cast<unsigned char>(byte));
      }
      return out;
    }
    const char* const format = style == 0 ? "\\u%04x" : "\\u%04X";
    if (c < 0x10000) return Print(format, c);
    return Print(format, 0xD800 + ((c - 0x10000) >> 10)) +
           Print(format, 0xDC00 + ((c - 0x10000) & 0x3FFU));
  });
}

// The word alone, or a sentence with it.
std::string Evader::Hand::HideInBase64(const std::string& word) {
  const std::string plain = OneIn(2) ? Embed(word).text : word;
  const bool url = OneIn(4);
  return Base64(plain, url, !url && !OneIn(4));
}

std::string Evader::Hand::ApplyDecoded(Family family, const std::string& word) {
  if (family == kBase64) return HideInBase64(word);
  if (family == kPercent) return Percent(word);
  return family == kEntities ? Entities(word) : Escapes(word);
}

std::string Evader::Hand::ApplySeveral(Family family, const std::string& word) {
  if (family == kTwoOrThree) {
    const std::string first = OneMore(kFoldFamilies, word);
    const std::string second = OneMore(kInsertions, first);
    return OneIn(2) ? second : OneMore(kInsertions, second);
  }
  static constexpr Family kPinyinFamilies[] = {kHomophone, kPinyin, kMixedPinyin};
  static constexpr Family kShapeFamilies[] = {kSplit, kLookAlikeHan};
  static constexpr Family kDecodedFamilies[] = {kBase64, kPercent, kEntities, kEscapes};
  static constexpr Family kNumeralFamilies[] = {kNumerals};
  static constexpr Family kBetween[] = {kSeparators, kEmoji, kZeroWidth};
  static constexpr Family kUnder[] = {kTraditional, kWidth, kCase, kSeparators, kEmoji, kRepeated};
  if (family == kDecodedAndMore) {
    const std::string under = OneMore(kUnder, word);
    return under == word ? word : OneMore(kDecodedFamilies, under);
  }
  if (family == kNumeralsAndMore) {
    static constexpr Family kNumberGaps[] = {kZeroWidth};
    const std::string under = OneMore(kNumeralFamilies, word);
    return under == word ? word : OneMore(kNumberGaps, under);
  }
  // What stands between characters goes in first: nobody parts a syllable or a split character.
  const bool pinyin = family == kPinyinAndMore;
  const std::string under = OneMore(kBetween, word);
  const std::string out = pinyin ? OneMore(kPinyinFamilies, under) : OneMore(kShapeFamilies, under);
  return out == under ? word : out;
}

Evader::Evader(uint64_t seed) : hand_(std::make_unique<Hand>(seed)) {}
Evader::~Evader() = default;

std::optional<std::string> Evader::Disguise(Family family, std::string_view word) {
  const std::string written(word);
  std::string disguised = hand_->Apply(family, written);
  if (disguised == written) return std::nullopt;
  return disguised;
}

std::string Evader::MobileNumber() {
  static constexpr std::array<std::string_view, 12> kSegments = {
      "138", "139", "150", "152", "158", "166", "177", "182", "186", "188", "191", "199"};
  std::string number(kSegments[hand_->Below(kSegments.size())]);
  while (number.size() < 11) number.push_back(static_cast<char>('0' + hand_->Below(10)));
  return number;
}

std::string Evader::IdCard() {
  static constexpr std::array<std::string_view, 8> kRegions = {
      "110105", "310104", "440106", "330102", "510104", "320102", "420106", "610103"};
  std::string number(kRegions[hand_->Below(kRegions.size())]);
  number += Print("%04u", static_cast<uint32_t>(1950 + hand_->Below(60)));
  number += Print("%02u", static_cast<uint32_t>(1 + hand_->Below(12)));
  number += Print("%02u", static_cast<uint32_t>(1 + hand_->Below(28)));
  number += Print("%03u", static_cast<uint32_t>(hand_->Below(1000)));
  // GB 11643: weights 2^(18-i) mod 11.
  uint32_t sum = 0;
  for (size_t i = 0; i < 17; ++i) {
    sum += static_cast<uint32_t>(number[i] - '0') * ((1U << (17 - i)) % 11);
  }
  return number + "10X98765432"[sum % 11];
}

Hidden Evader::Embed(std::string_view disguised) {
  return hand_->Embed(disguised);
}

size_t Evader::Below(size_t limit) {
  return hand_->Below(limit);
}

}  // namespace weir::rules
