// The runtime data of an HCL report: what the paravisor says of the vTPM and
// the VM that it made. Source: microsoft/openvmm, openhcl_attestation_protocol,
// runtime_claims.
//
//   {"keys": [{"kid": "HCLAkPub", "kty": "RSA", "key_ops": ["sign"],
//              "e": "<base64url>", "n": "<base64url>"}, ...],
//    "vm-configuration": {"secure-boot": true, "vmUniqueId": "...", ...},
//    "user-data": "<hex>"}
//
// The hardware vouches for it only through its SHA-256, over exactly these
// bytes. Keys that we do not know are the paravisor's to add.
// Thread-safe: values and free functions.
#ifndef POLICY_AZ_VTPM_RUNTIME_DATA_H_
#define POLICY_AZ_VTPM_RUNTIME_DATA_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/public_key.h"

namespace kms::az_vtpm {

struct RuntimeData {
  crypto::PublicKey ak;     // HCLAkPub.
  std::string user_data{};  // kUserDataBytes; empty if absent.
  bool has_vm_configuration = false;
  // False where the configuration does not say.
  bool secure_boot = false;
  bool tpm_enabled = false;
  bool tpm_persisted = false;
  bool console_enabled = false;
  std::string vm_unique_id{};
};

//   EVIDENCE_MALFORMED    not as above, no HCLAkPub or two
//   EVIDENCE_UNSUPPORTED  HCLAkPub is not RSA
//   ENDORSEMENT_MISMATCH  HCLAkPub is for other operations than signing
absl::StatusOr<RuntimeData> ParseRuntimeData(absl::string_view json);

}  // namespace kms::az_vtpm

#endif  // POLICY_AZ_VTPM_RUNTIME_DATA_H_
