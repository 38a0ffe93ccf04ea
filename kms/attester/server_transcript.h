// What an instance's own Evidence is bound to (kms.v1.ServerEvidenceService).
//
//   digest   := SHA-512(field("kms.v1 server") field(cluster id) field(nonce)
//                       field(SHA-256 of the TLS key) field(identity key))
//   field(x) := uint32 big-endian length of x, x
//
// The TLS key is the SubjectPublicKeyInfo of the certificate that the instance
// shows on the connection: whoever ends TLS in between shows another. The
// identity key signs receipts and vouches for the key of checkpoints. The
// domain keeps a digest made for one purpose from serving another, so asking an
// instance for Evidence yields nothing that opens a key or joins a cluster.
// Thread-safe: free functions.
#ifndef KMS_ATTESTER_SERVER_TRANSCRIPT_H_
#define KMS_ATTESTER_SERVER_TRANSCRIPT_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::attester {

inline constexpr absl::string_view kServerDomain = "kms.v1 server";

// Short enough for the request to be cheap, long enough never to repeat.
inline constexpr size_t kServerNonceBytesMin = 32;
inline constexpr size_t kServerNonceBytesMax = 64;

struct ServerTranscript {
  BytesView cluster_id;           // 16 bytes; empty before init.
  BytesView nonce;                // The client's, fresh.
  BytesView tls_key_digest;       // 32 bytes, TlsKeyDigest.
  BytesView identity_public_key;  // 32 bytes, Ed25519; empty before init.
};

// 64 bytes.
std::string ServerTranscriptDigest(const ServerTranscript& transcript);

// SHA-256 of the SubjectPublicKeyInfo of the first certificate in `pem`, which
// holds certificates and nothing else. kInvalidArgument: it does not, or the
// certificate is none that kms/crypto/x509 reads.
absl::StatusOr<std::string> TlsKeyDigest(absl::string_view pem);

}  // namespace kms::attester

#endif  // KMS_ATTESTER_SERVER_TRANSCRIPT_H_
