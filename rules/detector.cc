#include "rules/detector.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace weir::rules {
namespace {

struct DetectorRow {
  std::string_view name;
  uint32_t width_max;
};
constexpr std::array<DetectorRow, kDetectorCount> kDetectors = {{
    {"none", 0},
    {"cn-id-card", 18},
    {"cn-mobile", 11},
    {"cn-landline", 13},
    {"hk-macau-taiwan-phone", 13},
    {"bank-card", 19},
    {"cn-uscc", 18},
    {"cn-passport", 9},
    {"hk-macau-permit", 11},
    {"taiwan-permit", 11},
    {"cn-residence-permit", 15},
    {"cn-military-id", 8},
    {"imei", 15},
    {"cn-plate", 8},
    {"email", 318},
    {"ip", 45},
    {"mac-address", 17},
    {"wechat-id", 25},
    {"qq-number", 11},
    {"secret", 4096},
}};

// First two digits of a region that issues resident ID cards (83: residence permits of people from
// Taiwan; 91: of foreigners).
constexpr std::array<std::string_view, 36> kIdCardRegions = {
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34",
    "35", "36", "37", "41", "42", "43", "44", "45", "46", "50", "51", "52",
    "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83", "91"};

// What a unified social credit code may begin with: authority and category.
constexpr std::string_view kUsccBeginnings =
    "11 12 13 19 21 29 31 32 33 34 35 39 41 49 51 52 53 54 55 59 61 62 69 71 72 79 81 89 "
    "91 92 93 a1 a9 n1 n2 n3 n9 y1";

int Digit(char c) {
  return c - '0';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool AreDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsDigit);
}

int Number(std::string_view digits) {
  int number = 0;
  for (const char c : digits) number = number * 10 + Digit(c);
  return number;
}

bool IsRegion(std::string_view two_digits) {
  return std::find(kIdCardRegions.begin(), kIdCardRegions.end(), two_digits) !=
         kIdCardRegions.end();
}

bool IsDate(int year, int month, int day) {
  return year >= 1900 && year <= 2099 &&
         std::chrono::year_month_day(std::chrono::year(year),
                                     std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day)))
             .ok();
}
bool IsDate(std::string_view yyyymmdd) {
  return IsDate(Number(yyyymmdd.substr(0, 4)), Number(yyyymmdd.substr(4, 2)),
                Number(yyyymmdd.substr(6, 2)));
}

// GB 11643-1999: region, date of birth, sequence, check digit by ISO 7064 MOD 11-2.
bool IsIdCard(std::string_view text) {
  if (text.size() != 18 || !AreDigits(text.substr(0, 17)) || !IsRegion(text.substr(0, 2)) ||
      !IsDate(text.substr(6, 8))) {
    return false;
  }
  constexpr std::array<int, 17> kWeights = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (size_t i = 0; i < kWeights.size(); ++i) sum += kWeights[i] * Digit(text[i]);
  const char check = text[17] == 'x' ? 'X' : text[17];
  return check == "10X98765432"[sum % 11];
}

// The form until 1999: two digits of the year, no check digit.
bool IsOldIdCard(std::string_view text) {
  return text.size() == 15 && AreDigits(text) && IsRegion(text.substr(0, 2)) &&
         IsDate(1900 + Number(text.substr(6, 2)), Number(text.substr(8, 2)),
                Number(text.substr(10, 2)));
}

// Whether `digits` can begin a number in [low, high], each written with `width` digits.
bool CouldBecome(std::string_view digits, int low, int high, size_t width) {
  int least = 0;
  int most = 0;
  for (size_t i = 0; i < width; ++i) {
    least = least * 10 + (i < digits.size() ? Digit(digits[i]) : 0);
    most = most * 10 + (i < digits.size() ? Digit(digits[i]) : 9);
  }
  return most >= low && least <= high;
}

bool IsMobile(std::string_view text) {
  // 3.14159265359 is written more often than that number is called.
  return text.size() == 11 && AreDigits(text) && text[0] == '1' && text[1] >= '3' &&
         text != "14159265359";
}

// ISO/IEC 7812-1: from the right, every second digit doubled.
bool PassesLuhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = Digit(digits[digits.size() - 1 - i]);
    if (i % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

bool IsBankCard(std::string_view text) {
  if (text.size() < 15 || text.size() > 19 || !AreDigits(text)) return false;
  const int two = Number(text.substr(0, 2));
  const int four = Number(text.substr(0, 4));
  const bool union_pay = text.size() >= 16 && (two == 62 || two == 81);
  const bool sixteen =
      text.size() == 16 && (text[0] == '4' || (two >= 51 && two <= 55) ||
                            (four >= 2221 && four <= 2720) || (four >= 3528 && four <= 3589));
  const bool fifteen = text.size() == 15 && (two == 34 || two == 37);
  if (!union_pay && !sixteen && !fifteen) return false;
  return PassesLuhn(text) && !IsIdCard(text);
}

// The value of a letter or digit in the 31 characters of GB 32100; -1 for the five left out.
int UsccValue(char c) {
  const char capital = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const size_t value = std::string_view("0123456789ABCDEFGHJKLMNPQRTUWXY").find(capital);
  return value == std::string_view::npos ? -1 : static_cast<int>(value);
}

// GB 11714: positions 9 to 17 of the code are the organisation's, with a check digit of their own.
bool IsOrganisation(std::string_view text) {
  constexpr std::array<int, 8> kWeights = {3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (size_t i = 0; i < kWeights.size(); ++i) {
    const char c = text[i];
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    sum += kWeights[i] * (IsDigit(c) ? Digit(c) : small - 'a' + 10);
  }
  const int check = 11 - sum % 11;
  const char last = text[8] == 'x' ? 'X' : text[8];
  return last == (check == 10 ? 'X' : static_cast<char>('0' + check % 11));
}

bool IsUscc(std::string_view text) {
  if (text.size() != 18 || !AreDigits(text.substr(2, 6))) return false;
  const std::array<char, 2> beginning = {
      text[0] >= 'A' && text[0] <= 'Z' ? static_cast<char>(text[0] - 'A' + 'a') : text[0], text[1]};
  if (kUsccBeginnings.find(std::string_view(beginning.data(), 2)) == std::string_view::npos ||
      (text.substr(2, 6) != "100000" && !IsRegion(text.substr(2, 2)))) {
    return false;
  }
  constexpr std::array<int, 17> kWeights = {1,  3,  9,  27, 19, 26, 16, 17, 20,
                                            29, 25, 13, 8,  24, 10, 30, 28};
  int sum = 0;
  for (size_t i = 0; i < 18; ++i) {
    const int value = UsccValue(text[i]);
    if (value < 0) return false;
    if (i < kWeights.size()) sum += kWeights[i] * value;
  }
  return UsccValue(text[17]) == (31 - sum % 31) % 31 && IsOrganisation(text.substr(8, 9)) &&
         !IsIdCard(text);
}

bool BeginsRegion(std::string_view digits) {
  return std::any_of(kIdCardRegions.begin(), kIdCardRegions.end(),
                     [&](std::string_view known) { return known.starts_with(digits); });
}

std::string_view Part(std::string_view text, size_t at, size_t width) {
  return at < text.size() ? text.substr(at, width) : std::string_view();
}

bool CouldBecomeIdCard(std::string_view digits) {
  if (!BeginsRegion(Part(digits, 0, 2))) return false;
  if (digits.size() >= 14) return IsDate(Part(digits, 6, 8));
  const std::string_view month = Part(digits, 10, 2);
  return CouldBecome(Part(digits, 6, 4), 1900, 2099, 4) && CouldBecome(month, 1, 12, 2) &&
         CouldBecome(Part(digits, 12, 2), 1, month == "02" ? 29 : 31, 2);
}

bool CouldBecomeOldIdCard(std::string_view digits) {
  if (!BeginsRegion(Part(digits, 0, 2))) return false;
  if (digits.size() >= 12) {
    return IsDate(1900 + Number(Part(digits, 6, 2)), Number(Part(digits, 8, 2)),
                  Number(Part(digits, 10, 2)));
  }
  const std::string_view month = Part(digits, 8, 2);
  return CouldBecome(month, 1, 12, 2) &&
         CouldBecome(Part(digits, 10, 2), 1, month == "02" ? 29 : 31, 2);
}

bool CouldBecomeUscc(std::string_view text) {
  // Entries of the list are parted by spaces.
  const std::string_view authority = Part(text, 0, 2);
  bool known = false;
  for (size_t at = 0; at < kUsccBeginnings.size(); at += 3) {
    known = known || kUsccBeginnings.substr(at).starts_with(authority);
  }
  const std::string_view region = Part(text, 2, 6);
  return known &&
         (std::string_view("100000").starts_with(region) || BeginsRegion(region.substr(0, 2))) &&
         (text.size() < 17 || IsOrganisation(text.substr(8, 9)));
}

}  // namespace

std::string_view Name(Detector detector) {
  return kDetectors[static_cast<size_t>(detector)].name;
}

std::optional<Detector> DetectorFromName(std::string_view name) {
  for (size_t i = 1; i < kDetectors.size(); ++i) {
    if (kDetectors[i].name == name) return static_cast<Detector>(i);
  }
  return std::nullopt;
}

std::vector<std::string_view> DetectorNames() {
  std::vector<std::string_view> names;
  for (size_t i = 1; i < kDetectors.size(); ++i) names.push_back(kDetectors[i].name);
  return names;
}

uint32_t WidthMax(Detector detector) {
  return kDetectors[static_cast<size_t>(detector)].width_max;
}

bool Validate(Detector detector, std::string_view candidate) {
  switch (detector) {
    case Detector::kCnIdCard:
      return IsIdCard(candidate) || IsOldIdCard(candidate);
    case Detector::kCnMobile:
      return IsMobile(candidate);
    case Detector::kCnLandline:
      // 0830 20240101 is a time and a date.
      return candidate.size() != 12 || candidate[0] != '0' || !IsDate(candidate.substr(4));
    case Detector::kBankCard:
      return IsBankCard(candidate);
    case Detector::kCnUscc:
      return IsUscc(candidate);
    case Detector::kImei:
      return candidate.size() == 15 && AreDigits(candidate) && PassesLuhn(candidate);
    case Detector::kTaiwanPermit:
    case Detector::kCnMilitaryId:
      // Eight digits behind the name of a document are as often a date of issue.
      return candidate.size() != 8 || !AreDigits(candidate) || !IsDate(candidate);
    case Detector::kNone:
      return false;
    default:
      return true;
  }
}

bool CouldBecome(Detector detector, std::string_view beginning, size_t width) {
  switch (detector) {
    case Detector::kCnIdCard:
      return width == 18 ? CouldBecomeIdCard(beginning) : CouldBecomeOldIdCard(beginning);
    case Detector::kBankCard:
      if (beginning[0] == '2') return CouldBecome(beginning.substr(0, 4), 2221, 2720, 4);
      return beginning[0] != '3' || width != 16 ||
             CouldBecome(beginning.substr(0, 4), 3528, 3589, 4);
    case Detector::kCnUscc:
      return CouldBecomeUscc(beginning);
    case Detector::kTaiwanPermit:
    case Detector::kCnMilitaryId: {
      if (width != 8 || beginning.size() != 7) return true;
      constexpr std::string_view kDigits = "0123456789";
      return std::any_of(kDigits.begin(), kDigits.end(),
                         [&](char last) { return !IsDate(std::string(beginning) + last); });
    }
    default:
      return true;
  }
}

}  // namespace weir::rules
