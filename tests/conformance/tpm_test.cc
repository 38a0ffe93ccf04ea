// What a TPM's Evidence may lie about. Each row is otherwise valid and signed
// anew, differs in the named way only, and has one code.
#include "tools/simtee/tpm.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/tpm/algorithm.h"
#include "policy/tpm/attestation_key.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"

namespace kms::tpm {
namespace {

using simtee::SetFile;
using simtee::SimulatedTpm;
using simtee::TpmOptions;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);
constexpr v1::RefusalCode kAccepted = v1::REFUSAL_CODE_UNSPECIFIED;

TpmOptions Options() {
  TpmOptions options;
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}

const SimulatedTpm& Tpm() {
  static const auto* const kTpm =
      new SimulatedTpm(SimulatedTpm::Create(Options()));
  return *kTpm;
}
const SimulatedTpm& RsaTpm() {
  static const auto* const kTpm = [] {
    TpmOptions options = Options();
    options.scheme = Scheme::kRsaPss;
    return new SimulatedTpm(SimulatedTpm::Create(options));
  }();
  return *kTpm;
}

// 32 bytes of the transcript.
const std::string kNonce(32, '\x42');

absl::StatusOr<v1::Claims> Verify(
    const v1::Evidence& evidence,
    const std::vector<policy::TrustAnchor>& anchors, absl::Time now = kNow,
    policy::VerifiedCache* cache = nullptr,
    const policy::Collateral* collateral = nullptr) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  std::vector<policy::TrustAnchor> all = policy::TrustAnchors::BuiltIn();
  all.insert(all.end(), anchors.begin(), anchors.end());
  const auto created = policy::TrustAnchors::Create(all);
  EXPECT_TRUE(created.ok()) << created.status();
  return policy::VerifyBundle(bundle, {.now = now,
                                       .anchors = *created,
                                       .collateral = collateral,
                                       .cache = cache});
}

v1::RefusalCode Judge(const v1::Evidence& evidence,
                      const SimulatedTpm& tpm = Tpm()) {
  return RefusalOf(Verify(evidence, {tpm.PinnedAnchor()}).status());
}

// The verdict on a quote after `change` and a new signature.
v1::RefusalCode JudgeQuote(
    const std::function<void(UnverifiedQuote&)>& change) {
  UnverifiedQuote quote = Tpm().MakeQuote(kNonce, Tpm().Pcrs(), 0xff);
  change(quote);
  return Judge(Tpm().Wrap(SerializeAttest(quote)));
}

// The same for bytes that no quote may hold.
v1::RefusalCode JudgeBytes(size_t at, const std::string& bytes) {
  std::string attest =
      SerializeAttest(Tpm().MakeQuote(kNonce, Tpm().Pcrs(), 0xff));
  attest.replace(at, bytes.size(), bytes);
  return Judge(Tpm().Wrap(attest));
}

// Of a quote by Tpm() over kNonce: where its fields stand.
constexpr size_t kTypeAt = 4;
constexpr size_t kSignerAt = 6;
constexpr size_t kNonceAt = kSignerAt + 2 + 34;
constexpr size_t kSafeAt = kNonceAt + 2 + 32 + 16;
constexpr size_t kSelectionAt = kSafeAt + 1 + 8;

std::string U16(int value) {
  return ByteWriter().U16Be(static_cast<uint16_t>(value)).Take();
}

TEST(TpmTest, AcceptsEachSchemeAndSaysSimulated) {
  for (const Scheme scheme :
       {Scheme::kEcdsa, Scheme::kRsaSsa, Scheme::kRsaPss}) {
    for (const crypto::Hash hash :
         {crypto::Hash::kSha256, crypto::Hash::kSha384,
          crypto::Hash::kSha512}) {
      TpmOptions options = Options();
      options.scheme = scheme;
      options.hash = hash;
      if (hash != crypto::Hash::kSha256) options.curve = crypto::Curve::kP384;
      const SimulatedTpm tpm = SimulatedTpm::Create(options);
      const auto claims = Verify(tpm.Attest(kNonce), {tpm.PinnedAnchor()});
      ASSERT_TRUE(claims.ok()) << claims.status();
      EXPECT_TRUE(claims->tpm().simulated());
      EXPECT_EQ(claims->tpm().anchor(), "simulated-tpm-ak");
      EXPECT_FALSE(claims->tpm().ak_certified());
      EXPECT_EQ(claims->tpm().nonce(), kNonce);
      EXPECT_EQ(claims->tpm().ak_name(), NameOf(tpm.area()));
      EXPECT_EQ(claims->tpm().reset_count(), 7u);
      EXPECT_EQ(claims->tpm().pcrs_size(), 8);
    }
  }
}

// What tools write in place of TPMT_SIGNATURE and TPMT_PUBLIC.
TEST(TpmTest, AcceptsTheFormsThatToolsWrite) {
  const std::string attest =
      SerializeAttest(Tpm().MakeQuote(kNonce, Tpm().Pcrs(), 0xff));
  v1::Evidence evidence = Tpm().Wrap(attest);
  SetFile(
      evidence, "quote_signature",
      Tpm().ak().Sign(x509::SignatureScheme::kEcdsaSha256, AsBytes(attest)));
  EXPECT_EQ(Judge(evidence), kAccepted);
  const std::string area = SerializePublicArea(Tpm().area());
  for (const std::string& form :
       {U16(static_cast<int>(area.size())) + area, Tpm().spki(),
        x509::ToPem(AsBytes(Tpm().spki()), "PUBLIC KEY")}) {
    SetFile(evidence, "ak_public", form);
    EXPECT_EQ(Judge(evidence), kAccepted);
  }
  // A bare RSA signature is of the key's scheme where the key says one.
  v1::Evidence rsa = RsaTpm().Attest(kNonce);
  SetFile(rsa, "quote_signature",
          RsaTpm().Sign(AsBytes(rsa.files(0).content())).rsa);
  EXPECT_EQ(Judge(rsa, RsaTpm()), kAccepted);
  SetFile(rsa, "ak_public", RsaTpm().spki());
  EXPECT_EQ(Judge(rsa, RsaTpm()), v1::SIGNATURE_INVALID);  // Read as RSASSA.
}

TEST(TpmTest, AcceptsTheSaltsThatTpmsUseAndNoOther) {
  const std::string attest =
      SerializeAttest(RsaTpm().MakeQuote(kNonce, RsaTpm().Pcrs(), 0xff));
  const auto judge = [&](size_t salt_size) {
    Signature signature;
    signature.scheme = Scheme::kRsaPss;
    signature.rsa = RsaTpm().ak().SignPss(x509::SignatureScheme::kRsaPssSha256,
                                          salt_size, AsBytes(attest));
    v1::Evidence evidence = RsaTpm().Wrap(attest);
    SetFile(evidence, "quote_signature", SerializeSignature(signature));
    return Judge(evidence, RsaTpm());
  };
  EXPECT_EQ(judge(32), kAccepted);
  EXPECT_EQ(judge(256 - 32 - 2), kAccepted);
  for (size_t size : {0, 20, 33}) EXPECT_EQ(judge(size), v1::SIGNATURE_INVALID);
}

// Annex C: a TPM may leave the leading zeros of r and s out.
TEST(TpmTest, AcceptsShortNumbersOfEcdsa) {
  const std::string attest =
      SerializeAttest(Tpm().MakeQuote(kNonce, Tpm().Pcrs(), 0xff));
  Signature signature;
  do {
    signature = Tpm().Sign(AsBytes(attest));
  } while (signature.r[0] != '\0');  // One in 256.
  v1::Evidence evidence = Tpm().Wrap(attest);
  SetFile(evidence, "quote_signature", SerializeSignature(signature));
  EXPECT_EQ(Judge(evidence), kAccepted);
  signature.r.erase(0, 1);
  SetFile(evidence, "quote_signature", SerializeSignature(signature));
  EXPECT_EQ(Judge(evidence), kAccepted);
  signature.r.insert(0, 2, '\0');  // Longer than the field.
  SetFile(evidence, "quote_signature", SerializeSignature(signature));
  EXPECT_EQ(Judge(evidence), v1::SIGNATURE_INVALID);
}

// A1: no bit of the quote or its signature is a don't-care.
TEST(TpmTest, RejectsEveryBitFlip) {
  const v1::Evidence good = Tpm().Attest(kNonce);
  ASSERT_EQ(Judge(good), kAccepted);
  for (int file : {0, 1}) {
    const std::string& bytes = good.files(file).content();
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string changed = bytes;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      v1::Evidence evidence = good;
      evidence.mutable_files(file)->set_content(changed);
      const v1::RefusalCode code = Judge(evidence);
      ASSERT_NE(code, kAccepted) << good.files(file).role() << " bit " << bit;
      ASSERT_NE(code, v1::INTERNAL_ERROR) << bit;
    }
  }
}

// A2, A3.
TEST(TpmTest, RejectsEveryOtherLength) {
  const v1::Evidence good = Tpm().Attest(kNonce);
  for (int file : {0, 1, 3}) {
    const std::string& bytes = good.files(file).content();
    for (size_t size = 0; size <= bytes.size() + 64; ++size) {
      if (size == bytes.size()) continue;
      v1::Evidence evidence = good;
      evidence.mutable_files(file)->mutable_content()->resize(size, '\0');
      EXPECT_EQ(Judge(evidence), v1::EVIDENCE_MALFORMED)
          << good.files(file).role() << " of " << size;
    }
    v1::Evidence evidence = good;
    evidence.mutable_files(file)->set_content(bytes + bytes);
    EXPECT_EQ(Judge(evidence), v1::EVIDENCE_MALFORMED);
  }
  for (const char* length : {"\x00\x00", "\x00\x01", "\x7f\xff", "\xff\xff"}) {
    EXPECT_NE(JudgeBytes(kSignerAt, std::string(length, 2)), kAccepted);
    EXPECT_EQ(JudgeBytes(kNonceAt, std::string(length, 2)),
              v1::EVIDENCE_MALFORMED);
  }
}

// A7.
TEST(TpmTest, RejectsOtherRolesAndAbsentFiles) {
  v1::Evidence evidence = Tpm().Attest(kNonce);
  SetFile(evidence, "evidence", "x");
  EXPECT_EQ(Judge(evidence), v1::EVIDENCE_MALFORMED);
  for (int file = 0; file < 4; ++file) {
    v1::Evidence without = Tpm().Attest(kNonce);
    without.mutable_files()->DeleteSubrange(file, 1);
    EXPECT_EQ(Judge(without), v1::EVIDENCE_MALFORMED) << file;
  }
  v1::Evidence labelled = Tpm().Attest(kNonce);
  labelled.set_type(v1::AZ_SNP_VTPM);
  EXPECT_EQ(Judge(labelled), v1::EVIDENCE_MALFORMED);
}

// E7: only what the TPM made itself, and only a quote.
TEST(TpmTest, RejectsWhatIsNoQuote) {
  EXPECT_EQ(JudgeBytes(0, "\xfe"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeBytes(0, std::string("\x80\x18\xff\x54", 4)),
            v1::EVIDENCE_MALFORMED);
  // Certify, creation, time, session and command audit, NV, and none.
  for (int type : {0x8017, 0x801a, 0x8019, 0x8016, 0x8015, 0x8014, 0}) {
    EXPECT_EQ(JudgeBytes(kTypeAt, U16(type)), v1::EVIDENCE_UNSUPPORTED) << type;
  }
}

// E7: the nonce.
TEST(TpmTest, BindsTheNonce) {
  const auto bound = [](const std::string& nonce, const std::string& want) {
    const auto claims = Verify(Tpm().Attest(nonce), {Tpm().PinnedAnchor()});
    EXPECT_TRUE(claims.ok()) << claims.status();
    return RefusalOf(policy::CheckReportData(*claims, AsBytes(want)));
  };
  const std::string transcript = kNonce + std::string(32, '\x43');
  EXPECT_EQ(bound(kNonce, transcript), kAccepted);
  EXPECT_EQ(bound(kNonce + std::string(32, '\0'), transcript), kAccepted);
  EXPECT_EQ(bound(kNonce + "\x01", transcript), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(bound(transcript, transcript), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(bound(kNonce.substr(1), transcript), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(bound("", transcript), v1::EVIDENCE_NOT_BOUND);
  std::string wrong = kNonce;
  wrong[31] = '\0';
  EXPECT_EQ(bound(wrong, transcript), v1::EVIDENCE_NOT_BOUND);
  // A file that says what was bound must say so.
  v1::Evidence evidence = Tpm().Attest(kNonce);
  SetFile(evidence, "nonce", kNonce);
  EXPECT_EQ(Judge(evidence), kAccepted);
  SetFile(evidence, "nonce", kNonce + std::string(1, '\0'));
  EXPECT_EQ(Judge(evidence), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) { q.extra_data.resize(66); }),
            kAccepted);
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) { q.extra_data.resize(67); }),
            v1::EVIDENCE_MALFORMED);
}

// E7: the signer's name.
TEST(TpmTest, RejectsNamesThatAreNotTheKeys) {
  const auto named = [](uint16_t algorithm, size_t size) {
    return JudgeQuote([&](UnverifiedQuote& q) {
      q.qualified_signer = U16(algorithm) + std::string(size, 'n');
    });
  };
  EXPECT_EQ(named(kAlgSha384, 48), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(named(kAlgSha256, 33), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(named(kAlgSha1, 20), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) { q.qualified_signer = "x"; }),
            v1::EVIDENCE_MALFORMED);
  // A handle in place of a name: what a TPM gives for no key at all.
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) {
              q.qualified_signer = std::string("\x40\0\0\x07", 4);
            }),
            v1::EVIDENCE_UNSUPPORTED);
}

TEST(TpmTest, RejectsFilesThatHoldNoKey) {
  const auto judge = [](const std::string& file) {
    v1::Evidence evidence = Tpm().Attest(kNonce);
    SetFile(evidence, "ak_public", file);
    return Judge(evidence);
  };
  const std::string pem = x509::ToPem(AsBytes(Tpm().spki()), "PUBLIC KEY");
  EXPECT_EQ(judge(pem), kAccepted);
  EXPECT_EQ(judge(pem + pem), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(pem + std::string(4096, '\n')), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(x509::ToPem(AsBytes("no key"), "PUBLIC KEY")),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge("-----BEGIN PUBLIC KEY-----\n?"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(Tpm().spki() + "x"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(""), v1::EVIDENCE_MALFORMED);
  // RFC 8410, section 10.1: a key that no TPM of ours has.
  EXPECT_EQ(
      judge(*Unhex("302a300506032b657003210019bf44096984cdfe8541bac167dc3b"
                   "96c85086aa30b6b6cb0c5c38ad703166e1")),
      v1::EVIDENCE_MALFORMED);
}

// E8: each attribute that makes a key an attestation key.
TEST(TpmTest, RejectsKeysThatAreNotForAttestation) {
  const auto judge = [](const std::function<void(PublicArea&)>& change) {
    PublicArea area = Tpm().area();
    change(area);
    v1::Evidence evidence = Tpm().Attest(kNonce);
    SetFile(evidence, "ak_public", SerializePublicArea(area));
    return Judge(evidence);
  };
  for (uint32_t needed :
       {kFixedTpm, kFixedParent, kSensitiveDataOrigin, kRestricted, kSign}) {
    EXPECT_EQ(judge([&](PublicArea& a) { a.attributes &= ~needed; }),
              v1::ENDORSEMENT_MISMATCH)
        << needed;
  }
  EXPECT_EQ(judge([](PublicArea& a) { a.attributes |= kDecrypt; }),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(judge([](PublicArea& a) { a.scheme.reset(); }),
            v1::ENDORSEMENT_MISMATCH);
  for (uint32_t reserved = 1; reserved != 0; reserved <<= 1) {
    if ((reserved & kAttributesKnown) != 0) continue;
    EXPECT_EQ(judge([&](PublicArea& a) { a.attributes |= reserved; }),
              v1::EVIDENCE_MALFORMED)
        << reserved;
  }
  // How the key's use is authorised is its owner's affair.
  for (uint32_t free : {kStClear, kAdminWithPolicy, kNoDa}) {
    EXPECT_EQ(judge([&](PublicArea& a) { a.attributes |= free; }), kAccepted);
  }
  // A scheme or a name's hash that is not what signed.
  EXPECT_EQ(judge([](PublicArea& a) { a.scheme_hash = crypto::Hash::kSha384; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(judge([](PublicArea& a) { a.name_hash = crypto::Hash::kSha512; }),
            v1::EVIDENCE_INCONSISTENT);
  // A point that is not on the curve.
  EXPECT_EQ(judge([](PublicArea& a) { a.x[3] ^= 1; }), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](PublicArea& a) { a.x.insert(0, 1, '\0'); }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](PublicArea& a) { a.y.insert(0, 1, '\0'); }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](PublicArea& a) { a.auth_policy = std::string(64, 'p'); }),
            kAccepted);
  EXPECT_EQ(
      judge([](PublicArea& a) { a.auth_policy = std::string(1024, 'p'); }),
      v1::EVIDENCE_MALFORMED);
  // RSA, and the other of its two schemes.
  PublicArea other = RsaTpm().area();
  ASSERT_EQ(other.scheme, Scheme::kRsaPss);
  other.scheme = Scheme::kRsaSsa;
  v1::Evidence evidence = RsaTpm().Attest(kNonce);
  SetFile(evidence, "ak_public", SerializePublicArea(other));
  EXPECT_EQ(Judge(evidence, RsaTpm()), v1::EVIDENCE_INCONSISTENT);
}

// B8, E8: parameters that no attestation key of ours has.
TEST(TpmTest, RejectsOtherKindsOfKeys) {
  const auto judge = [](const SimulatedTpm& tpm, size_t at,
                        const std::string& bytes) {
    std::string area = SerializePublicArea(tpm.area());
    area.replace(at, bytes.size(), bytes);
    v1::Evidence evidence = tpm.Attest(kNonce);
    SetFile(evidence, "ak_public", area);
    return Judge(evidence, tpm);
  };
  // type 0, name's hash 2, attributes 4, policy 8, symmetric 10, scheme 12,
  // its hash 14; ECC: curve 16, kdf 18; RSA: bits 16, exponent 18.
  for (int type : {0x0008, 0x0025}) {  // Neither a key's nor the file's size.
    EXPECT_EQ(judge(Tpm(), 0, U16(type)), v1::EVIDENCE_MALFORMED);
  }
  std::string sized = SerializePublicArea(Tpm().area());
  sized.replace(0, 2, U16(0x0008));
  sized.insert(0, U16(static_cast<int>(sized.size())));
  v1::Evidence keyed_hash = Tpm().Attest(kNonce);
  SetFile(keyed_hash, "ak_public", sized);
  EXPECT_EQ(Judge(keyed_hash), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(judge(Tpm(), 2, U16(kAlgSha1)), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(judge(Tpm(), 10, U16(0x0006)), v1::EVIDENCE_UNSUPPORTED);
  for (int scheme : {0x001a, 0x001b, 0x001c, 0x0014}) {  // ECDAA, ...
    EXPECT_EQ(judge(Tpm(), 12, U16(scheme)), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(judge(Tpm(), 14, U16(kAlgSha1)), v1::EVIDENCE_UNSUPPORTED);
  for (int curve : {0x0001, 0x0002, 0x0005, 0x0010, 0x0020}) {
    EXPECT_EQ(judge(Tpm(), 16, U16(curve)), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(judge(Tpm(), 18, U16(0x0020)), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(judge(RsaTpm(), 12, U16(0x0015)), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(judge(RsaTpm(), 12, U16(0x0018)), v1::EVIDENCE_UNSUPPORTED);
  for (int bits : {0, 1024, 2047, 8192}) {
    EXPECT_EQ(judge(RsaTpm(), 16, U16(bits)), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(judge(RsaTpm(), 16, U16(3072)), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(RsaTpm(), 18, std::string("\0\0\0\3", 4)),
            v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(judge(RsaTpm(), 18, std::string("\0\1\0\1", 4)), kAccepted);
  EXPECT_EQ(judge(RsaTpm(), 24, std::string(256, '\0')),
            v1::EVIDENCE_MALFORMED);
}

TEST(TpmTest, RejectsOtherSignatureAlgorithms) {
  const auto judge = [](int scheme, int hash) {
    v1::Evidence evidence = Tpm().Attest(kNonce);
    evidence.mutable_files(1)->mutable_content()->replace(
        0, 4, U16(scheme) + U16(hash));
    return Judge(evidence);
  };
  for (int scheme : {0x0005, 0x0010, 0x001a, 0x001b, 0x001c}) {
    EXPECT_EQ(judge(scheme, kAlgSha256), v1::EVIDENCE_UNSUPPORTED);
  }
  for (int hash : {int{kAlgSha1}, int{kAlgNull}, 0x0012}) {
    EXPECT_EQ(judge(kAlgEcdsa, hash), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(judge(kAlgEcdsa, kAlgSha512), v1::EVIDENCE_INCONSISTENT);
  // An RSA scheme under an EC key that does not say what it signs with.
  v1::Evidence evidence = Tpm().Attest(kNonce);
  SetFile(evidence, "ak_public", Tpm().spki());
  Signature signature;
  signature.rsa = std::string(256, 's');
  SetFile(evidence, "quote_signature", SerializeSignature(signature));
  EXPECT_EQ(Judge(evidence), v1::SIGNATURE_INVALID);
  signature.scheme = Scheme::kRsaPss;
  SetFile(evidence, "quote_signature", SerializeSignature(signature));
  EXPECT_EQ(Judge(evidence), v1::SIGNATURE_INVALID);
  // Begins as DER does, and is none.
  SetFile(evidence, "quote_signature", "\x30\x03\x02\x01");
  EXPECT_EQ(Judge(evidence), v1::EVIDENCE_MALFORMED);
  // And the reverse.
  v1::Evidence rsa = RsaTpm().Attest(kNonce);
  SetFile(rsa, "ak_public", RsaTpm().spki());
  SetFile(rsa, "quote_signature",
          SerializeSignature(Tpm().Sign(AsBytes(rsa.files(0).content()))));
  EXPECT_EQ(Judge(rsa, RsaTpm()), v1::SIGNATURE_INVALID);
}

// E9: what a quote may cover.
TEST(TpmTest, RejectsSelectionsThatSayNothing) {
  const auto selection = [](uint32_t count, uint16_t hash, int size) {
    return ByteWriter()
        .U32Be(count)
        .U16Be(hash)
        .U8(static_cast<uint8_t>(size))
        .Take();
  };
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) { q.selected = 0; }),
            v1::EVIDENCE_MALFORMED);
  for (uint32_t count : {0u, 2u, 0xffffffffu}) {
    EXPECT_EQ(JudgeBytes(kSelectionAt, selection(count, kAlgSha256, 3)),
              v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint16_t bank : {kAlgSha1, kAlgSha512, kAlgNull, uint16_t{0x0012}}) {
    EXPECT_EQ(JudgeBytes(kSelectionAt, selection(1, bank, 3)),
              v1::EVIDENCE_UNSUPPORTED);
  }
  for (int size : {0, 1, 2, 4, 255}) {
    EXPECT_EQ(JudgeBytes(kSelectionAt, selection(1, kAlgSha256, size)),
              v1::EVIDENCE_UNSUPPORTED);
  }
}

v1::RefusalCode JudgePcrs(const std::function<void(UnverifiedPcrs&)>& change) {
  UnverifiedPcrs pcrs = Tpm().Pcrs();
  change(pcrs);
  v1::Evidence evidence = Tpm().Attest(kNonce);
  SetFile(evidence, "pcrs", SerializePcrs(pcrs));
  return Judge(evidence);
}

// E9: the values are those that were quoted.
TEST(TpmTest, RejectsValuesThatWereNotQuoted) {
  EXPECT_EQ(JudgePcrs([](UnverifiedPcrs& p) { p.values[7][0] ^= 1; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(
      JudgePcrs([](UnverifiedPcrs& p) { std::swap(p.values[0], p.values[1]); }),
      v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgePcrs([](UnverifiedPcrs& p) { p.values.erase(7); }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgePcrs([](UnverifiedPcrs& p) {
              p = Tpm().Pcrs(crypto::Hash::kSha384);
            }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) { q.selected = 0x7f; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgeQuote([](UnverifiedQuote& q) { q.pcr_digest.clear(); }),
            v1::EVIDENCE_INCONSISTENT);
}

// E9: what was not quoted is not claimed, whatever it is.
TEST(TpmTest, ClaimsOnlyQuotedPcrs) {
  UnverifiedPcrs pcrs = Tpm().Pcrs();
  pcrs.values[8] = std::string(32, 'x');
  pcrs.values.erase(23);
  v1::Evidence evidence = Tpm().Wrap(
      SerializeAttest(Tpm().MakeQuote(kNonce, pcrs, 1u << 4 | 1u << 22)));
  SetFile(evidence, "pcrs", SerializePcrs(pcrs));
  const auto claims = Verify(evidence, {Tpm().PinnedAnchor()});
  ASSERT_TRUE(claims.ok()) << claims.status();
  ASSERT_EQ(claims->tpm().pcrs_size(), 2);
  EXPECT_EQ(claims->tpm().pcrs().at(4), pcrs.values[4]);
  EXPECT_EQ(claims->tpm().pcrs().at(22), pcrs.values[22]);
}

TEST(TpmTest, ReadsTheSha384Bank) {
  const UnverifiedPcrs pcrs = Tpm().Pcrs(crypto::Hash::kSha384);
  v1::Evidence evidence =
      Tpm().Wrap(SerializeAttest(Tpm().MakeQuote(kNonce, pcrs, 0x800001)));
  SetFile(evidence, "pcrs", SerializePcrs(pcrs));
  const auto claims = Verify(evidence, {Tpm().PinnedAnchor()});
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->tpm().pcr_bank(), "sha384");
  EXPECT_EQ(claims->tpm().pcrs().at(23), pcrs.values.at(23));
}

// G2, A6.
TEST(TpmTest, RejectsIllFormedPcrs) {
  const std::string value(64, 'a');
  const auto judge = [](const std::string& json) {
    v1::Evidence evidence = Tpm().Attest(kNonce);
    SetFile(evidence, "pcrs", json);
    return Judge(evidence);
  };
  const auto one = [&](const std::string& index, const std::string& text) {
    return absl::StrCat(R"({"bank": "sha256", "pcrs": {")", index, "\": ", text,
                        "}}");
  };
  EXPECT_EQ(judge(one("0", "\"" + value + "\"")), v1::EVIDENCE_INCONSISTENT);
  for (const char* index : {"24", "-1", "00", "07", "+1", " 1", "1 ", "0x1", "",
                            "4294967296", "one"}) {
    EXPECT_EQ(judge(one(index, "\"" + value + "\"")), v1::EVIDENCE_MALFORMED)
        << index;
  }
  for (const std::string& text :
       {std::string("1"), std::string("null"), std::string("[]"),
        "\"" + value + "aa\"", "\"" + value.substr(1) + "\"",
        "\"" + value.substr(1) + "g\"", "\"0x" + value.substr(2) + "\""}) {
    EXPECT_EQ(judge(one("0", text)), v1::EVIDENCE_MALFORMED) << text;
  }
  for (const char* json :
       {"", "[]", "{}", R"({"bank": "sha256"})", R"({"pcrs": {}})",
        R"({"bank": "sha256", "pcrs": {}, "x": 1})",
        R"({"bank": 11, "pcrs": {}})", R"({"bank": "sha256", "pcrs": []})",
        R"({"bank": "sha256", "bank": "sha256", "pcrs": {}})",
        R"({"bank": "sha256", "pcrs": {"0": {"0": {}}}})"}) {
    EXPECT_EQ(judge(json), v1::EVIDENCE_MALFORMED) << json;
  }
  for (const char* json : {R"({"bank": "sha256", "x": {}})",
                           R"({"x": "sha256", "pcrs": {}})", R"("bank")"}) {
    EXPECT_EQ(judge(json), v1::EVIDENCE_MALFORMED) << json;
  }
  for (const char* bank : {"sha1", "sha512", "SHA256", "sha3-256", ""}) {
    EXPECT_EQ(judge(absl::StrCat(R"({"bank": ")", bank, R"(", "pcrs": {}})")),
              v1::EVIDENCE_UNSUPPORTED)
        << bank;
  }
  EXPECT_EQ(judge(std::string(100000, '[')), v1::EVIDENCE_MALFORMED);
}

// E10: shown, for policies to judge.
TEST(TpmTest, ShowsTheClock) {
  UnverifiedQuote quote = Tpm().MakeQuote(kNonce, Tpm().Pcrs(), 0xff);
  quote.clock_safe = false;
  quote.reset_count = 3;
  quote.restart_count = 9;
  quote.clock_ms = 5;
  const auto claims =
      Verify(Tpm().Wrap(SerializeAttest(quote)), {Tpm().PinnedAnchor()});
  ASSERT_TRUE(claims.ok());
  EXPECT_FALSE(claims->tpm().clock_safe());
  EXPECT_EQ(claims->tpm().reset_count(), 3u);
  EXPECT_EQ(claims->tpm().restart_count(), 9u);
  EXPECT_EQ(claims->tpm().clock_ms(), 5u);
  EXPECT_EQ(JudgeBytes(kSafeAt, "\x02"), v1::EVIDENCE_MALFORMED);
}

// E11: what else a log may lie about is policy/event_log's and
// event_log_test's.
TEST(TpmTest, RejectsALogOfOtherPcrs) {
  // One event of a SHA-1 log that extends PCR 0 by EV_SEPARATOR.
  ByteWriter log;
  log.U32Le(0).U32Le(4).Bytes(std::string(20, 'd')).U32Le(4).Bytes("\0\0\0\0");
  v1::Evidence evidence = Tpm().Attest(kNonce);
  SetFile(evidence, "event_log", log.str());
  EXPECT_NE(Judge(evidence), kAccepted);
  SetFile(evidence, "event_log", "");
  EXPECT_NE(Judge(evidence), kAccepted);
}

// --- Whose key it is. ---

v1::Evidence Certified() {
  v1::Evidence evidence = Tpm().Attest(kNonce);
  Tpm().AddCertificates(evidence);
  return evidence;
}

v1::RefusalCode JudgeCertified(const v1::Evidence& evidence,
                               absl::Time now = kNow) {
  return RefusalOf(Verify(evidence, {Tpm().CaAnchor()}, now).status());
}

// The AK's certificate issued anew after `change`.
v1::RefusalCode JudgeAkCertificate(
    const std::function<void(x509::CertificateSpec&)>& change) {
  x509::CertificateSpec spec = SimulatedTpm::AkSpec(Options(), Tpm().ak());
  change(spec);
  v1::Evidence evidence = Certified();
  SetFile(evidence, "ak_cert", x509::IssueCertificate(spec, Tpm().ca_key()));
  return JudgeCertified(evidence);
}

x509::Extension Purposes(const std::vector<std::string>& oids) {
  std::string list;
  for (const std::string& oid : oids) list += x509::DerOid(oid);
  return {"2.5.29.37", false, x509::DerEncode(x509::kDerSequence, list)};
}

TEST(TpmTest, AcceptsACertifiedKey) {
  const auto claims = Verify(Certified(), {Tpm().CaAnchor()});
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->tpm().anchor(), "simulated-tpm-ca");
  EXPECT_TRUE(claims->tpm().simulated());
  EXPECT_TRUE(claims->tpm().ak_certified());
  EXPECT_EQ(claims->tpm().ak_subject(), "2.23.133.2.1=id:53494D55");
  ASSERT_EQ(claims->collateral_size(), 2);
  EXPECT_EQ(claims->collateral(0).digest(), Tpm().ak_certificate().sha256());
  // The certificate brings the key along.
  v1::Evidence evidence = Certified();
  evidence.mutable_files()->DeleteSubrange(3, 1);
  EXPECT_EQ(evidence.files(3).role(), "ak_cert");
  EXPECT_EQ(JudgeCertified(evidence), kAccepted);
  // With a subject of its own.
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.subject = x509::MakeName({{"2.5.4.3", "vm"}});
            }),
            kAccepted);
}

// B1, B2, E8.
TEST(TpmTest, RejectsKeysThatNobodyVouchesFor) {
  const SimulatedTpm evil = SimulatedTpm::Create(Options());
  // Neither pinned nor certified.
  EXPECT_EQ(
      RefusalOf(Verify(evil.Attest(kNonce), {Tpm().PinnedAnchor()}).status()),
      v1::CHAIN_UNTRUSTED);
  // Certified by a CA of the same name.
  v1::Evidence evidence = evil.Attest(kNonce);
  evil.AddCertificates(evidence);
  EXPECT_EQ(JudgeCertified(evidence), v1::CHAIN_UNTRUSTED);
  // Another TPM's certificate.
  v1::Evidence other = evil.Attest(kNonce);
  Tpm().AddCertificates(other);
  EXPECT_EQ(JudgeCertified(other), v1::ENDORSEMENT_MISMATCH);
  // Another TPM's certificate, whose key then has not signed.
  other.mutable_files()->DeleteSubrange(3, 1);
  EXPECT_EQ(JudgeCertified(other), v1::SIGNATURE_INVALID);
  // Another TPM's key.
  v1::Evidence keyed = evil.Attest(kNonce);
  SetFile(keyed, "ak_public", Tpm().spki());
  EXPECT_EQ(Judge(keyed), v1::SIGNATURE_INVALID);
  // Anchors of another type.
  policy::TrustAnchor pinned = Tpm().PinnedAnchor();
  pinned.type = v1::AZ_SNP_VTPM;
  policy::TrustAnchor ca = Tpm().CaAnchor();
  ca.type = v1::AZ_SNP_VTPM;
  EXPECT_EQ(RefusalOf(Verify(Tpm().Attest(kNonce), {pinned}).status()),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(RefusalOf(Verify(Certified(), {ca}).status()), v1::CHAIN_UNTRUSTED);
}

// A CA must not be able to sign quotes, nor a pinned key to certify others.
TEST(TpmTest, KeepsCasAndPinnedKeysApart) {
  const policy::TrustAnchor as_ca = policy::AnchorFromCertificate(
      "ak-certificate", v1::TPM, Tpm().ak_certificate(), true);
  EXPECT_EQ(RefusalOf(Verify(Tpm().Attest(kNonce), {as_ca}).status()),
            v1::CHAIN_UNTRUSTED);
  x509::CertificateSpec spec = SimulatedTpm::AkSpec(Options(), Tpm().ca_key());
  spec.issuer = Tpm().ca().subject_der();
  v1::Evidence evidence = Certified();
  SetFile(evidence, "ak_cert", x509::IssueCertificate(spec, Tpm().ak()));
  SetFile(evidence, "ak_public", std::string(Tpm().ca().public_key().spki()));
  EXPECT_EQ(RefusalOf(Verify(evidence, {Tpm().PinnedAnchor()}).status()),
            v1::CHAIN_UNTRUSTED);
}

// A certificate that came is never passed over.
TEST(TpmTest, JudgesTheCertificateThoughTheKeyIsPinned) {
  EXPECT_EQ(RefusalOf(Verify(Certified(), {Tpm().PinnedAnchor()}).status()),
            v1::CHAIN_UNTRUSTED);
}

// E8: what the certificate is for.
TEST(TpmTest, RejectsCertificatesForOtherKeys) {
  const auto purposes = [](const std::vector<std::string>& oids) {
    return JudgeAkCertificate([&](x509::CertificateSpec& spec) {
      spec.extensions[2] = Purposes(oids);
    });
  };
  EXPECT_EQ(purposes({"2.23.133.8.3"}), kAccepted);
  EXPECT_EQ(purposes({"1.3.6.1.5.5.7.3.2", "2.23.133.8.3"}), kAccepted);
  EXPECT_EQ(purposes({"2.23.133.8.1"}), kAccepted);  // Google's.
  EXPECT_EQ(purposes({"1.3.6.1.5.5.7.3.1"}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(purposes({"2.23.133.8.2"}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(purposes({"2.5.29.37.0"}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(purposes({}), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions[2].value += "x";
            }),
            v1::ENDORSEMENT_MALFORMED);
  // A CA of all kinds of keys has to say which this one is.
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions.erase(spec.extensions.begin() + 2);
            }),
            v1::ENDORSEMENT_MISMATCH);
  // An endorsement key decrypts.
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions[1] = x509::MakeKeyUsage(1u << 2);
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions.erase(spec.extensions.begin() + 1);
            }),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions[0] = x509::MakeBasicConstraints(true, 0);
            }),
            v1::CHAIN_UNTRUSTED);
}

// B3: critical means that who does not know it must refuse.
TEST(TpmTest, HonoursCriticalExtensionsOrRefuses) {
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions[2].critical = true;
            }),
            kAccepted);
  EXPECT_EQ(JudgeAkCertificate([](x509::CertificateSpec& spec) {
              spec.extensions.push_back({"2.5.29.32", true, "\x30\x00"});
            }),
            v1::CHAIN_UNTRUSTED);
  // What stands beside the name of the TPM is not its name.
  v1::Evidence evidence = Certified();
  x509::CertificateSpec named = SimulatedTpm::AkSpec(Options(), Tpm().ak());
  const std::string dns = x509::DerEncode(x509::DerContext(2), "host");
  std::string& value = named.extensions[3].value;
  value = x509::DerEncode(x509::kDerSequence, value.substr(2) + dns);
  SetFile(evidence, "ak_cert", x509::IssueCertificate(named, Tpm().ca_key()));
  const auto claims = Verify(evidence, {Tpm().CaAnchor()});
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->tpm().ak_subject(), "2.23.133.2.1=id:53494D55");
  for (const std::string& name :
       {std::string(), std::string("\x30\x00", 2), std::string("x"),
        x509::DerEncode(x509::kDerSequence, "\x01"),
        x509::DerEncode(
            x509::kDerSequence,
            x509::DerEncode(x509::DerContextConstructed(4), "not DER"))}) {
    EXPECT_EQ(JudgeAkCertificate([&](x509::CertificateSpec& spec) {
                spec.extensions[3].value = name;
              }),
              v1::ENDORSEMENT_MALFORMED);
  }
}

// The purpose of a CA above it.
TEST(TpmTest, RejectsACaForOtherPurposes) {
  const auto judge = [](const char* purpose, bool leaf_says) {
    x509::CertificateSpec spec =
        SimulatedTpm::CaSpec(Options(), Tpm().ca_key());
    spec.extensions.push_back(Purposes({purpose}));
    const auto ca = x509::Certificate::Parse(
        AsBytes(x509::IssueCertificate(spec, Tpm().ca_key())));
    spec = SimulatedTpm::AkSpec(Options(), Tpm().ak());
    if (!leaf_says) spec.extensions.erase(spec.extensions.begin() + 2);
    v1::Evidence evidence = Certified();
    SetFile(evidence, "ak_cert_chain", ca->der());
    SetFile(evidence, "ak_cert", x509::IssueCertificate(spec, Tpm().ca_key()));
    return RefusalOf(Verify(evidence, {policy::AnchorFromCertificate(
                                          "ca", v1::TPM, *ca, true)})
                         .status());
  };
  EXPECT_EQ(judge("1.3.6.1.5.5.7.3.1", true), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(judge("2.23.133.8.1", true), kAccepted);
  // One of TPMs alone, as Google's newer: its certificates need not say it.
  EXPECT_EQ(judge("2.23.133.8.1", false), kAccepted);
  EXPECT_EQ(judge("1.3.6.1.5.5.7.3.1", false), v1::ENDORSEMENT_MISMATCH);
}

// Certificates cost more to parse than to send: those beyond what a chain may
// need are not looked at.
TEST(TpmTest, StopsReadingCertificatesAtTheBound) {
  std::string sixteen;
  for (int i = 0; i < 16; ++i) {
    sixteen += x509::ToPem(AsBytes(Tpm().ca().der()), "CERTIFICATE");
  }
  const auto judge = [&](int files) {
    v1::Evidence evidence = Certified();
    for (int i = 0; i < files; ++i) {
      v1::EvidenceFile* file = evidence.add_files();
      file->set_role("ak_cert_chain");
      file->set_content(sixteen);
    }
    v1::EvidenceFile* last = evidence.add_files();
    last->set_role("ak_cert_chain");
    last->set_content("not a certificate");
    return JudgeCertified(evidence);
  };
  EXPECT_EQ(judge(1), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(judge(2), v1::REQUEST_TOO_LARGE);  // With the chain's own.
}

TEST(TpmTest, ReadsACertificateAsItIsStored) {
  const std::string der = Tpm().ak_certificate().der();
  const auto judge = [](const std::string& file) {
    v1::Evidence evidence = Certified();
    SetFile(evidence, "ak_cert", file);
    return JudgeCertified(evidence);
  };
  EXPECT_EQ(judge(der + std::string(1000, '\0')), kAccepted);
  EXPECT_EQ(judge(x509::ToPem(AsBytes(der), "CERTIFICATE")), kAccepted);
  EXPECT_EQ(judge(der + std::string(4097, '\0')), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(judge(der + std::string("\0\x01", 2)), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(judge(der + der), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(judge(""), v1::ENDORSEMENT_MALFORMED);
  const std::string pem = x509::ToPem(AsBytes(der), "CERTIFICATE");
  EXPECT_EQ(judge(pem + pem), v1::ENDORSEMENT_MALFORMED);
  for (size_t size = 0; size < der.size(); size += 13) {
    EXPECT_EQ(judge(der.substr(0, size)), v1::ENDORSEMENT_MALFORMED);
  }
}

// A1 for the certificate: one bit in each byte.
TEST(TpmTest, RejectsAFlipInEachByteOfTheCertificate) {
  const std::string der = Tpm().ak_certificate().der();
  for (size_t at = 0; at < der.size(); ++at) {
    std::string changed = der;
    changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
    v1::Evidence evidence = Certified();
    SetFile(evidence, "ak_cert", changed);
    ASSERT_NE(JudgeCertified(evidence), kAccepted) << "byte " << at;
  }
}

// A9, with the chain remembered.
TEST(TpmTest, HoldsCertificatesToTheirTime) {
  policy::VerifiedCache cache(1 << 20);
  const auto judge = [&](absl::Time now) {
    return RefusalOf(
        Verify(Certified(), {Tpm().CaAnchor()}, now, &cache).status());
  };
  EXPECT_EQ(judge(kStart), kAccepted);
  EXPECT_EQ(judge(kEnd), kAccepted);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(judge(kStart - absl::Seconds(1)), v1::CERTIFICATE_NOT_YET_VALID);
  EXPECT_EQ(judge(kEnd + absl::Seconds(1)), v1::CERTIFICATE_EXPIRED);
}

// G7: nothing is remembered of Evidence that did not verify, and nothing of
// one set of anchors counts for another.
TEST(TpmTest, RemembersOnlyChainsThatVerified) {
  policy::VerifiedCache cache(1 << 20);
  v1::Evidence bad = Certified();
  bad.mutable_files(1)->mutable_content()->back() ^= 1;
  EXPECT_FALSE(Verify(bad, {Tpm().CaAnchor()}, kNow, &cache).ok());
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_TRUE(Verify(Certified(), {Tpm().CaAnchor()}, kNow, &cache).ok());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_FALSE(Verify(Certified(), {}, kNow, &cache).ok());
}

// B5, B6: revocation by who issued.
TEST(TpmTest, HonoursRevocation) {
  x509::CrlSpec spec;
  spec.issuer = Tpm().ca().subject_der();
  spec.this_update = kStart;
  spec.next_update = kNow + absl::Hours(1);
  spec.scheme = x509::SignatureScheme::kEcdsaSha256;
  const auto judge = [&](absl::Time now = kNow) {
    v1::Evidence evidence = Certified();
    SetFile(evidence, "crl", x509::IssueCrl(spec, Tpm().ca_key()));
    return JudgeCertified(evidence, now);
  };
  EXPECT_EQ(judge(), kAccepted);
  EXPECT_EQ(judge(kNow + absl::Hours(2)), v1::CRL_EXPIRED);
  spec.revoked = {"\x02"};
  EXPECT_EQ(judge(), v1::CERTIFICATE_REVOKED);

  // The verifier's own list counts though the sender brings none.
  const policy::Collateral collateral(
      {{.role = "crl",
        .subject = policy::CrlSubject(Tpm().ca()),
        .content = x509::IssueCrl(spec, Tpm().ca_key()),
        .digest = std::string(32, 'd')}});
  EXPECT_EQ(RefusalOf(Verify(Certified(), {Tpm().CaAnchor()}, kNow, nullptr,
                             &collateral)
                          .status()),
            v1::CERTIFICATE_REVOKED);
  spec.revoked = {"\x03"};
  const policy::Collateral harmless(
      {{.role = "crl",
        .subject = policy::CrlSubject(Tpm().ca()),
        .content = x509::IssueCrl(spec, Tpm().ca_key()),
        .digest = std::string(32, 'e')}});
  const auto claims =
      Verify(Certified(), {Tpm().CaAnchor()}, kNow, nullptr, &harmless);
  ASSERT_TRUE(claims.ok()) << claims.status();
  ASSERT_EQ(claims->collateral_size(), 3);
  EXPECT_EQ(claims->collateral(2).kind(), "crl");
  EXPECT_TRUE(claims->collateral(2).stored());

  // What another CA of this name signed is not this one's list: kept for that
  // one it does not matter, and kept for this one it counts for nothing.
  const SimulatedTpm evil = SimulatedTpm::Create(Options());
  spec.revoked = {"\x02"};
  for (const x509::Certificate& ca : {evil.ca(), Tpm().ca()}) {
    const policy::Collateral others(
        {{.role = "crl",
          .subject = policy::CrlSubject(ca),
          .content = x509::IssueCrl(spec, evil.ca_key()),
          .digest = std::string(32, 'd')}});
    EXPECT_EQ(RefusalOf(Verify(Certified(), {Tpm().CaAnchor()}, kNow, nullptr,
                               &others)
                            .status()),
              ca.sha256() == evil.ca().sha256() ? kAccepted : v1::CRL_INVALID);
  }

  spec.issuer = x509::MakeName({{"2.5.4.3", "another CA"}});
  EXPECT_EQ(judge(), v1::CRL_INVALID);
  v1::Evidence unused = Certified();
  SetFile(unused, "crl", "no crl");
  EXPECT_EQ(JudgeCertified(unused), v1::ENDORSEMENT_MALFORMED);
}

TEST(TpmTest, RejectsEvidenceThatIsTooLarge) {
  v1::Evidence evidence = Certified();
  for (int i = 0; i < 2; ++i) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role("ak_cert_chain");
    file->set_content(std::string(1024 * 1024, '\0'));
  }
  EXPECT_EQ(JudgeCertified(evidence), v1::REQUEST_TOO_LARGE);
}

}  // namespace
}  // namespace kms::tpm
