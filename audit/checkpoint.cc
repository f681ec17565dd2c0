#include "audit/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include "audit/big_endian.h"
#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr size_t kKeyIdBytes = 4;
constexpr size_t kTimeBytes = 8;  // of a cosignature, before its signature
constexpr std::string_view kSignaturePrefix = "\xE2\x80\x94 ";  // em dash, space
constexpr std::string_view kPrivatePrefix = "PRIVATE+KEY+";
// A note with more is refused before any signature is verified; Go's reader has the same bound.
constexpr size_t kSignaturesMax = 100;

// Unlike absl::Base64Unescape: one text for one value, nothing skipped.
std::optional<std::string> Base64Decode(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape({text.data(), text.size()}, &bytes)) return std::nullopt;
  if (absl::Base64Escape(bytes) != text) return std::nullopt;
  return bytes;
}

std::string Hex8(uint32_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (int shift = 28; shift >= 0; shift -= 4) hex += kDigits[(value >> shift) & 15];
  return hex;
}

// The text before the first `end`, which is taken off `rest` with it; all of it when there is none.
std::string_view TakeUntil(char end, std::string_view& rest) {
  const size_t at = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

// Names of keys and logs: not empty, no '+', no white space (Unicode's, as Go's note package has
// it), no control character.
bool IsName(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == '+' || c == 0x7F) return false;
  }
  constexpr std::string_view kSpaces[] = {
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
      "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
      "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
      "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  for (const std::string_view space : kSpaces) {
    if (name.find(space) != std::string_view::npos) return false;
  }
  return true;
}

absl::StatusOr<uint32_t> KeyId(std::string_view name, SignatureAlgorithm algorithm,
                               std::string_view public_key) {
  const std::string text = Concat(name, "\n", KeyType(algorithm), public_key);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("OpenSSL cannot compute a SHA-256 digest");
  }
  return ReadBigEndian<uint32_t>({reinterpret_cast<const char*>(digest), length});
}

// What a witness signs (c2sp.org/tlog-cosignature).
std::string CosignedMessage(std::string_view text, uint64_t time_s) {
  return Concat("cosignature/v1\ntime ", time_s, "\n", text);
}

template <typename Integer>
std::string BigEndian(Integer value) {
  std::string bytes;
  AppendBigEndian(value, bytes);
  return bytes;
}

// "<name>+<hex8 id>+<base64 of the type and the key>", of public and private keys.
struct KeyText {
  std::string name;
  uint32_t id = 0;
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEd25519;
  std::string key;
};

std::string FormatKey(std::string_view name, uint32_t id, SignatureAlgorithm algorithm,
                      std::string_view key) {
  return Concat(name, "+", Hex8(id), "+", absl::Base64Escape(Concat(KeyType(algorithm), key)));
}

// `key_bytes`: how long a key of an algorithm is.
absl::StatusOr<KeyText> ParseKeyText(std::string_view text,
                                     size_t (*key_bytes)(SignatureAlgorithm algorithm)) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const size_t first = text.find('+');
  const size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) {
    return absl::InvalidArgumentError("a key is written <name>+<8 hex digits>+<base64>");
  }
  KeyText parsed;
  parsed.name = std::string(text.substr(0, first));
  const std::string_view hex = text.substr(first + 1, second - first - 1);
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), parsed.id, 16);
  const std::optional<std::string> bytes = Base64Decode(text.substr(second + 1));
  if (!IsName(parsed.name) || hex.size() != 8 || error != std::errc() ||
      end != hex.data() + hex.size() || !bytes || bytes->empty()) {
    return absl::InvalidArgumentError("a key is written <name>+<8 hex digits>+<base64>");
  }
  for (const SignatureAlgorithm algorithm :
       {SignatureAlgorithm::kEd25519, SignatureAlgorithm::kCosignature, SignatureAlgorithm::kSm2}) {
    if (!bytes->starts_with(KeyType(algorithm))) continue;
    parsed.algorithm = algorithm;
    parsed.key = bytes->substr(KeyType(algorithm).size());
    if (parsed.key.size() == key_bytes(algorithm)) return parsed;
    return absl::InvalidArgumentError("the key is longer or shorter than its algorithm's are");
  }
  return absl::InvalidArgumentError("the key is of another algorithm than Ed25519 and SM2");
}

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(Concat("the checkpoint is malformed: ", what));
}

}  // namespace

std::string Base64(const Hash& hash) {
  return absl::Base64Escape({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

std::optional<Hash> ParseHash(std::string_view base64) {
  const std::optional<std::string> bytes = Base64Decode(base64);
  Hash hash{};
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

std::string Checkpoint::Text() const {
  return Concat(origin, "\n", size, "\n", Base64(root), "\n");
}

absl::StatusOr<Checkpoint> Checkpoint::Parse(std::string_view text) {
  std::string_view rest = text;
  Checkpoint checkpoint;
  checkpoint.origin = std::string(TakeUntil('\n', rest));
  const std::string_view size = TakeUntil('\n', rest);
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), checkpoint.size);
  const std::optional<Hash> root = ParseHash(TakeUntil('\n', rest));
  if (error != std::errc() || end != size.data() + size.size() || !root) {
    return Malformed("its size or root cannot be read");
  }
  checkpoint.root = *root;
  // One text for one checkpoint: no leading zeros, no further lines, no empty origin.
  if (!IsName(checkpoint.origin) || checkpoint.Text() != text) {
    return Malformed("its text is not in canonical form");
  }
  return checkpoint;
}

std::string NoteSignature::ToString() const {
  return Concat(kSignaturePrefix, name, " ", absl::Base64Escape(Concat(BigEndian(key_id), bytes)),
                "\n");
}

absl::StatusOr<std::vector<NoteSignature>> ParseSignatureLines(std::string_view lines) {
  if (lines.empty() || lines.back() != '\n') return Malformed("its last line has no end");
  std::vector<NoteSignature> signatures;
  while (!lines.empty()) {
    std::string_view line = TakeUntil('\n', lines);
    if (signatures.size() == kSignaturesMax) return Malformed("it has too many signatures");
    if (!line.starts_with(kSignaturePrefix)) return Malformed("a signature line has no dash");
    line.remove_prefix(kSignaturePrefix.size());
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return Malformed("a signature line has no signature");
    NoteSignature signature;
    signature.name = std::string(line.substr(0, space));
    std::optional<std::string> bytes = Base64Decode(line.substr(space + 1));
    if (!IsName(signature.name) || !bytes || bytes->size() <= kKeyIdBytes) {
      return Malformed("a signature line is no name and base64");
    }
    signature.key_id = ReadBigEndian<uint32_t>(*bytes);
    signature.bytes = bytes->substr(kKeyIdBytes);
    signatures.push_back(std::move(signature));
  }
  return signatures;
}

absl::StatusOr<SignedNote> SignedNote::Parse(std::string_view note) {
  for (const char c : note) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') {
      return Malformed("it has a control character");
    }
  }
  const size_t blank = note.rfind("\n\n");
  if (blank == std::string_view::npos) return Malformed("it has no signatures");
  absl::StatusOr<std::vector<NoteSignature>> signatures =
      ParseSignatureLines(note.substr(blank + 2));
  if (!signatures.ok()) return signatures.status();
  return SignedNote{.text = std::string(note.substr(0, blank + 1)),
                    .signatures = *std::move(signatures)};
}

absl::StatusOr<SigningKey> SigningKey::Generate(std::string_view name,
                                                SignatureAlgorithm algorithm) {
  if (!IsName(name)) {
    return absl::InvalidArgumentError(Concat(
        "\"", name, "\" cannot name a key: it must be a URL without scheme, white space or '+'"));
  }
  absl::StatusOr<std::string> private_key = NewPrivateKey(algorithm);
  if (!private_key.ok()) return private_key.status();
  return FromPrivateKey(name, algorithm, *std::move(private_key));
}

absl::StatusOr<SigningKey> SigningKey::FromPrivateKey(std::string_view name,
                                                      SignatureAlgorithm algorithm,
                                                      std::string private_key) {
  absl::StatusOr<std::string> public_key = PublicKeyOf(algorithm, private_key);
  if (!public_key.ok()) return public_key.status();
  absl::StatusOr<uint32_t> id = KeyId(name, algorithm, *public_key);
  if (!id.ok()) return id.status();
  SigningKey key;
  key.name_ = std::string(name);
  key.id_ = *id;
  key.algorithm_ = algorithm;
  key.private_key_ = std::move(private_key);
  key.public_key_ = *std::move(public_key);
  return key;
}

absl::StatusOr<SigningKey> SigningKey::Parse(std::string_view text) {
  if (!text.starts_with(kPrivatePrefix)) {
    return absl::InvalidArgumentError("a private key begins with PRIVATE+KEY+");
  }
  absl::StatusOr<KeyText> parsed =
      ParseKeyText(text.substr(kPrivatePrefix.size()),
                   [](SignatureAlgorithm /*algorithm*/) { return kPrivateKeyBytes; });
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<SigningKey> key =
      FromPrivateKey(parsed->name, parsed->algorithm, std::move(parsed->key));
  if (key.ok() && key->id_ != parsed->id) {
    return absl::InvalidArgumentError("the key's id does not fit its name and bytes");
  }
  return key;
}

std::string SigningKey::ToString() const {
  return Concat(kPrivatePrefix, FormatKey(name_, id_, algorithm_, private_key_));
}

std::string SigningKey::VerifierKey() const {
  return FormatKey(name_, id_, algorithm_, public_key_);
}

std::string SigningKey::Sign(const Checkpoint& checkpoint) const {
  const std::string text = checkpoint.Text();
  const std::string line = SignatureLine(text);
  return line.empty() ? "" : Concat(text, "\n", line);
}

std::string SigningKey::SignatureLine(std::string_view text) const {
  return algorithm_ == SignatureAlgorithm::kCosignature ? "" : Line(text, "");
}

std::string SigningKey::Cosign(std::string_view text, uint64_t time_s) const {
  if (algorithm_ != SignatureAlgorithm::kCosignature) return "";
  return Line(CosignedMessage(text, time_s), BigEndian(time_s));
}

std::string SigningKey::Line(std::string_view message, std::string_view before_signature) const {
  const std::string signature = SignText(algorithm_, private_key_, public_key_, message);
  if (signature.empty()) return "";
  return NoteSignature{.name = name_, .key_id = id_, .bytes = Concat(before_signature, signature)}
      .ToString();
}

absl::StatusOr<VerifierKey> VerifierKey::Parse(std::string_view vkey) {
  absl::StatusOr<KeyText> parsed = ParseKeyText(vkey, PublicKeyBytes);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<uint32_t> id = KeyId(parsed->name, parsed->algorithm, parsed->key);
  if (!id.ok()) return id.status();
  if (*id != parsed->id) {
    return absl::InvalidArgumentError("the key's id does not fit its name and bytes");
  }
  VerifierKey key;
  key.name_ = std::move(parsed->name);
  key.id_ = parsed->id;
  key.algorithm_ = parsed->algorithm;
  key.public_key_ = std::move(parsed->key);
  return key;
}

std::string VerifierKey::ToString() const {
  return FormatKey(name_, id_, algorithm_, public_key_);
}

absl::StatusOr<bool> VerifierKey::Signed(const SignedNote& note) const {
  bool found = false;
  for (const NoteSignature& line : note.signatures) {
    if (!IsOf(line)) continue;
    std::string_view signature = line.bytes;
    std::string message = note.text;
    if (is_witness()) {
      const auto time_s = ReadBigEndian<uint64_t>(signature);
      signature.remove_prefix(std::min(kTimeBytes, signature.size()));
      message = CosignedMessage(note.text, time_s);
    }
    if (!SignatureVerifies(algorithm_, public_key_, message, signature)) {
      return absl::InvalidArgumentError(
          Concat("the signature of ", name_, " on the checkpoint is not valid"));
    }
    found = true;
  }
  return found;
}

absl::StatusOr<std::vector<VerifierKey>> ParseVerifierKeys(std::string_view text) {
  std::vector<VerifierKey> keys;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = TakeUntil('\n', text);
    if (line.empty() || line.front() == '#') continue;
    absl::StatusOr<VerifierKey> key = VerifierKey::Parse(line);
    if (!key.ok()) {
      return absl::InvalidArgumentError(Concat("line ", number, ": ", key.status().message()));
    }
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return absl::InvalidArgumentError("there is no key in the file");
  return keys;
}

}  // namespace weir::audit
