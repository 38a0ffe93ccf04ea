#include "kms/seal/pkcs11/pkcs11_device.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/seal/limits.h"
#include "kms/seal/pkcs11/token.h"
#include "kms/seal/private_file.h"

namespace kms::seal {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kCiphertextBytes = kRootKeyBytes + kTagBytes;
constexpr absl::string_view kAad("kms.v1 root key\0", 16);

template <typename T>
CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof(value)};
}
CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, std::string& value) {
  return {type, value.data(), static_cast<CK_ULONG>(value.size())};
}

// Nothing: there is no such key.
absl::StatusOr<std::optional<CK_OBJECT_HANDLE>> FindKey(const Token& token,
                                                        std::string label) {
  CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_AES;
  std::array<CK_ATTRIBUTE, 3> wanted = {Attribute(CKA_CLASS, object_class),
                                        Attribute(CKA_KEY_TYPE, type),
                                        Attribute(CKA_LABEL, label)};
  CK_FUNCTION_LIST& calls = token.calls();
  CK_RV result =
      calls.C_FindObjectsInit(token.session(), wanted.data(), wanted.size());
  if (result != CKR_OK) return Pkcs11Error("C_FindObjectsInit", result);
  std::array<CK_OBJECT_HANDLE, 2> found = {};
  CK_ULONG count = 0;
  result =
      calls.C_FindObjects(token.session(), found.data(), found.size(), &count);
  calls.C_FindObjectsFinal(token.session());
  if (result != CKR_OK) return Pkcs11Error("C_FindObjects", result);
  if (count == 0) return std::optional<CK_OBJECT_HANDLE>();
  if (count > 1) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  "pkcs11 token: several AES keys have the configured label, "
                  "want one");
  }
  CK_BBOOL sensitive = CK_FALSE;
  CK_ATTRIBUTE asked = Attribute(CKA_SENSITIVE, sensitive);
  result = calls.C_GetAttributeValue(token.session(), found[0], &asked, 1);
  if (result != CKR_OK) return Pkcs11Error("C_GetAttributeValue", result);
  if (sensitive != CK_TRUE) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  "pkcs11 token: the key is not sensitive: the token would "
                  "show it to anybody with the PIN");
  }
  return std::optional<CK_OBJECT_HANDLE>(found[0]);
}

absl::StatusOr<CK_OBJECT_HANDLE> MakeKey(const Token& token,
                                         std::string label) {
  CK_BBOOL yes = CK_TRUE;
  CK_BBOOL no = CK_FALSE;
  CK_ULONG size = 32;
  std::array<CK_ATTRIBUTE, 8> wanted = {
      Attribute(CKA_TOKEN, yes),      Attribute(CKA_PRIVATE, yes),
      Attribute(CKA_SENSITIVE, yes),  Attribute(CKA_EXTRACTABLE, no),
      Attribute(CKA_ENCRYPT, yes),    Attribute(CKA_DECRYPT, yes),
      Attribute(CKA_VALUE_LEN, size), Attribute(CKA_LABEL, label)};
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  const CK_RV result = token.calls().C_GenerateKey(
      token.session(), &mechanism, wanted.data(), wanted.size(), &key);
  if (result != CKR_OK) return Pkcs11Error("C_GenerateKey", result);
  return key;
}

// The parameters of one encryption; `nonce` and `aad` outlive them.
class Gcm {
 public:
  Gcm(std::string& nonce, std::string& aad) {
    parameters_.pIv = reinterpret_cast<CK_BYTE*>(nonce.data());
    parameters_.ulIvLen = kNonceBytes;
    parameters_.ulIvBits = kNonceBytes * 8;
    parameters_.pAAD = reinterpret_cast<CK_BYTE*>(aad.data());
    parameters_.ulAADLen = static_cast<CK_ULONG>(aad.size());
    parameters_.ulTagBits = kTagBytes * 8;
    mechanism_ = {CKM_AES_GCM, &parameters_, sizeof(parameters_)};
  }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;

  CK_MECHANISM* mechanism() { return &mechanism_; }

 private:
  CK_GCM_PARAMS parameters_ = {};
  CK_MECHANISM mechanism_ = {};
};

absl::StatusOr<std::string> Encrypt(const Token& token, CK_OBJECT_HANDLE key,
                                    const Secret& root) {
  std::string nonce = crypto::RandomString(kNonceBytes);
  std::string aad(kAad);
  Gcm gcm(nonce, aad);
  CK_FUNCTION_LIST& calls = token.calls();
  CK_RV result = calls.C_EncryptInit(token.session(), gcm.mechanism(), key);
  if (result != CKR_OK) return Pkcs11Error("C_EncryptInit", result);
  const BytesView plaintext = root.Expose(GrantSecretAccess());
  std::string ciphertext(kCiphertextBytes, '\0');
  CK_ULONG size = static_cast<CK_ULONG>(ciphertext.size());
  result =
      calls.C_Encrypt(token.session(), const_cast<CK_BYTE*>(plaintext.data()),
                      static_cast<CK_ULONG>(plaintext.size()),
                      reinterpret_cast<CK_BYTE*>(ciphertext.data()), &size);
  if (result != CKR_OK) return Pkcs11Error("C_Encrypt", result);
  if (size != kCiphertextBytes) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  absl::StrCat("pkcs11 token: AES-GCM gave ", size,
                               " bytes, want ", kCiphertextBytes));
  }
  return ByteWriter().U8(kFormat).Bytes(nonce).Bytes(ciphertext).Take();
}

absl::StatusOr<Secret> Decrypt(const Token& token, CK_OBJECT_HANDLE key,
                               BytesView wrapped) {
  ByteReader reader(wrapped);
  const uint8_t format = reader.U8();
  std::string nonce = ToString(reader.Bytes(kNonceBytes));
  std::string ciphertext = ToString(reader.Bytes(kCiphertextBytes));
  if (!reader.Finish("pkcs11 seal").ok() || format != kFormat) {
    return Refuse(v1::DATA_LOSS,
                  "seal file: its wrapped root key is not a PKCS#11 token's");
  }
  std::string aad(kAad);
  Gcm gcm(nonce, aad);
  CK_FUNCTION_LIST& calls = token.calls();
  CK_RV result = calls.C_DecryptInit(token.session(), gcm.mechanism(), key);
  if (result != CKR_OK) return Pkcs11Error("C_DecryptInit", result);
  // Some modules count the tag into the room that they ask for.
  KMS_ASSIGN_OR_RETURN(Secret plaintext, Secret::Allocate(kCiphertextBytes));
  CK_ULONG size = kCiphertextBytes;
  result = calls.C_Decrypt(
      token.session(), reinterpret_cast<CK_BYTE*>(ciphertext.data()),
      static_cast<CK_ULONG>(ciphertext.size()),
      plaintext.ExposeMutable(GrantSecretAccess()).data(), &size);
  if (result == CKR_DEVICE_ERROR || result == CKR_DEVICE_REMOVED ||
      result == CKR_TOKEN_NOT_PRESENT || result == CKR_SESSION_CLOSED) {
    return Pkcs11Error("C_Decrypt", result);
  }
  // Modules differ in what they call a tag that does not match.
  if (result != CKR_OK || size != kRootKeyBytes) {
    return Refuse(
        v1::SEAL_KEY_REJECTED,
        absl::StrCat("pkcs11 token: C_Decrypt: CKR 0x", absl::Hex(result),
                     ", the key of that label is not the one that "
                     "has the root key, or the seal file changed"));
  }
  return Secret::CopyOf(
      plaintext.Expose(GrantSecretAccess()).subspan(0, kRootKeyBytes),
      GrantSecretAccess());
}

}  // namespace

Pkcs11Device::Pkcs11Device(Pkcs11Options options)
    : options_(std::move(options)) {}

absl::StatusOr<Secret> Pkcs11Device::ReadPin() const {
  const absl::StatusOr<Secret> file =
      ReadSecretFile(options_.pin_file, kPinBytesMax);
  if (!file.ok()) {
    return Refuse(v1::SEAL_PIN_REJECTED,
                  absl::StrCat("pin_file: ", file.status().message()));
  }
  BytesView pin = file->Expose(GrantSecretAccess());
  if (!pin.empty() && pin.back() == '\n') pin.remove_suffix(1);
  if (pin.empty()) return Refuse(v1::SEAL_PIN_REJECTED, "pin_file: is empty");
  return Secret::CopyOf(pin, GrantSecretAccess());
}

absl::StatusOr<std::string> Pkcs11Device::Wrap(const Secret& root) const {
  KMS_ASSIGN_OR_RETURN(const Secret pin, ReadPin());
  KMS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Token> token,
      Token::Open(options_.module, options_.token, pin, TokenUse::kWrite));
  KMS_ASSIGN_OR_RETURN(std::optional<CK_OBJECT_HANDLE> key,
                       FindKey(*token, options_.key));
  if (!key.has_value()) {
    KMS_ASSIGN_OR_RETURN(key, MakeKey(*token, options_.key));
  }
  KMS_ASSIGN_OR_RETURN(std::string wrapped, Encrypt(*token, *key, root));
  KMS_ASSIGN_OR_RETURN(const Secret again,
                       Decrypt(*token, *key, AsBytes(wrapped)));
  if (!(again == root)) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  "pkcs11 token: what it encrypted comes back as another");
  }
  return wrapped;
}

absl::StatusOr<Secret> Pkcs11Device::Unwrap(BytesView wrapped) const {
  KMS_ASSIGN_OR_RETURN(const Secret pin, ReadPin());
  KMS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Token> token,
      Token::Open(options_.module, options_.token, pin, TokenUse::kRead));
  KMS_ASSIGN_OR_RETURN(const std::optional<CK_OBJECT_HANDLE> key,
                       FindKey(*token, options_.key));
  if (!key.has_value()) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  "pkcs11 token: no AES key has the configured label");
  }
  return Decrypt(*token, *key, wrapped);
}

}  // namespace kms::seal
