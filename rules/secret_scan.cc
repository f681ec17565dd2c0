#include "rules/secret_scan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "rules/detector_context.h"
#include "rules/token_reader.h"
#include "rules/token_scan.h"

namespace weir::rules {
namespace {

// Public documents of the makers say what their keys look like.
struct KeyForm {
  enum class Body : uint8_t { kCapitals, kAlphanumeric, kName };  // kName: with _ and -
  std::string_view prefix;
  Body body;
  size_t least;
  size_t most;  // characters behind the prefix
};
constexpr KeyForm kKeyForms[] = {
    {"sk-", KeyForm::Body::kName, 20, 256},               // OpenAI, Anthropic, DashScope, DeepSeek
    {"AKIA", KeyForm::Body::kCapitals, 16, 16},           // AWS
    {"ASIA", KeyForm::Body::kCapitals, 16, 16},           // AWS, temporary
    {"LTAI", KeyForm::Body::kAlphanumeric, 12, 26},       // Alibaba Cloud
    {"AKID", KeyForm::Body::kAlphanumeric, 32, 32},       // Tencent Cloud
    {"AKLT", KeyForm::Body::kAlphanumeric, 20, 60},       // Volcengine
    {"AIza", KeyForm::Body::kName, 35, 35},               // Google
    {"ghp_", KeyForm::Body::kAlphanumeric, 36, 251},      // GitHub
    {"gho_", KeyForm::Body::kAlphanumeric, 36, 251},      //
    {"ghu_", KeyForm::Body::kAlphanumeric, 36, 251},      //
    {"ghs_", KeyForm::Body::kAlphanumeric, 36, 251},      //
    {"ghr_", KeyForm::Body::kAlphanumeric, 36, 251},      //
    {"github_pat_", KeyForm::Body::kName, 22, 251},       //
    {"glpat-", KeyForm::Body::kName, 20, 64},             // GitLab
    {"xoxb-", KeyForm::Body::kName, 20, 251},             // Slack
    {"xoxp-", KeyForm::Body::kName, 20, 251},             //
    {"xoxa-", KeyForm::Body::kName, 20, 251},             //
    {"hf_", KeyForm::Body::kAlphanumeric, 30, 64},        // Hugging Face
    {"npm_", KeyForm::Body::kAlphanumeric, 36, 36},       // npm
    {"sk_live_", KeyForm::Body::kAlphanumeric, 20, 251},  // Stripe
    {"rk_live_", KeyForm::Body::kAlphanumeric, 20, 251},  //
};
constexpr size_t kSecretMin = 16;
constexpr size_t kWordMax = 264;  // prefix and body, and one more

constexpr size_t kTokenMax = 2048;  // of a JSON web token
constexpr size_t kTokenPartMin = 8;
constexpr size_t kValueMin = 20;  // of random text behind a word
constexpr size_t kValueMax = 256;
constexpr double kValueEntropyMin = 3.5;  // bits per character
constexpr size_t kRandomPieceMin = 16;

bool IsNameCharacter(char c) {
  return IsAlphanumeric(c) || c == '_' || c == '-';
}
bool IsValueCharacter(char c) {
  return IsNameCharacter(c) || c == '+' || c == '/' || c == '.' || c == '=' || c == '~';
}

// Reads characters that `accept` takes, at most `most`; false when more text may bring more.
struct Run {
  std::string characters;
  std::vector<uint64_t> ends;
  char behind = 0;

  template <typename Accept>
  bool Read(TokenReader& reader, size_t most, Accept accept) {
    TokenChar t;
    for (;;) {
      if (!reader.Next(t)) return characters.size() >= most;
      behind = t.c;
      if (!accept(t.c) || characters.size() == most) return true;
      characters.push_back(t.c);
      ends.push_back(t.end);
    }
  }
};

bool FitsBody(KeyForm::Body body, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [body](char c) {
    switch (body) {
      case KeyForm::Body::kCapitals:
        return IsDigit(c) || IsCapital(c);
      case KeyForm::Body::kAlphanumeric:
        return IsAlphanumeric(c);
      case KeyForm::Body::kName:
        break;
    }
    return IsNameCharacter(c);
  });
}

// Letters and digits mixed with no dash between for as long as no word of a name is.
bool HasRandomPiece(std::string_view text) {
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find_first_of("-_", from), text.size());
    const std::string_view piece = text.substr(from, end - from);
    if (piece.size() >= kRandomPieceMin && std::any_of(piece.begin(), piece.end(), IsDigit) &&
        std::any_of(piece.begin(), piece.end(), IsLetter)) {
      return true;
    }
    from = end + 1;
  }
  return false;
}

bool HasBothCases(std::string_view text) {
  return std::any_of(text.begin(), text.end(), IsCapital) &&
         std::any_of(text.begin(), text.end(), [](char c) { return IsLetter(c) && !IsCapital(c); });
}

// Whether the body is as random as the makers' keys are. A fixed length proves enough, and some
// have letters alone.
bool HasRandomBody(const KeyForm& form, std::string_view body) {
  if (form.body == KeyForm::Body::kCapitals || form.least == form.most) return true;
  if (form.least < kRandomPieceMin || HasRandomPiece(body)) return true;
  return form.body == KeyForm::Body::kAlphanumeric && HasBothCases(body);
}

// getAccessTokenFromStorage2: few digits, and most characters follow one of their kind, which in
// random text two in five do.
bool ReadsAsWords(std::string_view text) {
  const auto kind = [](char c) {
    if (IsDigit(c)) return 1;
    return !IsLetter(c) ? 0 : IsCapital(c) ? 2 : 3;
  };
  size_t changes = 0;
  for (size_t i = 1; i < text.size(); ++i) changes += kind(text[i]) != kind(text[i - 1]) ? 1 : 0;
  return std::count_if(text.begin(), text.end(), IsDigit) <= 2 &&
         changes * 5 < (text.size() - 1) * 2;
}

Fit FitKey(const Run& run, bool ended, uint64_t at, Span& span) {
  const std::string_view word = run.characters;
  Fit fit = Fit::kNo;
  for (const KeyForm& form : kKeyForms) {
    if (!ended && form.prefix.starts_with(word)) return Fit::kPartly;
    if (!word.starts_with(form.prefix)) continue;
    const std::string_view body = word.substr(form.prefix.size());
    if (body.size() > form.most || !FitsBody(form.body, body)) continue;
    if (!ended) return Fit::kPartly;
    if (body.size() < form.least) continue;
    if (!HasRandomBody(form, body)) continue;
    span = {at, run.ends.back()};
    fit = Fit::kWhole;
  }
  return fit;
}

// RFC 7519: three parts in base64url, the first two of which are JSON objects: eyJ is {" in it.
Fit FitToken(const OriginalText& text, uint64_t at, Span& span) {
  TokenReader reader(text, at);
  Run run;
  const bool ended =
      run.Read(reader, kTokenMax, [](char c) { return IsNameCharacter(c) || c == '.'; });
  const std::string_view token = run.characters;
  constexpr std::string_view kObject = "eyJ";
  if (!token.starts_with(kObject.substr(0, token.size()))) return Fit::kNo;
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (first != std::string_view::npos &&
      (first < kTokenPartMin ||
       !token.substr(first + 1).starts_with(kObject.substr(0, token.size() - first - 1)))) {
    return Fit::kNo;
  }
  if (!ended) return Fit::kPartly;
  if (second == std::string_view::npos) return Fit::kNo;
  const size_t end = std::min(token.find('.', second + 1), token.size());
  if (second - first <= kTokenPartMin || end - second <= kTokenPartMin) return Fit::kNo;
  span = {at, run.ends[end - 1]};
  return Fit::kWhole;
}

double Entropy(std::string_view text) {
  std::array<int, 128> counts{};
  for (const char c : text) ++counts[static_cast<size_t>(c)];
  double bits = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    const double share = count / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

Fit FitValue(const OriginalText& text, uint64_t at, ContextRule rule, Span& span) {
  TokenReader reader(text, at);
  Run run;
  const bool ended = run.Read(reader, kValueMax, IsValueCharacter);
  std::string_view value = run.characters;
  while (value.ends_with('.')) value.remove_suffix(1);
  if (ended && value.size() < kValueMin) return Fit::kNo;
  if (rule == ContextRule::kLookForIt &&
      FindContext(text, at, Context::kSecret) == ContextFound::kNo) {
    return Fit::kNo;
  }
  if (!ended) return Fit::kPartly;
  const bool mixed = std::any_of(value.begin(), value.end(), IsDigit) && HasBothCases(value);
  if (!mixed || !HasRandomPiece(value) || ReadsAsWords(value) ||
      Entropy(value) < kValueEntropyMin) {
    return Fit::kNo;
  }
  span = {at, run.ends[value.size() - 1]};
  return Fit::kWhole;
}

// RFC 7468, and the older headers of RFC 1421 and OpenPGP inside it.
class Pem {
 public:
  Pem(const OriginalText& text, uint64_t at) : reader_(text, at), at_(at) {}

  Fit Read(Span& span) {
    Fit fit = ReadHeader();
    if (fit != Fit::kWhole) return fit;
    fit = ReadBody();
    span = {at_, end_};
    return fit;
  }

 private:
  static constexpr std::string_view kBegin = "-----BEGIN ";
  static constexpr std::string_view kDashes = "-----";
  static constexpr size_t kKindMax = 40;

  Fit ReadHeader() {
    TokenChar t;
    for (const char expected : kBegin) {
      if (!reader_.Next(t)) return Fit::kPartly;
      if (t.c != expected) return Fit::kNo;
    }
    std::string kind;
    for (;;) {
      if (!reader_.Next(t)) return Fit::kPartly;
      if (t.c == '-') break;
      if ((!IsCapital(t.c) && !IsDigit(t.c) && t.c != ' ') || kind.size() == kKindMax) {
        return Fit::kNo;
      }
      kind.push_back(t.c);
    }
    if (!kind.ends_with("PRIVATE KEY") && !kind.ends_with("PRIVATE KEY BLOCK")) return Fit::kNo;
    for (size_t i = 1; i < kDashes.size(); ++i) {
      if (!reader_.Next(t)) return Fit::kPartly;
      if (t.c != '-') return Fit::kNo;
    }
    end_ = t.end;
    return Fit::kWhole;
  }

  // To the end of the END line, or as far as the characters are those of a key.
  Fit ReadBody() {
    TokenChar t;
    std::string last;  // the characters up to here, as many as tell
    bool in_end_line = false;
    for (size_t read = 0; read < kSecretMax; ++read) {
      if (!reader_.Next(t)) return Fit::kPartly;
      const bool blank = t.c == ' ' || t.c == '\n' || t.c == '\r' || t.c == '\t';
      if (!blank && !IsValueCharacter(t.c) && t.c != ':' && t.c != ',' && t.c != '\\') break;
      if (IsValueCharacter(t.c)) end_ = t.end;
      last.push_back(t.c);
      if (last.size() > 9) last.erase(0, 1);
      if (last.ends_with("-----END")) {
        in_end_line = true;
        last.clear();
      }
      if (in_end_line && last.ends_with(kDashes)) break;
    }
    return Fit::kWhole;
  }

  TokenReader reader_;
  uint64_t at_;
  uint64_t end_ = 0;
};

// Whether what begins here ends before any secret could: nearly all words do.
bool IsTooShort(const OriginalText& text, uint64_t at) {
  TokenReader reader(text, at);
  TokenChar t;
  for (size_t read = 0; read < kSecretMin; ++read) {
    if (!reader.Next(t)) return false;
    if (!IsValueCharacter(t.c)) return true;
  }
  return false;
}

}  // namespace

Fit FitSecret(const OriginalText& text, uint64_t at, ContextRule rule, Span& span) {
  TokenReader back(text, at);
  TokenChar t;
  const char front = back.Previous(t) ? t.c : '\0';
  TokenReader reader(text, at);
  if (!reader.Next(t)) return Fit::kNo;
  if (t.c == '-') return front == '-' ? Fit::kNo : Pem(text, at).Read(span);
  if (!IsAlphanumeric(t.c) || IsNameCharacter(front) || IsTooShort(text, at)) return Fit::kNo;
  TokenReader word_reader(text, at);
  Run run;
  const bool ended = run.Read(word_reader, kWordMax, IsNameCharacter);
  Fit fit = FitKey(run, ended, at, span);
  if (fit == Fit::kNo) fit = FitToken(text, at, span);
  // Behind a line end stands what the word does not speak of, the body of a PEM block say.
  const bool inside = front == '/' || front == '+' || front == '.' || front == '\n' ||
                      front == '\r' || front == '\\';
  if (fit == Fit::kNo && !inside) fit = FitValue(text, at, rule, span);
  return fit;
}

}  // namespace weir::rules
