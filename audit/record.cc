// The canonical encoding is built by hand: fixed field order, fields at their default left out, one
// way to escape a string. Decode() parses in that order and then demands that encoding the result
// again gives the very same bytes, so there is no second definition of "canonical" to drift.
#include "audit/record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr std::string_view kKindNames[] = {"prompt",  "answer", "failure", "interrupted",
                                           "service", "access", "erased",  "restricted",
                                           "hold",    "release"};
static_assert(std::size(kKindNames) == static_cast<size_t>(kLastRecordKind) + 1);
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
// What AppendEncoding() puts before the body, at its longest; see there.
constexpr size_t kPrefixBytesMax = 72;
constexpr size_t kBodyBytesMax = kRecordBytesMax - kPrefixBytesMax;
// Reserved behind the findings for what follows them.
constexpr size_t kAfterFindingsBytesMax = kDetailBytesMax + 2 * kStringBytesMax + 256;
constexpr int64_t kTimeMax = 253'402'300'799'999'999;  // the last microsecond of the year 9999

// Bytes that stand for themselves inside a JSON string and need no look at their neighbours.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x80; ++c) plain[static_cast<size_t>(c)] = c != '"' && c != '\\';
  return plain;
}();

// Bytes of the UTF-8 sequence that begins `text`; 0 if none does.
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return continues(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (c == 0xE0 && at(1) < 0xA0) return 0;  // overlong
    if (c == 0xED && at(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (c == 0xF0 && at(1) < 0x90) return 0;  // overlong
    if (c == 0xF4 && at(1) > 0x8F) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

void AppendControl(char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

// Appends `text` escaped. Bytes that are no UTF-8 become U+FFFD, so that the encoding always is.
// Text whose escaped form is longer than `bytes_max` is cut at a character and marked by an
// ellipsis.
void AppendEscaped(std::string_view text, size_t bytes_max, std::string& out) {
  const size_t begin = out.size();
  size_t cut = begin;  // the last place where the ellipsis still fits
  for (size_t i = 0; i < text.size();) {
    if (out.size() - begin + kEllipsis.size() <= bytes_max) cut = out.size();
    if (out.size() - begin > bytes_max) break;
    size_t run = i;
    while (run < text.size() && run - i < bytes_max && kPlain[static_cast<uint8_t>(text[run])]) {
      ++run;
    }
    if (run > i) {
      // A long run is cut inside; the test after the loop sees that it was too long.
      const size_t room = bytes_max - kEllipsis.size();
      if (out.size() - begin <= room) cut = begin + std::min(out.size() - begin + (run - i), room);
      out.append(text.data() + i, run - i);
      i = run;
      continue;
    }
    const size_t length = Utf8Length(text.substr(i));
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
    } else if (length == 1) {
      AppendControl(text[i], out);
      ++i;
    } else {
      out.append(text.data() + i, length);
      i += length;
    }
  }
  if (out.size() - begin <= bytes_max) return;
  out.resize(cut);
  out += kEllipsis;
}

template <typename Integer>
void AppendInteger(Integer value, std::string& out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void AppendField(std::string_view key, std::string_view value, std::string& out,
                 size_t bytes_max = kStringBytesMax) {
  if (value.empty()) return;
  out += key;
  out += '"';
  AppendEscaped(value, bytes_max, out);
  out += '"';
}

template <typename Integer>
void AppendNumber(std::string_view key, Integer value, std::string& out) {
  if (value == 0) return;
  out += key;
  AppendInteger(value, out);
}

void AppendFinding(const FindingEntry& finding, std::string& out) {
  const size_t begin = out.size();
  AppendField(",\"rule\":", finding.rule, out);
  AppendField(",\"category\":", finding.category, out);
  AppendField(",\"severity\":", finding.severity, out);
  AppendField(",\"lane\":", finding.lane, out);
  AppendField(",\"part\":", finding.part, out);
  AppendNumber(",\"start\":", finding.start, out);
  AppendNumber(",\"end\":", finding.end, out);
  AppendField(",\"action\":", finding.action, out);
  if (out.size() == begin) {
    out += '{';
  } else {
    out[begin] = '{';
  }
  out += '}';
}

void AppendFindings(const Record& record, std::string& out) {
  size_t kept = 0;
  for (const FindingEntry& finding : record.findings) {
    const size_t begin = out.size();
    out += kept == 0 ? ",\"findings\":[" : ",";
    AppendFinding(finding, out);
    if (out.size() + kAfterFindingsBytesMax > kBodyBytesMax) {
      out.resize(begin);
      break;
    }
    ++kept;
  }
  if (kept > 0) out += ']';
  const uint64_t total = std::max<uint64_t>(record.findings_total, record.findings.size());
  if (total != kept) AppendNumber(",\"findings_total\":", total, out);
}

void AppendDigits(int64_t value, int width, std::string& out) {
  char digits[8];
  for (int i = width - 1; i >= 0; --i) {
    digits[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(digits, static_cast<size_t>(width));
}

// "2026-11-23T04:49:55.123456Z". The calendar is Howard Hinnant's civil_from_days.
void AppendTime(int64_t time_us, std::string& out) {
  const int64_t us = std::clamp<int64_t>(time_us, 0, kTimeMax);
  const int64_t seconds = us / 1'000'000;
  const int64_t z = seconds / 86'400 + 719'468;
  const int64_t era = z / 146'097;
  const int64_t day_of_era = z - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  AppendDigits(year_of_era + era * 400 + (month <= 2 ? 1 : 0), 4, out);
  out += '-';
  AppendDigits(month, 2, out);
  out += '-';
  AppendDigits(day_of_year - (153 * shifted_month + 2) / 5 + 1, 2, out);
  out += 'T';
  AppendDigits(seconds / 3'600 % 24, 2, out);
  out += ':';
  AppendDigits(seconds / 60 % 60, 2, out);
  out += ':';
  AppendDigits(seconds % 60, 2, out);
  out += '.';
  AppendDigits(us % 1'000'000, 6, out);
  out += 'Z';
}

// Reads an encoding from front to back. Errors stick: after the first, nothing more is taken.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool Take(std::string_view literal) {
    if (failed_ || !text_.substr(at_).starts_with(literal)) return false;
    at_ += literal.size();
    return true;
  }

  void Expect(std::string_view literal) {
    if (!Take(literal)) Fail();
  }

  template <typename Integer>
  void Number(Integer& value) {
    if (failed_) return;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) return Fail();
    at_ += static_cast<size_t>(end - begin);
  }

  // Digits at fixed width, as in a time.
  int64_t Digits(size_t width) {
    int64_t value = 0;
    for (size_t i = 0; i < width && !failed_; ++i) {
      if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') {
        Fail();
        return 0;
      }
      value = value * 10 + (text_[at_++] - '0');
    }
    return value;
  }

  void String(std::string& value) {
    Expect("\"");
    while (!failed_) {
      const size_t stop = text_.find_first_of("\"\\", at_);
      if (stop == std::string_view::npos) return Fail();
      value.append(text_.substr(at_, stop - at_));
      at_ = stop + 1;
      if (text_[stop] == '"') return;
      Escape(value);
    }
  }

  template <typename Value>
  void Optional(std::string_view key, Value& value) {
    if (!Take(key)) return;
    if constexpr (std::is_same_v<Value, std::string>) {
      String(value);
    } else {
      Number(value);
    }
  }

  bool AtEnd() const { return !failed_ && at_ == text_.size(); }
  bool failed() const { return failed_; }
  size_t at() const { return at_; }
  void Fail() { failed_ = true; }

 private:
  void Escape(std::string& value) {
    constexpr std::string_view kFrom = "\"\\bfnrt";
    constexpr std::string_view kTo = "\"\\\b\f\n\r\t";
    if (at_ >= text_.size()) return Fail();
    const char c = text_[at_++];
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      value += kTo[i];
      return;
    }
    unsigned code = 0;
    if (c != 'u' || text_.size() - at_ < 4) return Fail();
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + 4, code, 16);
    if (error != std::errc() || end != begin + 4 || code >= 0x20) return Fail();
    value += static_cast<char>(code);
    at_ += 4;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool failed_ = false;
};

int64_t DecodeTime(Cursor& cursor) {
  const int64_t year = cursor.Digits(4);
  cursor.Expect("-");
  const int64_t month = cursor.Digits(2);
  cursor.Expect("-");
  const int64_t day = cursor.Digits(2);
  cursor.Expect("T");
  const int64_t hour = cursor.Digits(2);
  cursor.Expect(":");
  const int64_t minute = cursor.Digits(2);
  cursor.Expect(":");
  const int64_t second = cursor.Digits(2);
  cursor.Expect(".");
  const int64_t us = cursor.Digits(6);
  cursor.Expect("Z");
  // days_from_civil; what is no date (month 13) is caught when the record is encoded again.
  const int64_t shifted_year = month <= 2 ? year - 1 : year;
  const int64_t era = (shifted_year >= 0 ? shifted_year : shifted_year - 399) / 400;
  const int64_t year_of_era = shifted_year - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const int64_t days = era * 146'097 + day_of_era - 719'468;
  return ((days * 24 + hour) * 60 + minute) * 60'000'000 + second * 1'000'000 + us;
}

RecordKind DecodeKind(Cursor& cursor) {
  std::string name;
  cursor.String(name);
  const auto* found = std::find(std::begin(kKindNames), std::end(kKindNames), name);
  if (found == std::end(kKindNames)) {
    cursor.Fail();
    return RecordKind::kService;
  }
  return static_cast<RecordKind>(found - std::begin(kKindNames));
}

// A field inside a finding; the first of them has no comma before it.
template <typename Value>
void FindingField(Cursor& cursor, std::string_view key, bool& first, Value& value) {
  const std::string_view taken = first ? key.substr(1) : key;
  if (!cursor.Take(taken)) return;
  first = false;
  if constexpr (std::is_same_v<Value, std::string>) {
    cursor.String(value);
  } else {
    cursor.Number(value);
  }
}

FindingEntry DecodeFinding(Cursor& cursor) {
  FindingEntry finding;
  bool first = true;
  cursor.Expect("{");
  FindingField(cursor, ",\"rule\":", first, finding.rule);
  FindingField(cursor, ",\"category\":", first, finding.category);
  FindingField(cursor, ",\"severity\":", first, finding.severity);
  FindingField(cursor, ",\"lane\":", first, finding.lane);
  FindingField(cursor, ",\"part\":", first, finding.part);
  FindingField(cursor, ",\"start\":", first, finding.start);
  FindingField(cursor, ",\"end\":", first, finding.end);
  FindingField(cursor, ",\"action\":", first, finding.action);
  cursor.Expect("}");
  return finding;
}

void DecodeFindings(Cursor& cursor, Record& record) {
  if (cursor.Take(",\"findings\":[")) {
    do {
      record.findings.push_back(DecodeFinding(cursor));
    } while (cursor.Take(","));
    cursor.Expect("]");
  }
  record.findings_total = record.findings.size();
  cursor.Optional(",\"findings_total\":", record.findings_total);
}

}  // namespace

std::optional<RecordKind> ParseRecordKind(std::string_view name) {
  const auto* const found = std::find(std::begin(kKindNames), std::end(kKindNames), name);
  if (found == std::end(kKindNames)) return std::nullopt;
  return static_cast<RecordKind>(found - std::begin(kKindNames));
}

std::string_view Name(RecordKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

std::string EncodeBody(const Record& record) {
  std::string out;
  out.reserve(512);
  out += ",\"kind\":\"";
  out += Name(record.kind);
  out += '"';
  AppendField(",\"exchange\":", record.exchange, out);
  AppendField(",\"stage\":", record.stage, out);
  AppendField(",\"app\":", record.app, out);
  AppendField(",\"user\":", record.user, out);
  AppendField(",\"profile\":", record.profile, out);
  AppendField(",\"region\":", record.region, out);
  AppendField(",\"dialect\":", record.dialect, out);
  AppendField(",\"model\":", record.model, out);
  AppendField(",\"upstream\":", record.upstream, out);
  AppendField(",\"direction\":", record.direction, out);
  AppendField(",\"action\":", record.action, out);
  if (record.review) out += ",\"review\":true";
  AppendField(",\"bundle\":", record.bundle, out);
  AppendFindings(record, out);
  AppendField(",\"content_digest\":", record.content_digest, out);
  AppendNumber(",\"content_bytes\":", record.content_bytes, out);
  AppendNumber(",\"status\":", record.status, out);
  AppendNumber(",\"duration_us\":", record.duration_us, out);
  AppendField(",\"cause\":", record.cause, out);
  AppendField(",\"detail\":", record.detail, out, kDetailBytesMax);
  out += '}';
  return out;
}

void AppendEncoding(uint64_t seq, int64_t time_us, std::string_view body, std::string& out) {
  out += "{\"v\":1,\"seq\":";
  AppendInteger(seq, out);
  out += ",\"time\":\"";
  AppendTime(time_us, out);
  out += '"';
  out += body;
}

std::string FormatTime(int64_t time_us) {
  std::string text;
  AppendTime(time_us, text);
  return text;
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  AppendEscaped(text, std::numeric_limits<size_t>::max(), out);
  out += '"';
  return out;
}

std::string Encode(const Record& record) {
  std::string out;
  const std::string body = EncodeBody(record);
  out.reserve(body.size() + kPrefixBytesMax);
  AppendEncoding(record.seq, record.time_us, body, out);
  return out;
}

absl::StatusOr<int64_t> TimeOfEncoded(std::string_view encoded) {
  Cursor cursor(encoded);
  uint64_t seq = 0;
  cursor.Expect("{\"v\":1,\"seq\":");
  cursor.Number(seq);
  cursor.Expect(",\"time\":\"");
  const int64_t time_us = DecodeTime(cursor);
  cursor.Expect("\"");
  if (!cursor.failed()) return time_us;
  return absl::InvalidArgumentError("the bytes do not begin as a record does");
}

absl::StatusOr<Record> Decode(std::string_view encoded) {
  if (encoded.size() > kRecordBytesMax) {
    return absl::InvalidArgumentError(
        Concat("a record has at most ", kRecordBytesMax, " bytes, not ", encoded.size()));
  }
  Record record;
  Cursor cursor(encoded);
  cursor.Expect("{\"v\":1,\"seq\":");
  cursor.Number(record.seq);
  cursor.Expect(",\"time\":\"");
  record.time_us = DecodeTime(cursor);
  cursor.Expect("\",\"kind\":");
  record.kind = DecodeKind(cursor);
  cursor.Optional(",\"exchange\":", record.exchange);
  cursor.Optional(",\"stage\":", record.stage);
  cursor.Optional(",\"app\":", record.app);
  cursor.Optional(",\"user\":", record.user);
  cursor.Optional(",\"profile\":", record.profile);
  cursor.Optional(",\"region\":", record.region);
  cursor.Optional(",\"dialect\":", record.dialect);
  cursor.Optional(",\"model\":", record.model);
  cursor.Optional(",\"upstream\":", record.upstream);
  cursor.Optional(",\"direction\":", record.direction);
  cursor.Optional(",\"action\":", record.action);
  record.review = cursor.Take(",\"review\":true");
  cursor.Optional(",\"bundle\":", record.bundle);
  DecodeFindings(cursor, record);
  cursor.Optional(",\"content_digest\":", record.content_digest);
  cursor.Optional(",\"content_bytes\":", record.content_bytes);
  cursor.Optional(",\"status\":", record.status);
  cursor.Optional(",\"duration_us\":", record.duration_us);
  cursor.Optional(",\"cause\":", record.cause);
  cursor.Optional(",\"detail\":", record.detail);
  cursor.Expect("}");
  if (!cursor.AtEnd()) {
    return absl::InvalidArgumentError(Concat("the bytes are not a canonical record: byte ",
                                             cursor.at(), " is not what must stand there"));
  }
  if (const std::string again = Encode(record); again != encoded) {
    const size_t same = static_cast<size_t>(
        std::mismatch(again.begin(), again.end(), encoded.begin(), encoded.end()).first -
        again.begin());
    return absl::InvalidArgumentError(
        Concat("the bytes are not a canonical record: they differ at byte ", same));
  }
  return record;
}

}  // namespace weir::audit
