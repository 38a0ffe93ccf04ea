// A real PKCS#11 token in software (Debian's softhsm2), in a folder. For tests.
#ifndef KMS_SEAL_PKCS11_TESTING_H_
#define KMS_SEAL_PKCS11_TESTING_H_

#include <string>

namespace kms::seal {

// Where Debian puts the module.
inline constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";

// Makes SoftHSM keep its tokens below `folder`, which is there, in this process
// and in those that it starts from then on.
void UseSoftHsm(const std::string& folder);

// Initialises one more token, with `label` and its user's `pin` of 4 digits or
// more. False: it could not.
bool MakeToken(const std::string& label, const std::string& pin);

}  // namespace kms::seal

#endif  // KMS_SEAL_PKCS11_TESTING_H_
