#include "policy/sev_snp/tcb.h"

#include "kms/base/refusal.h"

namespace kms::sev_snp {

absl::string_view ProductName(Product product) {
  switch (product) {
    case Product::kMilan:
      return "milan";
    case Product::kGenoa:
      return "genoa";
    case Product::kTurin:
      return "turin";
  }
  return "";
}

std::optional<Product> ProductOf(uint8_t family, uint8_t model) {
  if (family == 0x19) {
    if (model <= 0x0f) return Product::kMilan;
    // Bergamo and Siena (0xa0) use Genoa's keys.
    if (model >= 0x10 && model <= 0x1f) return Product::kGenoa;
    if (model >= 0xa0 && model <= 0xaf) return Product::kGenoa;
  }
  if (family == 0x1a && model <= 0x1f) return Product::kTurin;
  return std::nullopt;
}

absl::StatusOr<Tcb> DecodeTcb(const RawTcb& raw, Product product) {
  Tcb tcb;
  bool reserved = false;
  if (product == Product::kTurin) {
    tcb = {.fmc = raw[0],
           .bootloader = raw[1],
           .tee = raw[2],
           .snp = raw[3],
           .microcode = raw[7]};
    reserved = raw[4] != 0 || raw[5] != 0 || raw[6] != 0;
  } else {
    tcb = {.bootloader = raw[0],
           .tee = raw[1],
           .snp = raw[6],
           .microcode = raw[7]};
    reserved = raw[2] != 0 || raw[3] != 0 || raw[4] != 0 || raw[5] != 0;
  }
  if (reserved) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  "sev_snp report: a reserved byte of a TCB version is set");
  }
  return tcb;
}

RawTcb EncodeTcb(const Tcb& tcb, Product product) {
  if (product == Product::kTurin) {
    return {tcb.fmc, tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode};
  }
  return {tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode};
}

bool AtMost(const Tcb& a, const Tcb& b) {
  return a.fmc <= b.fmc && a.bootloader <= b.bootloader && a.tee <= b.tee &&
         a.snp <= b.snp && a.microcode <= b.microcode;
}

}  // namespace kms::sev_snp
