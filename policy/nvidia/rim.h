// NVIDIA's Reference Integrity Manifests: which measurements a driver or a
// VBIOS must give. Signed XML, a SWID tag with an enveloped signature.
// Sources: TCG Reference Integrity Manifest Information Model 1.01; ISO/IEC
// 19770-2:2015 (SWID); W3C XML Signature 1.1 and Canonical XML 1.1; NVIDIA's
// attestation SDK for the names of attributes.
//
//   SoftwareIdentity
//     Meta     colloquialVersion="550.90.07" product="GH100" ...
//     Payload
//       Resource*  type="Measurement" index active size alternatives Hash<n>
//     Signature  over all of the document but itself
//
// A manifest comes from whoever sends Evidence. It must be plain UTF-8 XML
// without DTD, comments, CDATA or processing instructions, small and shallow;
// its one signature must be the root's own child, over the whole document,
// with one chosen set of algorithms; its values are read from the very tree
// that was verified. Nothing is fetched.
// Thread-safe: free functions; a VerifiedRim is a value. It does not know
// which device it is for: compare.h does.
#ifndef POLICY_NVIDIA_RIM_H_
#define POLICY_NVIDIA_RIM_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/chain.h"
#include "policy/verifier/anchors.h"

namespace kms::nvidia {

enum class RimKind { kDriver, kVbios };

// "rim_driver", "rim_vbios": the role of its file, as evidence.proto has it.
absl::string_view RimRole(RimKind kind);

// What a manifest says.
struct Rim {
  RimKind kind = RimKind::kDriver;
  std::string product;  // "GH100", "LS10".
  std::string version;  // "550.90.07"; a VBIOS's: "96.00.9F.00.01".
  // Which of several manifests of this id is the later one: SWID's tagVersion,
  // then Meta's revision, "r1", where it is of that form. Zero if absent.
  uint64_t edition = 0;
  // Active values only. By SPDM index, which is the manifest's index plus one:
  // the digests of which the measurement must be one, at least one.
  std::map<uint32_t, std::vector<std::string>> measurements;

  // "driver/GH100/550.90.07", "vbios/GH100/96.00.9F.00.01": the subject under
  // which the collateral store keeps it. What NVIDIA's service calls its id
  // names the board too, which the document itself does not.
  std::string Id() const { return MakeId(kind, product, version); }
  static std::string MakeId(RimKind kind, absl::string_view product,
                            absl::string_view version);
};

// A manifest whose digest, signature and chain verified. Only
// ParseAndVerifyRim makes one.
class VerifiedRim {
 public:
  const Rim& rim() const { return rim_; }
  std::string id() const { return rim_.Id(); }
  RimKind kind() const { return rim_.kind; }
  const std::string& version() const { return rim_.version; }
  const std::map<uint32_t, std::vector<std::string>>& measurements() const {
    return rim_.measurements;
  }
  const std::string& digest() const { return digest_; }  // SHA-256 of the file.
  // A manifest has no date of its own: from when its signer's certificate is
  // valid stands for it.
  absl::Time issued() const { return chain_.path[0].not_before(); }
  // Until when the whole chain is in force, included.
  absl::Time not_after() const { return chain_.valid_until; }
  // Signer first. `chain().anchor` indexes
  // anchors.For(NVIDIA_GPU, AnchorUse::kReferenceValues).
  const x509::VerifiedChain& chain() const { return chain_; }

 private:
  friend absl::StatusOr<VerifiedRim> ParseAndVerifyRim(
      BytesView file, const policy::TrustAnchors& anchors, absl::Time now);
  VerifiedRim(Rim rim, x509::VerifiedChain chain, std::string digest)
      : rim_(std::move(rim)),
        chain_(std::move(chain)),
        digest_(std::move(digest)) {}

  Rim rim_;
  x509::VerifiedChain chain_;
  std::string digest_;
};

// Verifies under the anchors of NVIDIA_GPU for reference values.
//   ENDORSEMENT_MALFORMED  not such a document, or not signed in this form
//   SIGNATURE_INVALID      its digest or its signature does not verify
//   those of x509::VerifyChain, over the certificates in its KeyInfo
absl::StatusOr<VerifiedRim> ParseAndVerifyRim(
    BytesView file, const policy::TrustAnchors& anchors, absl::Time now);

// What the document says, unverified: for showing it, and for finding out
// which one it is before it is verified. ENDORSEMENT_MALFORMED otherwise.
absl::StatusOr<Rim> ParseUnverifiedRim(BytesView file);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_RIM_H_
