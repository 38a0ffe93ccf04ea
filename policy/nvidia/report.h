// What an NVIDIA device's report says: an SPDM GET_MEASUREMENTS request and
// the MEASUREMENTS response to it, one after the other.
// Source: DMTF DSP0274 version 1.1.1, sections 10.11.1 (request), 10.11.2
// (response) and 10.11.3 (measurement block). Integers are little-endian; the
// signature is r || s, each big-endian.
//
//   request   11 e0 | attributes u8 | ff | nonce 32 | slot u8
//   response  11 60 | zero u8 | slot u8 | blocks u8 | record size u24
//             block* | nonce 32 | opaque size u16 | opaque data
//             r 48 | s 48
//   block     index u8 | 01 (DMTF) | size u16 | type u8 | value size u16
//             value
//
// The device signs all of it but the signature: the request that the response
// answers is part of the transcript. An UnverifiedReport proves nothing;
// verify.h turns it into one that does.
// Thread-safe: values and free functions.
#ifndef POLICY_NVIDIA_REPORT_H_
#define POLICY_NVIDIA_REPORT_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/nvidia/opaque_data.h"

namespace kms::nvidia {

inline constexpr size_t kNonceBytes = 32;
inline constexpr size_t kRequestBytes = 37;
inline constexpr size_t kSignatureBytes = 96;  // P-384.

struct Measurement {
  // DMTF measurement value type: bits 0 to 6 say what was measured, bit 7
  // that the value is not a digest of it but itself.
  uint8_t type = 0;
  std::string value;
};

struct UnverifiedReport {
  std::array<uint8_t, kNonceBytes> nonce{};  // The requester's.
  uint8_t slot = 0;                          // Of the certificate chain.
  std::array<uint8_t, kNonceBytes> response_nonce{};
  // By SPDM index: the first has index 1, and none is left out.
  std::vector<Measurement> measurements;
  std::vector<OpaqueField> opaque;
  std::array<uint8_t, kSignatureBytes / 2> r{};  // Big-endian.
  std::array<uint8_t, kSignatureBytes / 2> s{};

  std::string signed_bytes;  // Everything but the signature, as received.
};

//   EVIDENCE_MALFORMED    a length that does not fit, something left over, a
//                         reserved bit set, an index missing, twice or out of
//                         order, opaque data that does not parse
//   EVIDENCE_UNSUPPORTED  another SPDM version, a request for less than all
//                         measurements, a measurement that is not DMTF's or
//                         of a type that version 1.1 does not have
//   EVIDENCE_UNSIGNED     the request did not ask for a signature
absl::StatusOr<UnverifiedReport> ParseReport(BytesView bytes);

// The inverse, byte for byte: the fuzz test and simulators re-encode with it.
// `signed_bytes` is not read.
std::string SerializeReport(const UnverifiedReport& report);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_REPORT_H_
