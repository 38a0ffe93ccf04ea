#include "policy/nvidia/verifier.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/chain.h"
#include "policy/nvidia/claims.h"
#include "policy/nvidia/compare.h"
#include "policy/nvidia/limits.h"
#include "policy/nvidia/report.h"
#include "policy/nvidia/revocation.h"
#include "policy/nvidia/rim.h"
#include "policy/nvidia/verify.h"
#include "policy/verifier/certificates.h"
#include "policy/verifier/evidence_files.h"

namespace kms::nvidia {
namespace {

using policy::AnchorUse;
using policy::VerifiedCacheKey;

constexpr absl::string_view kSubject = "nvidia evidence";
constexpr absl::string_view kRoles[] = {
    "evidence",      "cert_chain", "rim_driver", "rim_vbios",
    "ocsp_response", "crl",        "nonce"};

// NVIDIA signs certificates of devices and manifests with nothing else.
constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha384};

// One verification for one piece of Evidence: looks into the cache, and keeps
// what was not there until all has verified.
class Session {
 public:
  Session(const v1::Evidence& evidence, const policy::VerifyInputs& inputs)
      : evidence_(evidence), inputs_(inputs) {}

  absl::StatusOr<v1::Claims> Verify();

 private:
  struct Manifest {
    std::shared_ptr<const VerifiedRim> rim;
    bool stored = false;
  };
  struct Fresh {
    std::string key;
    std::shared_ptr<const void> item;
    absl::Time valid_from, valid_until;
    size_t bytes;
  };

  absl::Status CheckNonceFile(const UnverifiedReport& report) const;
  absl::StatusOr<std::shared_ptr<const x509::VerifiedChain>> DeviceChain();
  absl::StatusOr<x509::VerifiedChain> BuildDeviceChain() const;
  absl::StatusOr<std::vector<Manifest>> Manifests(const VerifiedReport& report);
  absl::StatusOr<std::vector<Manifest>> ManifestsOf(
      RimKind kind, const VerifiedReport& report);
  absl::StatusOr<std::shared_ptr<const VerifiedRim>> OneManifest(
      RimKind kind, const std::string& file);
  absl::StatusOr<std::shared_ptr<const Revocation>> CheckedRevocation(
      const x509::VerifiedChain& device,
      const std::vector<std::shared_ptr<const VerifiedRim>>& rims);
  absl::StatusOr<const policy::TrustAnchor*> RimAnchor(
      const std::vector<Manifest>& manifests) const;

  // What is kept under `key`, or null.
  template <typename T>
  std::shared_ptr<const T> Cached(const std::string& key) const {
    if (inputs_.cache == nullptr) return nullptr;
    return inputs_.cache->Find<T>(key, inputs_.now);
  }
  void Keep(Fresh fresh) {
    if (inputs_.cache != nullptr) fresh_.push_back(std::move(fresh));
  }

  const v1::Evidence& evidence_;
  const policy::VerifyInputs& inputs_;
  std::vector<Fresh> fresh_;
};

absl::Status Session::CheckNonceFile(const UnverifiedReport& report) const {
  const std::string* nonce = policy::FindFile(evidence_, "nonce");
  if (nonce == nullptr || AsBytes(*nonce) == BytesView(report.nonce)) {
    return absl::OkStatus();
  }
  return Refuse(v1::EVIDENCE_NOT_BOUND,
                "nvidia evidence: the report has another nonce");
}

absl::StatusOr<x509::VerifiedChain> Session::BuildDeviceChain() const {
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Certificate> offered,
                       policy::ReadCertificates(evidence_, "cert_chain"));
  // NVIDIA's order is leaf first, but order proves nothing: the device is who
  // is no CA.
  const x509::Certificate* leaf = nullptr;
  for (const x509::Certificate& certificate : offered) {
    if (certificate.is_ca()) continue;
    if (leaf != nullptr && leaf->sha256() != certificate.sha256()) {
      return Refuse(v1::ENDORSEMENT_MISMATCH,
                    "nvidia evidence: certificates of two devices");
    }
    leaf = &certificate;
  }
  if (leaf == nullptr) {
    return Refuse(v1::ENDORSEMENT_MISSING,
                  "nvidia evidence: no certificate of the device");
  }
  return x509::VerifyChain(*leaf, offered,
                           inputs_.anchors.For(v1::NVIDIA_GPU).x509, {},
                           inputs_.now, {.schemes = kSchemes});
}

absl::StatusOr<std::shared_ptr<const x509::VerifiedChain>>
Session::DeviceChain() {
  VerifiedCacheKey inputs("nvidia device chain");
  inputs.Add(inputs_.anchors.For(v1::NVIDIA_GPU).digest);
  for (const v1::EvidenceFile& file : evidence_.files()) {
    if (file.role() == "cert_chain") inputs.Add(file.content());
  }
  const std::string key = inputs.Finish();
  std::shared_ptr<const x509::VerifiedChain> chain =
      Cached<x509::VerifiedChain>(key);
  if (chain != nullptr) return chain;
  KMS_ASSIGN_OR_RETURN(x509::VerifiedChain built, BuildDeviceChain());
  chain = std::make_shared<const x509::VerifiedChain>(std::move(built));
  Keep({key, chain, chain->valid_from, chain->valid_until,
        x509::MemoryBytes(*chain)});
  return chain;
}

absl::StatusOr<std::shared_ptr<const VerifiedRim>> Session::OneManifest(
    RimKind kind, const std::string& file) {
  VerifiedCacheKey inputs("nvidia rim");
  inputs.Add(
      inputs_.anchors.For(v1::NVIDIA_GPU, AnchorUse::kReferenceValues).digest);
  inputs.Add(file);
  const std::string key = inputs.Finish();
  std::shared_ptr<const VerifiedRim> rim = Cached<VerifiedRim>(key);
  if (rim == nullptr) {
    KMS_ASSIGN_OR_RETURN(
        VerifiedRim verified,
        ParseAndVerifyRim(AsBytes(file), inputs_.anchors, inputs_.now));
    rim = std::make_shared<const VerifiedRim>(std::move(verified));
    Keep({key, rim, rim->chain().valid_from, rim->chain().valid_until,
          x509::MemoryBytes(rim->chain()) + file.size()});
  }
  if (rim->kind() == kind) return rim;
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("rim: not a ", RimRole(kind)));
}

absl::StatusOr<std::vector<Session::Manifest>> Session::ManifestsOf(
    RimKind kind, const VerifiedReport& report) {
  std::vector<Manifest> manifests;
  if (inputs_.collateral != nullptr) {
    for (const std::string& id : RimIds(report, kind)) {
      const policy::CollateralItem* item =
          inputs_.collateral->Find(RimRole(kind), id);
      if (item == nullptr) continue;
      KMS_ASSIGN_OR_RETURN(std::shared_ptr<const VerifiedRim> rim,
                           OneManifest(kind, item->content));
      manifests.push_back({std::move(rim), /*stored=*/true});
    }
    if (!manifests.empty()) return manifests;
  }
  for (const v1::EvidenceFile& file : evidence_.files()) {
    if (absl::string_view(file.role()) != RimRole(kind)) continue;
    if (manifests.size() == kRimsMax) {
      return Refuse(v1::REQUEST_TOO_LARGE,
                    absl::StrCat(kSubject, ": more than ", kRimsMax, " files ",
                                 RimRole(kind)));
    }
    KMS_ASSIGN_OR_RETURN(std::shared_ptr<const VerifiedRim> rim,
                         OneManifest(kind, file.content()));
    manifests.push_back({std::move(rim), /*stored=*/false});
  }
  return manifests;
}

absl::StatusOr<std::vector<Session::Manifest>> Session::Manifests(
    const VerifiedReport& report) {
  KMS_ASSIGN_OR_RETURN(std::vector<Manifest> manifests,
                       ManifestsOf(RimKind::kDriver, report));
  KMS_ASSIGN_OR_RETURN(std::vector<Manifest> vbios,
                       ManifestsOf(RimKind::kVbios, report));
  for (Manifest& manifest : vbios) manifests.push_back(std::move(manifest));
  return manifests;
}

absl::StatusOr<std::shared_ptr<const Revocation>> Session::CheckedRevocation(
    const x509::VerifiedChain& device,
    const std::vector<std::shared_ptr<const VerifiedRim>>& rims) {
  VerifiedCacheKey inputs("nvidia revocation");
  inputs.Add(inputs_.anchors.For(v1::NVIDIA_GPU).digest);
  inputs.Add(
      inputs_.anchors.For(v1::NVIDIA_GPU, AnchorUse::kReferenceValues).digest);
  for (const x509::Certificate& certificate : device.path) {
    inputs.Add(certificate.sha256());
  }
  for (const std::shared_ptr<const VerifiedRim>& rim : rims) {
    inputs.Add(rim->digest());
  }
  for (const v1::EvidenceFile& file : evidence_.files()) {
    if (file.role() == "ocsp_response" || file.role() == "crl") {
      inputs.Add(file.role()).Add(file.content());
    }
  }
  if (inputs_.collateral != nullptr) inputs.Add(inputs_.collateral->digest());
  const std::string key = inputs.Finish();
  std::shared_ptr<const Revocation> revocation = Cached<Revocation>(key);
  if (revocation != nullptr) return revocation;
  KMS_ASSIGN_OR_RETURN(Revocation checked,
                       CheckRevocation(device, rims, evidence_, inputs_));
  revocation = std::make_shared<const Revocation>(std::move(checked));
  constexpr size_t kClaimBytes = 512;
  Keep({key, revocation, revocation->valid_from, revocation->valid_until,
        sizeof(Revocation) + kClaimBytes * revocation->used.size()});
  return revocation;
}

// Null without manifests. A policy names the anchors it accepts, and Claims
// have room for one.
absl::StatusOr<const policy::TrustAnchor*> Session::RimAnchor(
    const std::vector<Manifest>& manifests) const {
  if (manifests.empty()) return nullptr;
  const size_t anchor = manifests[0].rim->chain().anchor;
  for (const Manifest& manifest : manifests) {
    if (manifest.rim->chain().anchor != anchor) {
      return Refuse(v1::CHAIN_UNTRUSTED,
                    "rim: two manifests lead to different anchors");
    }
  }
  return &inputs_.anchors.For(v1::NVIDIA_GPU, AnchorUse::kReferenceValues)
              .anchors[anchor];
}

v1::CollateralClaims ClaimOf(const VerifiedRim& rim, bool stored) {
  v1::CollateralClaims claim;
  claim.set_kind(std::string(RimRole(rim.kind())));
  claim.set_subject(rim.id());
  claim.set_digest(rim.digest());
  claim.set_number(rim.rim().edition);
  claim.set_issued_us(absl::ToUnixMicros(rim.issued()));
  claim.set_next_update_us(absl::ToUnixMicros(rim.not_after()));
  claim.set_stored(stored);
  return claim;
}

absl::StatusOr<v1::Claims> Session::Verify() {
  KMS_ASSIGN_OR_RETURN(const BytesView file,
                       policy::RequireFile(evidence_, kSubject, "evidence"));
  KMS_ASSIGN_OR_RETURN(UnverifiedReport report, ParseReport(file));
  KMS_RETURN_IF_ERROR(CheckNonceFile(report));
  KMS_ASSIGN_OR_RETURN(const auto chain, DeviceChain());
  KMS_ASSIGN_OR_RETURN(const VerifiedReport verified,
                       VerifyReport(std::move(report), *chain));
  KMS_ASSIGN_OR_RETURN(const std::vector<Manifest> manifests,
                       Manifests(verified));
  std::vector<std::shared_ptr<const VerifiedRim>> rims;
  for (const Manifest& manifest : manifests) rims.push_back(manifest.rim);
  KMS_ASSIGN_OR_RETURN(const auto revocation, CheckedRevocation(*chain, rims));
  KMS_ASSIGN_OR_RETURN(const policy::TrustAnchor* rim_anchor,
                       RimAnchor(manifests));
  KMS_ASSIGN_OR_RETURN(const RimMatch match, CompareWithRims(verified, rims));

  // Chains and manifests are public. Only who also has a report signed under
  // them may take a place among those that we remember.
  for (Fresh& fresh : fresh_) {
    inputs_.cache->Insert(fresh.key, std::move(fresh.item), fresh.valid_from,
                          fresh.valid_until, fresh.bytes);
  }
  v1::Claims claims =
      MakeClaims(verified, chain->path[0], chain->path[1],
                 inputs_.anchors.For(v1::NVIDIA_GPU).anchors[chain->anchor],
                 match, rim_anchor, revocation->ocsp_checked);
  for (const Manifest& manifest : manifests) {
    *claims.add_collateral() = ClaimOf(*manifest.rim, manifest.stored);
  }
  for (const v1::CollateralClaims& used : revocation->used) {
    *claims.add_collateral() = used;
  }
  return claims;
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, kRoles));
  return Session(evidence, inputs).Verify();
}

}  // namespace kms::nvidia
