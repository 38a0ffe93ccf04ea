#include "policy/cbor/cose.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/cbor/writer.h"

namespace kms::cbor {
namespace {

constexpr uint64_t kTagSign1 = 18;

// RFC 9052, table 3.
constexpr int64_t kHeaderAlg = 1;
constexpr int64_t kHeaderCrit = 2;

absl::Status Malformed(absl::string_view subject, absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat(subject, ": ", fault));
}

// Section 3: a label is in one of the two maps at most. Were `crit` looked for
// in the protected one only, a sender could hide it.
absl::Status CheckUnprotected(const Item& unprotected, const Item& headers,
                              absl::string_view subject) {
  if (unprotected.Find(kHeaderAlg) != nullptr ||
      unprotected.Find(kHeaderCrit) != nullptr) {
    return Malformed(subject, "alg or crit among the unprotected headers");
  }
  for (size_t i = 0; i < unprotected.items().size(); i += 2) {
    const Item& label = unprotected.items()[i];
    const bool both = label.Text().has_value()
                          ? headers.Find(*label.Text()) != nullptr
                          : label.Integer().has_value() &&
                                headers.Find(*label.Integer()) != nullptr;
    if (both) return Malformed(subject, "a header in both of the maps");
  }
  return absl::OkStatus();
}

absl::StatusOr<Algorithm> ReadAlgorithm(const Item& headers,
                                        absl::string_view subject) {
  if (headers.Find(kHeaderCrit) != nullptr) {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  absl::StrCat(subject, ": critical headers"));
  }
  const Item* alg = headers.Find(kHeaderAlg);
  if (alg == nullptr) {
    return Malformed(subject, "no algorithm in the protected header");
  }
  for (const Algorithm known : {Algorithm::kEs256, Algorithm::kEs384}) {
    if (alg->Integer() == CoseNumber(known)) return known;
  }
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                absl::StrCat(subject, ": algorithm, want ES256 or ES384"));
}

}  // namespace

absl::StatusOr<Sign1> ParseSign1(BytesView bytes, Tagging tagging,
                                 absl::string_view subject) {
  KMS_ASSIGN_OR_RETURN(const Item whole, Parse(bytes, Rules(), subject));
  const bool tagged = whole.type() == Type::kTag;
  if (tagged && whole.Tag() != kTagSign1) {
    return Malformed(subject, "another tag than 18");
  }
  if (!tagged && tagging == Tagging::kRequired) {
    return Malformed(subject, "no tag, want 18");
  }
  const Item& array = tagged ? whole.items()[0] : whole;
  if (array.type() != Type::kArray || array.items().size() != 4) {
    return Malformed(subject, "no array of four");
  }
  const auto protected_header = array.items()[0].Bytes();
  const Item& unprotected = array.items()[1];
  const auto payload = array.items()[2].Bytes();
  const auto signature = array.items()[3].Bytes();
  if (!protected_header.has_value() || unprotected.type() != Type::kMap ||
      !signature.has_value()) {
    return Malformed(subject, "no COSE_Sign1");
  }
  if (!payload.has_value() || payload->empty()) {
    return Malformed(subject, "the payload is empty or detached");
  }
  if (protected_header->empty()) {
    return Malformed(subject, "no algorithm in the protected header");
  }
  KMS_ASSIGN_OR_RETURN(const Item headers,
                       Parse(*protected_header, Rules(), subject));
  if (headers.type() != Type::kMap) {
    return Malformed(subject, "the protected header is no map");
  }
  KMS_RETURN_IF_ERROR(CheckUnprotected(unprotected, headers, subject));
  Sign1 message;
  KMS_ASSIGN_OR_RETURN(message.algorithm, ReadAlgorithm(headers, subject));
  const size_t want = 2 * crypto::CurveFieldSize(CurveOf(message.algorithm));
  if (signature->size() != want) {
    return Malformed(subject, absl::StrCat("signature of ", signature->size(),
                                           " bytes, want ", want));
  }
  message.protected_header = *protected_header;
  message.payload = *payload;
  message.signature = *signature;
  message.has_unprotected = !unprotected.items().empty();
  return message;
}

std::string SignedBytes(BytesView protected_header, BytesView payload) {
  return Writer()
      .Array(4)
      .Text("Signature1")
      .Bytes(protected_header)
      .Bytes("")
      .Bytes(payload)
      .Take();
}

absl::Status VerifySign1(const Sign1& message, const crypto::PublicKey& key) {
  const bool p256 = message.algorithm == Algorithm::kEs256;
  if (key.kind() != (p256 ? crypto::KeyKind::kP256 : crypto::KeyKind::kP384)) {
    return absl::UnauthenticatedError("key on another curve");
  }
  const size_t half = message.signature.size() / 2;
  return key.VerifyEcdsaRaw(
      p256 ? crypto::Hash::kSha256 : crypto::Hash::kSha384,
      AsBytes(SignedBytes(message.protected_header, message.payload)),
      message.signature.first(half), message.signature.subspan(half));
}

}  // namespace kms::cbor
