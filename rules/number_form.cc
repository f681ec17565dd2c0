#include "rules/number_form.h"

#include <array>
#include <iterator>

namespace weir::rules {
namespace {

using enum NumberForm::Parting;
using enum Detector;

constexpr std::string_view kMobileGroups = "38 74 344 335 434 3224 32222";
constexpr std::string_view kEightGroups = "44 35 53 2222";

// Numbers and prefixes: the public telephone plan, ISO/IEC 7812 and the issuers' own rules, the
// documents' own numbering since they became electronic.
constexpr NumberForm kForms[] = {
    {kCnIdCard, "N################X", kAnyhow, "", Context::kNone},
    {kCnIdCard, "N##############", kAsListed, "663 6333", Context::kIdCard},
    {kCnMobile, "1T#########", kAsListed, kMobileGroups, Context::kNone},
    // No number of a town begins with 0 or 9.
    {kCnLandline, "010B#######", kAsListed, "38 344", Context::kNone},
    {kCnLandline, "02DB#######", kAsListed, "38 344", Context::kNone},
    {kCnLandline, "0T##B######", kAsListed, "47 434", Context::kNone},
    {kCnLandline, "0T##B#######", kAsListed, "48 444", Context::kNone},
    {kCnLandline, "8610B#######", kAsListed, "228 2244 2A", Context::kPhone},
    {kCnLandline, "862DB#######", kAsListed, "228 2244 2A", Context::kPhone},
    {kCnLandline, "86T##B######", kAsListed, "237 2334 2A", Context::kPhone},
    {kCnLandline, "86T##B#######", kAsListed, "238 2344 2B", Context::kPhone},
    {kHkMacauTaiwanPhone, "852P#######", kAsListed, "38 344", Context::kPhone},
    {kHkMacauTaiwanPhone, "8536#######", kAsListed, "38 344", Context::kPhone},
    {kHkMacauTaiwanPhone, "8869########", kAsListed, "39 3333 336 3324 345", Context::kPhone},
    {kHkMacauTaiwanPhone, "88609########", kAsListed, "3A 3433 346", Context::kPhone},
    {kHkMacauTaiwanPhone, "09########", kAsListed, "433 46 244", Context::kPhone},
    {kBankCard, "62##############", kAsListedAlone, "4444 6A", Context::kNone},
    {kBankCard, "62###############", kAsListedAlone, "44441 6B", Context::kNone},
    {kBankCard, "62################", kAsListedAlone, "44442 6C", Context::kNone},
    {kBankCard, "62#################", kAsListedAlone, "44443 6D", Context::kNone},
    {kBankCard, "81##############", kAsListedAlone, "4444 6A", Context::kNone},
    {kBankCard, "81###############", kAsListedAlone, "44441 6B", Context::kNone},
    {kBankCard, "81################", kAsListedAlone, "44442 6C", Context::kNone},
    {kBankCard, "81#################", kAsListedAlone, "44443 6D", Context::kNone},
    {kBankCard, "4###############", kAsListedAlone, "4444", Context::kNone},
    {kBankCard, "5F##############", kAsListedAlone, "4444", Context::kNone},
    {kBankCard, "2###############", kAsListedAlone, "4444", Context::kNone},
    {kBankCard, "35##############", kAsListedAlone, "4444", Context::kNone},
    {kBankCard, "3V#############", kAsListedAlone, "465 4443", Context::kNone},
    {kCnUscc, "AN######UUUUUUUUUU", kAsListedAlone, "44442 2691 666 8A", Context::kNone},
    {kCnPassport, "G########", kAnyhow, "", Context::kPassport},
    {kCnPassport, "eL#######", kAnyhow, "", Context::kPassport},
    {kCnPassport, "Se#######", kAnyhow, "", Context::kPassport},
    {kCnPassport, "kj#######", kAnyhow, "", Context::kPassport},
    {kCnPassport, "mM#######", kAnyhow, "", Context::kPassport},
    {kCnPassport, "1Q#######", kAsListed, "333", Context::kPassport},
    {kHkMacauPermit, "H########", kAnyhow, "", Context::kHkMacauPermit},
    {kHkMacauPermit, "H##########", kAnyhow, "", Context::kHkMacauPermit},
    {kHkMacauPermit, "C########", kAnyhow, "", Context::kHkMacauPermit},
    {kHkMacauPermit, "cL#######", kAnyhow, "", Context::kHkMacauPermit},
    {kTaiwanPermit, "########", kAsListed, kEightGroups, Context::kTaiwanPermit},
    {kTaiwanPermit, "##########Z", kAsListed, "A1", Context::kTaiwanPermit},
    {kTaiwanPermit, "W########", kAnyhow, "", Context::kTaiwanPermit},
    {kCnResidencePermit, "ZZZ############", kAnyhow, "", Context::kResidencePermit},
    {kCnMilitaryId, "######", kAsListed, "33", Context::kMilitaryId},
    {kCnMilitaryId, "#######", kAsListed, "34", Context::kMilitaryId},
    {kCnMilitaryId, "########", kAsListed, "44", Context::kMilitaryId},
    {kImei, "###############", kAsListed, "2661 6261 861", Context::kDevice},
    {kQqNumber, "N####", kAsListed, "", Context::kQq},
    {kQqNumber, "N#####", kAsListed, "", Context::kQq},
    {kQqNumber, "N######", kAsListed, "", Context::kQq},
    {kQqNumber, "N#######", kAsListed, "44", Context::kQq},
    {kQqNumber, "N########", kAsListed, "333", Context::kQq},
    {kQqNumber, "N#########", kAsListed, "334 343 433", Context::kQq},
    {kQqNumber, "N##########", kAsListed, "344", Context::kQq},
};

static_assert(std::size(kForms) <= 64);

// Whether `c`, a digit or small letter, may stand where a pattern has `place`.
constexpr bool FitsPlace(char place, char c) {
  const bool digit = c >= '0' && c <= '9';
  switch (place) {
    case '#':
      return digit;
    case 'N':
      return digit && c != '0';
    case 'B':
      return c >= '1' && c <= '8';
    case 'T':
      return digit && c >= '3';
    case 'D':
      return digit && c != '6';
    case 'F':
      return c >= '1' && c <= '5';
    case 'P':
      return digit && c >= '4';
    case 'Q':
      return c == '4' || c == '5';
    case 'V':
      return c == '4' || c == '7';
    case 'X':
      return digit || c == 'x';
    case 'A':
      return (digit && c != '0') || c == 'a' || c == 'n' || c == 'y';
    case 'L':
      return !digit && c != 'i' && c != 'o';
    case 'Z':
      return !digit;
    case 'U':
      return digit || (c != 'i' && c != 'o' && c != 's' && c != 'v' && c != 'z');
    case 'G':
      return c == 'd' || c == 'e' || c == 'g' || c == 'h' || c == 'k' || c == 'p' || c == 's';
    case 'S':
      return c == 'd' || c == 'p' || c == 's';
    case 'M':
      return c == 'a' || c == 'b';
    case 'H':
      return c == 'h' || c == 'm';
    case 'C':
      return c == 'c' || c == 'w';
    case 'W':
      return c == 'l' || c == 't';
    default:
      return place == c;
  }
}

constexpr size_t kCharacters = 36;
constexpr size_t IndexOf(char c) {
  return static_cast<size_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

struct Tables {
  std::array<std::array<FormSet, kCharacters>, kNumberWidthMax> allow{};
  std::array<FormSet, kNumberWidthMax + 1> width{};
  std::array<FormSet, kDetectorCount> detector{};

  constexpr Tables() {
    for (size_t form = 0; form < std::size(kForms); ++form) {
      const FormSet bit = FormSet{1} << form;
      const std::string_view pattern = kForms[form].pattern;
      width[pattern.size()] |= bit;
      detector[static_cast<size_t>(kForms[form].detector)] |= bit;
      for (size_t place = 0; place < pattern.size(); ++place) {
        for (char c = '0'; c <= 'z'; c = c == '9' ? 'a' : static_cast<char>(c + 1)) {
          if (FitsPlace(pattern[place], c)) allow[place][IndexOf(c)] |= bit;
        }
      }
    }
  }
};
constexpr Tables kTables;

}  // namespace

std::span<const NumberForm> NumberForms() {
  return kForms;
}

FormSet FormsOf(DetectorSet detectors) {
  FormSet forms = 0;
  for (size_t i = 0; i < kDetectorCount; ++i) {
    if (((detectors >> i) & 1U) != 0) forms |= kTables.detector[i];
  }
  return forms;
}

FormSet FormsThatAllow(size_t place, char c) {
  return kTables.allow[place][IndexOf(c)];
}

FormSet FormsOfWidth(size_t width) {
  return kTables.width[width];
}

}  // namespace weir::rules
