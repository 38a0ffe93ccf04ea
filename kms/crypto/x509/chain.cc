#include "kms/crypto/x509/chain.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/limits.h"

namespace kms::x509 {
namespace {

// Critical extensions that the checks below honour, or the caller.
bool Understood(const Extension& extension, const ChainRules& rules) {
  return extension.oid == "2.5.29.19" || extension.oid == "2.5.29.15" ||
         std::find(rules.understood.begin(), rules.understood.end(),
                   absl::string_view(extension.oid)) != rules.understood.end();
}

absl::Status Untrusted(size_t depth, absl::string_view fault) {
  return Refuse(v1::CHAIN_UNTRUSTED,
                absl::StrCat("certificate ", depth, " of the chain: ", fault));
}

bool Accepts(const ChainRules& rules, SignatureScheme scheme) {
  return std::find(rules.schemes.begin(), rules.schemes.end(), scheme) !=
         rules.schemes.end();
}

std::optional<size_t> AnchorOf(const Certificate& certificate,
                               absl::Span<const Anchor> anchors) {
  for (size_t i = 0; i < anchors.size(); ++i) {
    if (anchors[i].spki_sha256 == certificate.spki_sha256()) return i;
  }
  return std::nullopt;
}

bool InPath(const std::vector<Certificate>& path,
            const Certificate& candidate) {
  return std::any_of(path.begin(), path.end(), [&](const Certificate& c) {
    return c.sha256() == candidate.sha256();
  });
}

// RFC 5280 6.1.3 (a)(4) and 4.2.1.1: names chain, and key ids where both say.
bool NamesIssuer(const Certificate& subject, const Certificate& issuer) {
  return subject.issuer_der() == issuer.subject_der() &&
         (subject.authority_key_id().empty() ||
          issuer.subject_key_id().empty() ||
          subject.authority_key_id() == issuer.subject_key_id());
}

bool InForce(const Certificate& certificate, absl::Time time) {
  return certificate.not_before() <= time && time <= certificate.not_after();
}

// The certificate in `pool` that signed path.back(). Among several (a CA
// certificate issued anew for the same key) a pinned one is best, then one
// that is in force. Draws the signatures it checks from `checks_left`.
absl::StatusOr<Certificate> FindIssuer(const std::vector<Certificate>& path,
                                       const std::vector<Certificate>& pool,
                                       absl::Span<const Anchor> anchors,
                                       absl::Time time, const ChainRules& rules,
                                       size_t& checks_left) {
  const Certificate& subject = path.back();
  const size_t depth = path.size() - 1;
  if (!Accepts(rules, subject.scheme())) {
    return Untrusted(depth, absl::StrCat("signature algorithm ",
                                         SchemeName(subject.scheme()),
                                         " is not accepted here"));
  }
  std::optional<Certificate> best;
  int best_rank = -1;
  bool named = false;
  for (const Certificate& candidate : pool) {
    if (!NamesIssuer(subject, candidate)) continue;
    named = true;
    if (InPath(path, candidate)) continue;  // A loop.
    const int rank = (AnchorOf(candidate, anchors).has_value() ? 2 : 0) +
                     (InForce(candidate, time) ? 1 : 0);
    if (rank <= best_rank) continue;
    if (checks_left == 0) {
      return Refuse(v1::REQUEST_TOO_LARGE,
                    absl::StrCat("chain: more than ", kChainSignatureChecksMax,
                                 " signatures to check"));
    }
    --checks_left;
    if (!VerifySignature(candidate.public_key(), subject.scheme(),
                         subject.tbs(), subject.signature())
             .ok()) {
      continue;
    }
    best = candidate;
    best_rank = rank;
  }
  if (best.has_value()) return *best;
  if (subject.self_issued()) {
    return Untrusted(depth, "a root that is not a configured anchor");
  }
  if (named) {
    return Untrusted(depth, "not signed by the certificate it names");
  }
  return Refuse(v1::ENDORSEMENT_MISSING,
                absl::StrCat("certificate ", depth,
                             " of the chain: its issuer was not offered"));
}

// RFC 5280 6.1.4 (k) to (o) for CAs, and what a leaf must be.
absl::Status CheckRoles(const std::vector<Certificate>& path,
                        const ChainRules& rules) {
  for (size_t i = 0; i < path.size(); ++i) {
    const Certificate& certificate = path[i];
    for (const Extension& extension : certificate.extensions()) {
      if (extension.critical && !Understood(extension, rules)) {
        return Untrusted(i, absl::StrCat("critical extension ", extension.oid,
                                         " is not understood"));
      }
    }
    const std::optional<uint16_t> usage = certificate.key_usage();
    if (i == 0 && rules.leaf_is_ca) {
      if (!certificate.is_ca())
        return Untrusted(i, "a leaf where a CA belongs");
      continue;
    }
    if (i == 0) {
      if (certificate.is_ca()) return Untrusted(i, "a CA where a leaf belongs");
      if (usage.has_value() && (*usage & kKeyUsageDigitalSignature) == 0) {
        return Untrusted(i, "key usage does not allow signatures");
      }
      continue;
    }
    if (!certificate.is_ca()) return Untrusted(i, "issuer is not a CA");
    if (!usage.has_value() || (*usage & kKeyUsageCertSign) == 0) {
      return Untrusted(i, "key usage does not allow issuing certificates");
    }
    // i - 1 CAs stand between this one and the leaf. Self-issued ones are
    // counted too, which is stricter than the standard.
    const size_t below = rules.leaf_is_ca ? i : i - 1;
    if (certificate.path_length().has_value() &&
        below > *certificate.path_length()) {
      return Untrusted(i, "more CAs below it than its path length allows");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckValidity(VerifiedChain& chain, absl::Time time) {
  chain.valid_from = absl::InfinitePast();
  chain.valid_until = absl::InfiniteFuture();
  for (size_t i = 0; i < chain.path.size(); ++i) {
    const Certificate& certificate = chain.path[i];
    if (time < certificate.not_before()) {
      return Refuse(
          v1::CERTIFICATE_NOT_YET_VALID,
          absl::StrCat(
              "certificate ", i, " of the chain: valid from ",
              absl::FormatTime(certificate.not_before(), absl::UTCTimeZone())));
    }
    if (time > certificate.not_after()) {
      return Refuse(
          v1::CERTIFICATE_EXPIRED,
          absl::StrCat(
              "certificate ", i, " of the chain: valid until ",
              absl::FormatTime(certificate.not_after(), absl::UTCTimeZone())));
    }
    chain.valid_from = std::max(chain.valid_from, certificate.not_before());
    chain.valid_until = std::min(chain.valid_until, certificate.not_after());
  }
  return absl::OkStatus();
}

// RFC 5280 6.3.3 (f): the CA of the path that signed `crl`.
absl::StatusOr<size_t> CrlIssuer(const Crl& crl,
                                 const std::vector<Certificate>& path,
                                 const ChainRules& rules) {
  if (!Accepts(rules, crl.scheme())) {
    return Refuse(v1::CRL_INVALID, "crl: signature algorithm not accepted");
  }
  for (size_t i = 1; i < path.size(); ++i) {
    const Certificate& ca = path[i];
    if (ca.subject_der() != crl.issuer_der()) continue;
    if (!ca.key_usage().has_value() ||
        (*ca.key_usage() & kKeyUsageCrlSign) == 0) {
      continue;
    }
    if (VerifySignature(ca.public_key(), crl.scheme(), crl.tbs(),
                        crl.signature())
            .ok()) {
      return i;
    }
  }
  return Refuse(v1::CRL_INVALID, "crl: not signed by a CA of the chain");
}

}  // namespace

absl::Status CheckCrls(absl::Span<const Crl> crls, absl::Time time,
                       const ChainRules& rules, VerifiedChain& chain) {
  std::vector<bool> covered(chain.path.size(), false);
  for (const Crl& crl : crls) {
    KMS_ASSIGN_OR_RETURN(const size_t issuer,
                         CrlIssuer(crl, chain.path, rules));
    if (time < crl.this_update() || time > crl.next_update()) {
      return Refuse(v1::CRL_EXPIRED, "crl: not in force at this time");
    }
    // The CA's key signed each certificate it issued, so by the chain the
    // only one in this path is the next below it.
    if (crl.Revokes(chain.path[issuer - 1].serial())) {
      return Refuse(v1::CERTIFICATE_REVOKED,
                    absl::StrCat("certificate ", issuer - 1,
                                 " of the chain: revoked by its issuer"));
    }
    covered[issuer] = true;
    chain.valid_from = std::max(chain.valid_from, crl.this_update());
    chain.valid_until = std::min(chain.valid_until, crl.next_update());
  }
  for (size_t i = 1; rules.crls_required && i < covered.size(); ++i) {
    if (!covered[i]) {
      return Refuse(
          v1::ENDORSEMENT_MISSING,
          absl::StrCat("certificate ", i, " of the chain: no CRL of this CA"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<VerifiedChain> VerifyChain(const Certificate& leaf,
                                          absl::Span<const Certificate> offered,
                                          absl::Span<const Anchor> anchors,
                                          absl::Span<const Crl> crls,
                                          absl::Time time,
                                          const ChainRules& rules) {
  if (offered.size() > kChainPoolMax) {
    return Refuse(
        v1::REQUEST_TOO_LARGE,
        absl::StrCat("chain: ", offered.size(),
                     " certificates offered, want at most ", kChainPoolMax));
  }
  std::vector<Certificate> pool(offered.begin(), offered.end());
  for (const Anchor& anchor : anchors) {
    if (anchor.certificate.has_value()) pool.push_back(*anchor.certificate);
  }
  VerifiedChain chain;
  chain.path.push_back(leaf);
  // The leaf itself is never an anchor: a pinned key that signs Evidence
  // directly would make the pin mean two things.
  std::optional<size_t> anchor;
  size_t checks_left = kChainSignatureChecksMax;
  while (!anchor.has_value()) {
    if (chain.path.size() == kChainLengthMax) {
      return Untrusted(chain.path.size(), "the chain is too long");
    }
    KMS_ASSIGN_OR_RETURN(
        Certificate issuer,
        FindIssuer(chain.path, pool, anchors, time, rules, checks_left));
    anchor = AnchorOf(issuer, anchors);
    chain.path.push_back(std::move(issuer));
  }
  chain.anchor = *anchor;
  KMS_RETURN_IF_ERROR(CheckRoles(chain.path, rules));
  KMS_RETURN_IF_ERROR(CheckValidity(chain, time));
  KMS_RETURN_IF_ERROR(CheckCrls(crls, time, rules, chain));
  return chain;
}

std::vector<Certificate> MayBeAbove(const Certificate& leaf,
                                    absl::Span<const Certificate> pool) {
  std::set<std::string> names = {leaf.issuer_der()};
  std::vector<bool> taken(pool.size(), false);
  // Each pass climbs a step at least, or is the last.
  for (bool climbed = true; climbed;) {
    climbed = false;
    for (size_t i = 0; i < pool.size(); ++i) {
      if (taken[i] || names.count(pool[i].subject_der()) == 0) continue;
      taken[i] = true;
      climbed = true;
      names.insert(pool[i].issuer_der());
    }
  }
  std::vector<Certificate> above;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (taken[i]) above.push_back(pool[i]);
  }
  return above;
}

size_t MemoryBytes(const VerifiedChain& chain) {
  size_t der_bytes = 0;
  for (const Certificate& certificate : chain.path) {
    der_bytes += certificate.der().size();
  }
  return 3 * der_bytes;
}

}  // namespace kms::x509
