// Built-in detectors: code that knows what a number, an address or a key looks like.
//
// A rule names a detector; number_scan.h and token_scan.h find its candidates in a text. What each
// must prove:
//
//   cn-id-card           18 digits: region, date of birth, check digit (GB 11643, ISO 7064 MOD
//                        11-2), residence permits of people from Hong Kong, Macau and Taiwan and
//                        of foreigners too; 15 digits of the old form: region, date and a word such
//                        as 身份证 in front, since they have no check digit
//   cn-mobile            11 digits beginning 13 to 19
//   cn-landline          area code and number; where 86 takes the place of the 0, behind +, 00 or a
//                        word such as 电话
//   hk-macau-taiwan-phone  with 852, 853 or 886 behind +, 00 or a word such as 电话; 09 and eight
//                        digits behind such a word
//   bank-card            prefix and length of UnionPay, Visa, Mastercard, American Express or JCB,
//                        check digit (Luhn)
//   cn-uscc              unified social credit code: registration authority, region, check
//                        characters of the code (GB 32100, MOD 31) and of the organisation in it
//                        (GB 11714, MOD 11)
//   cn-passport, hk-macau-permit, taiwan-permit, cn-residence-permit, cn-military-id
//                        the forms of each, and its name in front
//   imei                 15 digits, Luhn, and a word such as 串号 in front
//   cn-plate             province, letter, five characters or six of a new-energy car
//   email                RFC 5321, without quoted local parts and address literals
//   ip                   IPv4 and IPv6 as inet_pton() reads them; not loopback, masks, versions,
//                        chapters
//   mac-address          six pairs
//   wechat-id, qq-number a word such as 微信 or 加Q right in front
//   secret               keys with the marks of their makers, JSON web tokens, private keys in PEM,
//                        and random text right behind a word such as token: or 密钥：
//
// A telephone number or card with 金额, ¥, 订单号, IMG_ or the like right in front is none, nor is
// a mobile number with 元 or two decimals right behind.
//
// Digits may be Chinese, enclosed, full-width or of another script, and parted; letters may be
// full-width or look-alikes. A candidate may touch Han characters (`\b` would not match there) but
// no other letter or digit of its kind.
//
// Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

enum class Detector : uint8_t {
  kNone,
  kCnIdCard,
  kCnMobile,
  kCnLandline,
  kHkMacauTaiwanPhone,
  kBankCard,
  kCnUscc,
  kCnPassport,
  kHkMacauPermit,
  kTaiwanPermit,
  kCnResidencePermit,
  kCnMilitaryId,
  kImei,
  kCnPlate,
  kEmail,
  kIp,
  kMacAddress,
  kWechatId,
  kQqNumber,
  kSecret,
};
inline constexpr int kDetectorCount = 20;  // kNone included

// Bit i: Detector(i).
using DetectorSet = uint32_t;
constexpr DetectorSet DetectorBit(Detector detector) {
  return DetectorSet{1} << static_cast<unsigned>(detector);
}

// "cn-id-card" <-> kCnIdCard: the names used in packs and records.
std::string_view Name(Detector detector);
std::optional<Detector> DetectorFromName(std::string_view name);
std::vector<std::string_view> DetectorNames();

// The most characters that a match has, without what parts them.
uint32_t WidthMax(Detector detector);

// Whether `candidate`, reduced to ASCII letters and digits, keeps what the detector can prove of it
// alone: check digits, dates, regions. True for detectors whose form is all there is.
bool Validate(Detector detector, std::string_view candidate);

// Whether `beginning`, ASCII digits and small letters and fewer than `width`, could go on to what
// Validate() takes, as far as regions, dates and prefixes say.
bool CouldBecome(Detector detector, std::string_view beginning, size_t width);

// The text that replaces a match of the detector: "1***************2X", "138****5678". Empty where
// no part may be shown: for detectors without an agreed mask, and for a match that stands encoded
// in the text. `match` is the matched text as the user wrote it (full-width digits and separators
// included).
std::string Mask(Detector detector, std::string_view match);

}  // namespace weir::rules
