#include "kms/attester/server_transcript.h"

#include <string>

#include "gtest/gtest.h"
#include "kms/crypto/digest.h"
#include "kms/release/transcript.h"

namespace kms::attester {
namespace {

const std::string kCluster(16, 'c'), kNonce(32, 'n'), kTlsKey(32, 't'),
    kIdentity(32, 'i');

ServerTranscript Transcript() {
  return {AsBytes(kCluster), AsBytes(kNonce), AsBytes(kTlsKey),
          AsBytes(kIdentity)};
}

TEST(ServerTranscriptTest, IsTheDocumentedHash) {
  const auto field = [](const std::string& bytes) {
    return std::string{0, 0, 0, static_cast<char>(bytes.size())} + bytes;
  };
  EXPECT_EQ(ServerTranscriptDigest(Transcript()),
            crypto::Sha512(AsBytes(field("kms.v1 server") + field(kCluster) +
                                   field(kNonce) + field(kTlsKey) +
                                   field(kIdentity))));
}

TEST(ServerTranscriptTest, ChangesWithEachField) {
  const std::string digest = ServerTranscriptDigest(Transcript());
  const std::string other(32, 'x');
  for (BytesView ServerTranscript::*const field :
       {&ServerTranscript::cluster_id, &ServerTranscript::nonce,
        &ServerTranscript::tls_key_digest,
        &ServerTranscript::identity_public_key}) {
    ServerTranscript changed = Transcript();
    changed.*field = AsBytes(other);
    EXPECT_NE(ServerTranscriptDigest(changed), digest);
    changed.*field = {};
    EXPECT_NE(ServerTranscriptDigest(changed), digest);
  }
}

TEST(ServerTranscriptTest, ServesNoRelease) {
  EXPECT_NE(kServerDomain, release::kReleaseDomain);
  EXPECT_NE(kServerDomain, release::kJoinDomain);
  EXPECT_NE(kServerDomain, release::kGpuDomain);
}

TEST(TlsKeyDigestTest, RefusesWhatIsNoCertificate) {
  for (const char* pem :
       {"", "text",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"}) {
    EXPECT_EQ(TlsKeyDigest(pem).status().code(),
              absl::StatusCode::kInvalidArgument)
        << pem;
  }
}

}  // namespace
}  // namespace kms::attester
