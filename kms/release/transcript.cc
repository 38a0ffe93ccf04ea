#include "kms/release/transcript.h"

#include "kms/base/byte_writer.h"
#include "kms/crypto/digest.h"

namespace kms::release {

std::string TranscriptDigest(const Transcript& transcript) {
  ByteWriter fields;
  fields.Field(transcript.domain)
      .Field(transcript.cluster_id)
      .Field(transcript.challenge)
      .Field(ByteWriter().U16Be(transcript.kem_id).str())
      .Field(transcript.recipient_public_key)
      .Field(transcript.request);
  return crypto::Sha512(AsBytes(fields.str()));
}

std::string GpuNonce(BytesView transcript_digest) {
  ByteWriter fields;
  fields.Field(kGpuDomain).Field(transcript_digest);
  return crypto::Sha512(AsBytes(fields.str())).substr(0, 32);
}

std::string WrappedKeyAad(BytesView cluster_id, BytesView key_id,
                          uint32_t version, uint64_t log_index) {
  ByteWriter fields;
  fields.Field(cluster_id)
      .Field(key_id)
      .Field(ByteWriter().U32Be(version).str())
      .Field(ByteWriter().U64Be(log_index).str());
  return fields.Take();
}

}  // namespace kms::release
