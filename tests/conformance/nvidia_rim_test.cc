// What NVIDIA's manifests may lie about as signed XML (row F4 of the
// catalogue). Each differs from a good one in the named way only and is signed
// anew where that is the point, and has one code.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/refusal.h"
#include "kms/crypto/x509/issue.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/anchors.h"
#include "tools/simtee/gpu.h"

namespace kms::nvidia {
namespace {

using simtee::GpuOptions;
using simtee::RimSpec;
using simtee::SimulatedGpu;
using Hierarchy = SimulatedGpu::Hierarchy;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);

SimulatedGpu Make() {
  GpuOptions options;
  options.not_before = kStart;
  options.not_after = kEnd;
  return SimulatedGpu::Create(options);
}

const SimulatedGpu& Hopper() {
  static const auto* const kGpu = new SimulatedGpu(Make());
  return *kGpu;
}

absl::StatusOr<VerifiedRim> VerifyRim(const std::string& file) {
  static const auto* const kAnchors = new policy::TrustAnchors(
      *policy::TrustAnchors::Create(Hopper().Anchors()));
  return ParseAndVerifyRim(AsBytes(file), *kAnchors, kNow);
}
v1::RefusalCode JudgeFile(const std::string& file) {
  return RefusalOf(VerifyRim(file).status());
}

std::string Body() {
  return SimulatedGpu::RimBody(Hopper().MakeRim(RimKind::kVbios));
}
std::string Replaced(const std::string& text, const std::string& from,
                     const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return std::string(text).replace(at, from.size(), to);
}
// A body with `from` replaced before it is signed.
v1::RefusalCode JudgeBody(const std::string& from, const std::string& to) {
  const std::string body = Replaced(Body(), from, to);
  return JudgeFile(SimulatedGpu::JoinRim(body, Hopper().RimSignature(body)));
}
// A signature with `from` replaced after it is made.
v1::RefusalCode JudgeSignature(const std::string& from, const std::string& to) {
  return JudgeFile(SimulatedGpu::JoinRim(
      Body(), Replaced(Hopper().RimSignature(Body()), from, to)));
}

TEST(NvidiaRimTest, SaysWhatItSays) {
  const auto rim =
      VerifyRim(Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios)));
  ASSERT_TRUE(rim.ok()) << rim.status();
  EXPECT_EQ(rim->id(), "vbios/GH100/96.00.9F.00.01");
  EXPECT_EQ(rim->measurements().size(), 12u);
  EXPECT_EQ(rim->measurements().at(2).size(), 2u);
  EXPECT_EQ(rim->measurements().count(13), 0u);
  EXPECT_EQ(rim->issued(), kStart);
  EXPECT_EQ(rim->not_after(), kEnd);
}

TEST(NvidiaRimTest, RejectsAlteredOrUnsignedDocuments) {
  const std::string signature = Hopper().RimSignature(Body());
  EXPECT_EQ(JudgeFile(Body()), v1::ENDORSEMENT_MALFORMED);  // Unsigned.
  // The signature is good and the digest is not.
  EXPECT_EQ(
      JudgeFile(SimulatedGpu::JoinRim(
          Replaced(Body(), "active=\"False\"", "active=\"True\""), signature)),
      v1::SIGNATURE_INVALID);
  EXPECT_EQ(JudgeFile(SimulatedGpu::JoinRim(Replaced(Body(), "\n", "\n\n"),
                                            signature)),
            v1::SIGNATURE_INVALID);
  // The digest is good and the signature is not.
  const size_t value = signature.find("<ds:SignatureValue>") + 19;
  std::string lie = signature;
  lie[value] = lie[value] == 'A' ? 'B' : 'A';
  EXPECT_EQ(JudgeFile(SimulatedGpu::JoinRim(Body(), lie)),
            v1::SIGNATURE_INVALID);
  // Both are good, of another document.
  EXPECT_EQ(JudgeFile(SimulatedGpu::JoinRim(
                SimulatedGpu::RimBody(Hopper().MakeRim(RimKind::kDriver)),
                signature)),
            v1::SIGNATURE_INVALID);
  // Both are good, by nobody we know.
  const SimulatedGpu evil = Make();
  EXPECT_EQ(JudgeFile(evil.SignRim(evil.MakeRim(RimKind::kVbios))),
            v1::CHAIN_UNTRUSTED);
  // A key for devices signs no manifests.
  EXPECT_EQ(
      JudgeFile(SimulatedGpu::JoinRim(
          Body(),
          Replaced(
              signature,
              absl::Base64Escape(Hopper().path(Hierarchy::kManifest)[0].der()),
              absl::Base64Escape(Hopper().path(Hierarchy::kDevice)[0].der())))),
      v1::SIGNATURE_INVALID);
}

// Wrapping: the signed part is somewhere else than where values are read.
TEST(NvidiaRimTest, RejectsWrappedSignatures) {
  const std::string body = Body();
  const std::string signature = Hopper().RimSignature(body);
  const std::string good = SimulatedGpu::JoinRim(body, signature);
  ASSERT_TRUE(VerifyRim(good).ok());
  const std::string evil =
      Replaced(body, "active=\"False\"", "active=\"True\"");
  const size_t end = evil.size() - std::string("</SoftwareIdentity>").size();
  // The good document as a child of the evil one, with its signature.
  EXPECT_EQ(JudgeFile(std::string(evil).insert(end, good)),
            v1::ENDORSEMENT_MALFORMED);
  // The signature deeper than the root's child.
  EXPECT_EQ(JudgeFile(std::string(evil).insert(
                end, absl::StrCat("<ns0:Link>", signature, "</ns0:Link>"))),
            v1::ENDORSEMENT_MALFORMED);
  // A second signature, good or not.
  EXPECT_EQ(JudgeFile(SimulatedGpu::JoinRim(body, signature + signature)),
            v1::ENDORSEMENT_MALFORMED);
  // The good document inside the signature, where the transform drops it.
  EXPECT_EQ(
      JudgeSignature("</ds:KeyInfo>", absl::StrCat("</ds:KeyInfo><ds:Object>",
                                                   body, "</ds:Object>")),
      v1::ENDORSEMENT_MALFORMED);
  // References to a part, to a file, to the net, and to two things.
  for (const std::string uri :
       {"#x", "#xpointer(/)", "file:///etc/passwd", "http://192.0.2.1/"}) {
    EXPECT_EQ(JudgeSignature("URI=\"\"", absl::StrCat("URI=\"", uri, "\"")),
              v1::ENDORSEMENT_MALFORMED)
        << uri;
  }
  EXPECT_EQ(JudgeSignature(" URI=\"\"", ""), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeSignature("URI=\"\"", "URI=\"\" Type=\"\""),
            v1::ENDORSEMENT_MALFORMED);
  const size_t from = signature.find("<ds:Reference");
  const size_t to = signature.find("</ds:SignedInfo>");
  const std::string reference = signature.substr(from, to - from);
  EXPECT_EQ(JudgeSignature(reference, reference + reference),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeSignature(reference, ""), v1::ENDORSEMENT_MALFORMED);
}

TEST(NvidiaRimTest, RejectsOtherAlgorithms) {
  const std::string c14n = "http://www.w3.org/2006/12/xml-c14n11";
  const std::string more = "http://www.w3.org/2001/04/xmldsig-more#";
  const std::string dsig = "http://www.w3.org/2000/09/xmldsig#";
  const auto algorithm = [](const std::string& element,
                            const std::string& uri) {
    return absl::StrCat("<ds:", element, " Algorithm=\"", uri,
                        "\"></ds:", element, ">");
  };
  for (const auto& [element, uri, others] : std::vector<
           std::tuple<std::string, std::string, std::vector<std::string>>>{
           {"CanonicalizationMethod",
            c14n,
            {c14n + "#WithComments", "http://www.w3.org/2001/10/xml-exc-c14n#",
             "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", ""}},
           {"SignatureMethod",
            more + "ecdsa-sha384",
            {more + "ecdsa-sha256", dsig + "hmac-sha1", dsig + "rsa-sha1",
             more + "hmac-sha384"}},
           {"DigestMethod",
            more + "sha384",
            {dsig + "sha1", "http://www.w3.org/2001/04/xmlenc#sha256"}},
           {"Transform",
            c14n,
            {c14n + "#WithComments",
             "http://www.w3.org/TR/1999/REC-xslt-19991116",
             "http://www.w3.org/TR/1999/REC-xpath-19991116",
             "http://www.w3.org/2002/06/xmldsig-filter2",
             dsig + "enveloped-signature"}},
           {"Transform",
            dsig + "enveloped-signature",
            {dsig + "base64", c14n}}}) {
    for (const std::string& other : others) {
      EXPECT_EQ(
          JudgeSignature(algorithm(element, uri), algorithm(element, other)),
          v1::ENDORSEMENT_MALFORMED)
          << element << " " << other;
    }
    EXPECT_EQ(JudgeSignature(algorithm(element, uri), ""),
              v1::ENDORSEMENT_MALFORMED);
    EXPECT_EQ(JudgeSignature(algorithm(element, uri),
                             algorithm(element, uri) + algorithm(element, uri)),
              v1::ENDORSEMENT_MALFORMED);
  }
}

TEST(NvidiaRimTest, RejectsOtherKeyInfo) {
  EXPECT_EQ(JudgeSignature("<ds:X509Data>",
                           "<ds:KeyName>x</ds:KeyName><ds:X509Data>"),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeSignature("<ds:X509Certificate>", "<ds:X509Certificate>!"),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeSignature("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
            v1::ENDORSEMENT_MALFORMED);
  // CAs alone, and two who could be the signer.
  const std::string signer = absl::StrCat(
      "<ds:X509Certificate>",
      absl::Base64Escape(Hopper().path(Hierarchy::kManifest)[0].der()),
      "</ds:X509Certificate>");
  EXPECT_EQ(JudgeSignature(signer, ""), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeSignature(signer, signer + signer), v1::ENDORSEMENT_MALFORMED);
  const std::string ca = absl::StrCat(
      "<ds:X509Certificate>",
      absl::Base64Escape(Hopper().path(Hierarchy::kManifest)[1].der()),
      "</ds:X509Certificate>");
  EXPECT_EQ(JudgeSignature(ca, ""), v1::ENDORSEMENT_MISSING);
  // Order proves nothing.
  EXPECT_EQ(JudgeSignature(signer + ca, ca + signer),
            v1::REFUSAL_CODE_UNSPECIFIED);
  // An RSA or P-256 signer.
  const x509::IssuerKey p256 =
      x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  const SimulatedGpu other = Hopper().Reissued(
      Hierarchy::kManifest, 0,
      [&](x509::CertificateSpec& s) { s.spki = p256.Spki(); });
  EXPECT_EQ(JudgeFile(other.SignRim(other.MakeRim(RimKind::kVbios))),
            v1::SIGNATURE_INVALID);
}

TEST(NvidiaRimTest, RejectsWhatXmlAllowsAndManifestsDoNotNeed) {
  const std::string good = Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios));
  const std::string bomb =
      "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">"
      "<!ENTITY c \"&b;&b;&b;&b;\">]>";
  for (const std::string& prefix :
       {bomb, std::string("<!DOCTYPE x SYSTEM \"http://192.0.2.1/x.dtd\">"),
        std::string("<!-- a comment -->"), std::string("<?a b?>"),
        std::string("\xef\xbb\xbf"), std::string("x"), std::string(1, '\0'),
        std::string("<a/>")}) {
    EXPECT_EQ(JudgeFile(prefix + good), v1::ENDORSEMENT_MALFORMED) << prefix;
    EXPECT_EQ(JudgeFile(good + prefix), v1::ENDORSEMENT_MALFORMED) << prefix;
  }
  EXPECT_EQ(JudgeFile("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + good),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeFile(good + "\n"), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeFile(good + good), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(""), v1::ENDORSEMENT_MALFORMED);
  // Inside, where canonical form drops it, or decodes it.
  for (const std::string junk : {"<!-- -->", "<![CDATA[x]]>", "<?a b?>",
                                 "&unknown;", "<ns9:a></ns9:a>"}) {
    EXPECT_EQ(
        JudgeFile(Replaced(good, "<ns0:Payload>", "<ns0:Payload>" + junk)),
        v1::ENDORSEMENT_MALFORMED)
        << junk;
  }
  // A6.
  std::string deep = Body();
  for (int i = 0; i < 20; ++i) {
    deep = Replaced(deep, "</ns0:Entity>", "<ns0:a></ns0:a></ns0:Entity>");
    deep = Replaced(deep, "<ns0:a></ns0:a></ns0:Entity>",
                    "<ns0:Entity></ns0:Entity></ns0:Entity>");
  }
  EXPECT_EQ(JudgeFile(deep), v1::ENDORSEMENT_MALFORMED);
  std::string bomb_deep;
  for (int i = 0; i < 100000; ++i) bomb_deep += "<a>";
  EXPECT_EQ(JudgeFile(bomb_deep.substr(0, 100000)), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(bomb_deep), v1::ENDORSEMENT_MALFORMED);
  RimSpec many = Hopper().MakeRim(RimKind::kVbios);
  many.count = 255;  // An index that SPDM has no number for.
  EXPECT_EQ(JudgeFile(Hopper().SignRim(many)), v1::ENDORSEMENT_MALFORMED);
  many.count = 254;
  EXPECT_EQ(JudgeFile(Hopper().SignRim(many)), v1::REFUSAL_CODE_UNSPECIFIED);
}

// Which of two manifests of one id is the later: the tag's version, then the
// maker's revision where it is a number.
TEST(NvidiaRimTest, CountsItsEditions) {
  const auto edition = [](const std::string& tag, const std::string& revision) {
    RimSpec spec = Hopper().MakeRim(RimKind::kVbios);
    spec.tag_version = tag;
    spec.revision = revision;
    const auto rim = ParseUnverifiedRim(AsBytes(Hopper().SignRim(spec)));
    return rim.ok() ? rim->edition : ~uint64_t{0};
  };
  EXPECT_EQ(edition("0", "r1"), 1u);
  EXPECT_EQ(edition("0", "r12"), 12u);
  EXPECT_EQ(edition("2", "r1"), (uint64_t{2} << 32) + 1);
  for (const std::string other : {"", "1", "rc", "r-1", "r4294967296"}) {
    EXPECT_EQ(edition("3", other), uint64_t{3} << 32) << other;
  }
  for (const std::string no_number : {"", "x", "-1", "01", "4294967296"}) {
    EXPECT_EQ(edition(no_number, "r1"), ~uint64_t{0}) << no_number;
  }
  // Both are optional.
  const std::string plain = Replaced(Replaced(Body(), " tagVersion=\"0\"", ""),
                                     " revision=\"r1\"", "");
  const auto rim = ParseUnverifiedRim(
      AsBytes(SimulatedGpu::JoinRim(plain, Hopper().RimSignature(plain))));
  ASSERT_TRUE(rim.ok()) << rim.status();
  EXPECT_EQ(rim->edition, 0u);
}

TEST(NvidiaRimTest, RejectsIllFormedMeasurements) {
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{
           {"index=\"1\"", "index=\"0\""},
           {"index=\"1\"", "index=\"01\""},
           {"index=\"1\"", "index=\"-1\""},
           {"index=\"1\"", "index=\"abc\""},
           {"index=\"1\"", "index=\"4294967297\""},
           {" index=\"1\"", ""},
           {" size=\"48\"", ""},
           {"size=\"48\"", "size=\"32\""},
           {"size=\"48\"", "size=\"abc\""},
           {"active=\"True\"", "active=\"true\""},
           {"active=\"True\" ", ""},
           {"alternatives=\"2\"", "alternatives=\"1\""},
           {"alternatives=\"2\"", "alternatives=\"3\""},
           {"alternatives=\"2\"", "alternatives=\"0\""},
           {"alternatives=\"2\"", "alternatives=\"33\""},
           {"ns2:Hash0=\"", "ns2:Hash0=\"00"},
           {"ns2:Hash0=\"", "ns2:Hash0=\"x"},
           {"ns2:Hash0", "Hash0"},
           {"type=\"Measurement\"", "type=\"Other\""},
           {" type=\"Measurement\"", ""},
           {" colloquialVersion=\"96.00.9F.00.01\"", ""},
           {"colloquialVersion=\"96.00.9F.00.01\"", "colloquialVersion=\"\""},
           {"colloquialVersion=\"96", "colloquialVersion=\" 96"},
           {" product=\"GH100\"", ""},
           {"</ns0:Payload>", "</ns0:Payload><ns0:Payload></ns0:Payload>"},
           {"<ns0:Payload>", "<ns0:Meta></ns0:Meta><ns0:Payload>"},
           {"<ns0:Payload>", "<ns0:Payload><ns0:File></ns0:File>"}}) {
    EXPECT_EQ(JudgeBody(from, to), v1::ENDORSEMENT_MALFORMED)
        << from << " to " << to;
  }
  EXPECT_EQ(JudgeFile(Hopper().SignRim([] {
              RimSpec spec = Hopper().MakeRim(RimKind::kVbios);
              spec.active.clear();
              return spec;
            }())),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(absl::StrReplaceAll(
                Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios)),
                {{"2015/schema.xsd", "2016/schema.xsd"}})),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(absl::StrReplaceAll(
                Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios)),
                {{"SoftwareIdentity", "SoftwareIdentitz"}})),
            v1::ENDORSEMENT_MALFORMED);
}

// A1, A2 for manifests: one bit in each byte. What survives stands in the
// certificate of the root, which the pin vouches for, and changes nothing.
TEST(NvidiaRimTest, RejectsAFlipInEachByteAndEachTruncation) {
  RimSpec spec = Hopper().MakeRim(RimKind::kVbios);
  spec.count = 13;  // A short one.
  const std::string good = Hopper().SignRim(spec);
  const size_t root = good.find(
      absl::Base64Escape(Hopper().path(Hierarchy::kManifest).back().der()));
  const size_t root_end = good.find("</ds:X509Certificate>", root);
  ASSERT_NE(root_end, std::string::npos);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string lie = good;
    lie[at] = static_cast<char>(lie[at] ^ 1 << at % 7);
    const auto rim = VerifyRim(lie);
    if (rim.ok()) {
      ASSERT_TRUE(at >= root && at < root_end) << "byte " << at;
      ASSERT_EQ(rim->measurements(), VerifyRim(good)->measurements());
    }
    ASSERT_FALSE(VerifyRim(good.substr(0, at)).ok()) << at << " bytes";
  }
}

}  // namespace
}  // namespace kms::nvidia
