#include "tests/rules/reference_detector.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <re2/re2.h>

#include "rules/text_cursor.h"

namespace weir::rules {
namespace {

// --- The text, one element for each character that can be seen.

struct Seen {
  Glyph glyph;
  bool after_unseen;  // something that cannot be seen stands before it
  size_t number;      // of all characters, those that cannot be seen too
};
using Characters = std::vector<Seen>;

Characters CharactersOf(std::string_view text) {
  Characters characters;
  TextCursor cursor({text, 0, true}, 0);
  bool unseen = false;
  size_t number = 0;
  for (Glyph glyph; cursor.Next(glyph); ++number) {
    if (!glyph.vanishes) characters.push_back({glyph, unseen, number});
    unseen = glyph.vanishes;
  }
  return characters;
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool Fully(const std::string& pattern, std::string_view text) {
  static auto& cache = *new std::map<std::string, std::unique_ptr<RE2>>;
  std::unique_ptr<RE2>& compiled = cache[pattern];
  if (compiled == nullptr) {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    compiled = std::make_unique<RE2>(pattern, options);
  }
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *compiled);
}

// How many bytes of `text` the longest match from its first byte has; 0: none.
size_t LongestPrefix(const std::string& pattern, std::string_view text) {
  static auto& cache = *new std::map<std::string, std::unique_ptr<RE2>>;
  std::unique_ptr<RE2>& compiled = cache[pattern];
  if (compiled == nullptr) {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_longest_match(true);
    options.set_dot_nl(true);
    compiled = std::make_unique<RE2>(pattern, options);
  }
  re2::StringPiece match;
  const re2::StringPiece piece(text.data(), text.size());
  return compiled->Match(piece, 0, piece.size(), RE2::ANCHOR_START, &match, 1) ? match.size() : 0;
}

// --- Check digits and dates.

bool IsDate(std::string_view yyyymmdd) {
  const int year = std::stoi(std::string(yyyymmdd.substr(0, 4)));
  const int month = std::stoi(std::string(yyyymmdd.substr(4, 2)));
  const int day = std::stoi(std::string(yyyymmdd.substr(6, 2)));
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  const int days[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return year >= 1900 && year <= 2099 && month >= 1 && month <= 12 && day >= 1 &&
         day <= days[month - 1];
}

bool IsRegion(std::string_view two) {
  return Fully("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123]|91", two);
}

// ISO 7064 MOD 11-2, as its recursion.
bool IsIdCard(std::string_view text) {
  if (!Fully("\\d{17}[\\dx]", text) || !IsRegion(text.substr(0, 2)) || !IsDate(text.substr(6, 8))) {
    return false;
  }
  int product = 0;
  for (size_t i = 0; i < 17; ++i) product = (product + (text[i] - '0')) * 2 % 11;
  const int check = text[17] == 'x' ? 10 : text[17] - '0';
  return (product + check) % 11 == 1;
}

bool IsOldIdCard(std::string_view text) {
  return Fully("\\d{15}", text) && IsRegion(text.substr(0, 2)) &&
         IsDate("19" + std::string(text.substr(6, 6)));
}

// ISO/IEC 7812-1 Annex B.
bool PassesLuhn(std::string_view text) {
  int sum = 0;
  bool twice = false;
  for (auto c = text.rbegin(); c != text.rend(); ++c, twice = !twice) {
    const int digit = (*c - '0') * (twice ? 2 : 1);
    sum += digit / 10 + digit % 10;
  }
  return sum % 10 == 0;
}

bool IsBankCard(std::string_view text) {
  const bool union_pay = Fully("(62|81)\\d{14,17}", text);
  const bool visa = Fully("4\\d{15}", text);
  const bool mastercard =
      Fully("5[1-5]\\d{14}", text) ||
      (Fully("2\\d{15}", text) && text.substr(0, 4) >= "2221" && text.substr(0, 4) <= "2720");
  const bool jcb =
      Fully("35\\d{14}", text) && text.substr(0, 4) >= "3528" && text.substr(0, 4) <= "3589";
  const bool amex = Fully("3[47]\\d{13}", text);
  return (union_pay || visa || mastercard || jcb || amex) && PassesLuhn(text) && !IsIdCard(text);
}

// GB 32100: weights are powers of 3 modulo 31; characters 9 to 17 are a code of GB 11714.
bool IsUscc(std::string_view text) {
  static const std::string kValues = "0123456789abcdefghjklmnpqrtuwxy";
  if (!Fully("(1[1239]|2[19]|3[1-59]|4[19]|5[1-59]|6[129]|7[129]|8[19]|9[123]|a[19]|n[1239]|y1)"
             "\\d{6}[0-9a-hj-npqrtuwxy]{10}",
             text) ||
      (text.substr(2, 6) != "100000" && !IsRegion(text.substr(2, 2)))) {
    return false;
  }
  int sum = 0;
  int weight = 1;
  for (const char c : text) {
    sum += static_cast<int>(kValues.find(c)) * weight;
    weight = weight * 3 % 31;
  }
  // The check character has weight 3^17 = 22 in the loop; the standard gives it 1.
  const int check = static_cast<int>(kValues.find(text[17]));
  sum -= check * 22;
  if ((sum + check) % 31 != 0) return false;
  const int weights[] = {3, 7, 9, 10, 5, 8, 4, 2};
  int organisation = 0;
  for (size_t i = 0; i < 8; ++i) {
    const char c = text[8 + i];
    organisation += weights[i] * (c <= '9' ? c - '0' : c - 'a' + 10);
  }
  const char last = text[16];
  if (last != 'x' && (last < '0' || last > '9')) return false;
  return (organisation + (last == 'x' ? 10 : last - '0')) % 11 == 0 && !IsIdCard(text);
}

// --- Words in front.

using Words = std::vector<std::u32string>;

// Words of which one must end within 20 characters in front.
const Words& WordsNear(Detector detector) {
  static const auto& words = *new const std::map<Detector, Words>{
      {Detector::kCnIdCard, {U"身份证", U"身份号码", U"公民身份", U"证件号", U"证号"}},
      {Detector::kCnPassport, {U"护照", U"passport", U"旅行证"}},
      {Detector::kHkMacauPermit, {U"通行证", U"港澳证", U"回乡证", U"回乡卡"}},
      {Detector::kTaiwanPermit, {U"台胞证", U"通行证", U"台湾证", U"大通证", U"入台证"}},
      {Detector::kCnResidencePermit, {U"永久居留", U"永居", U"居留证", U"绿卡"}},
      {Detector::kCnMilitaryId,
       {U"军官证", U"士兵证", U"士官证", U"军人证", U"警官证", U"文职干部证"}},
      {Detector::kHkMacauTaiwanPhone,
       {U"电话", U"手机", U"联系", U"致电", U"拨打", U"热线", U"香港", U"澳门", U"台湾", U"tel",
        U"phone", U"mobile", U"whatsapp", U"号码"}},
      {Detector::kImei, {U"imei", U"meid", U"串号", U"串码", U"设备号"}},
  };
  static const auto& none = *new const Words;
  const auto found = words.find(detector);
  return found == words.end() ? none : found->second;
}
const Words kAddressWords = {U"ip", U"地址", U"ipv4", U"host", U"server", U"dns", U"ping", U"登录"};
const Words kVersionWords = {U"版本", U"version", U"ver",  U"固件",   U"firmware",
                             U"升级", U"build",   U"驱动", U"release"};
const Words kWechatWords = {U"微信", U"薇信", U"威信", U"徽信", U"v信",    U"微x",    U"加微",
                            U"加v",  U"加薇", U"vx",   U"wx",   U"wechat", U"weixin", U"微号"};
const Words kQqWords = {U"qq", U"扣扣", U"企鹅", U"加q", U"扣q", U"我q", U"q号", U"球球"};
const Words kSecretWords = {U"apikey",      U"accesskey",    U"secretkey",   U"secret",
                            U"accesstoken", U"authtoken",    U"token",       U"appsecret",
                            U"bearer",      U"clientsecret", U"accesskeyid", U"accesskeysecret",
                            U"password",    U"passwd",       U"privatekey",  U"refreshtoken",
                            U"signingkey",  U"密钥",         U"秘钥",        U"令牌"};

bool IsLatin(char32_t c) {
  return c >= 'a' && c <= 'z';
}

// Nothing further in front of a match is looked at.
constexpr size_t kLookBack = 66;

// Whether a word of the list ends with the character at `last`, separators inside it or not. A
// Latin one must be no part of a longer run of letters before `end`. `first` receives where it
// begins.
bool WordEndsAt(const Characters& text, size_t last, size_t end, const Words& words,
                size_t& first) {
  return std::any_of(words.begin(), words.end(), [&](const std::u32string& word) {
    size_t at = last + 1;
    for (auto c = word.rbegin(); c != word.rend(); ++c) {
      do {
        if (at == 0) return false;
        --at;
      } while (text[at].glyph.separator);
      if (text[at].glyph.folded != *c || text[at].number + kLookBack < text[end].number) {
        return false;
      }
    }
    first = at;
    if (IsLatin(word.front()) && at > 0 && IsLatin(text[at - 1].glyph.folded)) return false;
    return !(IsLatin(word.back()) && last + 1 < end && IsLatin(text[last + 1].glyph.folded));
  });
}

bool HasWordNear(const Characters& text, size_t at, const Words& words) {
  for (size_t last = at; last-- > 0 && at - last - 1 <= 20;) {
    size_t first = 0;
    if (!text[last].glyph.separator && WordEndsAt(text, last, at, words, first)) return true;
  }
  return false;
}

enum class InFront { kNothing, kWord, kLabel };

// A word, and behind it at most eight of 号, 是, 我的 ... and six separators in a row.
InFront WordRightBefore(const Characters& text, size_t at, const Words& words) {
  bool label = false;
  size_t here = at;  // what stands before is looked at
  for (int fillers = 0; fillers <= 8; ++fillers) {
    int separators = 0;
    while (here > 0 && text[here - 1].glyph.separator) {
      --here;
      ++separators;
      label = label || text[here].glyph.ascii == ':' || text[here].glyph.ascii == '=';
    }
    if (here == 0 || separators > 6) return InFront::kNothing;
    size_t first = 0;
    const size_t last = here - 1;
    if (WordEndsAt(text, last, at, words, first)) return label ? InFront::kLabel : InFront::kWord;
    if (WordEndsAt(text, last, at, {U"id"}, first)) {
      label = true;
      here = first;
      continue;
    }
    const char32_t c = text[last].glyph.folded;
    const bool of_label = std::u32string_view(U"号码账帐户").find(c) != std::u32string::npos;
    if (!of_label && std::u32string_view(U"是为我的加群搜请联系方式添好友也叫同").find(c) ==
                         std::u32string::npos) {
      return InFront::kNothing;
    }
    label = label || of_label;
    here = last;
  }
  return InFront::kNothing;
}

// --- Numbers.

// Of digits and small letters.
struct NumberForm {
  NumberForm(const char* pattern) : expression(std::make_shared<RE2>(pattern)) {}  // NOLINT
  std::shared_ptr<const RE2> expression;
};

struct NumberKind {
  Detector detector;
  NumberForm form;
  std::vector<std::string> groups;  // ways to part it; "*": any
  bool alone = false;               // parted, it may not stand beside further digits behind a gap
  bool (*proves)(std::string_view) = nullptr;
};

const std::vector<NumberKind>& NumberKinds() {
  static const auto& kinds = *new const std::vector<NumberKind>([] {
    const auto no_date = [](std::string_view text) {
      return !Fully("\\d{8}", text) || !IsDate(text);
    };
    const std::vector<std::string> eight = {"4 4", "3 5", "5 3", "2 2 2 2"};
    return std::vector<NumberKind>{
        {Detector::kCnIdCard, "[1-9]\\d{16}[\\dx]", {"*"}, false, IsIdCard},
        {Detector::kCnIdCard, "[1-9]\\d{14}", {"6 6 3", "6 3 3 3"}, false, IsOldIdCard},
        {Detector::kCnMobile,
         "1[3-9]\\d{9}",
         {"3 8", "7 4", "3 4 4", "3 3 5", "4 3 4", "3 2 2 4", "3 2 2 2 2"}},
        {Detector::kCnLandline, "(010|02[0-57-9])\\d{8}", {"3 8", "3 4 4"}},
        {Detector::kCnLandline, "0[3-9]\\d{2}\\d{7}", {"4 7", "4 3 4"}},
        {Detector::kCnLandline, "0[3-9]\\d{2}\\d{8}", {"4 8", "4 4 4"}},
        {Detector::kHkMacauTaiwanPhone, "(852[4-9]|8536)\\d{7}", {"3 8", "3 4 4"}},
        {Detector::kHkMacauTaiwanPhone, "8869\\d{8}", {"3 9", "3 3 3 3", "3 3 2 4", "3 4 5"}},
        {Detector::kBankCard, "\\d{15}", {"4 6 5"}, true, IsBankCard},
        {Detector::kBankCard, "(62|81)\\d{14}", {"4 4 4 4", "6 10"}, true, IsBankCard},
        {Detector::kBankCard, "(4|5|2|35)\\d+", {"4 4 4 4"}, true, IsBankCard},
        {Detector::kBankCard, "\\d{17}", {"4 4 4 4 1", "6 11"}, true, IsBankCard},
        {Detector::kBankCard, "\\d{18}", {"4 4 4 4 2", "6 12"}, true, IsBankCard},
        {Detector::kBankCard, "\\d{19}", {"4 4 4 4 3", "6 13"}, true, IsBankCard},
        {Detector::kCnUscc,
         "[0-9a-z]{18}",
         {"4 4 4 4 2", "2 6 9 1", "6 6 6", "8 10"},
         true,
         IsUscc},
        {Detector::kCnPassport,
         "[gedsphk]\\d{8}|e[a-hj-np-z]\\d{7}|(de|se|pe|kj|ma|mb)\\d{7}",
         {"*"}},
        {Detector::kCnPassport, "1[45]\\d{7}", {"3 3 3"}},
        {Detector::kHkMacauPermit, "[hm]\\d{8}(\\d\\d)?|[cw]\\d{8}|c[a-hj-np-z]\\d{7}", {"*"}},
        {Detector::kTaiwanPermit, "\\d{8}", eight, false, no_date},
        {Detector::kTaiwanPermit, "\\d{10}[a-z]", {"10 1"}},
        {Detector::kTaiwanPermit, "[lt]\\d{8}", {"*"}},
        {Detector::kCnResidencePermit, "[a-z]{3}\\d{12}", {"*"}},
        {Detector::kCnMilitaryId, "\\d{6}", {"3 3"}},
        {Detector::kCnMilitaryId, "\\d{7}", {"3 4"}},
        {Detector::kCnMilitaryId, "\\d{8}", {"4 4"}, false, no_date},
        {Detector::kImei, "\\d{15}", {"2 6 6 1"}, false, PassesLuhn},
        {Detector::kQqNumber, "[1-9]\\d{4,6}", {}},
        {Detector::kQqNumber, "[1-9]\\d{7}", {"4 4"}},
        {Detector::kQqNumber, "[1-9]\\d{8}", {"3 3 3"}},
        {Detector::kQqNumber, "[1-9]\\d{9}", {"3 3 4", "3 4 3", "4 3 3"}},
        {Detector::kQqNumber, "[1-9]\\d{10}", {"3 4 4"}},
    };
  }());
  return kinds;
}

// The characters [from, to) as digits and small letters, with their sizes of groups.
struct Written {
  std::string characters;
  std::vector<size_t> groups;
  bool foreign = false;  // has numerals such as 一
  bool parted() const { return groups.size() > 1; }
  bool spaced() const { return groups.size() > 1 && groups.size() == characters.size(); }
};

std::string OwnCharacters(const Glyph& glyph) {
  if (glyph.IsDigit()) return std::string(glyph.numeral.digits());
  return glyph.IsLetter() ? std::string(1, Lower(glyph.ascii)) : std::string();
}

// How many separators stand from `at` on (step +1) or before it (step -1) that a number may have
// inside; -1 when one of another kind stands first among the next three.
std::optional<size_t> PassGap(const Characters& text, size_t at, int step, size_t& behind) {
  size_t gap = 0;
  behind = at;
  for (;;) {
    if (step < 0 && behind == 0) return gap;
    const size_t next = step < 0 ? behind - 1 : behind;
    if (next >= text.size() || !OwnCharacters(text[next].glyph).empty()) return gap;
    if (!text[next].glyph.MayPart() || gap == 3) return std::nullopt;
    ++gap;
    behind = step < 0 ? next : next + 1;
  }
}

bool FrontIsFree(const NumberKind& kind, const Characters& text, size_t from, bool digits_first,
                 bool has_context) {
  std::string touching;
  size_t at = from;
  while (at > 0 && !OwnCharacters(text[at - 1].glyph).empty()) {
    touching.insert(0, OwnCharacters(text[--at].glyph));
  }
  if (touching.empty()) {
    // 0.13812345678 is a fraction.
    const bool fraction = from >= 2 && text[from - 1].glyph.ascii == '.' &&
                          text[from - 1].glyph.MayPart() && text[from - 2].glyph.ascii == '0' &&
                          (from == 2 || !text[from - 3].glyph.IsDigit());
    return !(fraction && digits_first && !has_context);
  }
  const Glyph& nearest = text[from - 1].glyph;
  if (nearest.IsDigit()) {
    if (digits_first && nearest.IsForeignDigit() != text[from].glyph.IsForeignDigit()) return true;
    return kind.detector == Detector::kCnMobile &&
           (touching == "86" || touching == "0086" || touching == "0");
  }
  return digits_first && Fully("tel|phone|mobile|mob|cell|qq|q|vx|wx|v", touching);
}

bool GroupsFit(const NumberKind& kind, const Written& written) {
  if (!written.parted() || written.spaced()) return true;
  std::string sizes;
  for (const size_t size : written.groups)
    sizes += (sizes.empty() ? "" : " ") + std::to_string(size);
  return std::any_of(kind.groups.begin(), kind.groups.end(),
                     [&](const std::string& way) { return way == "*" || way == sizes; });
}

bool NumberFits(const NumberKind& kind, const Characters& text, size_t from, size_t to,
                const Written& written, bool granted) {
  const re2::StringPiece characters(written.characters.data(), written.characters.size());
  if (!RE2::FullMatch(characters, *kind.form.expression)) return false;
  // A whole ID card proves itself.
  const Words& near = WordsNear(characters.size() == 18 ? Detector::kNone : kind.detector);
  const bool qq = kind.detector == Detector::kQqNumber;
  const bool has_context = !near.empty() || qq;
  const bool digits_first = text[from].glyph.IsDigit();
  if (!GroupsFit(kind, written) || !FrontIsFree(kind, text, from, digits_first, has_context) ||
      (kind.proves != nullptr && !kind.proves(written.characters))) {
    return false;
  }
  if (!granted && !near.empty() && !HasWordNear(text, from, near)) return false;
  if (!granted && qq && WordRightBefore(text, from, kQqWords) == InFront::kNothing) return false;
  const bool anyhow = !kind.groups.empty() && kind.groups.front() == "*";
  const bool lonely = (written.spaced() && !anyhow) || (kind.alone && written.parted());
  size_t beside = 0;
  if (lonely) {
    const std::optional<size_t> before = PassGap(text, from, -1, beside);
    if (before.value_or(0) > 0 && beside > 0 && text[beside - 1].glyph.IsDigit()) return false;
  }
  const std::optional<size_t> gap = PassGap(text, to, +1, beside);
  if (gap.has_value() && beside < text.size()) {
    const Glyph& next = text[beside].glyph;
    if (*gap > 0) return !(lonely && next.IsDigit());
    return next.IsDigit() && next.IsForeignDigit() != text[to - 1].glyph.IsForeignDigit();
  }
  // 100人 is an amount.
  return !(qq && to < text.size() &&
           std::u32string_view(U"人元块万千百个条年月日版级天位名次分多余米岁度楼")
                   .find(text[to].glyph.folded) != std::u32string::npos);
}

Lane LaneOfNumber(const Characters& text, size_t from, size_t to) {
  Lane lane = Lane::kExact;
  for (size_t i = from; i < to; ++i) {
    const Glyph& glyph = text[i].glyph;
    const bool own = !OwnCharacters(glyph).empty();
    if ((own && !glyph.exact) || (i > from && text[i].after_unseen))
      lane = std::max(lane, Lane::kFold);
    if (!own) lane = std::max(lane, Lane::kSkeleton);
    if (glyph.IsForeignDigit()) lane = Lane::kDigits;
  }
  return lane;
}

void FindNumbers(Detector detector, const Characters& text, bool granted,
                 std::vector<ReferenceDetected>& found) {
  for (size_t from = 0; from < text.size(); ++from) {
    if (OwnCharacters(text[from].glyph).empty()) continue;
    size_t longest = 0;
    Written written;
    int gap = 0;
    for (size_t to = from; to < text.size() && written.characters.size() < 20; ++to) {
      const std::string own = OwnCharacters(text[to].glyph);
      if (own.empty()) {
        if (!text[to].glyph.MayPart() || ++gap > 3) break;
        continue;
      }
      // Two digits of one character are not parted.
      if (written.characters.empty() || gap > 0) written.groups.push_back(0);
      written.groups.back() += own.size();
      written.characters += own;
      gap = 0;
      for (const NumberKind& kind : NumberKinds()) {
        if (kind.detector == detector && NumberFits(kind, text, from, to + 1, written, granted)) {
          longest = to + 1;
        }
      }
    }
    if (longest > 0) {
      found.push_back(
          {text[from].glyph.start, text[longest - 1].glyph.end, LaneOfNumber(text, from, longest)});
    }
  }
}

// --- Names, addresses and keys: read as ASCII, with \x01 for every other character.

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (Lower(c) >= 'a' && Lower(c) <= 'z');
}
bool IsAnyOf(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}
bool IsNameCharacter(char c) {
  return IsAlphanumeric(c) || c == '_' || c == '-';
}

// How many characters a match from `at` on has; 0: none.
size_t MailAt(const Characters& characters, std::string_view text, size_t at) {
  if (!IsAlphanumeric(text[at]) && text[at] != '_') return 0;
  for (size_t i = at; i > 0 && (IsAlphanumeric(text[i - 1]) || IsAnyOf(text[i - 1], "._%+-"));
       --i) {
    if (characters[i - 1].number + kLookBack < characters[at].number) break;
    if (IsAlphanumeric(text[i - 1]) || text[i - 1] == '_') return 0;
  }
  const std::string_view rest = text.substr(at);
  const size_t length =
      LongestPrefix("[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9-]{1,63}\\.)+[A-Za-z]{2,24}", rest);
  const std::string_view mail = rest.substr(0, length);
  if (length == 0) return 0;
  std::string ending;
  for (const char c : mail.substr(mail.rfind('.') + 1)) ending += Lower(c);
  return Fully("png|jpg|jpeg|gif|svg|webp|css|js|ts", ending) ? 0 : length;
}

size_t Ipv4At(const Characters& characters, std::string_view text, size_t at, bool granted) {
  const char before = at > 0 ? text[at - 1] : '\x01';
  if (IsAlphanumeric(before) || before == '_') return 0;
  if (before == '.' && at > 1 && text[at - 2] >= '0' && text[at - 2] <= '9') return 0;
  for (size_t length = 7; length <= 15 && at + length <= text.size(); ++length) {
    const std::string address(text.substr(at, length));
    in_addr parsed{};
    if (!Fully("[0-9.]+", address) || inet_pton(AF_INET, address.c_str(), &parsed) != 1) continue;
    const std::string_view behind = text.substr(at + length);
    if (!behind.empty() && (IsAlphanumeric(behind[0]) || behind[0] == '_')) continue;
    if (behind.size() > 1 && behind[0] == '.' && behind[1] >= '0' && behind[1] <= '9') continue;
    const int first = std::stoi(address);
    if (first == 0 || first == 127 || first >= 224) return 0;
    if (granted) return length;
    const bool likely = Fully(".*\\d\\d.*", address) || HasWordNear(characters, at, kAddressWords);
    return likely && !HasWordNear(characters, at, kVersionWords) ? length : 0;
  }
  return 0;
}

// Global, unique local and link-local addresses.
size_t Ipv6At(std::string_view text, size_t at) {
  const char before = at > 0 ? text[at - 1] : '\x01';
  if (IsAlphanumeric(before) || IsAnyOf(before, ":._")) return 0;
  size_t end = at;
  while (end < text.size() && Fully("[0-9A-Fa-f:.]", text.substr(end, 1))) ++end;
  if (end < text.size() && (IsAlphanumeric(text[end]) || text[end] == '_')) return 0;
  std::string address(text.substr(at, end - at));
  if (address.size() > 45) return 0;
  while (!address.empty() && (address.back() == '.' || Fully(".*[^:]:", address)))
    address.pop_back();
  in6_addr parsed{};
  const bool ours = Fully("([23][0-9a-f]{3}|f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):.*", [&] {
    std::string lower;
    for (const char c : address) lower += Lower(c);
    return lower;
  }());
  return ours && inet_pton(AF_INET6, address.c_str(), &parsed) == 1 ? address.size() : 0;
}

size_t MacAt(std::string_view text, size_t at) {
  const std::string_view mac = text.substr(at, 17);
  if (!Fully("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}", mac))
    return 0;
  const char before = at > 0 ? text[at - 1] : '\x01';
  const char behind = at + 17 < text.size() ? text[at + 17] : '\x01';
  if (IsAlphanumeric(before) || IsAnyOf(before, ":-")) return 0;
  if (IsAlphanumeric(behind) || behind == mac[2]) return 0;
  return Fully("[0-9-]+", mac) ? 0 : 17;  // digits and dashes may be a date
}

size_t WechatAt(const Characters& characters, std::string_view text, size_t at, bool granted) {
  if (at > 0 && (IsNameCharacter(text[at - 1]) || IsAnyOf(text[at - 1], "@/"))) return 0;
  const size_t length = LongestPrefix("[A-Za-z][A-Za-z0-9_-]*", text.substr(at));
  const std::string_view name = text.substr(at, length);
  const bool system = Fully("(?i)wxid_.{10,20}", name);
  InFront front = granted ? InFront::kLabel : WordRightBefore(characters, at, kWechatWords);
  if (!system && (length < 6 || length > 20 || front == InFront::kNothing)) return 0;
  const std::string_view behind = text.substr(at + length);
  if (!behind.empty() && IsAnyOf(behind[0], "@/")) return 0;
  if (behind.size() > 1 && behind[0] == '.' && IsAlphanumeric(behind[1])) return 0;
  if (behind.starts_with(":/")) return 0;
  if (!system && Fully("[A-Za-z]+", name) && front != InFront::kLabel) return 0;
  return length;
}

// Letters and digits together, 16 or more with neither _ nor - between.
bool LooksRandom(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of("-_", at), text.size());
    const std::string_view piece = text.substr(at, end - at);
    if (piece.size() >= 16 && Fully(".*[0-9].*", piece) && Fully(".*[A-Za-z].*", piece))
      return true;
    at = end + 1;
  }
  return false;
}

size_t KeyAt(std::string_view text, size_t at) {
  struct Maker {
    std::string prefix;
    std::string body;
    bool random;
  };
  const std::string name = "[A-Za-z0-9_-]";
  const std::string plain = "[A-Za-z0-9]";
  const std::vector<Maker> makers = {
      {"sk-", name + "{20,256}", true},          {"(AKIA|ASIA)", "[A-Z0-9]{16}", false},
      {"LTAI", plain + "{12,26}", false},        {"AKID", plain + "{32}", true},
      {"AKLT", plain + "{20,60}", true},         {"AIza", name + "{35}", true},
      {"gh[pousr]_", plain + "{36,251}", true},  {"github_pat_", name + "{22,251}", true},
      {"glpat-", name + "{20,64}", true},        {"xox[bpa]-", name + "{20,251}", true},
      {"hf_", plain + "{30,64}", true},          {"npm_", plain + "{36}", true},
      {"[sr]k_live_", plain + "{20,251}", true},
  };
  const size_t length = LongestPrefix(name + "+", text.substr(at));
  const std::string_view word = text.substr(at, length);
  for (const Maker& maker : makers) {
    const size_t prefix = LongestPrefix(maker.prefix, word);
    if (prefix == 0 || !Fully(maker.body, word.substr(prefix))) continue;
    if (!maker.random || LooksRandom(word.substr(prefix))) return length;
  }
  return 0;
}

size_t WebTokenAt(std::string_view text, size_t at) {
  const std::string_view token =
      text.substr(at, std::min<size_t>(2048, LongestPrefix("[A-Za-z0-9_.-]+", text.substr(at))));
  const size_t length = LongestPrefix(
      "eyJ[A-Za-z0-9_-]{5}[A-Za-z0-9_-]*\\.eyJ[A-Za-z0-9_-]{5}[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]{8}"
      "[A-Za-z0-9_-]*",
      token);
  return length;
}

size_t RandomValueAt(const Characters& characters, std::string_view text, size_t at, bool granted) {
  const size_t run = LongestPrefix("[A-Za-z0-9_+/.=~-]+", text.substr(at));
  std::string_view value = text.substr(at, std::min<size_t>(run, 256));
  while (!value.empty() && value.back() == '.') value.remove_suffix(1);
  if (value.size() < 20 || !Fully(".*[0-9].*", value) || !Fully(".*[A-Z].*", value) ||
      !Fully(".*[a-z].*", value) || !LooksRandom(value)) {
    return 0;
  }
  std::map<char, double> counts;
  for (const char c : value) counts[c] += 1;
  double bits = 0;
  for (const auto& [c, count] : counts) {
    const double share = count / static_cast<double>(value.size());
    bits -= share * std::log2(share);
  }
  if (bits < 3.5) return 0;
  return granted || WordRightBefore(characters, at, kSecretWords) != InFront::kNothing
             ? value.size()
             : 0;
}

size_t PemAt(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  size_t end = 0;
  // The kind of key has at most 40 characters.
  for (size_t length = 11 + 5; length <= 11 + 40 + 5 && length <= rest.size(); ++length) {
    if (Fully("-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----", rest.substr(0, length)))
      end = length;
  }
  if (end == 0) return 0;
  std::string_view body = rest.substr(end, 4096);
  body = body.substr(0, LongestPrefix("[A-Za-z0-9_+/.=~ \\n\\r\\t:,\\\\-]*", body));
  const size_t last_line = body.find("-----END");
  const size_t dashes =
      last_line == std::string_view::npos ? last_line : body.find("-----", last_line + 8);
  if (dashes != std::string_view::npos) body = body.substr(0, dashes + 5);
  while (!body.empty() && IsAnyOf(body.back(), " \n\r\t:,\\")) body.remove_suffix(1);
  return end + body.size();
}

size_t SecretAt(const Characters& characters, std::string_view text, size_t at, bool granted) {
  const char before = at > 0 ? text[at - 1] : '\x01';
  if (text[at] == '-') return before == '-' ? 0 : PemAt(text, at);
  if (!IsAlphanumeric(text[at]) || IsNameCharacter(before)) return 0;
  if (LongestPrefix("[A-Za-z0-9_+/.=~-]+", text.substr(at)) < 16) return 0;
  if (const size_t key = KeyAt(text, at); key > 0) return key;
  if (const size_t token = WebTokenAt(text, at); token > 0) return token;
  if (IsAnyOf(before, "/+.\n\r\\")) return 0;
  return RandomValueAt(characters, text, at, granted);
}

// GA 36.
size_t PlateAt(const Characters& characters, std::string_view text, size_t at) {
  const char32_t province = characters[at].glyph.folded;
  if (std::u32string_view(U"京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领")
          .find(province) == std::u32string::npos) {
    return 0;
  }
  const std::u32string_view other_words = province == U'新'   ? U"最更全革创刷重翻清焕"
                                          : province == U'云' ? U"里为讯度翼动"
                                                              : U"";
  if (at > 0 && other_words.find(characters[at - 1].glyph.folded) != std::u32string::npos) return 0;
  size_t longest = 0;
  for (size_t length = 7; length <= 14 && at + length <= text.size(); ++length) {
    // 'P' for the province, '*' for 挂 and the like, ' ' for what may stand between.
    std::string plate = "P";
    for (size_t i = at + 1; i < at + length; ++i) {
      const Glyph& glyph = characters[i].glyph;
      if (IsAlphanumeric(text[i])) {
        plate += Lower(text[i]);
      } else if (glyph.MayPart()) {
        plate += ' ';
      } else {
        plate += std::u32string_view(U"挂学警港澳使领").find(glyph.folded) != std::u32string::npos
                     ? '*'
                     : '?';
      }
    }
    const std::string kLetter = "[a-hj-np-z]";
    const std::string kSerial = "[0-9a-hj-np-z]";
    const bool ordinary =
        Fully("P ?" + kLetter + "( ?" + kSerial + "){4}(\\*| ?" + kSerial + ")", plate);
    std::string serial;
    for (const char c : plate) {
      if (c != ' ' && c != 'P') serial += c;
    }
    const bool new_energy = Fully("P ?" + kLetter + "( ?" + kSerial + "){5}" + kSerial, plate) &&
                            Fully(kLetter + "([a-hjk]" + kSerial + "\\d{4}|\\d{5}[a-hjk])", serial);
    const auto digits =
        std::count_if(serial.begin(), serial.end(), [](char c) { return c >= '0' && c <= '9'; });
    if ((!ordinary && !new_energy) || digits < 2) continue;
    const bool goes_on = at + length < text.size() && IsAlphanumeric(text[at + length]);
    if (!goes_on || plate.back() == '*') longest = length;
  }
  return longest;
}

size_t LengthAt(Detector detector, const Characters& characters, std::string_view text, size_t at,
                bool granted) {
  switch (detector) {
    case Detector::kEmail:
      return MailAt(characters, text, at);
    case Detector::kIp: {
      const size_t v4 = Ipv4At(characters, text, at, granted);
      return v4 > 0 ? v4 : Ipv6At(text, at);
    }
    case Detector::kMacAddress:
      return MacAt(text, at);
    case Detector::kWechatId:
      return WechatAt(characters, text, at, granted);
    case Detector::kSecret:
      return SecretAt(characters, text, at, granted);
    default:
      return PlateAt(characters, text, at);
  }
}

}  // namespace

std::vector<ReferenceDetected> FindDetected(Detector detector, std::string_view text,
                                            bool granted) {
  std::vector<ReferenceDetected> found;
  const Characters characters = CharactersOf(text);
  const std::set<Detector> tokens = {Detector::kEmail,  Detector::kIp,       Detector::kMacAddress,
                                     Detector::kSecret, Detector::kWechatId, Detector::kCnPlate};
  if (!tokens.contains(detector)) {
    FindNumbers(detector, characters, granted, found);
    return found;
  }
  std::string ascii;
  for (const Seen& seen : characters) ascii += seen.glyph.ascii == 0 ? '\x01' : seen.glyph.ascii;
  for (size_t at = 0; at < characters.size(); ++at) {
    const size_t length = LengthAt(detector, characters, ascii, at, granted);
    if (length == 0) continue;
    Lane lane = Lane::kExact;
    for (size_t i = at; i < at + length; ++i) {
      if (!characters[i].glyph.exact || (i > at && characters[i].after_unseen)) {
        lane = std::max(lane, Lane::kFold);
      }
      if (characters[i].glyph.separator && detector == Detector::kCnPlate) lane = Lane::kSkeleton;
    }
    found.push_back({characters[at].glyph.start, characters[at + length - 1].glyph.end, lane});
  }
  return found;
}

}  // namespace weir::rules
