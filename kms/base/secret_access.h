// The only maker of SecretAccess. Every target that may read key bytes names
// //kms/base:secret_access, whose visibility list is what reviewers watch.
#ifndef KMS_BASE_SECRET_ACCESS_H_
#define KMS_BASE_SECRET_ACCESS_H_

#include "kms/base/secret.h"

namespace kms {

inline SecretAccess GrantSecretAccess() { return SecretAccess(); }

}  // namespace kms

#endif  // KMS_BASE_SECRET_ACCESS_H_
