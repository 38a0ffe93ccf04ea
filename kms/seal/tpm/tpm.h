// One connection to a TPM 2.0 through tpm2-tss' ESAPI, and the few objects that
// keeping a secret under its storage hierarchy takes. What is made here is
// flushed when it dies: a TPM has room for three transient objects, and not
// every one has a resource manager before it.
//
// Sources: TCG TPM 2.0 Library 1.59, Parts 1 (sessions, protected storage) and
// 3 (commands); TCG TSS 2.0 ESAPI; TCG TPM v2.0 Provisioning Guidance, 7.5.1
// (the storage root key's template).
//
// ESAPI keeps what it sends and gets in buffers that are neither locked nor,
// but for those it returns, wiped by us.
// Thread-compatible.
#ifndef KMS_SEAL_TPM_TPM_H_
#define KMS_SEAL_TPM_TPM_H_

#include <tss2/tss2_esys.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"

namespace kms::seal {

// An object or session in the TPM, for as long as this lives. The Tpm outlives
// it.
class TpmHandle {
 public:
  TpmHandle(ESYS_CONTEXT* esys, ESYS_TR handle)
      : esys_(esys), handle_(handle) {}
  TpmHandle(TpmHandle&& other) noexcept
      : esys_(other.esys_), handle_(other.handle_) {
    other.handle_ = ESYS_TR_NONE;
  }
  TpmHandle& operator=(TpmHandle&&) = delete;
  ~TpmHandle() {
    if (handle_ != ESYS_TR_NONE) Esys_FlushContext(esys_, handle_);
  }

  ESYS_TR get() const { return handle_; }

 private:
  ESYS_CONTEXT* esys_;
  ESYS_TR handle_;
};

// A sealed object as it lies outside the TPM, marshalled as the TPM has it.
struct TpmBlob {
  std::string public_area;   // TPM2B_PUBLIC.
  std::string private_area;  // TPM2B_PRIVATE: encrypted by its parent.
};

class Tpm {
 public:
  // `tcti`: as tpm2-tools take it, "device:/dev/tpmrm0". SEAL_UNAVAILABLE.
  static absl::StatusOr<std::unique_ptr<Tpm>> Open(const std::string& tcti);
  ~Tpm();

  Tpm(const Tpm&) = delete;
  Tpm& operator=(const Tpm&) = delete;

  // The SHA-256 values, 32 bytes each, of `pcrs`, in their order.
  // SEAL_KEY_REJECTED: this TPM has no SHA-256 bank, or not that PCR in it.
  absl::StatusOr<std::vector<std::string>> ReadPcrs(
      const std::vector<uint32_t>& pcrs) const;

  // The storage root key, made anew from the hierarchy's seed: the same on
  // each call, until the TPM's owner clears it.
  // SEAL_PIN_REJECTED: the owner hierarchy has a password.
  absl::StatusOr<TpmHandle> StorageRootKey() const;

  // Its name: what it is, 34 bytes.
  absl::StatusOr<std::string> NameOf(const TpmHandle& object) const;

  // Seals `secret` under `parent`, to be had again by `policy` (32 bytes) only.
  absl::StatusOr<TpmBlob> Seal(const TpmHandle& parent, const Secret& secret,
                               absl::string_view policy) const;

  // SEAL_KEY_REJECTED: another parent's, or changed.
  // SEAL_PCRS_CHANGED: PCRs are not what the policy of Seal was made from.
  // DATA_LOSS: `blob` does not parse.
  absl::StatusOr<Secret> Unseal(const TpmHandle& parent, const TpmBlob& blob,
                                const std::vector<uint32_t>& pcrs) const;

 private:
  Tpm() = default;

  // Salted to `parent`, so that whoever listens on the way to the TPM cannot
  // decrypt the parameters that it encrypts.
  absl::StatusOr<TpmHandle> StartSession(const TpmHandle& parent,
                                         TPM2_SE type) const;

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
};

// The policy that holds while each of `pcrs` has its value of `values`: what
// TPM2_PolicyPCR makes of an empty session (Part 3, 23.7). 32 bytes.
std::string PcrPolicy(const std::vector<uint32_t>& pcrs,
                      const std::vector<std::string>& values);

}  // namespace kms::seal

#endif  // KMS_SEAL_TPM_TPM_H_
