#include "policy/collateral/rim_items.h"

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "policy/collateral/x509_items.h"
#include "policy/nvidia/rim.h"

namespace kms::policy {

absl::StatusOr<CollateralFacts> VerifyRim(const std::string& file,
                                          const VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(
      const nvidia::VerifiedRim rim,
      nvidia::ParseAndVerifyRim(AsBytes(file), inputs.anchors, inputs.now));
  const TrustAnchor& anchor =
      inputs.anchors.For(v1::NVIDIA_GPU, AnchorUse::kReferenceValues)
          .anchors[rim.chain().anchor];
  CollateralFacts facts;
  facts.item.role = std::string(nvidia::RimRole(rim.kind()));
  facts.item.subject = rim.id();
  facts.item.content = file;
  facts.item.digest = rim.digest();
  facts.title = TitleFrom(absl::StrCat(rim.rim().product, " ", rim.version()));
  facts.number = NumberBytes(rim.rim().edition);
  facts.issued = rim.issued();
  facts.next_update = rim.not_after();
  facts.type = anchor.type;
  facts.anchor = anchor.name;
  facts.simulated = anchor.simulated;
  return facts;
}

}  // namespace kms::policy
