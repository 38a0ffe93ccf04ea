// Bounds on certificates and revocation lists, each with its reason.
#ifndef KMS_CRYPTO_X509_LIMITS_H_
#define KMS_CRYPTO_X509_LIMITS_H_

#include <cstddef>

namespace kms::x509 {

// The largest certificate of any vendor we verify is under 3 KiB.
inline constexpr size_t kCertificateBytesMax = 16 * 1024;

// Vendors' lists hold a few thousand serial numbers at most.
inline constexpr size_t kCrlBytesMax = 1024 * 1024;
inline constexpr size_t kCrlEntriesMax = 32 * 1024;

// A response about one certificate, with its delegate's, is about 1 KiB.
inline constexpr size_t kOcspBytesMax = 16 * 1024;
inline constexpr size_t kOcspEntriesMax = 16;
inline constexpr size_t kOcspCertificatesMax = 4;

// One PEM file; the longest vendor chain has five certificates.
inline constexpr size_t kCertificatesPerFileMax = 16;
inline constexpr size_t kPemBytesMax = 256 * 1024;

// Certificates offered to one path search, from all files together.
inline constexpr size_t kChainPoolMax = 32;

// Leaf and anchor included.
inline constexpr size_t kChainLengthMax = 8;

// Signatures checked in one path search. The longest real path needs seven;
// a pool of certificates that all claim to be the issuer would need hundreds.
inline constexpr size_t kChainSignatureChecksMax = 16;

inline constexpr size_t kExtensionsMax = 64;  // Intel's PCK leaf has seven.
inline constexpr size_t kSerialBytesMax =
    21;  // RFC 5280: 20 octets and a sign.
inline constexpr size_t kNameBytesMax = 1024;
inline constexpr size_t kDerDepthMax = 16;  // Real certificates nest to nine.

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_LIMITS_H_
