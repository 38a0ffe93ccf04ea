// What a manifest may cost before anybody has signed it.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/nvidia/limits.h"
#include "policy/nvidia/rim.h"

namespace kms::nvidia {
namespace {

// A manifest with `root` among the attributes of its first element.
std::string Manifest(const std::string& root) {
  const std::string digest(96, 'a');
  return absl::StrReplaceAll(
      R"(<SoftwareIdentity)"
      R"( xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd")"
      R"( xmlns:h="http://www.w3.org/2001/04/xmlenc#sha384"ROOT>)"
      R"(<Meta colloquialVersion="550.90.07" product="GH100"/>)"
      R"(<Payload><Resource type="Measurement" index="0" active="True")"
      R"( size="48" alternatives="1" h:Hash0="DIGEST"/></Payload>)"
      R"(</SoftwareIdentity>)",
      {{"ROOT", root}, {"DIGEST", digest}});
}
constexpr size_t kOwnAttributes = 10;
constexpr size_t kOwnNamespaces = 2;

std::string Namespaces(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    absl::StrAppend(&text, " xmlns:n", i, "=\"u:u\"");
  }
  return text;
}

std::string Attributes(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&text, " a", i, "=\"\"");
  return text;
}

v1::RefusalCode CodeOf(const std::string& root) {
  return RefusalOf(ParseUnverifiedRim(AsBytes(Manifest(root))).status());
}

TEST(RimLimits, TakesAsManyNamespacesAndAttributesAsTheirBounds) {
  EXPECT_EQ(CodeOf(Namespaces(kRimNamespacesMax - kOwnNamespaces)),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(CodeOf(Attributes(kRimAttributesMax - kOwnAttributes)),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

// 4,000 on the root and 50 elements take canonicalization eleven seconds.
TEST(RimLimits, RefusesMoreNamespacesThanAnyManifestDeclares) {
  EXPECT_EQ(CodeOf(Namespaces(kRimNamespacesMax - kOwnNamespaces + 1)),
            v1::ENDORSEMENT_MALFORMED);
}

// 30,000 on one element take the parser five seconds.
TEST(RimLimits, RefusesMoreAttributesThanAnyManifestHas) {
  EXPECT_EQ(CodeOf(Attributes(kRimAttributesMax - kOwnAttributes + 1)),
            v1::ENDORSEMENT_MALFORMED);
}

}  // namespace
}  // namespace kms::nvidia
