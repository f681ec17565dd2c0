// Writes fold_data.inc: for every code point, what the fold lane makes of it. Runs at build time,
// so that the product needs neither ICU's nor OpenCC's data files where it runs.
//
//   bzip2 -dc Unihan_Variants... | generate_fold OUTPUT TABLE-OF-PARTS.tsv... DICTIONARY.ocd2...
//
// The fold of a code point does not depend on its neighbours: that is what lets a stream be cut
// anywhere. In order: look-alike letters to the Latin letter they imitate, letters that are drawn
// as a mark to the mark; NFKC_Casefold; marks stripped; decimal and enclosed digits to ASCII;
// traditional and variant Han to what the mainland writes; again until nothing changes. Of the
// dictionaries, OpenCC's, an earlier one decides; ICU knows some rarer characters, Unihan variants
// (han_variants.h).
//
// Regional indicators are no letters: in pairs they are flags, which part words as other emoji do.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <opencc/Lexicon.hpp>
#include <opencc/MarisaDict.hpp>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>

#include "rules/fold_table.h"
#include "rules/tables/han_variants.h"
#include "rules/tables/look_alike_letters.h"

namespace weir::rules {
namespace {

constexpr uint32_t kCodePointCount = 0x110000;

class Folder {
 public:
  Folder(const std::vector<const char*>& dictionaries, const HanVariants& variants);

  // The code points that `c` becomes; empty when it vanishes.
  std::vector<char32_t> Fold(char32_t c) const;
  static bool IsSeparator(char32_t c);

 private:
  void AddConfusableLetters();
  void AddLettersByName();
  void AddSimplified(const char* dictionary);
  void AddSimplifiedOfIcu();
  void AddPair(char32_t from, char32_t to);
  bool IsMainland(char32_t c) const;
  std::vector<char32_t> Step(char32_t c) const;
  std::vector<char32_t> Strip(char32_t c) const;

  std::map<char32_t, char32_t> look_alikes_;
  std::map<char32_t, char32_t> simplified_;
  std::set<char32_t> targets_;  // of simplified_
  int dictionaries_read_ = 0;
  std::unique_ptr<UConverter, decltype(&ucnv_close)> gb2312_{nullptr, &ucnv_close};
  const icu::Normalizer2* casefold_ = nullptr;
  const icu::Normalizer2* nfd_ = nullptr;
  const icu::Normalizer2* nfc_ = nullptr;
};

std::vector<char32_t> CodePoints(const icu::UnicodeString& text) {
  std::vector<char32_t> code_points;
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    code_points.push_back(static_cast<char32_t>(text.char32At(i)));
  }
  return code_points;
}

[[noreturn]] void Die(const char* why) {
  std::cerr << "generate_fold: " << why << "\n";
  std::exit(1);
}

std::vector<char32_t> Decode(const std::string& text) {
  return CodePoints(icu::UnicodeString::fromUTF8(text));
}

Folder::Folder(const std::vector<const char*>& dictionaries, const HanVariants& variants) {
  UErrorCode error = U_ZERO_ERROR;
  casefold_ = icu::Normalizer2::getNFKCCasefoldInstance(error);
  nfd_ = icu::Normalizer2::getNFDInstance(error);
  nfc_ = icu::Normalizer2::getNFCInstance(error);
  if (U_FAILURE(error)) Die("ICU has no normalisation data");
  const auto add = [this](const LookAlike& entry) {
    for (const char32_t* c = entry.from; *c != 0; ++c) look_alikes_.emplace(*c, entry.to);
  };
  std::ranges::for_each(kLookAlikes, add);
  std::ranges::for_each(kMarkLetters, add);
  gb2312_.reset(ucnv_open("EUC-CN", &error));
  if (U_FAILURE(error)) Die("ICU has no converter for GB 2312");
  AddConfusableLetters();
  AddLettersByName();
  for (char32_t i = 0; i < 26; ++i) {
    for (const char32_t base : {0x1F130U, 0x1F150U, 0x1F170U}) look_alikes_[base + i] = U'a' + i;
  }
  for (const char* const dictionary : dictionaries) {
    AddSimplified(dictionary);
    ++dictionaries_read_;
  }
  AddSimplifiedOfIcu();
  for (const auto& [from, to] : variants.Resolve([this](char32_t c) { return Fold(c); },
                                                 [this](char32_t c) { return IsMainland(c); })) {
    simplified_[from] = to;
  }
}

// Letters of alphabets that share forms with Latin and that Unicode's list of confusable characters
// takes for one.
void Folder::AddConfusableLetters() {
  UErrorCode error = U_ZERO_ERROR;
  USpoofChecker* const checker = uspoof_open(&error);
  const auto skeleton = [&](UChar32 c) {
    icu::UnicodeString out;
    return uspoof_getSkeletonUnicodeString(checker, 0, icu::UnicodeString(c), out, &error);
  };
  std::map<icu::UnicodeString, char32_t> letters;
  for (char32_t c = U'a'; c <= U'z'; ++c) letters.emplace(skeleton(static_cast<UChar32>(c)), c);
  // Of capitals I is l to the list.
  for (char32_t c = U'a'; c <= U'z'; ++c)
    letters.emplace(skeleton(u_toupper(static_cast<UChar32>(c))), c);
  for (UChar32 c = 0x80; c < 0x10000; ++c) {
    const UScriptCode script = uscript_getScript(c, &error);
    if (!u_isalpha(c) ||
        (script != USCRIPT_LATIN && script != USCRIPT_CYRILLIC && script != USCRIPT_GREEK &&
         script != USCRIPT_ARMENIAN && script != USCRIPT_CHEROKEE && script != USCRIPT_COPTIC &&
         script != USCRIPT_LISU && script != USCRIPT_CANADIAN_ABORIGINAL)) {
      continue;
    }
    // A full-width I is an I, though I is confusable with l.
    icu::UnicodeString folded;
    casefold_->normalize(icu::UnicodeString(c), folded, error);
    if (folded.char32At(0) < 0x80) continue;
    const auto letter = letters.find(skeleton(c));
    if (letter != letters.end()) look_alikes_.emplace(static_cast<char32_t>(c), letter->second);
  }
  if (U_FAILURE(error)) Die("ICU has no list of confusable characters");
  uspoof_close(checker);
}

// Letters that Unicode names by another: with a stroke, a hook or a descender (қ for к), and Latin
// ones that are turned or of another cut.
void Folder::AddLettersByName() {
  constexpr std::string_view kCuts[] = {"TURNED ",   "REVERSED ",     "SIDEWAYS ", "BARRED ",
                                        "DOTLESS ",  "SCRIPT ",       "INSULAR ",  "STRETCHED ",
                                        "STRAIGHT ", "SMALL CAPITAL "};
  for (UChar32 c = 0x80; c < 0x20000; ++c) {
    char buffer[128];
    UErrorCode error = U_ZERO_ERROR;
    u_charName(c, U_UNICODE_CHAR_NAME, buffer, sizeof(buffer), &error);
    std::string name = buffer;
    if (U_FAILURE(error) || !u_isalpha(c) ||
        !(name.starts_with("LATIN ") || name.starts_with("CYRILLIC "))) {
      continue;
    }
    name = name.substr(0, name.find(" WITH "));
    for (const std::string_view cut : kCuts) {
      if (const size_t at = name.find(cut); at != std::string::npos) {
        // LATIN LETTER SMALL CAPITAL R is no small letter, nor a capital.
        name.replace(at, cut.size(), "");
      }
    }
    if (name.starts_with("LATIN LETTER ")) name.replace(0, 13, "LATIN SMALL LETTER ");
    error = U_ZERO_ERROR;
    const UChar32 base = u_charFromName(U_UNICODE_CHAR_NAME, name.c_str(), &error);
    if (U_FAILURE(error) || base == c) continue;
    const std::vector<char32_t> folded = Fold(static_cast<char32_t>(base));
    const std::vector<char32_t> own = Fold(static_cast<char32_t>(c));
    if (folded.size() == 1 && folded[0] < 0x80 && own.size() == 1 && own[0] >= 0x80) {
      look_alikes_.emplace(static_cast<char32_t>(c), folded[0]);
    }
  }
}

void Folder::AddSimplified(const char* dictionary) {
  const auto lexicon =
      opencc::SerializableDict::NewFromFile<opencc::MarisaDict>(dictionary)->GetLexicon();
  for (size_t i = 0; i < lexicon->Length(); ++i) {
    const std::vector<char32_t> from = Decode(lexicon->At(i)->Key());
    const std::vector<char32_t> to = Decode(lexicon->At(i)->GetDefault());
    if (from.size() == 1 && to.size() == 1) AddPair(from[0], to[0]);
  }
}

// What an earlier pair leads to is simplified already: 户 is the variant of 戶 elsewhere. So is
// what the mainland writes itself, whatever else it is a variant of: 抬 is not 擡. Of the first
// dictionary, which knows that better, everything is taken.
void Folder::AddPair(char32_t from, char32_t to) {
  if (from == to || targets_.contains(from)) return;
  if (dictionaries_read_ > 0 && IsMainland(from)) return;
  if (simplified_.emplace(from, to).second) targets_.insert(to);
}

bool Folder::IsMainland(char32_t c) const {
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString text(static_cast<UChar32>(c));
  char bytes[8];
  const int32_t length = text.extract(bytes, sizeof(bytes), gb2312_.get(), error);
  // What GB 2312 lacks becomes a substitute, below its Han characters.
  return U_SUCCESS(error) && length == 2 && static_cast<uint8_t>(bytes[0]) >= 0xB0;
}

void Folder::AddSimplifiedOfIcu() {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::Transliterator> simplify(
      icu::Transliterator::createInstance("Traditional-Simplified", UTRANS_FORWARD, error));
  if (U_FAILURE(error)) Die("ICU has no transliterator Traditional-Simplified");
  for (UChar32 c = 0x4E00; c < 0xA000; ++c) {
    icu::UnicodeString text(c);
    simplify->transliterate(text);
    const std::vector<char32_t> to = CodePoints(text);
    if (to.size() == 1) AddPair(static_cast<char32_t>(c), to[0]);
  }
}

bool Folder::IsSeparator(char32_t c) {
  const auto code_point = static_cast<UChar32>(c);
  // Radicals are symbols to Unicode, but parts of characters to who writes ⺡去 for 法.
  if (c >= 0x2E80 && c <= 0x2EFF) return false;
  // Tones and quotation marks (ˇ ʼ) that Unicode has as letters.
  if (c >= 0x2B0 && c <= 0x2FF) return true;
  return u_isUWhiteSpace(code_point) ||
         (U_GET_GC_MASK(code_point) & (U_GC_Z_MASK | U_GC_P_MASK | U_GC_S_MASK)) != 0;
}

std::vector<char32_t> Folder::Strip(char32_t c) const {
  icu::UnicodeString decomposed;
  UErrorCode error = U_ZERO_ERROR;
  nfd_->normalize(icu::UnicodeString(static_cast<UChar32>(c)), decomposed, error);
  icu::UnicodeString kept;
  for (const char32_t part : CodePoints(decomposed)) {
    const auto code_point = static_cast<UChar32>(part);
    if ((U_GET_GC_MASK(code_point) & (U_GC_MN_MASK | U_GC_ME_MASK)) == 0) kept.append(code_point);
  }
  icu::UnicodeString composed;
  nfc_->normalize(kept, composed, error);
  return CodePoints(composed);
}

bool IsEnclosed(char32_t c) {
  return (c >= 0x2460 && c <= 0x24FF) || (c >= 0x3200 && c <= 0x33FF) ||
         (c >= 0x1F100 && c <= 0x1F2FF);
}

// Numbers in discs and rings that NFKC leaves alone.
bool IsEnclosedNumber(char32_t c) {
  return (c >= 0x24EB && c <= 0x24FF) || (c >= 0x2776 && c <= 0x2793) || c == 0x1F10B ||
         c == 0x1F10C;
}

std::vector<char32_t> Folder::Step(char32_t c) const {
  const auto code_point = static_cast<UChar32>(c);
  if (c >= 0xD800 && c <= 0xDFFF) return {c};
  if (u_isUWhiteSpace(code_point)) return {c == '\n' ? U'\n' : U' '};
  if (u_charType(code_point) == U_CONTROL_CHAR || u_charType(code_point) == U_FORMAT_CHAR ||
      u_hasBinaryProperty(code_point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0) {
    return {};
  }
  // A mark vanishes before it can fold to a letter (U+0345 to iota).
  if ((U_GET_GC_MASK(code_point) & (U_GC_MN_MASK | U_GC_ME_MASK)) != 0) return {};
  if (c == 0x2122 || c == 0x2120) return {c};  // (TM) and (SM) part words, they spell none
  if (const auto found = look_alikes_.find(c); found != look_alikes_.end()) {
    return {found->second};
  }
  if (IsEnclosedNumber(c)) {
    std::vector<char32_t> digits;
    const auto value = static_cast<int>(u_getNumericValue(code_point));
    for (const char digit : std::to_string(value)) digits.push_back(static_cast<char32_t>(digit));
    return digits;
  }
  if (const int32_t digit = u_charDigitValue(code_point); digit >= 0) {
    return {U'0' + static_cast<char32_t>(digit)};
  }
  icu::UnicodeString folded;
  UErrorCode error = U_ZERO_ERROR;
  casefold_->normalize(icu::UnicodeString(code_point), folded, error);
  std::vector<char32_t> result;
  for (const char32_t c_folded : CodePoints(folded)) {
    for (const char32_t part : Strip(c_folded)) {
      // The brackets and full stops of enclosed forms are drawing, not text.
      if (IsEnclosed(c) && part != c && IsSeparator(part)) continue;
      const auto simple = simplified_.find(part);
      result.push_back(simple == simplified_.end() ? part : simple->second);
    }
  }
  return result;
}

std::vector<char32_t> Folder::Fold(char32_t c) const {
  std::vector<char32_t> current = {c};
  for (int round = 0; round < 8; ++round) {
    std::vector<char32_t> next;
    for (const char32_t part : current) {
      for (const char32_t folded : Step(part)) next.push_back(folded);
    }
    if (next == current) break;
    current = std::move(next);
  }
  return current;
}

int Generate(const char* output, const std::vector<const char*>& inputs) {
  HanVariants variants;
  if (!variants.ReadUnihan(std::cin)) Die("standard input holds no variants of Unihan's");
  std::vector<const char*> dictionaries;
  for (const char* const input : inputs) {
    if (!std::string_view(input).ends_with(".tsv")) {
      dictionaries.push_back(input);
    } else if (!variants.LeaveAlone(input)) {
      Die("a table of parts cannot be read");
    }
  }
  const Folder folder(dictionaries, variants);
  std::vector<uint32_t> expansions;
  std::map<std::vector<char32_t>, uint32_t> expansion_places;
  std::vector<std::vector<uint32_t>> pages;
  std::map<std::vector<uint32_t>, size_t> page_places;
  std::vector<size_t> page_of;
  std::vector<uint64_t> plain(0x10000 / 64);
  for (uint32_t first = 0; first < kCodePointCount; first += kFoldPageSize) {
    std::vector<uint32_t> page;
    for (uint32_t c = first; c < first + kFoldPageSize; ++c) {
      const std::vector<char32_t> folded = folder.Fold(c);
      uint32_t entry = 0;
      if (folded.empty()) {
        entry = FoldEntry::Make(FoldEntry::Kind::kNothing, 0, false);
      } else if (folded.size() == 1) {
        const bool same = folded[0] == c;
        entry = FoldEntry::Make(same ? FoldEntry::Kind::kSame : FoldEntry::Kind::kOne, folded[0],
                                Folder::IsSeparator(folded[0]));
        if (same && c >= 0x800 && c < 0x10000 && !Folder::IsSeparator(c)) {
          plain[c / 64] |= uint64_t{1} << (c % 64);
        }
      } else {
        const auto [place, is_new] =
            expansion_places.emplace(folded, static_cast<uint32_t>(expansions.size()));
        if (is_new) {
          expansions.push_back(static_cast<uint32_t>(folded.size()));
          expansions.insert(expansions.end(), folded.begin(), folded.end());
        }
        entry = FoldEntry::Make(FoldEntry::Kind::kMany, place->second, false);
      }
      // An entry that maps to itself stores nothing, so that whole pages of them are one page.
      page.push_back(FoldEntry{entry}.kind() == FoldEntry::Kind::kSame
                         ? FoldEntry::Make(FoldEntry::Kind::kSame, 0, FoldEntry{entry}.separator())
                         : entry);
    }
    const auto [place, is_new] = page_places.emplace(page, pages.size());
    if (is_new) pages.push_back(std::move(page));
    page_of.push_back(place->second);
  }
  std::ofstream out(output);
  out << "constexpr uint16_t kFoldPageOf[] = {";
  for (const size_t page : page_of) out << page << ',';
  out << "};\nconstexpr uint32_t kFoldPages[][" << kFoldPageSize << "] = {";
  for (const auto& page : pages) {
    out << "\n{";
    for (const uint32_t entry : page) out << entry << ',';
    out << "},";
  }
  out << "};\nconstexpr char32_t kFoldExpansions[] = {";
  for (const uint32_t part : expansions) out << part << ',';
  out << "};\nconstexpr uint64_t kFoldPlain[] = {";
  for (const uint64_t word : plain) out << word << "U,";
  out << "};\n";
  return out.good() ? 0 : 1;
}

}  // namespace
}  // namespace weir::rules

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: generate_fold OUTPUT TABLE.tsv... DICTIONARY.ocd2...\n");
    return 2;
  }
  return weir::rules::Generate(argv[1], {argv + 2, argv + argc});
}
