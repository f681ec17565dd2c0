// Built-in validators: code that knows a number's check digit, date and region.
//
// A detector finds candidates in one text and says where they stand and how they are masked. Facts
// and formats: GB 11643-1999 (resident ID card), the segments of the public telephone plan, GB/T
// 35273 for what counts as personal information. A candidate may touch Han characters (`\b` would
// not match there) but not another digit or ASCII letter.
//
// Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

enum class Detector : uint8_t { kNone, kCnIdCard, kCnMobile };

// "cn-id-card" <-> kCnIdCard: the names used in packs and records.
std::string_view Name(Detector detector);
std::optional<Detector> DetectorFromName(std::string_view name);
std::vector<std::string_view> DetectorNames();

// Whether `candidate`, already reduced to ASCII letters and digits, is valid for the detector.
bool Validate(Detector detector, std::string_view candidate);

// Whether some valid ID card begins with `digits`, which are fewer than it has.
bool CouldBecomeIdCard(std::string_view digits);

// The text that replaces a match of the detector: "110101********7715", "138****5678". `match` is
// the matched text as the user wrote it (full-width digits and separators included).
std::string Mask(Detector detector, std::string_view match);

}  // namespace weir::rules
