#include "rules/detector_context.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "rules/text_cursor.h"

namespace weir::rules {
namespace {

using Words = std::span<const std::u32string_view>;

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
constexpr std::u32string_view kPhoneWords[] = {U"电话",  U"手机",   U"联系",     U"致电", U"拨打",
                                               U"热线",  U"香港",   U"澳门",     U"台湾", U"tel",
                                               U"phone", U"mobile", U"whatsapp", U"号码"};
constexpr std::u32string_view kDeviceWords[] = {U"imei", U"meid",   U"串号",
                                                U"串码", U"设备号", U"设备识别码"};
constexpr std::u32string_view kIpWords[] = {U"ip",     U"地址", U"ipv4", U"host",
                                            U"server", U"dns",  U"ping", U"登录"};
constexpr std::u32string_view kVersionWords[] = {
    U"版本", U"version", U"ver", U"固件", U"firmware", U"升级", U"build", U"驱动", U"release"};
constexpr std::u32string_view kWechatWords[] = {
    U"微信", U"薇信", U"威信",   U"徽信",   U"v信",  U"微x",  U"加微",   U"加v",  U"加薇",
    U"vx",   U"wx",   U"wechat", U"weixin", U"微号", U"wxid", U"绿泡泡", U"溦信", U"嶶信"};
constexpr std::u32string_view kQqWords[] = {U"qq",  U"扣扣", U"企鹅", U"加q",  U"扣q", U"我q",
                                            U"q号", U"球球", U"加扣", U"抠抠", U"蔻蔻"};
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

// What may stand between such a word and the name, one character each; the first make a label.
constexpr std::u32string_view kLabelFillers = U"号码账帐户";
constexpr std::u32string_view kFillers = U"是为我的加群搜请联系方式添好友也叫同";
constexpr size_t kFillersMax = 8;
constexpr int kPartingMax = 6;  // separators in a row between word and name

struct Row {
  Context context;
  Words words;
  bool adjacent;
};
constexpr Row kRows[] = {
    {Context::kIdCard, kIdCardWords, false},
    {Context::kPassport, kPassportWords, false},
    {Context::kHkMacauPermit, kHkMacauWords, false},
    {Context::kTaiwanPermit, kTaiwanWords, false},
    {Context::kResidencePermit, kResidenceWords, false},
    {Context::kMilitaryId, kMilitaryWords, false},
    {Context::kPhone, kPhoneWords, false},
    {Context::kDevice, kDeviceWords, false},
    {Context::kIpAddress, kIpWords, false},
    {Context::kVersion, kVersionWords, false},
    {Context::kWechat, kWechatWords, true},
    {Context::kQq, kQqWords, true},
    {Context::kSecret, kSecretWords, true},
};

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
    bool colon;    // one of them is a colon or an equals sign
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
  bool AnyEndsAt(size_t i, Words words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::u32string_view word) { return EndsAt(i, word); });
  }

 private:
  bool Read() {
    int parting = 0;
    bool colon = false;
    Glyph glyph;
    while (read_++ < kLookBackCharacters && cursor_.Previous(glyph)) {
      if (glyph.vanishes) continue;
      ++distance_;
      if (!glyph.separator) {
        characters_[count_++] = {glyph.folded, distance_ - 1, parting, colon};
        return true;
      }
      ++parting;
      colon = colon || glyph.ascii == ':' || glyph.ascii == '=';
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

ContextFound FindAdjacent(Before& before, Words words) {
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

}  // namespace

ContextFound FindContext(const OriginalText& text, uint64_t at, Context context) {
  const Row* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                      [&](const Row& r) { return r.context == context; });
  if (row == std::end(kRows)) return ContextFound::kYes;
  Before before(text, at);
  if (row->adjacent) return FindAdjacent(before, row->words);
  for (size_t i = 0;; ++i) {
    const Before::Character* const nearest = before.At(i);
    if (nearest == nullptr || nearest->distance > kContextCharacters) return ContextFound::kNo;
    if (before.AnyEndsAt(i, row->words)) return ContextFound::kYes;
  }
}

}  // namespace weir::rules
