#include "kms/crypto/wycheproof.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/shared_data.h"

namespace kms::crypto::wycheproof {

std::string Bytes(const Json& object, const char* field) {
  return Unhex(object.at(field).get<std::string>()).value();
}

bool HasFlag(const Json& test, absl::string_view flag) {
  for (const Json& each : test.at("flags")) {
    if (each.get<std::string>() == flag) return true;
  }
  return false;
}

void RunFile(const char* file, const Covers& covers, const Accepts& accepts,
             const Accepts& acceptable) {
  const auto text = ReadShared(absl::StrCat("vectors/wycheproof/", file));
  if (!text.has_value()) return;
  const Json vectors = Json::parse(*text);
  int ran = 0;
  int skipped = 0;
  for (const Json& group : vectors.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      if (!covers(group)) {
        ++skipped;
        continue;
      }
      ++ran;
      const std::string result = test.at("result");
      bool want = result == "valid";
      if (result == "acceptable") {
        ASSERT_TRUE(acceptable != nullptr) << file << " #" << test.at("tcId");
        want = acceptable(group, test);
      }
      EXPECT_EQ(accepts(group, test), want)
          << file << " #" << test.at("tcId") << " " << test.at("comment") << " "
          << test.at("flags") << " " << result;
    }
  }
  EXPECT_GT(ran, 0) << file;
  EXPECT_EQ(ran + skipped, vectors.at("numberOfTests").get<int>()) << file;
  std::printf("%s: %d cases, %d outside of what we do\n", file, ran, skipped);
}

}  // namespace kms::crypto::wycheproof
