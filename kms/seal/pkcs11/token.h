// A logged-in session with one token of a PKCS#11 module (OASIS PKCS #11
// v2.40), from Open to the end of its life; the module is loaded by path.
//
// The module is other people's code in our address space: it sees the PIN and
// what it encrypts, and its buffers are neither locked nor wiped by us.
//
// Thread-compatible. A module is initialised and finalised for the whole
// process: two tokens at once, of one module, are not supported.
#ifndef KMS_SEAL_PKCS11_TOKEN_H_
#define KMS_SEAL_PKCS11_TOKEN_H_

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"

namespace kms::seal {

enum class TokenUse { kRead, kWrite };  // kWrite: objects may be made on it.

class Token {
 public:
  // `module`: path of a shared library. `label`: the token's, as it was
  // initialised with. `pin`: its user's.
  // SEAL_UNAVAILABLE: the module does not load, or no token has that label.
  // SEAL_PIN_REJECTED: wrong; or so often before that the token would lock
  //   itself after one more, or has: then it is not tried.
  // SEAL_KEY_REJECTED: several tokens have that label.
  static absl::StatusOr<std::unique_ptr<Token>> Open(const std::string& module,
                                                     absl::string_view label,
                                                     const Secret& pin,
                                                     TokenUse use);
  ~Token();  // Logs out.

  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  // The module's functions, and the session to call them with.
  CK_FUNCTION_LIST& calls() const { return *calls_; }
  CK_SESSION_HANDLE session() const { return session_; }

 private:
  explicit Token(CK_FUNCTION_LIST* calls) : calls_(calls) {}

  absl::Status OpenSession(absl::string_view label, TokenUse use);
  absl::Status Login(const Secret& pin);

  CK_FUNCTION_LIST* const calls_;
  bool initialized_ = false;  // By us, so it is ours to finalise.
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  CK_FLAGS flags_ = 0;  // The token's.
};

// What a failed call means, with its name: "C_Login: CKR 0xa0". SEAL_*.
absl::Status Pkcs11Error(absl::string_view call, CK_RV result);

}  // namespace kms::seal

#endif  // KMS_SEAL_PKCS11_TOKEN_H_
