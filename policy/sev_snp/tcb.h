// TCB_VERSION: the security version number of each part of the platform's
// firmware, one byte each. Sources: AMD 56860, "TCB_VERSION"; AMD 57230
// (VCEK certificate), sections 3.1 and 3.2.
//
// The 8 bytes mean different things on different products:
//   Milan, Genoa   bootloader tee  -   -   - - snp microcode
//   Turin          fmc bootloader tee snp  - -  -  microcode
// so a report's bytes are kept raw until the product is known.
// Thread-safe: free functions over values.
#ifndef POLICY_SEV_SNP_TCB_H_
#define POLICY_SEV_SNP_TCB_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kms::sev_snp {

enum class Product { kMilan, kGenoa, kTurin };

absl::string_view ProductName(Product product);  // "milan", "genoa", "turin".

// CPUID family and model to product; nothing for one we do not know.
// Source: AMD 56860, "CPUID_FAM_ID"; the model ranges are AMD's PPRs'.
std::optional<Product> ProductOf(uint8_t family, uint8_t model);

using RawTcb = std::array<uint8_t, 8>;  // As reported, lowest address first.

struct Tcb {
  uint8_t fmc = 0;  // Turin only.
  uint8_t bootloader = 0;
  uint8_t tee = 0;
  uint8_t snp = 0;
  uint8_t microcode = 0;

  friend bool operator==(const Tcb&, const Tcb&) = default;
};

// EVIDENCE_MALFORMED if a byte that `product` reserves is set.
absl::StatusOr<Tcb> DecodeTcb(const RawTcb& raw, Product product);

// The inverse, for simulators.
RawTcb EncodeTcb(const Tcb& tcb, Product product);

// True if no component of `a` is above the same component of `b`. Not an
// order: of two TCBs neither may be at most the other.
bool AtMost(const Tcb& a, const Tcb& b);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_TCB_H_
