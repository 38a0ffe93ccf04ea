// Against swtpm, a real TPM 2.0 in software.
#include "kms/seal/tpm/tpm_device.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/seal/tpm/tpm.h"
#include "tests/integration/swtpm_process.h"

namespace kms::seal {
namespace {

using ::testing::HasSubstr;

// TPM2_PolicyPCR by hand, for PCR 0 of 32 zeros; the tools agree (below).
TEST(PcrPolicyTest, IsThePublishedExtension) {
  const std::string zeros(32, '\0');
  const std::string input = zeros + *Unhex("0000017f00000001000b03010000") +
                            crypto::Sha256(AsBytes(zeros));
  EXPECT_EQ(PcrPolicy({0}, {zeros}), crypto::Sha256(AsBytes(input)));
  EXPECT_NE(PcrPolicy({0}, {zeros}), PcrPolicy({1}, {zeros}));
  EXPECT_NE(PcrPolicy({0}, {zeros}), PcrPolicy({16}, {zeros}));
}

class TpmDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/kms_tpm.XXXXXX";  // A socket's path is short.
    folder_ = mkdtemp(name.data());
    auto tpm = kms::testing::SwtpmProcess::Start(folder_);
    ASSERT_TRUE(tpm.ok()) << tpm.status();
    tpm_ = *std::move(tpm);
    options_ = {"swtpm:path=" + tpm_->path("tpm"), {0, 7, 16}};
  }
  void TearDown() override {
    tpm_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Tools(const std::string& lines) {
    const absl::Status done = tpm_->Run(lines);
    ASSERT_TRUE(done.ok()) << done;
  }
  std::string Wrapped() {
    const auto wrapped = TpmDevice(options_).Wrap(root_);
    EXPECT_TRUE(wrapped.ok()) << wrapped.status();
    return wrapped.value_or("");
  }
  absl::Status Unwrap(const std::string& wrapped) {
    const auto root = TpmDevice(options_).Unwrap(AsBytes(wrapped));
    EXPECT_TRUE(!root.ok() || *root == root_);
    return root.status();
  }
  v1::RefusalCode Refusal(const std::string& wrapped) {
    return RefusalOf(Unwrap(wrapped));
  }

  std::string folder_;
  std::unique_ptr<kms::testing::SwtpmProcess> tpm_;
  TpmOptions options_;
  const Secret root_ = *crypto::RandomSecret(32);
};

TEST_F(TpmDeviceTest, GivesBackWhatItWasGivenAndLeavesNothingBehind) {
  const std::string wrapped = Wrapped();
  // A TPM has room for three objects and three sessions.
  for (int i = 0; i < 5; ++i) {
    const absl::Status unwrapped = Unwrap(wrapped);
    ASSERT_TRUE(unwrapped.ok()) << unwrapped;
  }
}

TEST_F(TpmDeviceTest, TheConfigurationMayNameOtherPcrsAfterwards) {
  const std::string wrapped = Wrapped();
  options_.pcrs = {1};
  EXPECT_TRUE(Unwrap(wrapped).ok());
}

TEST_F(TpmDeviceTest, AChangedPcrIsNamed) {
  const std::string wrapped = Wrapped();
  const std::string digest(64, 'a');
  Tools("tpm2_pcrextend 8:sha256=" + digest);  // Not one of the policy.
  EXPECT_TRUE(Unwrap(wrapped).ok());
  Tools("tpm2_pcrextend 7:sha256=" + digest + " 16:sha256=" + digest);
  const absl::Status refused = Unwrap(wrapped);
  EXPECT_EQ(RefusalOf(refused), v1::SEAL_PCRS_CHANGED);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("PCR 7, 16 changed"));
}

// The TPM itself refuses; the values that are kept are there for the message.
TEST_F(TpmDeviceTest, TheValuesKeptDecideNothing) {
  const std::string digest(64, 'a');
  const std::string before = Wrapped();
  Tools("tpm2_pcrextend 16:sha256=" + digest);
  const std::string after = Wrapped();
  std::string mixed = before;
  mixed.replace(5, 3 * 32, after, 5, 3 * 32);
  EXPECT_EQ(Refusal(mixed), v1::SEAL_PCRS_CHANGED);
  EXPECT_EQ(Refusal(after), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(TpmDeviceTest, AClearedTpmIsNamed) {
  const std::string wrapped = Wrapped();
  Tools("tpm2_clear");
  EXPECT_EQ(Refusal(wrapped), v1::SEAL_KEY_REJECTED);
}

TEST_F(TpmDeviceTest, AnOwnersPasswordIsNamed) {
  const std::string wrapped = Wrapped();
  Tools("tpm2_changeauth -c owner secret");
  EXPECT_EQ(Refusal(wrapped), v1::SEAL_PIN_REJECTED);
}

TEST_F(TpmDeviceTest, AMissingTpmIsNamed) {
  const std::string wrapped = Wrapped();
  options_.tcti = "swtpm:path=" + folder_ + "/none";
  EXPECT_EQ(Refusal(wrapped), v1::SEAL_UNAVAILABLE);
  options_.tcti = "no-such-tcti";
  EXPECT_EQ(Refusal(wrapped), v1::SEAL_UNAVAILABLE);
}

TEST_F(TpmDeviceTest, OtherBytesAreRefused) {
  const std::string wrapped = Wrapped();
  for (size_t size = 0; size < wrapped.size(); size += 7) {
    EXPECT_EQ(Refusal(wrapped.substr(0, size)), v1::DATA_LOSS) << size;
  }
  EXPECT_EQ(Refusal(wrapped + "x"), v1::DATA_LOSS);
  for (size_t i = 0; i < wrapped.size(); i += 5) {
    std::string changed = wrapped;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(Unwrap(changed).ok()) << i;
  }
}

}  // namespace
}  // namespace kms::seal
