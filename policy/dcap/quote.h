// What a DCAP quote says. Sources: Intel SGX ECDSA quoting library API
// (version 3); Intel TDX DCAP quoting library API (versions 4 and 5). All
// integers are little-endian:
//
//   quote   = header [descriptor] body signature-length:u32 signature rest*
//   header  = version:u16 key-type:u16 tee:u32 svns:4 vendor:16 user-data:20
//   descriptor = type:u16 size:u32                 version 5 only
//   signature  = sig:64 key:64 certification       versions 4 and 5
//              | sig:64 key:64 qe                  version 3
//   certification = 6:u16 size:u32 qe
//   qe      = qe-report:384 qe-sig:64 auth-size:u16 auth chain
//   chain   = 5:u16 size:u32 pem                   leaf first
//
// `sig` covers header, descriptor and body under `key`; `qe-sig` covers the
// report of the quoting enclave, which names `key`, under the platform's PCK.
// Version 3 is SGX's and the others are TDX's, as Intel's own quoting enclaves
// issue them. Bytes after the signature are padding of the buffer that the
// quote came in: nobody signed them, and they mean nothing.
//
// An UnverifiedQuote proves nothing; verify.h turns it into one that does.
// Thread-safe: values and free functions.
#ifndef POLICY_DCAP_QUOTE_H_
#define POLICY_DCAP_QUOTE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/dcap/limits.h"
#include "policy/dcap/report_body.h"

namespace kms::dcap {

enum class TeeKind { kSgx, kTdx };

struct UnverifiedQuote {
  uint16_t version = 0;  // 3, 4 or 5.
  TeeKind tee = TeeKind::kTdx;
  uint16_t qe_svn = 0;  // These two in version 3 only.
  uint16_t pce_svn = 0;
  std::array<uint8_t, 20> user_data{};
  std::optional<SgxReport> sgx;  // Exactly one of the two, by `tee`.
  std::optional<TdReport> td;

  std::array<uint8_t, 64> signature{};        // r, s, big-endian.
  std::array<uint8_t, 64> attestation_key{};  // x, y, big-endian.
  SgxReport qe_report;
  std::array<uint8_t, 64> qe_report_signature{};
  std::string qe_auth_data;
  std::string pck_chain;  // PEM, leaf first; may end in a zero byte.

  std::string signed_bytes;     // What `signature` covers, as received.
  std::string qe_report_bytes;  // The same of `qe_report_signature`.
  std::string rest;             // After the signature: unsigned.

  const std::array<uint8_t, 64>& report_data() const {
    return td.has_value() ? td->report_data : sgx->report_data;
  }
};

//   EVIDENCE_MALFORMED    lengths that do not add up, another vendor's QE, and
//                         as ParseSgxReport and ParseTdReport
//   EVIDENCE_UNSUPPORTED  a version, key type, TEE type, body type or kind of
//                         certification data that we do not know, or that
//                         does not go with the version; and as those two
absl::StatusOr<UnverifiedQuote> ParseQuote(BytesView bytes);

// The inverse, byte for byte, for the fuzz test and simulators. Reads neither
// `signed_bytes` nor `qe_report_bytes`.
std::string SerializeQuote(const UnverifiedQuote& quote);

// The part of it that the attestation key signs.
std::string SerializeSigned(const UnverifiedQuote& quote);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_QUOTE_H_
