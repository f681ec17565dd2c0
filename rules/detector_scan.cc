#include "rules/detector_scan.h"

#include <algorithm>
#include <array>
#include <memory>

#include "rules/text_cursor.h"
#include "rules/token_reader.h"
#include "rules/token_scan.h"

namespace weir::rules {
namespace {

constexpr DetectorSet kTokenDetectors =
    DetectorBit(Detector::kEmail) | DetectorBit(Detector::kIp) |
    DetectorBit(Detector::kMacAddress) | DetectorBit(Detector::kCnPlate) |
    DetectorBit(Detector::kWechatId) | DetectorBit(Detector::kSecret);

// Letters that a number may begin with, and how far behind them, parted as they may be, its first
// digit can stand.
constexpr size_t kNumberLettersMax = 3;
constexpr size_t kNumberLettersReach = kNumberLettersMax * (kNumberGapMax + 1);
constexpr size_t kWechatLettersMin = 6;
// No secret is shorter.
constexpr size_t kSecretMin = 16;

// Bytes that end a word for certain and are part of no name, address or secret that it begins.
constexpr std::string_view kWordEnds = " ,;!?()\"'\n\r\t<>[]{}|*";

enum class AsciiClass : uint8_t { kNothing, kLetter, kDigit, kDash, kUnderscore };
constexpr std::array<AsciiClass, 128> kAsciiClasses = [] {
  std::array<AsciiClass, 128> classes{};
  for (size_t c = 0; c < 128; ++c) {
    if (IsLetter(static_cast<char>(c))) classes[c] = AsciiClass::kLetter;
    if (IsDigit(static_cast<char>(c))) classes[c] = AsciiClass::kDigit;
  }
  classes['-'] = AsciiClass::kDash;
  classes['_'] = AsciiClass::kUnderscore;
  return classes;
}();

// The detectors of which something may begin with this character outside ASCII.
DetectorSet MayBeginWith(const Glyph& glyph) {
  if (glyph.vanishes) return 0;
  DetectorSet possible = 0;
  if (glyph.IsDigit()) possible = ~kTokenDetectors;
  if (glyph.IsLetter() || IsDigit(glyph.ascii)) possible = ~DetectorSet{0};
  if (glyph.ascii == '_') possible = DetectorBit(Detector::kEmail);
  if (glyph.ascii == '-') possible = DetectorBit(Detector::kSecret);
  if (IsPlateProvince(glyph.folded)) possible |= DetectorBit(Detector::kCnPlate);
  return possible;
}

// Bit c: c has three bytes and begins nothing.
const uint64_t* PassBits() {
  static const auto kBits = [] {
    auto bits = std::make_unique<std::array<uint64_t, 0x10000 / 64>>();
    for (uint32_t c = 0x800; c < 0x10000; ++c) {
      const bool surrogate = c >= 0xD800 && c < 0xE000;
      if (!surrogate && MayBeginWith(MakeGlyph(c)) == 0) {
        (*bits)[c / 64] |= uint64_t{1} << (c % 64);
      }
    }
    return bits;
  }();
  return kBits->data();
}

// Whether the text goes on at `at` with a Han character or the like, of which nothing is a letter,
// a digit or invisible.
bool PlainFollows(std::string_view bytes, size_t at) {
  if (bytes.size() - at < 3 || (static_cast<unsigned char>(bytes[at]) & 0xF0U) != 0xE0U) {
    return false;
  }
  const Decoded decoded = DecodeAt(bytes, at);
  return decoded.length == 3 && IsPlain(decoded.c);
}

// Whether a word of letters or digits ends at `at` for certain.
bool EndsWord(std::string_view bytes, size_t at) {
  return kWordEnds.find(bytes[at]) != std::string_view::npos || PlainFollows(bytes, at);
}

// Whether no digit can follow as the first of a number whose letters end at `at`.
bool NoDigitFollows(std::string_view bytes, size_t at) {
  if (bytes.size() - at < kNumberLettersReach) return false;
  return std::all_of(bytes.begin() + static_cast<ptrdiff_t>(at),
                     bytes.begin() + static_cast<ptrdiff_t>(at + kNumberLettersReach), [](char c) {
                       const auto byte = static_cast<unsigned char>(c);
                       return !IsDigit(c) && byte < 0x80 && (byte >= 0x20 || c == '\n');
                     });
}

}  // namespace

void DetectorScan::Begin(DetectorSet detectors) {
  detectors_ = detectors;
  looked_ = 0;
  pending_.clear();
}

void DetectorScan::Narrow(DetectorSet detectors) {
  detectors_ &= detectors;
  for (Pending& pending : pending_) pending.undecided &= detectors;
  std::erase_if(pending_, [](const Pending& pending) { return pending.undecided == 0; });
}

void DetectorScan::Advance(const OriginalText& text, std::vector<DetectorMatch>& matches) {
  if (detectors_ == 0) return;
  asked_.clear();
  asked_.swap(pending_);
  for (const Pending& pending : asked_) Look(text, pending.at, pending.undecided, matches);
  static const uint64_t* const pass = PassBits();
  const std::string_view bytes = text.bytes;
  uint64_t at = looked_;
  while (at < text.end()) {
    const size_t i = static_cast<size_t>(at - text.base);
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte < 0x80) {
      switch (kAsciiClasses[byte]) {
        case AsciiClass::kNothing:
          // What cannot be seen parts nothing and begins nothing.
          ++at;
          break;
        case AsciiClass::kLetter:
          at = PassWord(text, at, matches);
          break;
        case AsciiClass::kDigit:
          at = PassDigit(text, at, matches);
          break;
        case AsciiClass::kDash:
          Look(text, at++, detectors_ & DetectorBit(Detector::kSecret), matches);
          break;
        case AsciiClass::kUnderscore:
          Look(text, at++, detectors_ & DetectorBit(Detector::kEmail), matches);
          break;
      }
      continue;
    }
    if ((byte & 0xF0U) == 0xE0U && bytes.size() - i >= 3) {
      const auto second = static_cast<unsigned char>(bytes[i + 1]);
      const auto third = static_cast<unsigned char>(bytes[i + 2]);
      const uint32_t c = ((byte & 0x0FU) << 12) | ((second & 0x3FU) << 6) | (third & 0x3FU);
      if ((second & 0xC0U) == 0x80U && (third & 0xC0U) == 0x80U &&
          ((pass[c / 64] >> (c % 64)) & 1U) != 0) {
        at += 3;
        continue;
      }
    }
    at = PassCharacter(text, at, matches);
  }
  looked_ = at;
}

// A letter: at the beginning of a word something may begin.
uint64_t DetectorScan::PassWord(const OriginalText& text, uint64_t at,
                                std::vector<DetectorMatch>& matches) {
  const std::string_view bytes = text.bytes;
  const size_t first = static_cast<size_t>(at - text.base);
  size_t end = first + 1;
  while (end < bytes.size() && IsLetter(bytes[end])) ++end;
  const uint64_t behind = text.base + end;
  if (first > 0 && IsAlphanumeric(bytes[first - 1])) return behind;
  const size_t letters = end - first;
  if (end < bytes.size() && letters < kSecretMin && EndsWord(bytes, end)) {
    // A word of running text. Only a WeChat name, or a number with few letters in front, can be so.
    DetectorSet possible = 0;
    if (letters >= kWechatLettersMin) possible |= DetectorBit(Detector::kWechatId);
    if (letters <= kNumberLettersMax && !NoDigitFollows(bytes, end)) possible |= ~kTokenDetectors;
    Look(text, at, detectors_ & possible, matches);
    return behind;
  }
  DetectorSet possible = ~DetectorSet{0};
  if (letters > kNumberLettersMax) possible = kTokenDetectors;
  Look(text, at, detectors_ & possible, matches);
  return behind;
}

uint64_t DetectorScan::PassDigit(const OriginalText& text, uint64_t at,
                                 std::vector<DetectorMatch>& matches) {
  const std::string_view bytes = text.bytes;
  const size_t first = static_cast<size_t>(at - text.base);
  DetectorSet possible = detectors_;
  if (first > 0 && IsDigit(bytes[first - 1])) {
    // Amid a number only a mobile number may begin, behind 0, 86 or 0086, and one with the code of
    // a country behind 00.
    const char before = bytes[first - 1];
    const bool mobile = bytes[first] == '1' && (before == '0' || before == '6');
    if (!mobile && (bytes[first] != '8' || before != '0')) return at + 1;
    possible &=
        mobile ? DetectorBit(Detector::kCnMobile)
               : DetectorBit(Detector::kHkMacauTaiwanPhone) | DetectorBit(Detector::kCnLandline);
  } else {
    size_t end = first + 1;
    while (end < bytes.size() && end - first < kSecretMin && IsDigit(bytes[end])) ++end;
    if (end < bytes.size() && end - first < kSecretMin && EndsWord(bytes, end)) {
      possible &= ~kTokenDetectors;
    }
  }
  Look(text, at, possible, matches);
  return at + 1;
}

// A character outside ASCII, by the tables.
uint64_t DetectorScan::PassCharacter(const OriginalText& text, uint64_t at,
                                     std::vector<DetectorMatch>& matches) {
  const Decoded decoded = DecodeAt(text.bytes, static_cast<size_t>(at - text.base));
  Look(text, at, detectors_ & MayBeginWith(MakeGlyph(decoded.c)), matches);
  return at + decoded.length;
}

void DetectorScan::Look(const OriginalText& text, uint64_t at, DetectorSet detectors,
                        std::vector<DetectorMatch>& matches) {
  if (detectors == 0) return;
  DetectorSet undecided = 0;
  const DetectorSet numbers = detectors & ~kTokenDetectors;
  const DetectorSet tokens = detectors & kTokenDetectors;
  if (numbers != 0) {
    undecided |= FindNumbersAt(text, at, numbers, ContextRule::kLookForIt, matches);
  }
  if (tokens != 0) {
    undecided |= FindTokensAt(text, at, tokens, ContextRule::kLookForIt, matches);
  }
  if (undecided != 0) pending_.push_back({at, undecided});
}

std::optional<Lane> LaneOfWhole(Detector detector, std::string_view text) {
  std::vector<DetectorMatch> matches;
  const OriginalText whole{text, 0, /*final=*/true};
  const DetectorSet detectors = DetectorBit(detector);
  if ((detectors & kTokenDetectors) != 0) {
    FindTokensAt(whole, 0, detectors, ContextRule::kTakeForGranted, matches);
  } else {
    FindNumbersAt(whole, 0, detectors, ContextRule::kTakeForGranted, matches);
  }
  for (const DetectorMatch& match : matches) {
    if (match.span.end == text.size()) return match.lane;
  }
  return std::nullopt;
}

}  // namespace weir::rules
