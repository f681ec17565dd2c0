// Masks: what may stay readable of a match. The rows follow the practice that people know from bank
// slips and delivery notes, the least of it where there are several.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "rules/detector.h"
#include "rules/detector_scan.h"
#include "rules/text_cursor.h"

namespace weir::rules {
namespace {

// Detectors without a row show nothing.
enum class Shown : uint8_t {
  kEnds,       // `head` first and `tail` last characters
  kDocument,   // the letters in front, one or two characters at least, and the last two
  kMailbox,    // the first character and the domain
  kNetwork,    // IPv4 but the last octet, IPv6 the first 48 bits
  kFixedStars  // that there was a secret
};

struct MaskRow {
  Detector detector;
  Shown shown;
  int head = 0;
  int tail = 0;
};
constexpr MaskRow kRows[] = {
    {Detector::kCnIdCard, Shown::kEnds, 1, 2},
    {Detector::kCnMobile, Shown::kEnds, 3, 4},
    {Detector::kCnLandline, Shown::kEnds, 4, 2},
    {Detector::kHkMacauTaiwanPhone, Shown::kEnds, 3, 4},
    {Detector::kBankCard, Shown::kEnds, 4, 4},
    {Detector::kCnPassport, Shown::kDocument},
    {Detector::kHkMacauPermit, Shown::kDocument},
    {Detector::kTaiwanPermit, Shown::kDocument},
    {Detector::kCnResidencePermit, Shown::kDocument},
    {Detector::kCnMilitaryId, Shown::kDocument},
    {Detector::kCnPlate, Shown::kEnds, 3, 1},
    {Detector::kEmail, Shown::kMailbox},
    {Detector::kIp, Shown::kNetwork},
    {Detector::kSecret, Shown::kFixedStars},
};

// How many characters of the number `glyph` is: two of ⑬, none of a separator.
int Weight(const Glyph& glyph) {
  if (glyph.vanishes) return 0;
  if (glyph.IsDigit()) return static_cast<int>(glyph.numeral.digits().size());
  return glyph.separator ? 0 : 1;
}

template <typename Visit>
void ForEach(std::string_view match, Visit visit) {
  TextCursor cursor({match, 0, /*final=*/true}, 0);
  Glyph glyph;
  while (cursor.Next(glyph)) {
    visit(glyph, match.substr(static_cast<size_t>(glyph.start),
                              static_cast<size_t>(glyph.end - glyph.start)));
  }
}

std::string MaskEnds(std::string_view match, int head, int tail) {
  int count = 0;
  ForEach(match, [&](const Glyph& glyph, std::string_view) { count += Weight(glyph); });
  std::string masked;
  int seen = 0;
  ForEach(match, [&](const Glyph& glyph, std::string_view bytes) {
    const int weight = Weight(glyph);
    seen += weight;
    const bool shown = count > head + tail && (seen <= head || seen - weight >= count - tail);
    if (weight == 0 || shown) {
      masked.append(bytes);
    } else {
      masked.append(static_cast<size_t>(weight), '*');
    }
  });
  return masked;
}

std::string MaskDocument(std::string_view match) {
  int letters = 0;
  bool in_front = true;
  ForEach(match, [&](const Glyph& glyph, std::string_view) {
    in_front = in_front && (Weight(glyph) == 0 || glyph.IsLetter());
    if (in_front) letters += Weight(glyph);
  });
  return MaskEnds(match, std::clamp(letters, 1, 2), 2);
}

std::string MaskMailbox(std::string_view match) {
  std::string masked;
  bool domain = false;
  int seen = 0;
  int count = 0;
  ForEach(match, [&](const Glyph& glyph, std::string_view) {
    domain = domain || glyph.ascii == '@';
    if (!domain && !glyph.vanishes) ++count;
  });
  domain = false;
  ForEach(match, [&](const Glyph& glyph, std::string_view bytes) {
    domain = domain || glyph.ascii == '@';
    if (domain || (!glyph.vanishes && seen == 0 && count > 1)) {
      masked.append(bytes);
    } else if (!glyph.vanishes) {
      masked.push_back('*');
    }
    if (!glyph.vanishes) ++seen;
  });
  return masked;
}

std::string MaskNetwork(std::string_view match) {
  std::string address;
  ForEach(match, [&](const Glyph& glyph, std::string_view) {
    if (!glyph.vanishes) address.push_back(glyph.ascii);
  });
  std::array<uint8_t, 16> bytes{};
  std::array<char, 20> masked{};
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) {
    const auto group = [&](size_t i) { return unsigned{bytes[i]} << 8 | bytes[i + 1]; };
    std::snprintf(masked.data(), masked.size(), "%x:%x:%x:*", group(0), group(2), group(4));
    return masked.data();
  }
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
    std::snprintf(masked.data(), masked.size(), "%u.%u.%u.*", unsigned{bytes[0]},
                  unsigned{bytes[1]}, unsigned{bytes[2]});
    return masked.data();
  }
  return {};
}

}  // namespace

std::string Mask(Detector detector, std::string_view match) {
  const MaskRow* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                          [&](const MaskRow& r) { return r.detector == detector; });
  if (row == std::end(kRows)) return {};
  // Of text that stands encoded, the ends could show what the mask should hide.
  if (!LaneOfWhole(detector, match).has_value()) return {};
  switch (row->shown) {
    case Shown::kEnds:
      return MaskEnds(match, row->head, row->tail);
    case Shown::kDocument:
      return MaskDocument(match);
    case Shown::kMailbox:
      return MaskMailbox(match);
    case Shown::kNetwork:
      return MaskNetwork(match);
    case Shown::kFixedStars:
      return "********";
  }
  return {};
}

}  // namespace weir::rules
