#include "kms/admin/effective_anchors.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/string_view.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/x509/certificate.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::admin {
namespace {

using ::storage::v1::AnchorRecord;

absl::Status NotAnAnchor() {
  return Refuse(v1::DATA_LOSS, "anchor: stored, but not what PutAnchor stores");
}

absl::StatusOr<policy::TrustAnchor> ToTrustAnchor(const AnchorRecord& record) {
  const BytesView der = AsBytes(record.certificate());
  const auto type = static_cast<v1::EvidenceType>(record.evidence_type());
  policy::TrustAnchor anchor;
  if (const auto certificate = x509::Certificate::Parse(der);
      certificate.ok()) {
    anchor = policy::AnchorFromCertificate(record.name(), type, *certificate,
                                           record.simulated());
  } else if (const auto key = crypto::PublicKey::FromSpki(der); key.ok()) {
    anchor =
        policy::AnchorFromKey(record.name(), type, *key, record.simulated());
  }
  if (anchor.spki_sha256 != record.spki_digest()) return NotAnAnchor();
  anchor.use = ToAnchorUse(static_cast<v1::AnchorUse>(record.use()));
  return anchor;
}

bool HasBuiltInName(const AnchorRecord& record) {
  const auto& built_in = policy::TrustAnchors::BuiltIn();
  return std::any_of(built_in.begin(), built_in.end(), [&](const auto& anchor) {
    return anchor.name == record.name();
  });
}

bool Enabled(const AnchorRecord& record,
             absl::Span<const std::string> simulated_anchors) {
  // Of a type or use that this build does not know yet: it vouches for nothing.
  if (!v1::EvidenceType_IsValid(static_cast<int>(record.evidence_type())) ||
      !v1::AnchorUse_IsValid(static_cast<int>(record.use()))) {
    return false;
  }
  return !record.simulated() ||
         std::find(simulated_anchors.begin(), simulated_anchors.end(),
                   record.name()) != simulated_anchors.end();
}

}  // namespace

absl::StatusOr<policy::TrustAnchors> EffectiveAnchors(
    const storage::StateView& view,
    const std::vector<std::string>& simulated_anchors) {
  KMS_ASSIGN_OR_RETURN(std::vector<AnchorRecord> stored, view.ListAnchors());
  return MergeAnchors(std::move(stored), simulated_anchors);
}

absl::StatusOr<policy::TrustAnchors> MergeAnchors(
    std::vector<AnchorRecord> stored,
    absl::Span<const std::string> simulated_anchors) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  std::set<std::tuple<v1::EvidenceType, policy::AnchorUse, std::string>> keys;
  for (const policy::TrustAnchor& anchor : anchors) {
    keys.emplace(anchor.type, anchor.use, anchor.spki_sha256);
  }
  // Simulated ones first: the first of a key is the one that counts.
  std::sort(stored.begin(), stored.end(),
            [](const AnchorRecord& a, const AnchorRecord& b) {
              return std::make_tuple(!a.simulated(), a.name()) <
                     std::make_tuple(!b.simulated(), b.name());
            });
  for (const AnchorRecord& record : stored) {
    const bool first =
        keys.emplace(static_cast<v1::EvidenceType>(record.evidence_type()),
                     ToAnchorUse(static_cast<v1::AnchorUse>(record.use())),
                     record.spki_digest())
            .second;
    if (!first || HasBuiltInName(record) ||
        !Enabled(record, simulated_anchors)) {
      continue;
    }
    KMS_ASSIGN_OR_RETURN(policy::TrustAnchor anchor, ToTrustAnchor(record));
    anchors.push_back(std::move(anchor));
  }
  absl::StatusOr<policy::TrustAnchors> merged =
      policy::TrustAnchors::Create(std::move(anchors));
  // Names and keys are unique by now, so what is left is a stored row.
  if (!merged.ok()) return NotAnAnchor();
  return merged;
}

policy::AnchorUse ToAnchorUse(v1::AnchorUse use) {
  return use == v1::ANCHOR_FOR_REFERENCE_VALUES
             ? policy::AnchorUse::kReferenceValues
             : policy::AnchorUse::kEvidence;
}

std::string CollateralDigest(const policy::TrustAnchors& anchors) {
  std::vector<std::string> items;
  for (int type = v1::EvidenceType_MIN; type <= v1::EvidenceType_MAX; ++type) {
    if (!v1::EvidenceType_IsValid(type)) continue;
    for (const policy::AnchorUse use :
         {policy::AnchorUse::kEvidence, policy::AnchorUse::kReferenceValues}) {
      for (const policy::TrustAnchor& anchor :
           anchors.For(static_cast<v1::EvidenceType>(type), use).anchors) {
        items.push_back(ByteWriter()
                            .U32Be(static_cast<uint32_t>(type))
                            .U8(static_cast<uint8_t>(use))
                            .Field(anchor.name)
                            .Field(anchor.spki_sha256)
                            .U8(anchor.simulated ? 1 : 0)
                            .Take());
      }
    }
  }
  std::sort(items.begin(), items.end());
  ByteWriter writer;
  writer.Bytes(absl::string_view("kms.v1 collateral"));
  for (const std::string& item : items) writer.Field(item);
  return crypto::Sha256(AsBytes(writer.str()));
}

}  // namespace kms::admin
