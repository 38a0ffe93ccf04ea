#include "policy/bundle/bundle.h"

#include <gtest/gtest.h>

#include <string>

namespace kms::policy {
namespace {

constexpr char kGood[] =
    R"({"evidence": [{"type": "sev-snp", "files": {"evidence": ["r.bin"],)"
    R"( "cert_chain": ["a.pem", "b.pem"]}}],)"
    R"( "verify_at": "2024-05-01T00:00:00Z", "report_data": "00ff"})";

TEST(BundleTest, ReadsWhatItWrites) {
  const auto index = ParseBundleIndex(kGood);
  ASSERT_TRUE(index.ok()) << index.status();
  ASSERT_EQ(index->evidence.size(), 1u);
  EXPECT_EQ(index->evidence[0].type, v1::SEV_SNP);
  ASSERT_EQ(index->evidence[0].files.size(), 3u);
  EXPECT_EQ(index->evidence[0].files[2].name, "b.pem");
  EXPECT_EQ(index->report_data, std::string("\x00\xff", 2));
  EXPECT_EQ(absl::ToUnixSeconds(*index->verify_at), 1714521600);
  const std::string written = BundleIndexToJson(*index);
  EXPECT_EQ(BundleIndexToJson(*ParseBundleIndex(written)), written);
}

TEST(BundleTest, LoadsFilesByName) {
  const auto bundle =
      LoadBundle(*ParseBundleIndex(kGood),
                 [](const std::string& name) -> absl::StatusOr<std::string> {
                   return "contents of " + name;
                 });
  ASSERT_TRUE(bundle.ok());
  EXPECT_EQ(bundle->evidence(0).files(1).role(), "cert_chain");
  EXPECT_EQ(bundle->evidence(0).files(1).content(), "contents of a.pem");
}

TEST(BundleTest, RejectsWhatIsNotExactlyAnIndex) {
  const std::string piece = R"({"type": "tdx", "files": {"evidence": ["q"]}})";
  const std::string with_name = R"({"evidence": [{"type": "tdx", "files": )";
  for (const std::string& bad : {
           std::string(),
           std::string("[]"),
           std::string("{}"),
           std::string(R"({"evidence": []})"),
           R"({"evidence": [)" + piece + R"(], "surprise": 1})",
           R"({"evidence": [)" + piece + R"(], "evidence": [)" + piece + "]}",
           R"({"evidence": [)" + piece + R"(], "verify_at": "yesterday"})",
           R"({"evidence": [)" + piece + R"(], "verify_at": 5})",
           R"({"evidence": [)" + piece + R"(], "report_data": "0"})",
           R"({"evidence": [)" + piece + "]} x",
           std::string(R"({"evidence": [{"type": "tdx"}]})"),
           std::string(R"({"evidence": [{"files": {"evidence": ["q"]}}]})"),
           std::string(
               R"({"evidence": [{"type": "TDX", "files": {"nonce": ["q"]}}]})"),
           with_name + R"({"surprise": ["q"]}}]})",
           with_name + R"({"evidence": "q"}}]})",
           with_name + R"({"evidence": []}}]})",
           with_name + R"({"evidence": [{"a": 1}]}}]})",
           with_name + R"({"evidence": ["../q"]}}]})",
           with_name + R"({"evidence": ["/q"]}}]})",
           with_name + R"({"evidence": [".."]}}]})",
           with_name + R"({"evidence": [""]}}]})",
           with_name + R"({"evidence": ["a\u0000b"]}}]})",
           std::string(100000, '['),
           std::string(60000, '['),
       }) {
    EXPECT_EQ(ParseBundleIndex(bad).status().code(),
              absl::StatusCode::kInvalidArgument)
        << bad.substr(0, 100);
  }
}

}  // namespace
}  // namespace kms::policy
