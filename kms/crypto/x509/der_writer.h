// Writes DER: the inverse of der.h, for what issues certificates.
// Thread-safe: free functions.
#ifndef KMS_CRYPTO_X509_DER_WRITER_H_
#define KMS_CRYPTO_X509_DER_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kms::x509 {

// Tag, length, content.
std::string DerEncode(uint8_t tag, absl::string_view content);

// A non-negative INTEGER of big-endian `magnitude`.
std::string DerUnsigned(absl::string_view magnitude);
std::string DerU32(uint32_t value);
std::string DerBoolean(bool value);
std::string DerBitString(absl::string_view bytes);

// `dotted` is a valid OID of at least two arcs, each below 2^32.
std::string DerOid(absl::string_view dotted);

// UTCTime to 2049, GeneralizedTime after; RFC 5280 4.1.2.5. Whole seconds.
std::string DerTime(absl::Time time);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_DER_WRITER_H_
