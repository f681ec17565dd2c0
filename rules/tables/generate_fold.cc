// Writes fold_data.inc: for every code point, what the fold lane makes of it. Runs at build time,
// so that the product needs neither ICU's nor OpenCC's data files where it runs.
//
//   generate_fold TSCharacters.ocd2 OUTPUT
//
// The fold of a code point does not depend on its neighbours: that is what lets a stream be cut
// anywhere. In order: look-alike letters to the Latin letter they imitate; NFKC_Casefold; marks
// stripped; decimal digits of any script to ASCII; traditional to simplified Han; again until
// nothing changes.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <opencc/Lexicon.hpp>
#include <opencc/MarisaDict.hpp>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "rules/fold_table.h"

namespace weir::rules {
namespace {

constexpr uint32_t kCodePointCount = 0x110000;

// Letters that NFKC leaves alone and that readers take for the Latin letter beside them.
struct LookAlike {
  const char32_t* from;
  char to;
};
constexpr LookAlike kLookAlikes[] = {
    // Cyrillic, Greek, Armenian, Cherokee, Lisu, small capitals and IPA, in that order per letter.
    {U"АаΑαᎪꓮᴀɑⱭ", 'a'},     {U"ВвΒβᏴꓐʙɓ", 'b'},
    {U"СсϹϲᏟꓚᴄɔↄ", 'c'},     {U"ԀԁᎠꓓᴅđĐðɖɗ", 'd'},
    {U"ЕеЁёΕεеᎬꓰᴇɛəǝ", 'e'}, {U"Ϝϝꓝꜰƒ", 'f'},
    {U"ԌԍᏀꓖɢɡɠ", 'g'},       {U"НнҺһΗηᎻꓧʜħĦ", 'h'},
    {U"ІіΙιӀӏᎥꓲɪıɩ", 'i'},   {U"ЈјͿϳᎫꓙᴊȷ", 'j'},
    {U"КкΚκᏦꓗᴋƙ", 'k'},      {U"ⅬᏞꓡʟłŁɭ", 'l'},
    {U"МмΜᎷꓟᴍɱ", 'm'},       {U"Νηոꓠɴɲŋ", 'n'},
    {U"ОоΟοօՕꓳᴏøØɵ", 'o'},   {U"РрΡρᏢꓑᴘƥ", 'p'},
    {U"ԚԛզɊɋ", 'q'},         {U"Ꭱᖇꓣʀɾɽ", 'r'},
    {U"ЅѕՏꓢꜱʂ", 's'},        {U"ТтΤτᎢꓔᴛŧŦƭ", 't'},
    {U"Υυսꓴᴜʊμ", 'u'},       {U"Ѵѵνꓦᴠʋ", 'v'},
    {U"ԜԝωᎳꓪᴡɯ", 'w'},       {U"ХхΧχꓫ", 'x'},
    {U"УуҮүγꓬʏƴ", 'y'},      {U"ΖᏃꓜᴢƶƵʐ", 'z'},
};

class Folder {
 public:
  explicit Folder(const char* dictionary);

  // The code points that `c` becomes; empty when it vanishes.
  std::vector<char32_t> Fold(char32_t c) const;
  static bool IsSeparator(char32_t c);

 private:
  std::vector<char32_t> Step(char32_t c) const;
  std::vector<char32_t> Strip(char32_t c) const;

  std::map<char32_t, char32_t> look_alikes_;
  std::map<char32_t, char32_t> simplified_;
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

std::vector<char32_t> Decode(const std::string& text) {
  return CodePoints(icu::UnicodeString::fromUTF8(text));
}

Folder::Folder(const char* dictionary) {
  UErrorCode error = U_ZERO_ERROR;
  casefold_ = icu::Normalizer2::getNFKCCasefoldInstance(error);
  nfd_ = icu::Normalizer2::getNFDInstance(error);
  nfc_ = icu::Normalizer2::getNFCInstance(error);
  if (U_FAILURE(error)) {
    std::cerr << "generate_fold: ICU has no normalisation data\n";
    std::exit(1);
  }
  for (const LookAlike& entry : kLookAlikes) {
    for (const char32_t* c = entry.from; *c != 0; ++c) {
      look_alikes_.emplace(*c, static_cast<char32_t>(entry.to));
    }
  }
  for (char32_t i = 0; i < 26; ++i) {
    for (const char32_t base : {0x1F130U, 0x1F150U, 0x1F170U, 0x1F1E6U}) {
      look_alikes_[base + i] = U'a' + i;
    }
  }
  const auto lexicon =
      opencc::SerializableDict::NewFromFile<opencc::MarisaDict>(dictionary)->GetLexicon();
  for (size_t i = 0; i < lexicon->Length(); ++i) {
    const std::vector<char32_t> from = Decode(lexicon->At(i)->Key());
    const std::vector<char32_t> to = Decode(lexicon->At(i)->GetDefault());
    if (from.size() == 1 && to.size() == 1 && from != to) simplified_.emplace(from[0], to[0]);
  }
}

bool Folder::IsSeparator(char32_t c) {
  const auto code_point = static_cast<UChar32>(c);
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

std::vector<char32_t> Folder::Step(char32_t c) const {
  const auto code_point = static_cast<UChar32>(c);
  if (c >= 0xD800 && c <= 0xDFFF) return {c};
  if (u_isUWhiteSpace(code_point)) return {c == '\n' ? U'\n' : U' '};
  if (u_charType(code_point) == U_CONTROL_CHAR || u_charType(code_point) == U_FORMAT_CHAR ||
      u_hasBinaryProperty(code_point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0) {
    return {};
  }
  if (c == 0x2122 || c == 0x2120) return {c};  // (TM) and (SM) part words, they spell none
  if (const auto found = look_alikes_.find(c); found != look_alikes_.end()) {
    return {found->second};
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
      if (IsEnclosed(c) && IsSeparator(part)) continue;
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

int Generate(const char* dictionary, const char* output) {
  const Folder folder(dictionary);
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
  if (argc != 3) {
    std::fprintf(stderr, "usage: generate_fold TSCharacters.ocd2 OUTPUT\n");
    return 2;
  }
  return weir::rules::Generate(argv[1], argv[2]);
}
