// Against softhsm2, a real PKCS#11 module.
#include "kms/seal/pkcs11/pkcs11_device.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/random.h"
#include "kms/seal/pkcs11/testing.h"

namespace kms::seal {
namespace {

class Pkcs11DeviceTest : public testing::Test {
 protected:
  Pkcs11DeviceTest() {
    std::string name = testing::TempDir() + "/pkcs11.XXXXXX";
    folder_ = mkdtemp(name.data());
    UseSoftHsm(folder_);
    EXPECT_TRUE(MakeToken("kms", "1234"));
    options_ = {kSoftHsm, "kms", folder_ + "/pin", "kms-root"};
    WritePin("1234\n");
  }
  ~Pkcs11DeviceTest() override { std::filesystem::remove_all(folder_); }

  void WritePin(const std::string& pin) {
    std::ofstream(options_.pin_file) << pin;
    chmod(options_.pin_file.c_str(), 0600);
  }

  std::string Wrapped() {
    const auto wrapped = Pkcs11Device(options_).Wrap(root_);
    EXPECT_TRUE(wrapped.ok()) << wrapped.status();
    return wrapped.value_or("");
  }
  v1::RefusalCode Unwrap(const std::string& wrapped) {
    return RefusalOf(Pkcs11Device(options_).Unwrap(AsBytes(wrapped)).status());
  }

  std::string folder_;
  Pkcs11Options options_;
  const Secret root_ = *crypto::RandomSecret(32);
};

TEST_F(Pkcs11DeviceTest, GivesBackWhatItWasGiven) {
  const std::string wrapped = Wrapped();
  EXPECT_EQ(wrapped.size(), 61u);
  const auto root = Pkcs11Device(options_).Unwrap(AsBytes(wrapped));
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_TRUE(*root == root_);
}

TEST_F(Pkcs11DeviceTest, OneKeyOnTheTokenServesEveryWrap) {
  const std::string first = Wrapped();
  const std::string second = Wrapped();
  EXPECT_NE(first, second);
  EXPECT_EQ(Unwrap(first), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Unwrap(second), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(Pkcs11DeviceTest, EveryChangedByteIsRefused) {
  const std::string wrapped = Wrapped();
  for (size_t i = 0; i < wrapped.size(); ++i) {
    std::string changed = wrapped;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(Unwrap(changed), i == 0 ? v1::DATA_LOSS : v1::SEAL_KEY_REJECTED)
        << i;
  }
}

TEST_F(Pkcs11DeviceTest, EveryOtherLengthIsRefused) {
  const std::string wrapped = Wrapped();
  for (size_t size = 0; size < wrapped.size(); ++size) {
    EXPECT_EQ(Unwrap(wrapped.substr(0, size)), v1::DATA_LOSS) << size;
  }
  EXPECT_EQ(Unwrap(wrapped + "x"), v1::DATA_LOSS);
}

TEST_F(Pkcs11DeviceTest, AWrongPinIsNamed) {
  const std::string wrapped = Wrapped();
  WritePin("4321");
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_PIN_REJECTED);
  EXPECT_EQ(RefusalOf(Pkcs11Device(options_).Wrap(root_).status()),
            v1::SEAL_PIN_REJECTED);
  WritePin("\n");
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_PIN_REJECTED);
  WritePin("1234");
  EXPECT_EQ(Unwrap(wrapped), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(Pkcs11DeviceTest, APinThatOthersMayReadOrThatIsNotThereIsRefused) {
  const std::string wrapped = Wrapped();
  chmod(options_.pin_file.c_str(), 0640);
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_PIN_REJECTED);
  std::filesystem::remove(options_.pin_file);
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_PIN_REJECTED);
}

TEST_F(Pkcs11DeviceTest, AMissingModuleIsNamed) {
  const std::string wrapped = Wrapped();
  options_.module = folder_ + "/no-such-module.so";
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_UNAVAILABLE);
}

TEST_F(Pkcs11DeviceTest, ALibraryThatIsNoModuleIsRefused) {
  options_.module = "libm.so.6";
  EXPECT_EQ(Unwrap(""), v1::SEAL_UNAVAILABLE);
}

TEST_F(Pkcs11DeviceTest, TheTokenIsFoundByItsLabelAlone) {
  const std::string wrapped = Wrapped();
  ASSERT_TRUE(MakeToken("other", "1234"));
  EXPECT_EQ(Unwrap(wrapped), v1::REFUSAL_CODE_UNSPECIFIED);
  options_.token = "other";
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_KEY_REJECTED);
  options_.token = "km";
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_UNAVAILABLE);
  options_.token = "kms";
  ASSERT_TRUE(MakeToken("kms", "1234"));
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_KEY_REJECTED);
}

TEST_F(Pkcs11DeviceTest, AnotherKeyIsNamed) {
  const std::string wrapped = Wrapped();
  options_.key = "another";
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_KEY_REJECTED);  // There is none yet.
  Wrapped();
  EXPECT_EQ(Unwrap(wrapped), v1::SEAL_KEY_REJECTED);  // There is, another.
}

}  // namespace
}  // namespace kms::seal
