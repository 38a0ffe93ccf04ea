// The certificate table that a host hands to its guest with a report.
// Source: AMD 56421 (GHCB), section 4.1.8.1 "SNP Extended Guest Request":
//
//   table = entry* zero-entry data
//   entry = guid 16 | offset u32 | length u32     little-endian, from the
//                                                 table's start
//
// The table comes from the host, so its contents are offers, never anchors.
// Thread-safe: free functions.
#ifndef POLICY_SEV_SNP_CERT_TABLE_H_
#define POLICY_SEV_SNP_CERT_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"

namespace kms::sev_snp {

// Contents as they stand: DER, or PEM where DER is expected. Empty: absent.
struct CertTable {
  std::string vcek;
  std::string vlek;
  std::string ask;  // The ASVK too, by whoever fills the table.
  std::string ark;
  std::string crl;
};

// ENDORSEMENT_MALFORMED if too large, an entry reaches outside the data area,
// two entries overlap or have the same GUID, or no zero entry ends the list.
// Entries of other GUIDs are skipped.
absl::StatusOr<CertTable> ParseCertTable(BytesView bytes);

// The inverse, for simulators: absent members are left out.
std::string SerializeCertTable(const CertTable& table);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_CERT_TABLE_H_
