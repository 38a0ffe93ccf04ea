#include "kms/attester/server_transcript.h"

#include <vector>

#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/pem.h"

namespace kms::attester {
namespace {

constexpr size_t kChainMax = 8;  // A leaf and what leads to its root.

}  // namespace

std::string ServerTranscriptDigest(const ServerTranscript& transcript) {
  ByteWriter fields;
  fields.Field(kServerDomain)
      .Field(transcript.cluster_id)
      .Field(transcript.nonce)
      .Field(transcript.tls_key_digest)
      .Field(transcript.identity_public_key);
  return crypto::Sha512(AsBytes(fields.str()));
}

absl::StatusOr<std::string> TlsKeyDigest(absl::string_view pem) {
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                       x509::ParsePem(AsBytes(pem), "CERTIFICATE", kChainMax));
  if (chain.empty()) return absl::InvalidArgumentError("no certificate");
  // The leaf comes first.
  KMS_ASSIGN_OR_RETURN(const x509::Certificate leaf,
                       x509::Certificate::Parse(AsBytes(chain.front())));
  return leaf.spki_sha256();
}

}  // namespace kms::attester
