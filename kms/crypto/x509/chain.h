// VerifyChain finds the path from a leaf certificate to a pinned anchor and
// checks it. Source: RFC 5280 section 6, without policies and name
// constraints: a critical extension that asks for more is refused.
//
// An anchor is a public key, pinned by the SHA-256 of its
// SubjectPublicKeyInfo; a certificate that carries the pinned key becomes the
// anchor's, whatever its signature says, because the pin vouches for the key.
// Names never confer trust. Order and duplicates among the offered
// certificates have no meaning, and unrelated ones are not used.
// Thread-safe: free functions over immutable arguments. No I/O and no clock.
#ifndef KMS_CRYPTO_X509_CHAIN_H_
#define KMS_CRYPTO_X509_CHAIN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"

namespace kms::x509 {

struct Anchor {
  std::string spki_sha256;  // 32 bytes.
  // Where only the pin is known, the sender offers the certificate.
  std::optional<Certificate> certificate;
};

struct ChainRules {
  // Algorithms accepted on certificates and CRLs. Empty accepts none.
  absl::Span<const SignatureScheme> schemes;
  // Critical extensions, dotted, that the caller itself honours on each
  // certificate of the path, beside those that are honoured here.
  absl::Span<const absl::string_view> understood = {};
  // True: every CA of the path must have a CRL in force.
  bool crls_required = false;
  // True: the leaf is a CA, whose own place in a hierarchy is asked about, and
  // no end entity. It counts against path lengths.
  bool leaf_is_ca = false;
};

struct VerifiedChain {
  std::vector<Certificate> path;  // Leaf first, the anchor's last; two or more.
  size_t anchor = 0;              // Index into the anchors given.
  // Everything that was checked is in force from `valid_from` to
  // `valid_until`, both included.
  absl::Time valid_from;
  absl::Time valid_until;
};

// What a chain takes in memory, roughly: parsed fields and keys are about twice
// the DER beside it.
size_t MemoryBytes(const VerifiedChain& chain);

// Those of `pool` that by their names may stand above `leaf` in a path. Others
// cannot matter, and need not be offered: VerifyChain bounds how many are.
std::vector<Certificate> MayBeAbove(const Certificate& leaf,
                                    absl::Span<const Certificate> pool);

// Holds `chain`, which VerifyChain gave, against `crls`, and narrows when it is
// in force: for those who choose lists by the CAs of a path that they know.
// Each must be issued by a CA of the path and be in force at `time`.
// CRL_INVALID, CRL_EXPIRED, CERTIFICATE_REVOKED; ENDORSEMENT_MISSING if `rules`
// require a list of each CA and one has none.
absl::Status CheckCrls(absl::Span<const Crl> crls, absl::Time time,
                       const ChainRules& rules, VerifiedChain& chain);

// The path without lists, and CheckCrls of it.
//
// Refusals: ENDORSEMENT_MISSING (an issuer's certificate was not offered, or
// no CRL where one is required), CHAIN_UNTRUSTED (signature, CA, key usage or
// path length rules, or no pinned anchor at the end),
// CERTIFICATE_NOT_YET_VALID, CERTIFICATE_EXPIRED, CRL_INVALID, CRL_EXPIRED,
// CERTIFICATE_REVOKED, REQUEST_TOO_LARGE (more than kChainPoolMax offered, or
// a search that needs more than kChainSignatureChecksMax signatures checked).
absl::StatusOr<VerifiedChain> VerifyChain(const Certificate& leaf,
                                          absl::Span<const Certificate> offered,
                                          absl::Span<const Anchor> anchors,
                                          absl::Span<const Crl> crls,
                                          absl::Time time,
                                          const ChainRules& rules);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_CHAIN_H_
