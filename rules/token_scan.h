// The detectors' names and addresses in a text: e-mail, IP and MAC addresses, licence plates,
// WeChat names, keys and other secrets. They are written without parting (plates: with at most one
// separator between two characters); full-width and look-alike letters, invisible characters and
// traditional characters are undone.
//
// As with numbers (number_scan.h), whether one begins at a byte depends on a bounded look back and
// on what follows until that decides, and more text never changes a decision. A Latin word could
// be the beginning of a mail address, so a stream holds each until it ends, at most kMailLocalMax
// characters.
//
// Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/number_scan.h"

namespace weir::rules {

inline constexpr size_t kMailLocalMax = 64;
// A key longer than this is reported up to here.
inline constexpr size_t kSecretMax = 4096;

// As FindNumbersAt().
DetectorSet FindTokensAt(const OriginalText& text, uint64_t at, DetectorSet detectors,
                         ContextRule context, std::vector<DetectorMatch>& matches);

// Whether a licence plate may begin with `c`, a character of the fold lane.
bool IsPlateProvince(char32_t c);

}  // namespace weir::rules
