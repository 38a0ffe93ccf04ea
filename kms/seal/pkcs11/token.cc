#include "kms/seal/pkcs11/token.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"

namespace kms::seal {
namespace {

absl::StatusOr<CK_FUNCTION_LIST*> Load(const std::string& path) {
  // Never unloaded: modules leave threads and exit handlers behind.
  void* const library =
      dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* const why = dlerror();
    return Refuse(v1::SEAL_UNAVAILABLE,
                  absl::StrCat("pkcs11 module: does not load: ",
                               why == nullptr ? "no reason given" : why));
  }
  const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(
      dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* calls = nullptr;
  if (get_list == nullptr || get_list(&calls) != CKR_OK || calls == nullptr) {
    return Refuse(v1::SEAL_UNAVAILABLE,
                  "pkcs11 module: a library, but not of PKCS #11");
  }
  return calls;
}

// PKCS #11 pads labels with blanks.
bool HasLabel(const CK_TOKEN_INFO& info, absl::string_view label) {
  const absl::string_view padded(reinterpret_cast<const char*>(info.label),
                                 sizeof(info.label));
  return padded.substr(0, padded.find_last_not_of(' ') + 1) == label;
}

}  // namespace

absl::Status Pkcs11Error(absl::string_view call, CK_RV result) {
  const std::string what =
      absl::StrCat("pkcs11 token: ", call, ": CKR 0x", absl::Hex(result));
  switch (result) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
    case CKR_USER_PIN_NOT_INITIALIZED:
      return Refuse(
          v1::SEAL_PIN_REJECTED,
          absl::StrCat(what, result == CKR_PIN_LOCKED
                                 ? ", the token has locked its PIN"
                                 : ", the PIN in pin_file is not the token's"));
    case CKR_KEY_HANDLE_INVALID:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_KEY_SIZE_RANGE:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
      return Refuse(
          v1::SEAL_KEY_REJECTED,
          absl::StrCat(what,
                       ", want a token with AES-GCM and an AES-256 key "
                       "that may encrypt and decrypt"));
    default:
      return Refuse(v1::SEAL_UNAVAILABLE, what);
  }
}

absl::StatusOr<std::unique_ptr<Token>> Token::Open(const std::string& module,
                                                   absl::string_view label,
                                                   const Secret& pin,
                                                   TokenUse use) {
  KMS_ASSIGN_OR_RETURN(CK_FUNCTION_LIST* const calls, Load(module));
  std::unique_ptr<Token> token(new Token(calls));
  CK_C_INITIALIZE_ARGS locking = {};
  locking.flags = CKF_OS_LOCKING_OK;
  const CK_RV begun = calls->C_Initialize(&locking);
  if (begun != CKR_OK && begun != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return Pkcs11Error("C_Initialize", begun);
  }
  token->initialized_ = begun == CKR_OK;
  KMS_RETURN_IF_ERROR(token->OpenSession(label, use));
  KMS_RETURN_IF_ERROR(token->Login(pin));
  return token;
}

Token::~Token() {
  if (session_ != CK_INVALID_HANDLE) {
    calls_->C_Logout(session_);
    calls_->C_CloseSession(session_);
  }
  if (initialized_) calls_->C_Finalize(nullptr);
}

absl::Status Token::OpenSession(absl::string_view label, TokenUse use) {
  CK_ULONG count = 0;
  CK_RV result = calls_->C_GetSlotList(CK_TRUE, nullptr, &count);
  if (result != CKR_OK) return Pkcs11Error("C_GetSlotList", result);
  std::vector<CK_SLOT_ID> slots(count);
  result = calls_->C_GetSlotList(CK_TRUE, slots.data(), &count);
  if (result != CKR_OK) return Pkcs11Error("C_GetSlotList", result);
  slots.resize(std::min<size_t>(count, slots.size()));

  std::vector<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info = {};
    // A token that was pulled out meanwhile is not the one.
    if (calls_->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if (!HasLabel(info, label)) continue;
    found.push_back(slot);
    flags_ = info.flags;
  }
  if (found.empty()) {
    return Refuse(v1::SEAL_UNAVAILABLE,
                  absl::StrCat("pkcs11 token: none of ", slots.size(),
                               " tokens has the configured label"));
  }
  if (found.size() > 1) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  absl::StrCat("pkcs11 token: ", found.size(),
                               " tokens have the configured label, want one"));
  }
  const CK_FLAGS flags =
      CKF_SERIAL_SESSION |
      (use == TokenUse::kWrite ? CKF_RW_SESSION : CK_FLAGS{});
  result = calls_->C_OpenSession(found[0], flags, nullptr, nullptr, &session_);
  return result == CKR_OK ? absl::OkStatus()
                          : Pkcs11Error("C_OpenSession", result);
}

absl::Status Token::Login(const Secret& pin) {
  if ((flags_ & CKF_USER_PIN_LOCKED) != 0) {
    return Refuse(v1::SEAL_PIN_REJECTED,
                  "pkcs11 token: its PIN is locked; its security officer must "
                  "set one anew");
  }
  // A wrong pin_file and a few restarts must not destroy a token.
  if ((flags_ & CKF_USER_PIN_FINAL_TRY) != 0) {
    return Refuse(v1::SEAL_PIN_REJECTED,
                  "pkcs11 token: one more wrong PIN would lock it; log in once "
                  "by hand (pkcs11-tool --login) to show that you have it");
  }
  const BytesView bytes = pin.Expose(GrantSecretAccess());
  // The type is a pointer to bytes that the call may change; it does not.
  const CK_RV result = calls_->C_Login(session_, CKU_USER,
                                       const_cast<CK_UTF8CHAR*>(bytes.data()),
                                       static_cast<CK_ULONG>(bytes.size()));
  if (result == CKR_OK || result == CKR_USER_ALREADY_LOGGED_IN) {
    return absl::OkStatus();
  }
  return Pkcs11Error("C_Login", result);
}

}  // namespace kms::seal
