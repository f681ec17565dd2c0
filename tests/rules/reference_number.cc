#include "tests/rules/reference_number.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <re2/re2.h>

namespace weir::rules {
namespace {

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

// Words of which one must end within 20 characters in front.
const WordList& WordsNear(Detector detector) {
  static const auto& words = *new const std::map<Detector, WordList>{
      {Detector::kCnIdCard, {U"身份证", U"身份号码", U"公民身份", U"证件号", U"证号"}},
      {Detector::kCnPassport, {U"护照", U"passport", U"passportno", U"旅行证"}},
      {Detector::kHkMacauPermit, {U"通行证", U"港澳证", U"回乡证", U"回乡卡", U"returnpermit"}},
      {Detector::kTaiwanPermit, {U"台胞证", U"通行证", U"台湾证", U"大通证", U"入台证"}},
      {Detector::kCnResidencePermit,
       {U"永久居留", U"永居", U"居留证", U"绿卡", U"permanentresidence", U"permanentresident"}},
      {Detector::kCnMilitaryId,
       {U"军官证", U"士兵证", U"士官证", U"军人证", U"警官证", U"文职干部证", U"文职人员证",
        U"军士证", U"义务兵证", U"军人保障卡"}},
      {Detector::kHkMacauTaiwanPhone,
       {U"电话", U"手机", U"联系", U"致电", U"拨打", U"热线", U"香港", U"澳门", U"台湾", U"tel",
        U"fax", U"phone", U"mobile", U"whatsapp", U"号码", U"传真"}},
      {Detector::kImei, {U"imei", U"meid", U"串号", U"串码", U"设备号", U"设备识别码"}},
  };
  static const auto& none = *new const WordList;
  const auto found = words.find(detector);
  return found == words.end() ? none : found->second;
}
const WordList kQqWords = {
    U"qq",     U"扣扣",     U"企鹅",     U"加q",      U"扣q",      U"我q",      U"q号",
    U"球球",   U"加扣",     U"抠抠",     U"蔻蔻",     U"q群",      U"qq微信",   U"qq交流群",
    U"qq客服", U"qq客服群", U"qq用户群", U"qq反馈群", U"qq讨论群", U"qq玩家群", U"qq粉丝群"};
// Names of values that are no telephone number and no card.
const WordList kOtherWords = {U"金额",
                              U"合计",
                              U"总计",
                              U"总额",
                              U"共计",
                              U"营业收入",
                              U"总收入",
                              U"营收",
                              U"利润",
                              U"市值",
                              U"总资产",
                              U"净资产",
                              U"负债",
                              U"预算",
                              U"产值",
                              U"总投资",
                              U"成交额",
                              U"成交量",
                              U"兑换码",
                              U"激活码",
                              U"卡密",
                              U"会议id",
                              U"会议号",
                              U"meetingid",
                              U"traceid",
                              U"requestid",
                              U"销售额",
                              U"交易额",
                              U"发生额",
                              U"人民币",
                              U"rmb",
                              U"cny",
                              U"usd",
                              U"amount",
                              U"total",
                              U"播放量",
                              U"浏览量",
                              U"阅读量",
                              U"访问量",
                              U"点击量",
                              U"下载量",
                              U"点赞数",
                              U"点赞量",
                              U"粉丝数",
                              U"粉丝量",
                              U"播放数",
                              U"播放次数",
                              U"观看次数",
                              U"总数",
                              U"人口",
                              U"views",
                              U"viewcount",
                              U"playcount",
                              U"followers",
                              U"count",
                              U"大小",
                              U"字节数",
                              U"size",
                              U"filesize",
                              U"bytes",
                              U"length",
                              U"单号",
                              U"订单编号",
                              U"流水号",
                              U"交易号",
                              U"发票号",
                              U"发票代码",
                              U"凭证号",
                              U"合同号",
                              U"合同编号",
                              U"票号",
                              U"序列号",
                              U"批号",
                              U"批次号",
                              U"条码",
                              U"条形码",
                              U"商品编码",
                              U"货号",
                              U"时间戳",
                              U"timestamp",
                              U"isbn",
                              U"issn",
                              U"orderid",
                              U"orderno",
                              U"ordernumber",
                              U"tradeno",
                              U"transactionid",
                              U"trackingno",
                              U"trackingnumber",
                              U"serialno",
                              U"serialnumber",
                              U"sn",
                              U"invoiceno",
                              U"img",
                              U"dsc",
                              U"dscn",
                              U"dscf",
                              U"mvimg",
                              U"vid",
                              U"pano",
                              U"screenshot",
                              U"截图"};

// --- Forms.

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
    const auto no_pi = [](std::string_view text) { return text != "14159265359"; };
    // 0830 20240101.
    const auto no_time = [](std::string_view text) { return !IsDate(text.substr(4)); };
    const std::vector<std::string> eight = {"4 4", "3 5", "5 3", "2 2 2 2"};
    return std::vector<NumberKind>{
        {Detector::kCnIdCard, "[1-9]\\d{16}[\\dx]", {"*"}, false, IsIdCard},
        {Detector::kCnIdCard, "[1-9]\\d{14}", {"6 6 3", "6 3 3 3"}, false, IsOldIdCard},
        {Detector::kCnMobile,
         "1[3-9]\\d{9}",
         {"3 8", "7 4", "3 4 4", "3 3 5", "4 3 4", "3 2 2 4", "3 2 2 2 2"},
         false,
         no_pi},
        {Detector::kCnLandline, "(010|02[0-57-9])[1-8]\\d{7}", {"3 8", "3 4 4"}},
        {Detector::kCnLandline, "0[3-9]\\d{2}[1-8]\\d{6}", {"4 7", "4 3 4"}},
        {Detector::kCnLandline, "0[3-9]\\d{2}[1-8]\\d{7}", {"4 8", "4 4 4"}, false, no_time},
        {Detector::kCnLandline, "86(10|2[0-57-9])[1-8]\\d{7}", {"2 2 8", "2 2 4 4", "2 10"}},
        {Detector::kCnLandline, "86[3-9]\\d{2}[1-8]\\d{6}", {"2 3 7", "2 3 3 4", "2 10"}},
        {Detector::kCnLandline, "86[3-9]\\d{2}[1-8]\\d{7}", {"2 3 8", "2 3 4 4", "2 11"}},
        {Detector::kHkMacauTaiwanPhone, "(852[4-9]|8536)\\d{7}", {"3 8", "3 4 4"}},
        {Detector::kHkMacauTaiwanPhone,
         "8869\\d{8}",
         {"3 9", "3 3 3 3", "3 3 6", "3 3 2 4", "3 4 5"}},
        {Detector::kHkMacauTaiwanPhone, "88609\\d{8}", {"3 10", "3 4 3 3", "3 4 6"}},
        {Detector::kHkMacauTaiwanPhone, "09\\d{8}", {"4 3 3", "4 6", "2 4 4"}},
        {Detector::kBankCard, "\\d{15}", {"4 6 5", "4 4 4 3"}, true, IsBankCard},
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
        {Detector::kImei, "\\d{15}", {"2 6 6 1", "6 2 6 1", "8 6 1"}, false, PassesLuhn},
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
  return glyph.IsLetter() ? std::string(1, LowerAscii(glyph.ascii)) : std::string();
}

// How many separators stand from `at` on (step +1) or before it (step -1) that a number may have
// inside; none when one of another kind stands first among the next three.
std::optional<size_t> PassGap(const SeenText& text, size_t at, int step, size_t& behind) {
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

// 852, 853, 886 and 86.
bool AwaitsCountry(const NumberKind& kind) {
  const std::string& pattern = kind.form.expression->pattern();
  return (kind.detector == Detector::kHkMacauTaiwanPhone ||
          kind.detector == Detector::kCnLandline) &&
         (pattern[0] == '8' || pattern[1] == '8');
}

// Whether + or 00 stands in front, which tell that the code of a country follows.
bool CallsAbroad(const SeenText& text, size_t from) {
  if (from > 0 && text[from - 1].glyph.ascii == '+') {
    return from == 1 || OwnCharacters(text[from - 2].glyph).empty();
  }
  return from > 0 && text[from - 1].glyph.IsDigit();
}

// Whether the number is none: an amount, the number of an order.
bool MeansOther(const NumberKind& kind, const SeenText& text, size_t from, size_t to,
                const Written& written, bool granted) {
  const Detector detector = kind.detector;
  const bool mobile = detector == Detector::kCnMobile;
  if (!mobile && detector != Detector::kCnLandline && detector != Detector::kHkMacauTaiwanPhone &&
      detector != Detector::kBankCard) {
    return false;
  }
  const auto stands = [&](size_t at, std::u32string_view set) {
    return at < text.size() && set.find(text[at].glyph.folded) != std::u32string::npos;
  };
  const size_t blank = from > 0 && stands(from - 1, U" ") ? 1 : 0;
  if (!granted && from > blank && stands(from - 1 - blank, U"¥$€£")) return true;
  if (!granted && NameOfValueBefore(text, from, kOtherWords)) return true;
  if (!mobile || written.parted()) return false;
  if (stands(to, U"元块股吨字")) return true;
  // 13812345678.00
  const auto digit = [&](size_t at) {
    return at < text.size() && text[at].glyph.IsDigit() &&
           text[at].glyph.script() == Glyph::Script::kPlain;
  };
  return text[to - 1].glyph.script() == Glyph::Script::kPlain && stands(to, U".") &&
         digit(to + 1) && digit(to + 2) && !digit(to + 3);
}

bool FrontIsFree(const NumberKind& kind, const SeenText& text, size_t from, bool digits_first,
                 bool has_context) {
  std::string touching;
  size_t at = from;
  while (at > 0 && !OwnCharacters(text[at - 1].glyph).empty()) {
    touching.insert(0, OwnCharacters(text[--at].glyph));
  }
  if (touching.empty()) {
    // 0.13812345678 is a fraction, and so are those of 116 and of -75.
    size_t whole = 0;
    if (from > 0 && text[from - 1].glyph.ascii == '.') {
      while (whole < 3 && from >= whole + 2 && text[from - whole - 2].glyph.IsDigit()) ++whole;
    }
    const bool zero = whole == 1 && text[from - 2].glyph.ascii == '0';
    const bool minus = whole > 0 && from >= whole + 2 && text[from - whole - 2].glyph.ascii == '-';
    const bool fraction = zero || minus || whole == 3;
    return !(fraction && digits_first && !has_context);
  }
  const Glyph& nearest = text[from - 1].glyph;
  if (nearest.IsDigit()) {
    if (digits_first && nearest.script() != text[from].glyph.script()) return true;
    if (AwaitsCountry(kind)) return touching == "00";
    return kind.detector == Detector::kCnMobile &&
           (touching == "86" || touching == "0086" || touching == "0");
  }
  return digits_first && Fully("tel|phone|mobile|mob|cell|qq|q|vx|wx|v|imei", touching);
}

bool GroupsFit(const NumberKind& kind, const Written& written) {
  if (!written.parted() || written.spaced()) return true;
  std::string sizes;
  for (const size_t size : written.groups)
    sizes += (sizes.empty() ? "" : " ") + std::to_string(size);
  return std::any_of(kind.groups.begin(), kind.groups.end(),
                     [&](const std::string& way) { return way == "*" || way == sizes; });
}

bool NumberFits(const NumberKind& kind, const SeenText& text, size_t from, size_t to,
                const Written& written, bool granted) {
  const re2::StringPiece characters(written.characters.data(), written.characters.size());
  if (!RE2::FullMatch(characters, *kind.form.expression)) return false;
  // A whole ID card proves itself.
  const bool abroad = AwaitsCountry(kind) && CallsAbroad(text, from);
  const bool proves_itself = characters.size() == 18 || abroad;
  const bool landline = kind.detector == Detector::kCnLandline;
  const Detector named =
      landline && AwaitsCountry(kind) ? Detector::kHkMacauTaiwanPhone : kind.detector;
  const WordList& near = WordsNear(proves_itself ? Detector::kNone : named);
  const bool qq = kind.detector == Detector::kQqNumber;
  const bool has_context = !near.empty() || qq;
  const bool digits_first = text[from].glyph.IsDigit();
  if (!GroupsFit(kind, written) || !FrontIsFree(kind, text, from, digits_first, has_context) ||
      (kind.proves != nullptr && !kind.proves(written.characters))) {
    return false;
  }
  if (!granted && !near.empty() && !HasWordNear(text, from, near)) return false;
  if (!granted && qq && WordRightBefore(text, from, kQqWords) == InFront::kNothing) return false;
  if (MeansOther(kind, text, from, to, written, granted)) return false;
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
    return next.IsDigit() && next.script() != text[to - 1].glyph.script();
  }
  // 100人 is an amount.
  return !(qq && to < text.size() &&
           std::u32string_view(U"人元块万千百个条年月日版级天位名次分多余米岁度楼")
                   .find(text[to].glyph.folded) != std::u32string::npos);
}

Lane LaneOfNumber(const SeenText& text, size_t from, size_t to) {
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

}  // namespace

std::vector<ReferenceDetected> FindNumbers(Detector detector, const SeenText& text, bool granted) {
  std::vector<ReferenceDetected> found;
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
  return found;
}

}  // namespace weir::rules
