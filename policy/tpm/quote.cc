#include "policy/tpm/quote.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/tpm/algorithm.h"
#include "policy/tpm/pcrs.h"
#include "policy/verifier/evidence_files.h"

namespace kms::tpm {
namespace {

constexpr absl::string_view kSubject = "tpm evidence";

absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT, absl::StrCat("tpm quote: ", fault));
}

// What a signature without a header leaves unsaid: the key's only scheme, if
// it has one. The digest of the PCRs is made with the signature's hash, so its
// size tells otherwise.
absl::StatusOr<Signature> ReadSignature(BytesView file,
                                        const AttestationKey& key,
                                        const UnverifiedQuote& quote) {
  Scheme scheme = Scheme::kRsaSsa;
  crypto::Hash hash = crypto::Hash::kSha256;
  if (key.area.has_value() && key.area->scheme.has_value()) {
    scheme = *key.area->scheme;
    hash = key.area->scheme_hash;
  } else {
    for (crypto::Hash longer : {crypto::Hash::kSha384, crypto::Hash::kSha512}) {
      if (quote.pcr_digest.size() == crypto::HashSize(longer)) hash = longer;
    }
  }
  return ParseSignatureFile(file, key.key, scheme, hash);
}

absl::Status CheckKeyAndQuote(const AttestationKey& key,
                              const Signature& signature,
                              const UnverifiedQuote& quote) {
  if (!key.area.has_value()) return absl::OkStatus();
  // Part 1, "Signing schemes": a key with a scheme uses no other.
  if (key.area->scheme != signature.scheme ||
      key.area->scheme_hash != signature.hash) {
    return Inconsistent("signed with another scheme than its key's");
  }
  // Part 1, "Qualified Name": by the hash of the key's own name.
  ByteReader name(AsBytes(quote.qualified_signer));
  if (name.U16Be() != AlgorithmOf(key.area->name_hash)) {
    return Inconsistent("its signer's name is by another hash than its key's");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifiedQuote> VerifyQuote(const v1::Evidence& evidence,
                                          AttestationKey key) {
  KMS_ASSIGN_OR_RETURN(const BytesView attest_file,
                       policy::RequireFile(evidence, kSubject, "quote_attest"));
  KMS_ASSIGN_OR_RETURN(
      const BytesView signature_file,
      policy::RequireFile(evidence, kSubject, "quote_signature"));
  KMS_ASSIGN_OR_RETURN(const BytesView pcrs_file,
                       policy::RequireFile(evidence, kSubject, "pcrs"));
  KMS_ASSIGN_OR_RETURN(UnverifiedQuote quote, ParseAttest(attest_file));
  KMS_ASSIGN_OR_RETURN(const Signature signature,
                       ReadSignature(signature_file, key, quote));
  KMS_ASSIGN_OR_RETURN(const UnverifiedPcrs pcrs, ParsePcrs(pcrs_file));
  KMS_RETURN_IF_ERROR(CheckKeyAndQuote(key, signature, quote));
  if (!VerifySignature(key.key, signature, AsBytes(quote.signed_bytes)).ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "tpm quote: not signed by the attestation key");
  }
  KMS_ASSIGN_OR_RETURN(auto selected, SelectPcrs(quote, pcrs));
  if (quote.pcr_digest != PcrDigest(signature.hash, selected)) {
    return Inconsistent("the PCR values are not those that it signs");
  }
  const std::string* nonce = policy::FindFile(evidence, "nonce");
  if (nonce != nullptr && *nonce != quote.extra_data) {
    return Refuse(v1::EVIDENCE_NOT_BOUND, "tpm quote: of another nonce");
  }
  return VerifiedQuote(std::move(quote), std::move(key), std::move(selected));
}

}  // namespace kms::tpm
