// Stored Reference Values, from the file to what an appraisal reads.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/admin/policy_handlers.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/instance/testing.h"
#include "policy/reference_values/json.h"
#include "policy/reference_values/limits.h"
#include "tools/simtee/snp.h"

namespace kms::admin {
namespace {

std::string Json(const std::string& values, const std::string& more = "") {
  return absl::StrCat(R"({"title": "images", "values": [)", values, "]", more,
                      "}");
}

class ReferenceHandlersTest : public testing::Test {
 protected:
  absl::StatusOr<v1::ReferenceSetVersion> Put(const std::string& file,
                                              const std::string& signer = "") {
    v1::PutReferenceSetRequest request;
    request.set_name("guests");
    request.set_file(file);
    request.set_signer(signer);
    return handlers_.PutReferenceSet(admin_, request);
  }
  absl::StatusOr<v1::ReferenceSetVersion> Get(uint32_t version = 0) {
    v1::GetReferenceSetRequest request;
    request.set_name("guests");
    request.set_version(version);
    return handlers_.GetReferenceSet(admin_, request);
  }
  absl::StatusOr<v1::ListReferenceSetsResponse> List(
      const std::string& name, uint32_t page_size = 0,
      const std::string& token = "") {
    v1::ListReferenceSetsRequest request;
    request.set_name(name);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return handlers_.ListReferenceSets(admin_, request);
  }
  absl::Status End(uint32_t version) {
    v1::EndReferenceVersionRequest request;
    request.set_name("guests");
    request.set_version(version);
    return handlers_.EndReferenceVersion(admin_, request).status();
  }
  void PutSigner(const std::string& name,
                 v1::AnchorUse use = v1::ANCHOR_FOR_REFERENCE_VALUES) {
    v1::PutAnchorRequest request;
    request.set_name(name);
    request.set_type(v1::SEV_SNP);
    request.set_certificate(key_.Spki());
    request.set_use(use);
    const auto put = handlers_.PutAnchor(admin_, request);
    ASSERT_TRUE(put.ok()) << put.status();
  }
  std::string Signed(const std::string& payload) const {
    const std::string signature =
        key_.Sign(x509::SignatureScheme::kEcdsaSha256,
                  AsBytes(reference_values::DsseSignedBytes(
                      reference_values::kPayloadType, payload)));
    return absl::StrCat(R"({"payloadType": ")", reference_values::kPayloadType,
                        R"(", "payload": ")", absl::Base64Escape(payload),
                        R"(", "signatures": [{"sig": ")",
                        absl::Base64Escape(signature), "\"}]}");
  }

  const std::unique_ptr<TestInstance> test_ =
      MakeTestInstance({.simulated_anchors = {"simulated-snp-ark"}});
  const Caller admin_ = TestAdministrator();
  const x509::IssuerKey key_ =
      x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  PolicyHandlers handlers_{test_->holder};
};

TEST_F(ReferenceHandlersTest, UnsignedValuesStandOnTheAdministratorsWord) {
  const std::string file = Json(R"("0b", "0a")");
  const auto put = Put(file);
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->version(), 1u);
  ASSERT_EQ(put->values_size(), 2);
  EXPECT_EQ(put->values(0), "\x0a");
  EXPECT_EQ(put->format(), "json");
  EXPECT_EQ(put->title(), "images");
  EXPECT_EQ(put->signer(), "");
  EXPECT_EQ(put->file_digest(), crypto::Sha256(AsBytes(file)));
  EXPECT_EQ(put->principal(), "alice");
  EXPECT_TRUE(put->in_force());
  EXPECT_EQ(Get()->digest(), put->digest());
}

TEST_F(ReferenceHandlersTest, ASignatureIsVerifiedToAnAnchorOfThatUse) {
  const std::string file = Signed(Json(R"("0a")"));
  EXPECT_EQ(RefusalOf(Put(file, "acme").status()), v1::NOT_FOUND);
  PutSigner("devices", v1::ANCHOR_FOR_EVIDENCE);
  EXPECT_EQ(RefusalOf(Put(file, "devices").status()), v1::NOT_FOUND);
  PutSigner("acme");
  const auto put = Put(file, "acme");
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->signer(), "acme");
  EXPECT_FALSE(put->simulated());
  EXPECT_EQ(put->signer_spki_digest(), crypto::Sha256(AsBytes(key_.Spki())));
  std::string changed = file;
  const size_t at = changed.find("payload\": \"") + 14;
  changed[at] = changed[at] == 'A' ? 'B' : 'A';
  EXPECT_EQ(RefusalOf(Put(changed, "acme").status()), v1::SIGNATURE_INVALID);
  EXPECT_EQ(RefusalOf(Put(Json(R"("0a")"), "acme").status()),
            v1::ENDORSEMENT_MALFORMED);
  // An envelope is no set by itself.
  EXPECT_EQ(RefusalOf(Put(file).status()), v1::ENDORSEMENT_MALFORMED);
}

TEST_F(ReferenceHandlersTest, RefusesWhatIsNoFileOfReferenceValues) {
  EXPECT_EQ(RefusalOf(Put("").status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Put("\xd2\x84").status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Put("{").status()), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(
      RefusalOf(
          Put(std::string(reference_values::kFileBytesMax + 1, ' ')).status()),
      v1::REQUEST_TOO_LARGE);
  PutSigner("acme");
  EXPECT_EQ(RefusalOf(Put("\xd2\x84", "acme").status()),
            v1::ENDORSEMENT_MALFORMED);
  v1::PutReferenceSetRequest request;
  request.set_name("../guests");
  EXPECT_EQ(RefusalOf(handlers_.PutReferenceSet(admin_, request).status()),
            v1::REQUEST_MALFORMED);
  request.set_name("guests");
  request.set_file(Json(R"("0a")"));
  request.set_measurement_key("kernel");
  EXPECT_EQ(RefusalOf(handlers_.PutReferenceSet(admin_, request).status()),
            v1::REQUEST_MALFORMED);
  request.clear_measurement_key();
  request.set_check_version(true);
  request.set_expected_version(1);
  EXPECT_EQ(RefusalOf(handlers_.PutReferenceSet(admin_, request).status()),
            v1::VERSION_CONFLICT);
}

TEST_F(ReferenceHandlersTest, VersionsAreListedEndedAndExpire) {
  EXPECT_EQ(RefusalOf(Get().status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(List("guests").status()), v1::NOT_FOUND);
  const std::string until = absl::FormatTime(
      absl::RFC3339_sec, TestStartTime() + absl::Hours(1), absl::UTCTimeZone());
  ASSERT_TRUE(
      Put(Json(R"("0a")", absl::StrCat(R"(, "valid_until": ")", until, "\"")))
          .ok());
  ASSERT_TRUE(Put(Json(R"("0b")")).ok());
  const auto history = List("guests");
  ASSERT_EQ(history->sets_size(), 2);
  EXPECT_EQ(history->sets(0).version(), 2u);
  EXPECT_EQ(history->sets(0).values_size(), 0);
  EXPECT_EQ(history->sets(0).value_count(), 1u);
  EXPECT_TRUE(history->sets(1).in_force());
  EXPECT_EQ(List("")->sets_size(), 1);
  EXPECT_EQ(List("guests", 1)->next_page_token(), "2");
  EXPECT_EQ(List("guests", 1, "2")->sets(0).version(), 1u);
  EXPECT_EQ(RefusalOf(List("guests", 1, "1").status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(List("", 1, "../").status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(List("", kPageSizeMax + 1).status()),
            v1::REQUEST_TOO_LARGE);
  EXPECT_TRUE(End(2).ok());
  EXPECT_EQ(RefusalOf(End(2)), v1::NOT_FOUND);
  EXPECT_FALSE(Get(2)->in_force());
  EXPECT_EQ(Get(2)->ended_principal(), "alice");
  test_->clock.Advance(absl::Hours(2));
  ASSERT_TRUE(Put(Json(R"("0c")")).ok());  // Log time moves with a command.
  EXPECT_FALSE(Get(1)->in_force());
}

// What a policy reads, end to end.
class StoredReferencesTest : public ReferenceHandlersTest {
 protected:
  StoredReferencesTest() {
    v1::PutAnchorRequest anchor;
    anchor.set_name("simulated-snp-ark");
    anchor.set_type(v1::SEV_SNP);
    anchor.set_certificate(machine_.ark().der());
    anchor.set_simulated(true);
    EXPECT_TRUE(handlers_.PutAnchor(admin_, anchor).ok());
    request_.set_document(R"(name: p
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
reference: {images: {set: guests}}
rules:
  - {id: image, expr: claims.cpu.measurement in reference.images, message: m}
release: {lease: 1h}
)");
    *request_.mutable_evidence()->add_evidence() =
        machine_.Attest(AsBytes(std::string(64, 'r')), {});
  }
  v1::Decision Decide() {
    const auto tested = handlers_.TestPolicy(admin_, request_);
    EXPECT_TRUE(tested.ok()) << tested.status();
    return tested->decision();
  }

  const simtee::SimulatedSnp machine_ = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048,
       .not_before = TestStartTime() - absl::Hours(24),
       .not_after = TestStartTime() + absl::Hours(24)});
  v1::TestPolicyRequest request_;
  const std::string image_ =
      "\"" + absl::BytesToHexString(simtee::SnpGuest().measurement) + "\"";
};

TEST_F(StoredReferencesTest, RulesReadWhatIsInForce) {
  EXPECT_EQ(Decide().code(), v1::REFERENCE_VALUES_EXPIRED);
  ASSERT_TRUE(Put(Json(R"("0a")")).ok());
  EXPECT_EQ(Decide().code(), v1::POLICY_DENIED);
  ASSERT_TRUE(Put(Json(image_)).ok());
  const v1::Decision decision = Decide();
  EXPECT_TRUE(decision.allowed()) << decision.reason();
  ASSERT_EQ(decision.references_size(), 2);
  EXPECT_EQ(decision.references(1).version(), 2u);
  EXPECT_EQ(decision.references(1).digest(), Get(2)->digest());
  ASSERT_TRUE(End(2).ok());
  EXPECT_EQ(Decide().code(), v1::POLICY_DENIED);
  ASSERT_TRUE(End(1).ok());
  EXPECT_EQ(Decide().code(), v1::REFERENCE_VALUES_EXPIRED);
}

TEST_F(StoredReferencesTest, WhatARemovedAnchorVouchedForCountsNoMore) {
  PutSigner("acme");
  ASSERT_TRUE(Put(Signed(Json(image_)), "acme").ok());
  EXPECT_TRUE(Decide().allowed());
  EXPECT_EQ(Decide().references(0).signer(), "acme");
  v1::RemoveAnchorRequest remove;
  remove.set_name("acme");
  ASSERT_TRUE(handlers_.RemoveAnchor(admin_, remove).ok());
  EXPECT_EQ(Decide().code(), v1::REFERENCE_VALUES_EXPIRED);
  // Nor does another key under its name vouch for it.
  v1::PutAnchorRequest other;
  other.set_name("acme");
  other.set_type(v1::SEV_SNP);
  other.set_certificate(
      x509::IssuerKey::GenerateEc(crypto::Curve::kP256).Spki());
  other.set_use(v1::ANCHOR_FOR_REFERENCE_VALUES);
  ASSERT_TRUE(handlers_.PutAnchor(admin_, other).ok());
  EXPECT_EQ(Decide().code(), v1::REFERENCE_VALUES_EXPIRED);
}

}  // namespace
}  // namespace kms::admin
