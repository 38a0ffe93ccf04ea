// Hardware that nothing is released to, whatever a policy says: types of
// Evidence that are switched off, and chips on a deny list.
// Thread-safe: immutable once made.
// Says nothing about Evidence that does not verify: deny lists are held
// against Claims.
#ifndef POLICY_COLLATERAL_HARDWARE_H_
#define POLICY_COLLATERAL_HARDWARE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

class DeniedHardware {
 public:
  DeniedHardware() = default;
  // `types_off`: switched off. `chips`: identities as Claims state them. One
  // set for all types: what is denied as a CPU's chip id is the same chip
  // behind a virtual TPM.
  DeniedHardware(std::set<v1::EvidenceType> types_off,
                 std::set<std::string> chips);

  // HARDWARE_DENIED if a piece is of a type that is off. A type of Azure's is
  // off with the hardware under it, too. Costs nothing, so it goes before any
  // signature is checked.
  absl::Status CheckTypes(const v1::EvidenceBundle& bundle) const;

  // HARDWARE_DENIED if the Claims name a chip of a list: cpu.chip_id,
  // cpu.dcap.ppid, cpu.dcap.platform_instance_id, cpu.cca.instance_id,
  // gpus.chip_id, tpm.ak_spki_sha256.
  absl::Status CheckClaims(const v1::Claims& claims) const;

  // 32 bytes: equal denials give equal digests.
  const std::string& digest() const { return digest_; }

 private:
  bool IsOff(v1::EvidenceType type) const;

  std::set<v1::EvidenceType> types_off_;
  std::set<std::string> chips_;
  std::string digest_;
};

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_HARDWARE_H_
