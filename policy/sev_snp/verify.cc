#include "policy/sev_snp/verify.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::sev_snp {
namespace {

absl::Status Mismatch(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("sev_snp report: ", fault));
}
absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT,
                absl::StrCat("sev_snp report: ", fault));
}

absl::Status CheckKind(const UnverifiedReport& report,
                       const KeyCertificate& key) {
  if (report.signing_key != key.kind) {
    return Mismatch("signed by the other kind of key than the certificate's");
  }
  if (report.version < 3) return absl::OkStatus();  // No CPUID before.
  const std::optional<Product> product =
      ProductOf(report.cpuid[0], report.cpuid[1]);
  if (!product.has_value()) {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  absl::StrCat("sev_snp report: CPUID family ", report.cpuid[0],
                               " model ", report.cpuid[1],
                               " is no product that we know"));
  }
  if (*product != key.product) {
    return Mismatch("CPUID and certificate name different products");
  }
  return absl::OkStatus();
}

// AMD 57230: hwID is CHIP_ID; on Turin its first 8 bytes, the rest is zero. A
// VLEK belongs to no chip, and reports that it signs have CHIP_ID zero.
absl::Status CheckChipId(const UnverifiedReport& report,
                         const KeyCertificate& key) {
  const BytesView chip_id(report.chip_id);
  const size_t size = key.hwid.size();
  if (chip_id.first(size) == AsBytes(key.hwid) &&
      AllZero(chip_id.subspan(size)) &&
      (size == 0 || !AllZero(chip_id.first(size)))) {
    return absl::OkStatus();
  }
  return Refuse(v1::CHIP_ID_MISMATCH,
                "sev_snp report: chip id is not the certificate's");
}

absl::Status CheckConsistency(const UnverifiedReport& report,
                              const Tcb& current, const Tcb& reported,
                              const Tcb& committed) {
  // AMD 56860, SNP_COMMIT and SNP_CONFIG: what is committed has been current,
  // and the host may report less than it runs but never more.
  if (!AtMost(committed, current)) {
    return Inconsistent("committed TCB is above the current TCB");
  }
  if (!AtMost(reported, current)) {
    return Inconsistent("reported TCB is above the current TCB");
  }
  if (report.committed_firmware > report.current_firmware) {
    return Inconsistent("committed firmware is above the current firmware");
  }
  const bool has_migration_agent =
      !std::all_of(report.report_id_ma.begin(), report.report_id_ma.end(),
                   [](uint8_t b) { return b == 0xff; });
  if (has_migration_agent && (report.policy & kPolicyMigrateMa) == 0) {
    return Inconsistent("a migration agent that the policy does not allow");
  }
  if (!report.author_key_en && !AllZero(BytesView(report.author_key_digest))) {
    return Inconsistent("an author key digest without an author key");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifiedReport> VerifyReport(UnverifiedReport report,
                                            const x509::VerifiedChain& chain) {
  KMS_ASSIGN_OR_RETURN(KeyCertificate key, ReadKeyCertificate(chain));
  KMS_RETURN_IF_ERROR(CheckKind(report, key));
  const crypto::PublicKey& public_key = chain.path[0].public_key();
  if (public_key.kind() != crypto::KeyKind::kP384) {
    return Mismatch("the certificate's key is not on P-384");
  }
  if (!public_key
           .VerifyEcdsaRaw(crypto::Hash::kSha384, AsBytes(report.signed_bytes),
                           BytesView(report.r), BytesView(report.s))
           .ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "sev_snp report: not signed by the certificate's key");
  }
  KMS_ASSIGN_OR_RETURN(const Tcb reported,
                       DecodeTcb(report.reported_tcb, key.product));
  if (reported != key.tcb) {
    return Refuse(v1::TCB_MISMATCH,
                  "sev_snp report: reported TCB is not the certificate's");
  }
  KMS_RETURN_IF_ERROR(CheckChipId(report, key));
  KMS_ASSIGN_OR_RETURN(const Tcb current,
                       DecodeTcb(report.current_tcb, key.product));
  KMS_ASSIGN_OR_RETURN(const Tcb committed,
                       DecodeTcb(report.committed_tcb, key.product));
  KMS_ASSIGN_OR_RETURN(const Tcb launch,
                       DecodeTcb(report.launch_tcb, key.product));
  KMS_RETURN_IF_ERROR(CheckConsistency(report, current, reported, committed));
  VerifiedReport verified(std::move(report), std::move(key));
  verified.current_tcb_ = current;
  verified.committed_tcb_ = committed;
  verified.launch_tcb_ = launch;
  return verified;
}

}  // namespace kms::sev_snp
