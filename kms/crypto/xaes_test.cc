#include "kms/crypto/xaes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kms/base/byte_reader.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {

class Xaes256GcmTestPeer {
 public:
  static std::string Seal(const Xaes256Gcm& xaes, BytesView nonce,
                          BytesView plaintext, BytesView aad) {
    return xaes.SealWithNonce(nonce, plaintext, aad);
  }
};

namespace {

Xaes256Gcm Make(BytesView key) {
  return Xaes256Gcm::Create(Secret::CopyOf(key, GrantSecretAccess()).value())
      .value();
}

Xaes256Gcm Make(char fill) {
  return Make(AsBytes(std::string(Xaes256Gcm::kKeySize, fill)));
}

// C2SP XAES-256-GCM, "Test vectors".
TEST(Xaes256Gcm, AgreesWithThePublishedVectors) {
  constexpr absl::string_view kNonce = "ABCDEFGHIJKLMNOPQRSTUVWX";
  constexpr absl::string_view kPlaintext = "XAES-256-GCM";
  EXPECT_EQ(Hex(Xaes256GcmTestPeer::Seal(Make(1), AsBytes(kNonce),
                                         AsBytes(kPlaintext), {})
                    .substr(24)),
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
  EXPECT_EQ(Hex(Xaes256GcmTestPeer::Seal(Make(3), AsBytes(kNonce),
                                         AsBytes(kPlaintext),
                                         AsBytes("c2sp.org/XAES-256-GCM"))
                    .substr(24)),
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
}

// The SHAKE-128 output for `in`, all at once.
std::string Shake128(BytesView in, size_t size) {
  std::string out(size, '\0');
  const MdCtxPtr context(EVP_MD_CTX_new());
  EXPECT_EQ(EVP_DigestInit_ex2(context.get(), EVP_shake128(), nullptr), 1);
  EXPECT_EQ(EVP_DigestUpdate(context.get(), in.data(), in.size()), 1);
  EXPECT_EQ(EVP_DigestFinalXOF(context.get(),
                               reinterpret_cast<uint8_t*>(out.data()), size),
            1);
  return out;
}

// C2SP XAES-256-GCM, "Accumulated randomized tests", of 10 000 messages.
TEST(Xaes256Gcm, AgreesWithTheAccumulatedVector) {
  constexpr int kMessages = 10'000;
  constexpr size_t kMessageBytesMax = 32 + 24 + 2 * (1 + 255);
  const std::string stream = Shake128({}, kMessages * kMessageBytesMax);
  ByteReader random(AsBytes(stream));
  std::string ciphertexts;
  for (int i = 0; i < kMessages; ++i) {
    const Xaes256Gcm xaes = Make(random.Bytes(32));
    const BytesView nonce = random.Bytes(24);
    const BytesView plaintext = random.Bytes(random.U8());
    const BytesView aad = random.Bytes(random.U8());
    const std::string sealed =
        Xaes256GcmTestPeer::Seal(xaes, nonce, plaintext, aad);
    ciphertexts += sealed.substr(24);
    ASSERT_EQ(xaes.Open(AsBytes(sealed), aad).value(), ToString(plaintext));
  }
  EXPECT_EQ(Hex(Shake128(AsBytes(ciphertexts), 32)),
            "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
}

TEST(Xaes256Gcm, OpensSecretsIntoSecrets) {
  const Xaes256Gcm xaes = Make(1);
  const Secret secret =
      Secret::CopyOf(AsBytes("marked-secret"), GrantSecretAccess()).value();
  const std::string sealed = xaes.SealSecret(secret, AsBytes("aad"));
  EXPECT_EQ(sealed.size(), secret.size() + Xaes256Gcm::kOverhead);
  EXPECT_EQ(xaes.OpenSecret(AsBytes(sealed), AsBytes("aad")).value(), secret);
  EXPECT_EQ(xaes.OpenSecret(AsBytes(sealed), AsBytes("aae")).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST(Xaes256Gcm, NeverUsesANonceTwice) {
  const Xaes256Gcm xaes = Make(1);
  EXPECT_NE(xaes.Seal({}, {}).substr(0, 24), xaes.Seal({}, {}).substr(0, 24));
}

TEST(Xaes256Gcm, RefusesEveryFlippedByteAndTruncation) {
  const Xaes256Gcm xaes = Make(1);
  const std::string sealed = xaes.Seal(AsBytes("row"), AsBytes("aad"));
  const auto code = [&](const std::string& bytes) {
    return xaes.Open(AsBytes(bytes), AsBytes("aad")).status().code();
  };
  EXPECT_EQ(code(sealed), absl::StatusCode::kOk);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string bad = sealed;
    bad[i] = static_cast<char>(bad[i] ^ 0x80);
    EXPECT_EQ(code(bad), absl::StatusCode::kUnauthenticated) << i;
    EXPECT_EQ(code(sealed.substr(0, i)), absl::StatusCode::kUnauthenticated);
  }
  EXPECT_EQ(code(sealed + '\0'), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Make(2).Open(AsBytes(sealed), AsBytes("aad")).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST(Xaes256Gcm, RefusesAnEmptyCiphertextWithAWrongTag) {
  const Xaes256Gcm xaes = Make(1);
  std::string sealed = xaes.Seal({}, AsBytes("aad"));
  EXPECT_TRUE(xaes.Open(AsBytes(sealed), AsBytes("aad")).ok());
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  EXPECT_EQ(xaes.Open(AsBytes(sealed), AsBytes("aad")).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST(Xaes256Gcm, RefusesAKeyOfAnotherLength) {
  for (const size_t size : {0u, 16u, 31u, 33u}) {
    const Secret key =
        Secret::CopyOf(AsBytes(std::string(size, 'k')), GrantSecretAccess())
            .value();
    EXPECT_EQ(Xaes256Gcm::Create(key).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(Xaes256Gcm, ServesManyThreads) {
  const Xaes256Gcm xaes = Make(1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&xaes, t] {
      const std::string row(static_cast<size_t>(100 * t), 'r');
      for (int i = 0; i < 500; ++i) {
        const std::string sealed = xaes.Seal(AsBytes(row), {});
        ASSERT_EQ(xaes.Open(AsBytes(sealed), {}).value(), row);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace kms::crypto
