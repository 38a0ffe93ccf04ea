#include "kms/cluster/signing.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/crypto/digest.h"

namespace kms::cluster {
namespace {

std::string InDomain(absl::string_view domain, absl::string_view rest) {
  return absl::StrCat(domain, absl::string_view("\0", 1), rest);
}

std::string Position(const v1::JoinResponse& response) {
  return ByteWriter().U64Be(response.epoch()).U64Be(response.index()).Take();
}

}  // namespace

std::string JoinSigningInput(absl::string_view transcript_digest) {
  return InDomain("kms.v1 join", transcript_digest);
}

std::string JoinedSigningInput(absl::string_view transcript_digest,
                               const v1::JoinResponse& response) {
  const std::string sealed =
      absl::StrCat(response.enc(), response.sealed_root());
  return InDomain("kms.v1 joined",
                  ByteWriter()
                      .Field(transcript_digest)
                      .Field(Position(response))
                      .Field(crypto::Sha256(AsBytes(sealed)))
                      .Field(crypto::Sha256(AsBytes(response.seal_file())))
                      .str());
}

std::string SealedRootAad(absl::string_view cluster_id,
                          absl::string_view instance_id,
                          const v1::JoinResponse& response) {
  return ByteWriter()
      .Field(cluster_id)
      .Field(instance_id)
      .Field(Position(response))
      .Field(crypto::Sha256(AsBytes(response.seal_file())))
      .Take();
}

std::string VouchSigningInput(absl::string_view cluster_id,
                              absl::string_view instance_id,
                              absl::string_view certificate_digest) {
  return InDomain("kms.v1 peer", ByteWriter()
                                     .Field(cluster_id)
                                     .Field(instance_id)
                                     .Field(certificate_digest)
                                     .str());
}

std::string HeadSigningInput(absl::string_view head) {
  return InDomain("kms.v1 head", head);
}

}  // namespace kms::cluster
