#include "tests/rules/reference_detector.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/rules/reference_number.h"
#include "tests/rules/reference_text.h"

namespace weir::rules {
namespace {

// Names, addresses and keys are read as ASCII, with \x01 for every other character.

const WordList kAddressWords = {U"ip",   U"地址", U"ipv4",   U"host", U"server", U"dns",
                                U"ping", U"登录", U"服务器", U"主机", U"网关",   U"节点"};
const WordList kVersionWords = {U"版本",  U"version", U"ver",    U"固件",   U"firmware",
                                U"build", U"驱动",    U"driver", U"release"};
const WordList kProductWords = {
    U"linux",   U"内核",      U"kernel",   U"android", U"ios",    U"harmonyos", U"鸿蒙",
    U"miui",    U"chrome",    U"firefox",  U"oracle",  U"db2",    U"weblogic",  U"websphere",
    U"nginx",   U"apache",    U"tomcat",   U"jdk",     U"sdk",    U"bios",      U"uefi",
    U"补丁",    U"patch",     U"微码",     U"升级",    U"升级到", U"升级至",    U"升级包",
    U"upgrade", U"upgradeto", U"updateto", U"更新至",  U"更新到", U"v",         U"oid",
    U"第",      U"章节",      U"附录",     U"条款",    U"section"};
const WordList kWechatWords = {U"微信", U"薇信",   U"威信", U"徽信", U"v信",    U"微x",    U"加微",
                               U"加v",  U"加薇",   U"vx",   U"wx",   U"wechat", U"weixin", U"微号",
                               U"wxid", U"绿泡泡", U"溦信", U"嶶信", U"微信qq"};
const WordList kSecretWords = {U"apikey",        U"accesskey",   U"secretkey",
                               U"secret",        U"accesstoken", U"authtoken",
                               U"token",         U"appsecret",   U"bearer",
                               U"clientsecret",  U"accesskeyid", U"accesskeysecret",
                               U"password",      U"passwd",      U"privatekey",
                               U"refreshtoken",  U"signingkey",  U"密钥",
                               U"秘钥",          U"令牌",        U"secretaccesskey",
                               U"encryptionkey", U"sessionkey",  U"pwd",
                               U"密码",          U"口令",        U"私钥"};

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (LowerAscii(c) >= 'a' && LowerAscii(c) <= 'z');
}
bool IsAnyOf(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}
bool IsNameCharacter(char c) {
  return IsAlphanumeric(c) || c == '_' || c == '-';
}

// How many characters a match from `at` on has; 0: none.
size_t MailAt(const SeenText& characters, std::string_view text, size_t at) {
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
  for (const char c : mail.substr(mail.rfind('.') + 1)) ending += LowerAscii(c);
  if (mail.starts_with("git@")) return 0;
  return Fully("png|jpg|jpeg|gif|svg|webp|css|js|ts", ending) ? 0 : length;
}

size_t Ipv4At(const SeenText& characters, std::string_view text, size_t at, bool granted) {
  const char before = at > 0 ? text[at - 1] : '\x01';
  const bool touches_ip = Fully("(?s)(?i)(.*[^A-Za-z0-9_])?ip", text.substr(0, at));
  if ((IsAlphanumeric(before) || before == '_') && !touches_ip) return 0;
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
    // 10.0.0.0/8 is a network.
    if (address.ends_with(".0") && behind.starts_with('/')) return 0;
    // 11.2.0.4版 and 10.2.1.3节.
    if (at + length < characters.size() &&
        std::u32string_view(U"版节章条款").find(characters[at + length].glyph.folded) !=
            std::u32string::npos) {
      return 0;
    }
    if (granted) return length;
    const std::optional<size_t> address_word = NearestWord(characters, at, kAddressWords);
    const std::optional<size_t> version_word = NearestWord(characters, at, kVersionWords);
    const bool likely = Fully(".*\\d\\d.*", address) || address_word.has_value();
    const bool version =
        version_word.has_value() && (!address_word.has_value() || *address_word <= *version_word);
    return likely && !version && !NameOfValueBefore(characters, at, kProductWords) ? length : 0;
  }
  return 0;
}

// Whether an address could have `front` before a separator: a group of it, or a separator.
bool FollowsGroup(std::string_view front, size_t group_max) {
  size_t run = 0;
  while (run < front.size() && IsAlphanumeric(front[front.size() - 1 - run])) ++run;
  if (run == 0) return !front.empty() && IsAnyOf(front.back(), ":-");
  return run <= group_max && Fully("[0-9A-Fa-f]+", front.substr(front.size() - run));
}

// Global, unique local and link-local addresses.
size_t Ipv6At(std::string_view text, size_t at) {
  const char before = at > 0 ? text[at - 1] : '\x01';
  if (IsAlphanumeric(before) || IsAnyOf(before, "._")) return 0;
  if (before == ':' && FollowsGroup(text.substr(0, at - 1), 4)) return 0;
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
    for (const char c : address) lower += LowerAscii(c);
    return lower;
  }());
  return ours && inet_pton(AF_INET6, address.c_str(), &parsed) == 1 ? address.size() : 0;
}

size_t MacAt(std::string_view text, size_t at) {
  const std::string_view mac = text.substr(at, 17);
  if (!Fully("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}", mac))
    return 0;
  if (Fully("[0:-]+|[Ff:-]+", mac)) return 0;
  const char before = at > 0 ? text[at - 1] : '\x01';
  const char behind = at + 17 < text.size() ? text[at + 17] : '\x01';
  if (IsAlphanumeric(before)) return 0;
  if (IsAnyOf(before, ":-") && FollowsGroup(text.substr(0, at - 1), 2)) return 0;
  if (IsAlphanumeric(behind) || behind == mac[2]) return 0;
  return Fully("[0-9-]+", mac) ? 0 : 17;  // digits and dashes may be a date
}

size_t WechatAt(const SeenText& characters, std::string_view text, size_t at, bool granted) {
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
  if (!system && Fully("[A-Za-z_-]+", name) && front != InFront::kLabel) return 0;
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

bool HasBothCases(std::string_view text) {
  return Fully(".*[a-z].*", text) && Fully(".*[A-Z].*", text);
}

// getAccessTokenFromStorage2: few digits, and most characters follow one of their kind.
bool ReadsAsWords(std::string_view text) {
  size_t digits = 0;
  size_t changes = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto kind = [&](size_t k) {
      if (text[k] >= '0' && text[k] <= '9') return 1;
      return !IsAlphanumeric(text[k]) ? 0 : text[k] == LowerAscii(text[k]) ? 2 : 3;
    };
    digits += kind(i) == 1 ? 1 : 0;
    changes += i > 0 && kind(i) != kind(i - 1) ? 1 : 0;
  }
  return digits <= 2 && changes * 5 < (text.size() - 1) * 2;
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
      {"LTAI", plain + "{12,26}", false},        {"AKID", plain + "{32}", false},
      {"AKLT", plain + "{20,60}", true},         {"AIza", name + "{35}", false},
      {"gh[pousr]_", plain + "{36,251}", true},  {"github_pat_", name + "{22,251}", true},
      {"glpat-", name + "{20,64}", true},        {"xox[bpa]-", name + "{20,251}", true},
      {"hf_", plain + "{30,64}", true},          {"npm_", plain + "{36}", false},
      {"[sr]k_live_", plain + "{20,251}", true},
  };
  const size_t length = LongestPrefix(name + "+", text.substr(at));
  const std::string_view word = text.substr(at, length);
  for (const Maker& maker : makers) {
    const size_t prefix = LongestPrefix(maker.prefix, word);
    if (prefix == 0 || !Fully(maker.body, word.substr(prefix))) continue;
    const std::string_view body = word.substr(prefix);
    if (!maker.random || LooksRandom(body)) return length;
    if (!maker.body.starts_with(name) && HasBothCases(body)) return length;
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

size_t RandomValueAt(const SeenText& characters, std::string_view text, size_t at, bool granted) {
  const size_t run = LongestPrefix("[A-Za-z0-9_+/.=~-]+", text.substr(at));
  std::string_view value = text.substr(at, std::min<size_t>(run, 256));
  while (!value.empty() && value.back() == '.') value.remove_suffix(1);
  if (value.size() < 20 || !Fully(".*[0-9].*", value) || !Fully(".*[A-Z].*", value) ||
      !Fully(".*[a-z].*", value) || !LooksRandom(value) || ReadsAsWords(value)) {
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

size_t SecretAt(const SeenText& characters, std::string_view text, size_t at, bool granted) {
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
size_t PlateAt(const SeenText& characters, std::string_view text, size_t at) {
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
        plate += LowerAscii(text[i]);
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
    // 新A8 2024款 is a model of that year.
    if (Fully("P ?[a-z] ?[0-9a-z] (19|20)\\d\\d", plate) && at + length < text.size() &&
        std::u32string_view(U"款年").find(characters[at + length].glyph.folded) !=
            std::u32string::npos) {
      continue;
    }
    const bool goes_on = at + length < text.size() && IsAlphanumeric(text[at + length]);
    if (!goes_on || plate.back() == '*') longest = length;
  }
  return longest;
}

size_t LengthAt(Detector detector, const SeenText& characters, std::string_view text, size_t at,
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
  const SeenText characters = SeenTextOf(text);
  const std::set<Detector> tokens = {Detector::kEmail,  Detector::kIp,       Detector::kMacAddress,
                                     Detector::kSecret, Detector::kWechatId, Detector::kCnPlate};
  if (!tokens.contains(detector)) {
    return FindNumbers(detector, characters, granted);
  }
  std::vector<ReferenceDetected> found;
  std::string ascii;
  for (const SeenCharacter& seen : characters)
    ascii += seen.glyph.ascii == 0 ? '\x01' : seen.glyph.ascii;
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
