#include "rules/token_scan.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "rules/detector_context.h"
#include "rules/secret_scan.h"
#include "rules/token_reader.h"

namespace weir::rules {
namespace {

constexpr size_t kMailDomainMax = 253;
constexpr size_t kLabelMax = 63;
constexpr std::u32string_view kProvinces =
    U"京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领";
constexpr std::u32string_view kPlateEnds = U"挂学警港澳使领";
// 更新V10245 is a version, 阿里云E12345 a product.
constexpr std::u32string_view kBeforeNew = U"最更全革创刷重翻清焕";
constexpr std::u32string_view kBeforeCloud = U"里为讯度翼动";

// 11.2.0.4版 and 10.2.1.3节 are no addresses.
constexpr std::u32string_view kVersionEnds = U"版节章条款";
// 新A8 2024款 is a model.
constexpr std::u32string_view kBehindYear = U"款年";

// What pictures and styles have behind an @: logo@2x.png.
constexpr std::string_view kFileEndings[] = {"png",  "jpg", "jpeg", "gif", "svg",
                                             "webp", "css", "js",   "ts"};

constexpr std::string_view kGit = "git";

bool IsLocal(char c) {
  return IsAlphanumeric(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

// Whether a run of the characters of a mail's local part begins here: `at` is a letter or digit and
// nothing of the run before it is one.
bool BeginsLocal(const OriginalText& text, uint64_t at) {
  TokenReader reader(text, at);
  TokenChar before;
  for (int read = 0; read < kLookBackCharacters && reader.Previous(before); ++read) {
    if (!IsLocal(before.c)) return true;
    if (IsAlphanumeric(before.c) || before.c == '_') return false;
  }
  return true;
}

// The domain behind the @, as far as the longest that ends in letters.
class Domain {
 public:
  // False when the domain cannot go on with `t`.
  bool Add(const TokenChar& t) {
    if (t.c == '.') {
      if (label_.empty() || label_.size() > kLabelMax) return false;
      ++dots_;
      label_.clear();
      letters_only_ = true;
      return ++size_ <= kMailDomainMax;
    }
    if (!IsAlphanumeric(t.c) && t.c != '-') return false;
    label_.push_back(SmallLetter(t.c));
    letters_only_ = letters_only_ && IsLetter(t.c);
    if (dots_ > 0 && letters_only_ && label_.size() >= 2 && label_.size() <= 24) {
      end_ = t.end;
      is_file_ = std::find(std::begin(kFileEndings), std::end(kFileEndings), label_) !=
                 std::end(kFileEndings);
    }
    return ++size_ <= kMailDomainMax;
  }
  // 0: no domain.
  uint64_t end() const { return is_file_ ? 0 : end_; }

 private:
  std::string label_;
  bool letters_only_ = true;
  int dots_ = 0;
  size_t size_ = 0;
  uint64_t end_ = 0;
  bool is_file_ = false;
};

Fit FitMail(const OriginalText& text, uint64_t at, Span& span) {
  TokenReader reader(text, at);
  TokenChar t;
  bool git = true;
  for (size_t local = 0;; ++local) {
    if (!reader.Next(t)) return BeginsLocal(text, at) ? Fit::kPartly : Fit::kNo;
    if (t.c == '@' && local > 0) {
      git = git && local == kGit.size();
      break;
    }
    git = git && local < kGit.size() && t.c == kGit[local];
    if (!IsLocal(t.c) || local == kMailLocalMax) return Fit::kNo;
  }
  // git@github.com:... is everybody's way to a repository.
  if (git || !BeginsLocal(text, at)) return Fit::kNo;
  Domain domain;
  do {
    if (!reader.Next(t)) return Fit::kPartly;
  } while (domain.Add(t));
  span = {at, domain.end()};
  return domain.end() != 0 ? Fit::kWhole : Fit::kNo;
}

// Whether the word "ip" ends where `back` stands.
bool FollowsIp(TokenReader back) {
  TokenChar t;
  for (const char expected : {'p', 'i'}) {
    if (!back.Previous(t) || SmallLetter(t.c) != expected) return false;
  }
  return !back.Previous(t) || !(IsAlphanumeric(t.c) || t.c == '_');
}

// Whether an IPv4 address may begin at `at`: not amid a word, a number or a longer list of numbers.
bool BeginsIpv4(const OriginalText& text, uint64_t at) {
  TokenReader back(text, at);
  TokenChar t;
  if (FollowsIp(back)) return true;
  if (!back.Previous(t)) return true;
  if (IsAlphanumeric(t.c) || t.c == '_') return false;
  return t.c != '.' || !back.Previous(t) || !IsDigit(t.c);
}

Fit FitIpv4(const OriginalText& text, uint64_t at, ContextRule rule, Span& span) {
  TokenReader reader(text, at);
  TokenChar t;
  std::string address;
  int dots = 0;
  bool wide = false;  // an octet of two digits or more
  size_t digits = 0;
  int octet = 0;
  const auto may_begin = [&] {
    return BeginsIpv4(text, at) &&
           (rule == ContextRule::kTakeForGranted ||
            (FindContext(text, at, Context::kVersion) == ContextFound::kNo &&
             FindContext(text, at, Context::kProduct) == ContextFound::kNo));
  };
  // 3.2.1.4 is a chapter unless something says that it is an address.
  const auto may_be_chapter = [&] {
    return !wide && rule == ContextRule::kLookForIt &&
           FindContext(text, at, Context::kIpAddress) == ContextFound::kNo;
  };
  for (;;) {
    if (!reader.Next(t)) {
      const bool last_is_zero = dots == 3 && digits > 0 && octet == 0;
      const bool possible = may_begin() && !(last_is_zero && may_be_chapter());
      return possible ? Fit::kPartly : Fit::kNo;
    }
    if (IsDigit(t.c)) {
      // inet_pton() knows no octet with a zero in front.
      if (digits > 0 && octet == 0) return Fit::kNo;
      octet = digits == 0 ? t.c - '0' : octet * 10 + (t.c - '0');
      if (++digits > 3 || octet > 255) return Fit::kNo;
      // This network, loopback, multicast and masks are nobody's address.
      if (dots == 0 && (octet == 0 || octet == 127 || octet >= 224)) return Fit::kNo;
      wide = wide || digits > 1;
      span.end = t.end;
    } else if (t.c == '.' && digits > 0 && dots < 3) {
      ++dots;
      digits = 0;
    } else {
      break;
    }
    address.push_back(t.c);
  }
  if (dots < 3 || digits == 0 || IsLetter(t.c) || t.c == '_' || (octet == 0 && t.c == '/') ||
      kVersionEnds.find(t.folded) != std::u32string_view::npos || !may_begin() ||
      may_be_chapter()) {
    return Fit::kNo;
  }
  if (t.c == '.') {
    if (!reader.Next(t)) return Fit::kPartly;
    if (IsDigit(t.c)) return Fit::kNo;
  }
  std::array<uint8_t, 4> octets{};
  if (inet_pton(AF_INET, address.c_str(), octets.data()) != 1) return Fit::kNo;
  span.start = at;
  return Fit::kWhole;
}

// Global (2000::/3), unique local (fc00::/7) and link-local (fe80::/10) addresses: the first group
// of each has four digits.
bool IsIpv6Beginning(std::string_view address) {
  const auto fits = [&](size_t i, std::string_view digits) {
    return address.size() <= i || digits.find(SmallLetter(address[i])) != std::string_view::npos;
  };
  if (!fits(0, "23f")) return false;
  if (SmallLetter(address[0]) == 'f') {
    if (!fits(1, "cde")) return false;
    if (address.size() > 1 && SmallLetter(address[1]) == 'e' && !fits(2, "89ab")) return false;
  }
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  return fits(1, kHexDigits) && fits(2, kHexDigits) && fits(3, kHexDigits) && fits(4, ":");
}

bool IsIpv6(const std::string& address) {
  std::array<uint8_t, 16> bytes{};
  return inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
}

// Whether what `back` reads next, before a separator in front of an address, makes it a part of a
// longer one: a group of at most `group_max` hexadecimal digits, or a separator. MAC: is a label.
bool FollowsGroup(TokenReader back, size_t group_max) {
  TokenChar t;
  bool hexadecimal = true;
  size_t run = 0;
  for (; run <= group_max && back.Previous(t) && IsAlphanumeric(t.c); ++run) {
    hexadecimal = hexadecimal && IsHexDigit(t.c);
  }
  if (run == 0) return t.c == ':' || t.c == '-';
  return run <= group_max && hexadecimal;
}

// Without a colon or full stop that ends the clause.
void TrimClause(std::string& address) {
  while (address.ends_with('.') || (address.ends_with(':') && !address.ends_with("::"))) {
    address.pop_back();
  }
}

// Whether an address that has a full stop is one already, or once its IPv4 part is complete.
bool CouldBecomeIpv6(std::string address) {
  std::string trimmed = address;
  TrimClause(trimmed);
  if (IsIpv6(trimmed)) return true;
  for (auto dots = std::count(address.begin(), address.end(), '.'); dots < 3; ++dots) {
    address += address.ends_with('.') ? "0." : ".0";
  }
  if (address.ends_with('.')) address += '0';
  return IsIpv6(address);
}

Fit FitIpv6(const OriginalText& text, uint64_t at, Span& span) {
  constexpr size_t kLengthMax = INET6_ADDRSTRLEN;
  TokenReader back(text, at);
  TokenChar t;
  if (back.Previous(t)) {
    if (IsAlphanumeric(t.c) || t.c == '.' || t.c == '_') return Fit::kNo;
    if (t.c == ':' && FollowsGroup(back, 4)) return Fit::kNo;
  }
  TokenReader reader(text, at);
  std::string address;
  std::array<uint64_t, kLengthMax> ends{};
  size_t group = 0;
  int double_colons = 0;
  for (;;) {
    if (!reader.Next(t)) {
      const bool possible = address.find('.') == std::string::npos || CouldBecomeIpv6(address);
      return possible ? Fit::kPartly : Fit::kNo;
    }
    if (!IsHexDigit(t.c) && t.c != ':' && t.c != '.') break;
    group = t.c == ':' || t.c == '.' ? 0 : group + 1;
    if (t.c == ':' && address.ends_with(':')) ++double_colons;
    if (group > 4 || double_colons > 1 || address.size() + 1 >= kLengthMax) return Fit::kNo;
    ends[address.size()] = t.end;
    address.push_back(t.c);
    if (!IsIpv6Beginning(address)) return Fit::kNo;
  }
  if (IsLetter(t.c) || t.c == '_') return Fit::kNo;
  TrimClause(address);
  if (!IsIpv6(address)) return Fit::kNo;
  span = {at, ends[address.size() - 1]};
  return Fit::kWhole;
}

Fit FitMac(const OriginalText& text, uint64_t at, Span& span) {
  const auto begins = [&] {
    TokenReader back(text, at);
    TokenChar before;
    if (!back.Previous(before)) return true;
    if (before.c == ':' || before.c == '-') return !FollowsGroup(back, 2);
    return !IsAlphanumeric(before.c);
  };
  TokenReader reader(text, at);
  TokenChar t;
  char separator = 0;
  bool letter = false;
  char first = 0;
  bool same = true;  // zeros, or each bit set
  for (int i = 0; i < 17; ++i) {
    if (!reader.Next(t)) return begins() ? Fit::kPartly : Fit::kNo;
    if (i % 3 == 2) {
      if (separator == 0 && (t.c == ':' || t.c == '-')) separator = t.c;
      if (separator == 0 || t.c != separator) return Fit::kNo;
    } else if (!IsHexDigit(t.c)) {
      return Fit::kNo;
    }
    letter = letter || IsLetter(t.c);
    if (i == 0) first = SmallLetter(t.c);
    same = same && (i % 3 == 2 || (SmallLetter(t.c) == first && (first == '0' || first == 'f')));
    span = {at, t.end};
  }
  // Nobody's and everybody's.
  if (same) return Fit::kNo;
  // Digits with dashes alone are as often a date.
  if ((!letter && separator == '-') || !begins()) return Fit::kNo;
  if (!reader.Next(t)) return Fit::kPartly;
  return IsAlphanumeric(t.c) || t.c == separator ? Fit::kNo : Fit::kWhole;
}

// GA 36: province, letter, then five characters of which the last may be Han, or six of a
// new-energy car: D12345 and the like, or 12345D.
class Plate {
 public:
  Plate(const OriginalText& text, uint64_t at) : reader_(text, at) {}

  Fit Read(uint64_t at, Span& span) {
    if (!ReadSerial()) return Fit::kPartly;
    if (count_ == 0 || digits_ < 2) return Fit::kNo;
    const bool ordinary = count_ == 5 && last_free_;
    const bool new_energy = count_ == 6 && last_free_ && IsNewEnergy();
    span = {at, end_};
    return ordinary || new_energy ? Fit::kWhole : Fit::kNo;
  }

 private:
  static bool IsSerial(char c) {
    const char small = SmallLetter(c);
    return IsDigit(c) || (IsLetter(c) && small != 'i' && small != 'o');
  }
  bool IsNewEnergy() const {
    const auto kind = [](char c) { return c >= 'a' && c <= 'k' && c != 'i'; };
    const auto digits = [&](size_t from) {
      return std::all_of(serial_.begin() + static_cast<ptrdiff_t>(from),
                         serial_.begin() + static_cast<ptrdiff_t>(from) + 4, IsDigit);
    };
    return (kind(serial_[0]) && digits(2)) ||
           (kind(serial_[5]) && digits(0) && IsDigit(serial_[4]));
  }

  // Whether the last four digits, parted from the others, are the year of a model.
  bool EndsInYear(const TokenChar& behind) const {
    if (count_ != 5 || parted_at_ != 1) return false;
    const std::string_view century(serial_.data() + 1, 2);
    return (century == "19" || century == "20") &&
           kBehindYear.find(behind.folded) != std::u32string_view::npos;
  }

  // False while more text may change what is read. count_ 0: no plate.
  bool ReadSerial() {
    TokenChar t;
    if (!reader_.Next(t)) return false;  // the province
    bool letter = false;
    int gap = 0;
    for (;;) {
      if (!reader_.Next(t)) return MustEnd(gap);
      if (t.may_part && gap == 0) {
        gap = 1;
        continue;
      }
      if (letter && count_ == 4 && gap == 0 &&
          kPlateEnds.find(t.folded) != std::u32string_view::npos) {
        serial_[count_++] = '0';
        end_ = t.end;
        last_free_ = true;
        return true;
      }
      if (!IsAlphanumeric(t.c) || (count_ >= 5 && gap > 0)) {
        if (gap == 0 && EndsInYear(t)) count_ = 0;
        break;
      }
      if (gap > 0) parted_at_ = count_;
      if (!IsSerial(t.c) || (!letter && !IsLetter(t.c)) || count_ == 6) {
        count_ = 0;
        return true;
      }
      gap = 0;
      if (!letter) {
        letter = true;
        continue;
      }
      digits_ += IsDigit(t.c) ? 1 : 0;
      serial_[count_++] = SmallLetter(t.c);
      end_ = t.end;
      // No plate has four letters more, none of six characters is another than a new-energy car's.
      if (count_ - digits_ > 3 || (count_ == 6 && !IsNewEnergy())) {
        count_ = 0;
        return true;
      }
    }
    last_free_ = true;
    return true;
  }
  // At the end of what has arrived: whether more text cannot matter.
  bool MustEnd(int gap) {
    last_free_ = count_ >= 5 && gap > 0;
    return last_free_;
  }

  TokenReader reader_;
  std::array<char, 6> serial_{};
  size_t count_ = 0;
  size_t digits_ = 0;
  size_t parted_at_ = 0;  // how many stand before the last parting
  uint64_t end_ = 0;
  bool last_free_ = false;
};

Fit FitPlate(const OriginalText& text, uint64_t at, Span& span) {
  TokenChar province;
  TokenReader reader(text, at);
  if (!reader.Next(province) || !IsPlateProvince(province.folded)) return Fit::kNo;
  TokenReader back(text, at);
  TokenChar before;
  if (back.Previous(before)) {
    const std::u32string_view never = province.folded == U'新'   ? kBeforeNew
                                      : province.folded == U'云' ? kBeforeCloud
                                                                 : U"";
    if (never.find(before.folded) != std::u32string_view::npos) return Fit::kNo;
  }
  return Plate(text, at).Read(at, span);
}

bool IsNameCharacter(char c) {
  return IsAlphanumeric(c) || c == '_' || c == '-';
}

Fit FitWechat(const OriginalText& text, uint64_t at, ContextRule rule, Span& span) {
  constexpr std::string_view kSystemPrefix = "wxid_";
  constexpr size_t kSystemNameMax = 25;
  TokenReader back(text, at);
  TokenChar t;
  if (back.Previous(t) && (IsNameCharacter(t.c) || t.c == '@' || t.c == '/')) return Fit::kNo;
  ContextFound context = ContextFound::kLabel;
  const auto look = [&] {
    if (rule == ContextRule::kLookForIt) context = FindContext(text, at, Context::kWechat);
    return context != ContextFound::kNo;
  };
  TokenReader reader(text, at);
  std::array<char, kSystemNameMax + 1> characters;
  size_t count = 0;
  bool open = false;
  uint64_t end = at;
  for (;;) {
    open = !reader.Next(t);
    if (open || !IsNameCharacter(t.c)) break;
    if (count == characters.size()) return Fit::kNo;
    characters[count++] = SmallLetter(t.c);
    end = t.end;
  }
  const std::string_view name(characters.data(), count);
  if (!open && name.size() < 6) return Fit::kNo;
  const std::string_view common = name.substr(0, std::min(count, kSystemPrefix.size()));
  const bool system =
      kSystemPrefix.starts_with(common) && (open || name.size() >= kSystemPrefix.size() + 10);
  if (name.size() > (system ? kSystemNameMax : size_t{20}) || (!system && !look())) return Fit::kNo;
  if (open) return Fit::kPartly;
  // A word alone behind 微信 is more often one of another language.
  const bool without_digits = std::none_of(name.begin(), name.end(), IsDigit);
  if (!system && without_digits && context != ContextFound::kLabel) return Fit::kNo;
  // abc123@... is a mail address, abc123.com a site, and so is http://.
  if (t.c == '@' || t.c == '/') return Fit::kNo;
  if (t.c == '.' || t.c == ':') {
    const bool site = t.c == '.';
    if (!reader.Next(t)) return Fit::kPartly;
    if (site ? IsAlphanumeric(t.c) : t.c == '/') return Fit::kNo;
  }
  span = {at, end};
  return Fit::kWhole;
}

// How far the characters of a match had to be undone. Separators count in plates alone: they are
// parts of all others.
Lane LaneOf(Detector detector, const OriginalText& text, const Span& span) {
  Lane lane = Lane::kExact;
  TextCursor cursor(text, span.start);
  Glyph glyph;
  while (cursor.Next(glyph) && glyph.start < span.end) {
    if (!glyph.exact) lane = std::max(lane, Lane::kFold);
    if (glyph.separator && detector == Detector::kCnPlate) lane = Lane::kSkeleton;
  }
  return lane;
}

Fit FitToken(Detector detector, const OriginalText& text, uint64_t at, const TokenChar& first,
             ContextRule rule, Span& span) {
  switch (detector) {
    case Detector::kEmail:
      return IsAlphanumeric(first.c) || first.c == '_' ? FitMail(text, at, span) : Fit::kNo;
    case Detector::kIp: {
      if (!IsHexDigit(first.c)) return Fit::kNo;
      const Fit v4 = IsDigit(first.c) ? FitIpv4(text, at, rule, span) : Fit::kNo;
      if (v4 == Fit::kWhole) return v4;
      const Fit v6 = IsIpv6Beginning({&first.c, 1}) ? FitIpv6(text, at, span) : Fit::kNo;
      return v6 == Fit::kNo ? v4 : v6;
    }
    case Detector::kMacAddress:
      return IsHexDigit(first.c) ? FitMac(text, at, span) : Fit::kNo;
    case Detector::kCnPlate:
      return FitPlate(text, at, span);
    case Detector::kWechatId:
      return IsLetter(first.c) ? FitWechat(text, at, rule, span) : Fit::kNo;
    case Detector::kSecret:
      return FitSecret(text, at, rule, span);
    default:
      return Fit::kNo;
  }
}

}  // namespace

bool IsPlateProvince(char32_t c) {
  return kProvinces.find(c) != std::u32string_view::npos;
}

DetectorSet FindTokensAt(const OriginalText& text, uint64_t at, DetectorSet detectors,
                         ContextRule context, std::vector<DetectorMatch>& matches) {
  DetectorSet undecided = 0;
  TokenChar first;
  TokenReader reader(text, at);
  if (!reader.Next(first)) return 0;
  for (const Detector detector : {Detector::kEmail, Detector::kIp, Detector::kMacAddress,
                                  Detector::kCnPlate, Detector::kWechatId, Detector::kSecret}) {
    if ((detectors & DetectorBit(detector)) == 0) continue;
    Span span;
    const Fit fit = FitToken(detector, text, at, first, context, span);
    if (fit == Fit::kPartly) undecided |= DetectorBit(detector);
    if (fit == Fit::kWhole) matches.push_back({detector, span, LaneOf(detector, text, span)});
  }
  return undecided;
}

}  // namespace weir::rules
