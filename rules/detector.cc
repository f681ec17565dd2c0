#include "rules/detector.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "rules/fold_table.h"
#include "rules/lane_text.h"

namespace weir::rules {
namespace {

struct DetectorName {
  Detector detector;
  std::string_view name;
};
constexpr std::array<DetectorName, 2> kDetectorNames = {{
    {Detector::kCnIdCard, "cn-id-card"},
    {Detector::kCnMobile, "cn-mobile"},
}};

// First two digits of a region that issues resident ID cards.
constexpr std::array<std::string_view, 36> kIdCardRegions = {
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34",
    "35", "36", "37", "41", "42", "43", "44", "45", "46", "50", "51", "52",
    "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83", "91"};

int Digit(char c) {
  return c - '0';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

int Number(std::string_view digits) {
  int number = 0;
  for (const char c : digits) number = number * 10 + Digit(c);
  return number;
}

bool IsDate(int year, int month, int day) {
  return year >= 1900 && year <= 2099 &&
         std::chrono::year_month_day(std::chrono::year(year),
                                     std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day)))
             .ok();
}

// GB 11643-1999: region, date of birth, sequence, check digit by ISO 7064 MOD 11-2.
bool IsIdCard(std::string_view text) {
  if (text.size() != 18 || !std::all_of(text.begin(), text.begin() + 17, IsDigit)) return false;
  if (std::find(kIdCardRegions.begin(), kIdCardRegions.end(), text.substr(0, 2)) ==
      kIdCardRegions.end()) {
    return false;
  }
  if (!IsDate(Number(text.substr(6, 4)), Number(text.substr(10, 2)), Number(text.substr(12, 2)))) {
    return false;
  }
  constexpr std::array<int, 17> kWeights = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (size_t i = 0; i < kWeights.size(); ++i) sum += kWeights[i] * Digit(text[i]);
  const char check = text[17] == 'x' ? 'X' : text[17];
  return check == "10X98765432"[sum % 11];
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
  return text.size() == 11 && std::all_of(text.begin(), text.end(), IsDigit) && text[0] == '1' &&
         text[1] >= '3';
}

// Whether the character stands for itself in a number, so that a mask may cover it.
bool IsNumberCharacter(char32_t c) {
  const FoldEntry entry = LookUpFold(c);
  return entry.kind() != FoldEntry::Kind::kNothing && !entry.separator();
}

}  // namespace

std::string_view Name(Detector detector) {
  for (const DetectorName& entry : kDetectorNames) {
    if (entry.detector == detector) return entry.name;
  }
  return "none";
}

std::optional<Detector> DetectorFromName(std::string_view name) {
  for (const DetectorName& entry : kDetectorNames) {
    if (entry.name == name) return entry.detector;
  }
  return std::nullopt;
}

std::vector<std::string_view> DetectorNames() {
  std::vector<std::string_view> names;
  for (const DetectorName& entry : kDetectorNames) names.push_back(entry.name);
  return names;
}

bool Validate(Detector detector, std::string_view candidate) {
  switch (detector) {
    case Detector::kCnIdCard:
      return IsIdCard(candidate);
    case Detector::kCnMobile:
      return IsMobile(candidate);
    case Detector::kNone:
      break;
  }
  return false;
}

bool CouldBecomeIdCard(std::string_view digits) {
  const auto part = [&](size_t at, size_t width) {
    return at < digits.size() ? digits.substr(at, width) : std::string_view();
  };
  const std::string_view region = part(0, 2);
  if (std::none_of(kIdCardRegions.begin(), kIdCardRegions.end(),
                   [&](std::string_view known) { return known.starts_with(region); })) {
    return false;
  }
  if (digits.size() >= 14) {
    return IsDate(Number(part(6, 4)), Number(part(10, 2)), Number(part(12, 2)));
  }
  const std::string_view month = part(10, 2);
  return CouldBecome(part(6, 4), 1900, 2099, 4) && CouldBecome(month, 1, 12, 2) &&
         CouldBecome(part(12, 2), 1, month == "02" ? 29 : 31, 2);
}

std::string Mask(Detector detector, std::string_view match) {
  // Digits in front and at the end that stay readable; everything between becomes one '*' each.
  const size_t head = detector == Detector::kCnIdCard ? 6 : 3;
  constexpr size_t kTail = 4;
  size_t count = 0;
  for (size_t i = 0; i < match.size();) {
    const Decoded decoded = DecodeAt(match, i);
    i += decoded.length;
    if (decoded.c != kInvalidByte && IsNumberCharacter(decoded.c)) ++count;
  }
  std::string masked;
  size_t seen = 0;
  for (size_t i = 0; i < match.size();) {
    const Decoded decoded = DecodeAt(match, i);
    const bool number = decoded.c != kInvalidByte && IsNumberCharacter(decoded.c);
    if (number) ++seen;
    const bool keep = !number || (count > head + kTail && (seen <= head || seen + kTail > count));
    if (keep) {
      masked.append(match.substr(i, decoded.length));
    } else {
      masked.push_back('*');
    }
    i += decoded.length;
  }
  return masked;
}

}  // namespace weir::rules
