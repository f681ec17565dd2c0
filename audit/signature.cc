#include "audit/signature.h"

#include <memory>

#include <absl/status/status.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

namespace weir::audit {
namespace {

constexpr std::string_view kEd25519Type = "\x01";
constexpr std::string_view kCosignatureType = "\x04";
constexpr std::string_view kSm2Type =
    "\xFF"
    "1.2.156.10197.1.501";
constexpr std::string_view kSignerIdentity = "1234567812345678";
constexpr size_t kEd25519Bytes = 64;
constexpr size_t kPointBytes = 65;

// Frees what OpenSSL allocated.
template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Free<BN_clear_free>>;
using GroupPtr = std::unique_ptr<EC_GROUP, Free<EC_GROUP_free>>;
using PointPtr = std::unique_ptr<EC_POINT, Free<EC_POINT_free>>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using ParametersPtr = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// An SM2 key from its point and, to sign, its private number; null when they are none.
KeyPtr Sm2Key(std::string_view point, std::string_view private_key) {
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const NumberPtr number(BN_secure_new());
  if (!builder || !number ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "SM2", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  if (!private_key.empty() &&
      (BN_bin2bn(Bytes(private_key), static_cast<int>(private_key.size()), number.get()) ==
           nullptr ||
       OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) != 1)) {
    return nullptr;
  }
  const ParametersPtr parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "SM2", nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key,
                        private_key.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
                        parameters.get()) != 1) {
    return nullptr;
  }
  return KeyPtr(key);
}

absl::StatusOr<std::string> NewSm2Key() {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "SM2"));
  BIGNUM* number = nullptr;
  if (!key || EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
    return absl::InternalError("OpenSSL cannot make an SM2 key");
  }
  const NumberPtr owned(number);
  std::string bytes(kPrivateKeyBytes, '\0');
  if (BN_bn2binpad(number, Bytes(bytes), static_cast<int>(bytes.size())) < 0) {
    return absl::InternalError("OpenSSL cannot write an SM2 key");
  }
  return bytes;
}

absl::StatusOr<std::string> Sm2Point(std::string_view private_key) {
  const GroupPtr group(EC_GROUP_new_by_curve_name(NID_sm2));
  const NumberPtr number(BN_secure_new());
  std::string point(kPointBytes, '\0');
  if (!group || !number ||
      BN_bin2bn(Bytes(private_key), static_cast<int>(private_key.size()), number.get()) ==
          nullptr ||
      BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0) {
    return absl::InvalidArgumentError("the bytes are no SM2 private key");
  }
  const PointPtr product(EC_POINT_new(group.get()));
  if (!product ||
      EC_POINT_mul(group.get(), product.get(), number.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(group.get(), product.get(), POINT_CONVERSION_UNCOMPRESSED, Bytes(point),
                         point.size(), nullptr) != point.size()) {
    return absl::InternalError("OpenSSL cannot derive the SM2 public key");
  }
  return point;
}

KeyPtr PublicKey(SignatureAlgorithm algorithm, std::string_view bytes) {
  if (algorithm == SignatureAlgorithm::kSm2) return Sm2Key(bytes, {});
  return KeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(bytes), bytes.size()));
}

KeyPtr PrivateKey(SignatureAlgorithm algorithm, std::string_view bytes, std::string_view point) {
  if (algorithm == SignatureAlgorithm::kSm2) return Sm2Key(point, bytes);
  return KeyPtr(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(bytes), bytes.size()));
}

// SM2 signs a digest into which the signer's identity went first; Ed25519 needs neither. The
// returned context is borrowed by `digest`.
KeyContextPtr Identify(SignatureAlgorithm algorithm, EVP_PKEY* key, EVP_MD_CTX* digest) {
  if (algorithm != SignatureAlgorithm::kSm2) return nullptr;
  KeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  if (context && EVP_PKEY_CTX_set1_id(context.get(), kSignerIdentity.data(),
                                      static_cast<int>(kSignerIdentity.size())) == 1) {
    EVP_MD_CTX_set_pkey_ctx(digest, context.get());
  }
  return context;
}

const EVP_MD* DigestOf(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::kSm2 ? EVP_sm3() : nullptr;
}

}  // namespace

std::string_view KeyType(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kEd25519:
      return kEd25519Type;
    case SignatureAlgorithm::kCosignature:
      return kCosignatureType;
    case SignatureAlgorithm::kSm2:
      break;
  }
  return kSm2Type;
}

size_t PublicKeyBytes(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::kSm2 ? kPointBytes : kPrivateKeyBytes;
}

absl::StatusOr<std::string> NewPrivateKey(SignatureAlgorithm algorithm) {
  if (algorithm == SignatureAlgorithm::kSm2) return NewSm2Key();
  std::string seed(kPrivateKeyBytes, '\0');
  if (RAND_priv_bytes(Bytes(seed), kPrivateKeyBytes) == 1) return seed;
  return absl::InternalError("OpenSSL has no random bytes for a new key");
}

absl::StatusOr<std::string> PublicKeyOf(SignatureAlgorithm algorithm,
                                        std::string_view private_key) {
  if (algorithm == SignatureAlgorithm::kSm2) return Sm2Point(private_key);
  const KeyPtr key = PrivateKey(algorithm, private_key, {});
  std::string bytes(PublicKeyBytes(algorithm), '\0');
  size_t length = bytes.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), Bytes(bytes), &length) != 1 ||
      length != bytes.size()) {
    return absl::InternalError("OpenSSL cannot derive the Ed25519 public key");
  }
  return bytes;
}

std::string SignText(SignatureAlgorithm algorithm, std::string_view private_key,
                     std::string_view public_key, std::string_view text) {
  const KeyPtr key = PrivateKey(algorithm, private_key, public_key);
  const DigestPtr digest(EVP_MD_CTX_new());
  if (!key || !digest) return "";
  const KeyContextPtr identity = Identify(algorithm, key.get(), digest.get());
  size_t length = 0;
  if (EVP_DigestSignInit(digest.get(), nullptr, DigestOf(algorithm), nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), nullptr, &length, Bytes(text), text.size()) != 1) {
    return "";
  }
  std::string signature(length, '\0');
  if (EVP_DigestSign(digest.get(), Bytes(signature), &length, Bytes(text), text.size()) != 1 ||
      (algorithm != SignatureAlgorithm::kSm2 && length != kEd25519Bytes)) {
    return "";
  }
  signature.resize(length);
  return signature;
}

bool SignatureVerifies(SignatureAlgorithm algorithm, std::string_view public_key,
                       std::string_view text, std::string_view signature) {
  const KeyPtr key = PublicKey(algorithm, public_key);
  const DigestPtr digest(EVP_MD_CTX_new());
  if (!key || !digest) return false;
  const KeyContextPtr identity = Identify(algorithm, key.get(), digest.get());
  return EVP_DigestVerifyInit(digest.get(), nullptr, DigestOf(algorithm), nullptr, key.get()) ==
             1 &&
         EVP_DigestVerify(digest.get(), Bytes(signature), signature.size(), Bytes(text),
                          text.size()) == 1;
}

}  // namespace weir::audit
