#include "rules/detector_context.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "rules/text_cursor.h"

namespace weir::rules {
namespace {

// The words of a context, and which characters end one of them, with a few others: most do not.
class Words {
 public:
  constexpr Words() = default;
  template <size_t kSize>
  constexpr Words(const std::u32string_view (&words)[kSize]) : words_(words) {  // NOLINT
    for (const std::u32string_view word : words) ends_ |= BitOf(word.back());
  }
  constexpr std::span<const std::u32string_view> EndingIn(char32_t c) const {
    return (ends_ & BitOf(c)) != 0 ? words_ : std::span<const std::u32string_view>();
  }

 private:
  static constexpr uint64_t BitOf(char32_t c) { return uint64_t{1} << ((c ^ (c >> 6)) % 64); }

  std::span<const std::u32string_view> words_;
  uint64_t ends_ = 0;
};

// As the skeleton lane has them, repeats kept.
constexpr std::u32string_view kIdCardWords[] = {U"身份证", U"身份号码", U"公民身份", U"证件号",
                                                U"证号"};
constexpr std::u32string_view kPassportWords[] = {U"护照", U"passport", U"passportno", U"旅行证"};
constexpr std::u32string_view kHkMacauWords[] = {U"通行证", U"港澳证", U"回乡证", U"回乡卡",
                                                 U"returnpermit"};
constexpr std::u32string_view kTaiwanWords[] = {U"台胞证", U"通行证", U"台湾证", U"大通证",
                                                U"入台证"};
constexpr std::u32string_view kResidenceWords[] = {
    U"永久居留", U"永居", U"居留证", U"绿卡", U"permanentresidence", U"permanentresident"};
constexpr std::u32string_view kMilitaryWords[] = {
    U"军官证",     U"士兵证",     U"士官证", U"军人证",   U"警官证",
    U"文职干部证", U"文职人员证", U"军士证", U"义务兵证", U"军人保障卡"};
constexpr std::u32string_view kPhoneWords[] = {
    U"电话", U"手机", U"联系", U"致电",  U"拨打",   U"热线",     U"香港", U"澳门",
    U"台湾", U"tel",  U"fax",  U"phone", U"mobile", U"whatsapp", U"号码", U"传真"};
constexpr std::u32string_view kDeviceWords[] = {U"imei", U"meid",   U"串号",
                                                U"串码", U"设备号", U"设备识别码"};
constexpr std::u32string_view kIpWords[] = {U"ip",     U"地址", U"ipv4", U"host",
                                            U"server", U"dns",  U"ping", U"登录",
                                            U"服务器", U"主机", U"网关", U"节点"};
constexpr std::u32string_view kVersionWords[] = {
    U"版本", U"version", U"ver", U"固件", U"firmware", U"build", U"驱动", U"driver", U"release"};
constexpr std::u32string_view kProductWords[] = {
    U"linux",   U"内核",      U"kernel",   U"android", U"ios",    U"harmonyos", U"鸿蒙",
    U"miui",    U"chrome",    U"firefox",  U"oracle",  U"db2",    U"weblogic",  U"websphere",
    U"nginx",   U"apache",    U"tomcat",   U"jdk",     U"sdk",    U"bios",      U"uefi",
    U"补丁",    U"patch",     U"微码",     U"升级",    U"升级到", U"升级至",    U"升级包",
    U"upgrade", U"upgradeto", U"updateto", U"更新至",  U"更新到", U"v",         U"oid",
    U"第",      U"章节",      U"附录",     U"条款",    U"section"};
constexpr std::u32string_view kWechatWords[] = {
    U"微信", U"薇信",   U"威信",   U"徽信", U"v信",  U"微x",    U"加微", U"加v",  U"加薇",  U"vx",
    U"wx",   U"wechat", U"weixin", U"微号", U"wxid", U"绿泡泡", U"溦信", U"嶶信", U"微信qq"};
constexpr std::u32string_view kQqWords[] = {
    U"qq",     U"扣扣",     U"企鹅",     U"加q",      U"扣q",      U"我q",      U"q号",
    U"球球",   U"加扣",     U"抠抠",     U"蔻蔻",     U"q群",      U"qq微信",   U"qq交流群",
    U"qq客服", U"qq客服群", U"qq用户群", U"qq反馈群", U"qq讨论群", U"qq玩家群", U"qq粉丝群"};
constexpr std::u32string_view kSecretWords[] = {U"apikey",
                                                U"accesskey",
                                                U"secretkey",
                                                U"secret",
                                                U"accesstoken",
                                                U"authtoken",
                                                U"token",
                                                U"accesskeysecret",
                                                U"appsecret",
                                                U"bearer",
                                                U"clientsecret",
                                                U"privatekey",
                                                U"accesskeyid",
                                                U"password",
                                                U"passwd",
                                                U"密钥",
                                                U"秘钥",
                                                U"令牌",
                                                U"refreshtoken",
                                                U"signingkey",
                                                U"secretaccesskey",
                                                U"encryptionkey",
                                                U"sessionkey",
                                                U"pwd",
                                                U"密码",
                                                U"口令",
                                                U"私钥"};

// Amounts, counts, sizes; orders, invoices, goods; pictures as cameras name them. Not 余额, 编号 or
// 账号: people ask by their number what is left, and are members under it.
constexpr std::u32string_view kOtherWords[] = {U"金额",
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

// What may stand between such a word and the name, one character each; the first make a label.
constexpr std::u32string_view kLabelFillers = U"号码账帐户";
constexpr std::u32string_view kFillers = U"是为我的加群搜请联系方式添好友也叫同";
constexpr size_t kFillersMax = 8;
constexpr char32_t kPlusSign = 0x2795;  // ➕, read as 加
constexpr int kPartingMax = 6;          // separators in a row between word and name
// The same between a word and its value.
constexpr std::u32string_view kValueFillers = U"号码数量额为是约达共近超有";
constexpr size_t kValueFillersMax = 3;
constexpr std::array<bool, 128> kValueSeparators = [] {
  std::array<bool, 128> separators{};
  for (const char c : std::string_view(" \t:=\"'#()[]<>_-/*$")) {
    separators[static_cast<size_t>(c)] = true;
  }
  return separators;
}();
constexpr std::u32string_view kWideValueSeparators = U"“”‘’【】「」¥€£";

enum class Reach : uint8_t { kNear, kAdjacent, kValue };

struct Row {
  Context context;
  Words words;
  Reach reach;
  Words against = {};  // kNear: a word of these that stands nearer means something else
};
constexpr Row kRows[] = {
    {Context::kIdCard, kIdCardWords, Reach::kNear},
    {Context::kPassport, kPassportWords, Reach::kNear},
    {Context::kHkMacauPermit, kHkMacauWords, Reach::kNear},
    {Context::kTaiwanPermit, kTaiwanWords, Reach::kNear},
    {Context::kResidencePermit, kResidenceWords, Reach::kNear},
    {Context::kMilitaryId, kMilitaryWords, Reach::kNear},
    {Context::kPhone, kPhoneWords, Reach::kNear},
    {Context::kDevice, kDeviceWords, Reach::kNear},
    {Context::kIpAddress, kIpWords, Reach::kNear},
    {Context::kVersion, kVersionWords, Reach::kNear, kIpWords},
    {Context::kWechat, kWechatWords, Reach::kAdjacent},
    {Context::kQq, kQqWords, Reach::kAdjacent},
    {Context::kSecret, kSecretWords, Reach::kAdjacent},
    {Context::kOtherNumber, kOtherWords, Reach::kValue},
    {Context::kProduct, kProductWords, Reach::kValue},
};

bool IsValueSeparator(char32_t c) {
  return c < 128 ? kValueSeparators[c] : kWideValueSeparators.find(c) != std::u32string_view::npos;
}

bool IsLatin(char32_t c) {
  return c >= 'a' && c <= 'z';
}

// The significant characters before a byte, the nearest first, read as they are asked for.
class Before {
 public:
  struct Character {
    char32_t c;
    int distance;  // visible characters between it and the byte
    int parting;   // separators right behind it
    bool colon;    // one of them is a colon
    bool apart;    // one of them leads from no word to its value
  };

  Before(const OriginalText& text, uint64_t at) : cursor_(text, at) {}

  // Null where looking back ends.
  const Character* At(size_t i) {
    while (count_ <= i) {
      if (!Read()) return nullptr;
    }
    return &characters_[i];
  }

  // Whether `word` ends at character `i`, as a word of its own if it is Latin.
  bool EndsAt(size_t i, std::u32string_view word) {
    for (size_t k = 0; k < word.size(); ++k) {
      const Character* const character = At(i + k);
      if (character == nullptr || character->c != word[word.size() - 1 - k]) return false;
    }
    if (IsLatin(word.front())) {
      const Character* const before = At(i + word.size());
      if (before != nullptr && IsLatin(before->c) && before->parting == 0) return false;
    }
    return !(IsLatin(word.back()) && i > 0 && IsLatin(At(i - 1)->c) && At(i)->parting == 0);
  }
  bool AnyEndsAt(size_t i, const Words& words) {
    const Character* const character = At(i);
    if (character == nullptr) return false;
    const auto likely = words.EndingIn(character->c);
    return std::any_of(likely.begin(), likely.end(),
                       [&](std::u32string_view word) { return EndsAt(i, word); });
  }

 private:
  bool Read() {
    int parting = 0;
    bool colon = false;
    bool apart = false;
    Glyph glyph;
    while (read_++ < kLookBackCharacters && cursor_.Previous(glyph)) {
      if (glyph.vanishes) continue;
      ++distance_;
      // ➕v abc_12345
      if (glyph.folded == kPlusSign) {
        glyph.folded = U'加';
        glyph.separator = false;
      }
      if (!glyph.separator) {
        characters_[count_++] = {glyph.folded, distance_ - 1, parting, colon, apart};
        return true;
      }
      ++parting;
      colon = colon || glyph.ascii == ':';
      apart = apart || !IsValueSeparator(glyph.folded);
    }
    read_ = kLookBackCharacters;
    return false;
  }

  TextCursor cursor_;
  std::array<Character, kLookBackCharacters> characters_;
  size_t count_ = 0;
  int read_ = 0;
  int distance_ = 0;
};

ContextFound FindAdjacent(Before& before, const Words& words) {
  bool label = false;
  for (size_t i = 0, fillers = 0; fillers <= kFillersMax; ++fillers) {
    const Before::Character* const nearest = before.At(i);
    if (nearest == nullptr || nearest->parting > kPartingMax) return ContextFound::kNo;
    label = label || nearest->colon;
    if (before.AnyEndsAt(i, words)) return label ? ContextFound::kLabel : ContextFound::kYes;
    if (before.EndsAt(i, U"id")) {
      label = true;
      i += 2;
      continue;
    }
    const bool label_filler = kLabelFillers.find(nearest->c) != std::u32string_view::npos;
    if (!label_filler && kFillers.find(nearest->c) == std::u32string_view::npos) {
      return ContextFound::kNo;
    }
    label = label || label_filler;
    ++i;
  }
  return ContextFound::kNo;
}

ContextFound FindValueName(Before& before, const Words& words) {
  for (size_t i = 0; i <= kValueFillersMax; ++i) {
    const Before::Character* const nearest = before.At(i);
    if (nearest == nullptr || nearest->apart || nearest->parting > kPartingMax) break;
    if (before.AnyEndsAt(i, words)) return ContextFound::kYes;
    if (kValueFillers.find(nearest->c) == std::u32string_view::npos) break;
  }
  return ContextFound::kNo;
}

}  // namespace

ContextFound FindContext(const OriginalText& text, uint64_t at, Context context) {
  const Row* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                      [&](const Row& r) { return r.context == context; });
  if (row == std::end(kRows)) return ContextFound::kYes;
  Before before(text, at);
  if (row->reach == Reach::kAdjacent) return FindAdjacent(before, row->words);
  if (row->reach == Reach::kValue) return FindValueName(before, row->words);
  for (size_t i = 0;; ++i) {
    const Before::Character* const nearest = before.At(i);
    if (nearest == nullptr || nearest->distance > kContextCharacters) return ContextFound::kNo;
    if (before.AnyEndsAt(i, row->words)) return ContextFound::kYes;
    if (before.AnyEndsAt(i, row->against)) return ContextFound::kNo;
  }
}

}  // namespace weir::rules
