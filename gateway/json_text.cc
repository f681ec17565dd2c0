#include <algorithm>
#include <utility>

#include "gateway/json.h"
#include "gateway/json_escape.h"

namespace weir::gateway {

void JsonTextDecoder::Feed(std::string_view piece, std::string& text) {
  if (pending_.empty()) {
    Decode(piece, false, text);
    return;
  }
  std::string joined = std::move(pending_);
  pending_.clear();
  joined += piece;
  Decode(joined, false, text);
}

void JsonTextDecoder::Finish(std::string& text) {
  const std::string rest = std::move(pending_);
  pending_.clear();
  Decode(rest, true, text);
}

// Where the document's containers open and close, so that its end is known.
void JsonTextDecoder::Structure(char c) {
  if (complete_ && !IsSpace(c)) overrun_ = true;
  if (c == '{' || c == '[') {
    if (!started_ || depth_ > 0) ++depth_;
  } else if ((c == '}' || c == ']') && depth_ > 0) {
    complete_ = --depth_ == 0;
  }
  if (!IsSpace(c)) started_ = true;
}

void JsonTextDecoder::Decode(std::string_view raw, bool at_end, std::string& text) {
  for (size_t at = 0; at < raw.size();) {
    if (!in_string_) {
      if (raw[at] == '"') in_string_ = true;
      Structure(raw[at]);
      text += raw[at++];
      ++raw_;
      ++decoded_;
      continue;
    }
    const size_t end = std::min(raw.find_first_of("\"\\", at), raw.size());
    text.append(raw, at, end - at);
    raw_ += end - at;
    decoded_ += end - at;
    at = end;
    if (at == raw.size()) return;
    if (raw[at] == '"') {
      in_string_ = false;
      text += '"';
      ++raw_;
      ++decoded_;
      ++at;
      continue;
    }
    const size_t before = text.size();
    const size_t size = Escape(raw.substr(at), at_end, text);
    if (size == 0) {
      pending_ = raw.substr(at);
      return;
    }
    raw_ += size;
    decoded_ += text.size() - before;
    at += size;
    steps_.push_back({decoded_, raw_});
  }
}

size_t JsonTextDecoder::Escape(std::string_view raw, bool at_end, std::string& text) {
  const auto as_it_stands = [&](size_t size) {
    text.append(raw, 0, size);
    return size;
  };
  if (raw.size() < 2) return at_end ? as_it_stands(raw.size()) : 0;
  if (raw[1] != 'u') {
    const char c = SimpleEscape(raw[1]);
    if (c == 0) return as_it_stands(1);
    text += c;
    return 2;
  }
  // Fewer digits than four are waited for only as long as what is there may become them.
  const size_t digits = std::min(raw.size(), size_t{6});
  for (size_t i = 2; i < digits; ++i) {
    if (HexDigit(raw[i]) < 0) return as_it_stands(2);
  }
  if (digits < 6) return at_end ? as_it_stands(raw.size()) : 0;
  const int unit = Hex4(raw.substr(2));
  auto code = static_cast<uint32_t>(unit);
  size_t size = 6;
  if (IsHighSurrogate(unit)) {
    const std::string_view second = raw.substr(6, 6);
    const bool may_be_low = std::string_view("\\u").substr(0, second.size()) == second.substr(0, 2);
    if (second.size() < 6 && may_be_low && !at_end) return 0;
    const int low = may_be_low && second.size() == 6 ? Hex4(second.substr(2)) : -1;
    if (!IsLowSurrogate(low)) return as_it_stands(6);
    code = Combine(unit, low);
    size = 12;
  } else if (IsLowSurrogate(unit)) {
    return as_it_stands(6);
  }
  char utf8[4];
  text.append(utf8, EncodeUtf8(code, utf8));
  return size;
}

uint64_t JsonTextDecoder::RawOffset(uint64_t decoded) {
  size_t behind = 0;
  while (behind < steps_.size() && steps_[behind].decoded <= decoded) ++behind;
  if (behind == 0) {
    // No escape up to here, or the one before it is the kept step at the front.
    return decoded;
  }
  const Step last = steps_[behind - 1];
  steps_.erase(steps_.begin(), steps_.begin() + static_cast<ptrdiff_t>(behind - 1));
  return last.raw + (decoded - last.decoded);
}

void JsonTextWriter::Keep(std::string_view raw, std::string& out) {
  out += raw;
  for (size_t at = 0; (at = raw.find_first_of("\"\\", at)) != std::string_view::npos; ++at) {
    if (raw[at] == '"') {
      in_string_ = !in_string_;
    } else if (in_string_) {
      ++at;
    }
  }
}

namespace {

// Whether the letter at `at` may be a number's `e`, as far as `raw` shows.
bool IsExponent(std::string_view raw, size_t at) {
  if (raw[at] != 'e' && raw[at] != 'E') return false;
  const bool behind_digit = at == 0 || IsDigit(raw[at - 1]);
  const bool before_number =
      at + 1 == raw.size() || IsDigit(raw[at + 1]) || raw[at + 1] == '+' || raw[at + 1] == '-';
  return behind_digit && before_number;
}

}  // namespace

void JsonTextWriter::Replace(std::string_view raw, std::string_view replacement, std::string& out) {
  bool replaced = false;
  const auto replace = [&] {
    if (!replaced) AppendEscapedJson(replacement, out);
    replaced = true;
  };
  for (size_t at = 0; at < raw.size(); ++at) {
    const char c = raw[at];
    if (c == '"') {
      in_string_ = !in_string_;
      out += c;
    } else if (in_string_) {
      if (c == '\\') ++at;
      replace();
    } else if (IsDigit(c)) {
      out += '9';
    } else if (IsExponent(raw, at)) {
      out += c;
    } else if (IsSpace(c) || std::string_view("{}[],:.-+").find(c) != std::string_view::npos) {
      out += c;
    } else {
      replace();
    }
  }
}

}  // namespace weir::gateway
