#include "kms/admin/policy_handlers.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/collateral/collateral_handlers.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "kms/instance/testing.h"
#include "policy/verifier/anchors.h"
#include "tools/simtee/snp.h"

namespace kms::admin {
namespace {

using namespace std::string_literals;

const std::string kBadNames[] = {"../a",  "a/b", "A",  " a",          "a\n",
                                 "a\0b"s, "*",   "..", "caf\xc3\xa9", "-a"};

std::string Document(absl::string_view name, absl::string_view rule = "true",
                     absl::string_view anchors = "") {
  return absl::StrCat("name: ", name,
                      "\nevidence: [{type: sev-snp, count: 1}]\n", anchors,
                      "rules: [{id: r, expr: '", rule,
                      "', message: m}]\nrelease: {lease: 1h}\n");
}

// A self-signed certificate, or one that is not quite.
struct CertificateOptions {
  bool ca = true;
  bool self_issued = true;
  bool own_signature = true;
  uint16_t key_usage = x509::kKeyUsageCertSign;
};
std::string MakeCertificate(const CertificateOptions& options = {}) {
  const x509::IssuerKey key = x509::IssuerKey::GenerateEc(crypto::Curve::kP384);
  const x509::IssuerKey other =
      x509::IssuerKey::GenerateEc(crypto::Curve::kP384);
  x509::CertificateSpec spec;
  spec.subject = x509::MakeName({{"2.5.4.3", "root"}});
  spec.issuer = options.self_issued ? spec.subject
                                    : x509::MakeName({{"2.5.4.3", "other"}});
  spec.not_before = TestStartTime() - absl::Hours(24);
  spec.not_after = TestStartTime() + absl::Hours(24);
  spec.spki = key.Spki();
  spec.extensions = {x509::MakeBasicConstraints(options.ca, std::nullopt),
                     x509::MakeKeyUsage(options.key_usage)};
  spec.scheme = x509::SignatureScheme::kEcdsaSha384;
  return x509::IssueCertificate(spec, options.own_signature ? key : other);
}

class PolicyHandlersTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Policy> Put(const std::string& name,
                                 const std::string& document,
                                 const std::string& ns = "") {
    v1::PutPolicyRequest request;
    request.set_namespace_(ns);
    request.set_name(name);
    request.set_document(document);
    return handlers_.PutPolicy(admin_, request);
  }

  absl::StatusOr<v1::Policy> PutExpecting(uint32_t expected_version) {
    v1::PutPolicyRequest request;
    request.set_name("p");
    request.set_document(Document("p"));
    request.set_check_version(true);
    request.set_expected_version(expected_version);
    return handlers_.PutPolicy(admin_, request);
  }

  absl::StatusOr<v1::Policy> Get(const std::string& name, uint32_t version = 0,
                                 const std::string& ns = "") {
    v1::GetPolicyRequest request;
    request.set_namespace_(ns);
    request.set_name(name);
    request.set_version(version);
    return handlers_.GetPolicy(admin_, request);
  }

  absl::StatusOr<v1::ListPoliciesResponse> List(const std::string& token,
                                                uint32_t page_size) {
    v1::ListPoliciesRequest request;
    request.set_page_token(token);
    request.set_page_size(page_size);
    return handlers_.ListPolicies(admin_, request);
  }

  absl::StatusOr<v1::Anchor> PutAnchor(
      const std::string& name, const std::string& certificate,
      bool simulated = false, v1::EvidenceType type = v1::SEV_SNP,
      v1::AnchorUse use = v1::ANCHOR_FOR_EVIDENCE) {
    v1::PutAnchorRequest request;
    request.set_name(name);
    request.set_type(type);
    request.set_certificate(certificate);
    request.set_simulated(simulated);
    request.set_use(use);
    return handlers_.PutAnchor(admin_, request);
  }

  absl::Status RemoveAnchor(const std::string& name) {
    v1::RemoveAnchorRequest request;
    request.set_name(name);
    return handlers_.RemoveAnchor(admin_, request).status();
  }

  const std::unique_ptr<TestInstance> test_ =
      MakeTestInstance({.simulated_anchors = {"simulated-snp-ark"}});
  const Caller admin_ = TestAdministrator();
  PolicyHandlers handlers_{test_->holder};
};

class PolicyStatesTest : public PolicyHandlersTest {
 protected:
  absl::StatusOr<v1::Policy> PutAs(v1::PolicyState state,
                                   absl::string_view rule = "true") {
    v1::PutPolicyRequest request;
    request.set_name("p");
    request.set_document(Document("p", rule));
    request.set_state(state);
    return handlers_.PutPolicy(admin_, request);
  }
  absl::StatusOr<v1::Policy> Set(uint32_t version, v1::PolicyState state) {
    v1::SetPolicyStateRequest request;
    request.set_name("p");
    request.set_version(version);
    request.set_state(state);
    return handlers_.SetPolicyState(admin_, request);
  }
  absl::StatusOr<v1::Policy> Revert() {
    v1::RevertPolicyRequest request;
    request.set_name("p");
    return handlers_.RevertPolicy(admin_, request);
  }
  absl::StatusOr<v1::ListPoliciesResponse> History(uint32_t page_size = 0,
                                                   const char* token = "") {
    v1::ListPolicyVersionsRequest request;
    request.set_name("p");
    request.set_page_size(page_size);
    request.set_page_token(token);
    return handlers_.ListPolicyVersions(admin_, request);
  }
};

std::vector<absl::Status> CallAll(const PolicyHandlers& handlers,
                                  const Caller& caller) {
  return {handlers.PutPolicy(caller, {}).status(),
          handlers.GetPolicy(caller, {}).status(),
          handlers.ListPolicies(caller, {}).status(),
          handlers.ListPolicyVersions(caller, {}).status(),
          handlers.SetPolicyState(caller, {}).status(),
          handlers.RevertPolicy(caller, {}).status(),
          handlers.DryRunPolicy(caller, {}).status(),
          handlers.ExplainDecision(caller, {}).status(),
          handlers.PutReferenceSet(caller, {}).status(),
          handlers.GetReferenceSet(caller, {}).status(),
          handlers.ListReferenceSets(caller, {}).status(),
          handlers.EndReferenceVersion(caller, {}).status(),
          handlers.TestPolicy(caller, {}).status(),
          handlers.PutAnchor(caller, {}).status(),
          handlers.RemoveAnchor(caller, {}).status(),
          handlers.ListAnchors(caller, {}).status()};
}

TEST_F(PolicyStatesTest, APolicyIsStagedAndPromoted) {
  EXPECT_EQ(PutAs(v1::POLICY_STATE_UNSPECIFIED)->state(), v1::POLICY_ACTIVE);
  EXPECT_EQ(PutAs(v1::POLICY_DRAFT)->state(), v1::POLICY_DRAFT);
  EXPECT_EQ(PutAs(v1::POLICY_SHADOW)->state(), v1::POLICY_SHADOW);
  EXPECT_EQ(Get("p")->version(), 3u);
  EXPECT_EQ(Get("p")->active_version(), 1u);
  EXPECT_EQ(Get("p")->shadow_version(), 3u);
  EXPECT_EQ(Get("p")->digest(), crypto::Sha256(AsBytes(Document("p"))));
  const auto active = Set(3, v1::POLICY_ACTIVE);
  ASSERT_TRUE(active.ok()) << active.status();
  EXPECT_EQ(active->state(), v1::POLICY_ACTIVE);
  EXPECT_EQ(active->replaced_version(), 1u);
  EXPECT_EQ(active->state_principal(), "alice");
  EXPECT_EQ(active->document(), "");
  EXPECT_EQ(Get("p", 1)->state(), v1::POLICY_RETIRED);
  EXPECT_EQ(Get("p", 2)->state(), v1::POLICY_DRAFT);
}

TEST_F(PolicyStatesTest, RevertsGoBackOneStepAtATime) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(PutAs(v1::POLICY_ACTIVE).ok());
  EXPECT_EQ(Revert()->version(), 2u);
  EXPECT_EQ(Revert()->version(), 1u);
  EXPECT_EQ(RefusalOf(Revert().status()), v1::NOTHING_TO_REVERT);
  EXPECT_EQ(Get("p")->active_version(), 1u);
  ASSERT_TRUE(Set(1, v1::POLICY_RETIRED).ok());
  EXPECT_EQ(RefusalOf(Revert().status()), v1::NO_POLICY);
}

TEST_F(PolicyStatesTest, HistoryIsPagedFromTheLatest) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(PutAs(v1::POLICY_DRAFT).ok());
  const auto first = History(2);
  ASSERT_EQ(first->policies_size(), 2);
  EXPECT_EQ(first->policies(0).version(), 5u);
  EXPECT_EQ(first->policies(1).version(), 4u);
  EXPECT_EQ(first->policies(0).document(), "");
  const auto second = History(2, first->next_page_token().c_str());
  EXPECT_EQ(second->policies(0).version(), 3u);
  const auto last = History(2, second->next_page_token().c_str());
  ASSERT_EQ(last->policies_size(), 1);
  EXPECT_EQ(last->policies(0).version(), 1u);
  EXPECT_EQ(last->next_page_token(), "");
  EXPECT_EQ(History(5)->next_page_token(), "");
  for (const char* bad : {"0", "1", "x", "-3"}) {
    EXPECT_EQ(RefusalOf(History(2, bad).status()), v1::REQUEST_MALFORMED)
        << bad;
  }
  EXPECT_EQ(RefusalOf(History(kPageSizeMax + 1).status()),
            v1::REQUEST_TOO_LARGE);
}

TEST_F(PolicyStatesTest, RefusesStatesThatCannotBeSet) {
  EXPECT_EQ(RefusalOf(PutAs(v1::POLICY_RETIRED).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(PutAs(static_cast<v1::PolicyState>(9)).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Set(1, v1::POLICY_ACTIVE).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(History().status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Revert().status()), v1::NOT_FOUND);
  ASSERT_TRUE(PutAs(v1::POLICY_ACTIVE).ok());
  EXPECT_EQ(RefusalOf(Set(1, v1::POLICY_DRAFT).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Set(2, v1::POLICY_ACTIVE).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Set(1, v1::POLICY_ACTIVE).status()), v1::ALREADY_EXISTS);
  v1::SetPolicyStateRequest request;
  request.set_name("p");
  request.set_version(1);
  request.set_state(v1::POLICY_RETIRED);
  request.set_check_active(true);
  EXPECT_EQ(RefusalOf(handlers_.SetPolicyState(admin_, request).status()),
            v1::VERSION_CONFLICT);
}

TEST_F(PolicyStatesTest, ATestIsOfTheVersionNamedOrTheActiveOne) {
  ASSERT_TRUE(PutAs(v1::POLICY_ACTIVE, "false").ok());
  ASSERT_TRUE(PutAs(v1::POLICY_DRAFT).ok());
  v1::TestPolicyRequest request;
  request.set_name("p");
  request.set_version(3);
  request.mutable_evidence()->add_evidence()->set_type(v1::SEV_SNP);
  request.mutable_evidence()->mutable_evidence(0)->add_files()->set_role(
      "evidence");
  EXPECT_EQ(RefusalOf(handlers_.TestPolicy(admin_, request).status()),
            v1::NOT_FOUND);
  ASSERT_TRUE(Set(1, v1::POLICY_RETIRED).ok());
  request.set_version(0);
  EXPECT_EQ(RefusalOf(handlers_.TestPolicy(admin_, request).status()),
            v1::NO_POLICY);
}

TEST_F(PolicyHandlersTest, RefusesEverythingWhileSealed) {
  test_->Seal();
  for (const absl::Status& status : CallAll(handlers_, admin_)) {
    EXPECT_EQ(RefusalOf(status), v1::SEALED);
  }
}

TEST_F(PolicyHandlersTest, RefusesWhoIsNoAdministrator) {
  Caller named = TestWorkload();
  named.principal = "alice";
  for (const Caller& caller : {TestWorkload(), named}) {
    for (const absl::Status& status : CallAll(handlers_, caller)) {
      EXPECT_EQ(RefusalOf(status), v1::ADMINISTRATOR_REQUIRED);
    }
  }
}

TEST_F(PolicyHandlersTest, RefusesBadNamesAndWritesNothing) {
  const uint64_t leaves = test_->View().tree_size();
  for (const std::string& bad : kBadNames) {
    EXPECT_EQ(RefusalOf(Put(bad, Document("p")).status()),
              v1::REQUEST_MALFORMED);
    EXPECT_EQ(RefusalOf(Put("p", Document("p"), bad).status()),
              v1::REQUEST_MALFORMED);
    EXPECT_EQ(RefusalOf(Get(bad).status()), v1::REQUEST_MALFORMED);
    EXPECT_EQ(RefusalOf(Get("p", 0, bad).status()), v1::REQUEST_MALFORMED);
    EXPECT_EQ(RefusalOf(PutAnchor(bad, MakeCertificate()).status()),
              v1::REQUEST_MALFORMED);
    EXPECT_EQ(RefusalOf(RemoveAnchor(bad)), v1::REQUEST_MALFORMED);
  }
  const std::string long_name(65, 'a');
  EXPECT_EQ(RefusalOf(Put(long_name, Document("p")).status()),
            v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(RefusalOf(PutAnchor(long_name, MakeCertificate()).status()),
            v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(test_->View().tree_size(), leaves);
}

TEST_F(PolicyHandlersTest, StoresVersionsWithWhoAndTheDocumentAsGiven) {
  const std::string first = Document("p");
  const std::string second = Document("p", "1 < 2");
  const auto one = Put("p", first);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->version(), 1u);
  EXPECT_EQ(one->principal(), "alice");
  EXPECT_EQ(one->namespace_(), "default");
  EXPECT_EQ(one->document(), first);
  const auto two = Put("p", second);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(two->version(), 2u);
  EXPECT_EQ(Get("p")->document(), second);
  EXPECT_EQ(Get("p", 1)->document(), first);
  EXPECT_EQ(RefusalOf(Get("p", 3).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Get("p", 0xffffffffu).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Get("p", 0, "tenant").status()), v1::NOT_FOUND);
}

TEST_F(PolicyHandlersTest, TellsStorageTheTermsOfThePolicy) {
  const std::string document =
      "name: p\nevidence: [{type: sev-snp, count: 1}]\n"
      "rules: [{id: r, expr: 'true', message: m}]\n"
      "release: {lease: 90s, quota: {count: 7, window: 24h}}\n"
      "valid: {from: 2025-01-01T00:00:00Z, until: 2026-01-01T00:00:00Z}\n";
  ASSERT_TRUE(Put("p", document).ok());
  const auto stored = test_->View().GetPolicy("default", "p");
  ASSERT_TRUE(stored.ok()) << stored.status();
  const auto& terms = stored->record.terms();
  EXPECT_EQ(terms.lease_us(), 90'000'000);
  EXPECT_EQ(terms.quota_count(), 7u);
  EXPECT_EQ(terms.quota_window_us(), 86'400'000'000);
  EXPECT_EQ(terms.valid_from_us(), 1'735'689'600'000'000);
  EXPECT_EQ(terms.valid_until_us(), 1'767'225'600'000'000);
}

TEST_F(PolicyHandlersTest, RefusesADocumentThatDoesNotCompileAndSaysWhere) {
  const auto refused = Put("p", Document("p", "claims.cpu.nothing"));
  EXPECT_EQ(RefusalOf(refused.status()), v1::POLICY_INVALID);
  EXPECT_NE(refused.status().message().find("line 3, column"),
            absl::string_view::npos)
      << refused.status();
  EXPECT_EQ(RefusalOf(Put("p", "").status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Put("p", std::string((64 << 10) + 1, '#')).status()),
            v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(RefusalOf(Get("p").status()), v1::NOT_FOUND);
}

TEST_F(PolicyHandlersTest, RefusesADocumentOfAnotherName) {
  EXPECT_EQ(RefusalOf(Put("p", Document("q")).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Get("p").status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Get("q").status()), v1::NOT_FOUND);
}

TEST_F(PolicyHandlersTest, StoresOnlyOverTheVersionThatTheAuthorSaw) {
  EXPECT_EQ(RefusalOf(PutExpecting(1).status()), v1::VERSION_CONFLICT);
  ASSERT_TRUE(PutExpecting(0).ok());
  EXPECT_EQ(RefusalOf(PutExpecting(0).status()), v1::VERSION_CONFLICT);
  EXPECT_EQ(RefusalOf(PutExpecting(2).status()), v1::VERSION_CONFLICT);
  EXPECT_EQ(RefusalOf(PutExpecting(0xffffffffu).status()),
            v1::VERSION_CONFLICT);
  const auto second = PutExpecting(1);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->version(), 2u);
}

TEST_F(PolicyHandlersTest, MovesTheAppraisalGeneration) {
  const uint64_t before = test_->View().appraisal_generation();
  ASSERT_TRUE(Put("p", Document("p")).ok());
  const uint64_t after_policy = test_->View().appraisal_generation();
  EXPECT_GT(after_policy, before);
  ASSERT_TRUE(PutAnchor("lab", MakeCertificate()).ok());
  const uint64_t after_put = test_->View().appraisal_generation();
  EXPECT_GT(after_put, after_policy);
  ASSERT_TRUE(RemoveAnchor("lab").ok());
  EXPECT_GT(test_->View().appraisal_generation(), after_put);
}

TEST_F(PolicyHandlersTest, ListsEveryPolicyOnceWithoutDocuments) {
  for (const char* name : {"c", "a", "b"}) {
    ASSERT_TRUE(Put(name, Document(name)).ok());
  }
  ASSERT_TRUE(Put("other", Document("other"), "tenant").ok());
  for (uint32_t page_size : {1u, 2u, 3u, 1000u}) {
    std::vector<std::string> names;
    std::string token;
    do {
      const auto page = List(token, page_size);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const v1::Policy& policy : page->policies()) {
        names.push_back(policy.name());
        EXPECT_EQ(policy.document(), "");
        EXPECT_EQ(policy.principal(), "alice");
        EXPECT_EQ(policy.version(), 1u);
      }
      token = page->next_page_token();
    } while (!token.empty());
    EXPECT_EQ(names, std::vector<std::string>({"a", "b", "c"})) << page_size;
  }
}

TEST_F(PolicyHandlersTest, RefusesHostilePageTokensAndSizes) {
  ASSERT_TRUE(Put("p", Document("p")).ok());
  for (const std::string& token : {"../p"s, "P"s, std::string(65, 'p'),
                                   std::string(1 << 20, 'p'), "\0"s}) {
    EXPECT_EQ(RefusalOf(List(token, 1).status()), v1::REQUEST_MALFORMED);
  }
  EXPECT_TRUE(List("zzz", 1)->policies().empty());
  EXPECT_EQ(RefusalOf(List("", 1001).status()), v1::REQUEST_TOO_LARGE);
}

TEST_F(PolicyHandlersTest, TakesAnAnchorAsDerOrPem) {
  const std::string der = MakeCertificate();
  const auto put = PutAnchor("lab", der);
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->name(), "lab");
  EXPECT_EQ(put->type(), v1::SEV_SNP);
  EXPECT_EQ(put->certificate(), der);
  EXPECT_EQ(put->spki_digest(),
            x509::Certificate::Parse(AsBytes(der))->spki_sha256());
  EXPECT_TRUE(put->enabled());
  EXPECT_FALSE(put->built_in());
  const std::string other = MakeCertificate();
  const auto pem =
      PutAnchor("lab2", absl::StrCat("-----BEGIN CERTIFICATE-----\n",
                                     absl::Base64Escape(other),
                                     "\n-----END CERTIFICATE-----\n"));
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_EQ(pem->certificate(), other);
}

TEST_F(PolicyHandlersTest, TakesABareKeyAsAnAnchor) {
  const std::string spki =
      x509::IssuerKey::GenerateEc(crypto::Curve::kP384).Spki();
  const auto der = PutAnchor("platform", spki, false, v1::ARM_CCA);
  ASSERT_TRUE(der.ok()) << der.status();
  EXPECT_EQ(der->certificate(), spki);
  EXPECT_EQ(der->spki_digest(), crypto::Sha256(AsBytes(spki)));
  EXPECT_TRUE(der->enabled());
  const auto pem = PutAnchor(
      "machine", x509::ToPem(AsBytes(spki), "PUBLIC KEY"), false, v1::TPM);
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_EQ(pem->certificate(), spki);
}

TEST_F(PolicyHandlersTest, KeepsWhatAnAnchorIsFor) {
  const std::string der = MakeCertificate();
  const auto manifests = PutAnchor("manifests", der, false, v1::NVIDIA_GPU,
                                   v1::ANCHOR_FOR_REFERENCE_VALUES);
  ASSERT_TRUE(manifests.ok()) << manifests.status();
  EXPECT_EQ(manifests->use(), v1::ANCHOR_FOR_REFERENCE_VALUES);
  EXPECT_TRUE(manifests->enabled());
  // One key once for each use.
  EXPECT_EQ(RefusalOf(PutAnchor("again", der, false, v1::NVIDIA_GPU,
                                v1::ANCHOR_FOR_REFERENCE_VALUES)
                          .status()),
            v1::ALREADY_EXISTS);
  EXPECT_TRUE(PutAnchor("devices", der, false, v1::NVIDIA_GPU).ok());
  EXPECT_EQ(RefusalOf(PutAnchor("later", MakeCertificate(), false,
                                v1::NVIDIA_GPU, static_cast<v1::AnchorUse>(9))
                          .status()),
            v1::REQUEST_MALFORMED);
}

TEST_F(PolicyHandlersTest, RefusesWhatIsNoAnchor) {
  const std::string der = MakeCertificate();
  EXPECT_EQ(RefusalOf(PutAnchor("a", "").status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(PutAnchor("a", std::string(16385, 'c')).status()),
            v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(RefusalOf(PutAnchor("a", "nonsense").status()),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(RefusalOf(PutAnchor("a", der + "x").status()),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(RefusalOf(PutAnchor("a", der.substr(0, der.size() - 1)).status()),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(RefusalOf(PutAnchor("a", MakeCertificate({.ca = false})).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      RefusalOf(
          PutAnchor("a", MakeCertificate({.self_issued = false})).status()),
      v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      RefusalOf(
          PutAnchor("a", MakeCertificate({.own_signature = false})).status()),
      v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(PutAnchor("a", MakeCertificate(
                                         {.key_usage =
                                              x509::kKeyUsageDigitalSignature}))
                          .status()),
            v1::REQUEST_MALFORMED);
  for (const int type : {0, 1000, -1}) {
    EXPECT_EQ(RefusalOf(PutAnchor("a", der, false,
                                  static_cast<v1::EvidenceType>(type))
                            .status()),
              v1::REQUEST_MALFORMED)
        << type;
  }
}

TEST_F(PolicyHandlersTest, GivesNoBuiltInNameAndNoKeyTwice) {
  const std::string built_in = policy::TrustAnchors::BuiltIn()[0].name;
  EXPECT_EQ(RefusalOf(PutAnchor(built_in, MakeCertificate()).status()),
            v1::ALREADY_EXISTS);
  EXPECT_EQ(RefusalOf(RemoveAnchor(built_in)), v1::REQUEST_MALFORMED);
  const std::string der = MakeCertificate();
  ASSERT_TRUE(PutAnchor("sim", der, true).ok());
  EXPECT_EQ(RefusalOf(PutAnchor("real", der, false).status()),
            v1::ALREADY_EXISTS);
  // Its own name may get another certificate, and its key another type.
  EXPECT_TRUE(PutAnchor("sim", der, true).ok());
  EXPECT_TRUE(PutAnchor("sim", MakeCertificate(), true).ok());
  EXPECT_TRUE(PutAnchor("real", der, false).ok());
  EXPECT_TRUE(PutAnchor("tdx", der, false, v1::TDX).ok());
}

TEST_F(PolicyHandlersTest, ListsAnchorsAndWhichCountHere) {
  ASSERT_TRUE(PutAnchor("lab", MakeCertificate()).ok());
  ASSERT_TRUE(PutAnchor("elsewhere", MakeCertificate(), true).ok());
  ASSERT_TRUE(PutAnchor("simulated-snp-ark", MakeCertificate(), true).ok());
  const auto list = handlers_.ListAnchors(admin_, {});
  ASSERT_TRUE(list.ok()) << list.status();
  const size_t built_in = policy::TrustAnchors::BuiltIn().size();
  ASSERT_EQ(static_cast<size_t>(list->anchors_size()), built_in + 3);
  for (size_t i = 0; i < built_in; ++i) {
    EXPECT_TRUE(list->anchors(static_cast<int>(i)).built_in());
    EXPECT_TRUE(list->anchors(static_cast<int>(i)).enabled());
    EXPECT_FALSE(list->anchors(static_cast<int>(i)).simulated());
  }
  const int first = static_cast<int>(built_in);
  EXPECT_EQ(list->anchors(first).name(), "elsewhere");
  EXPECT_FALSE(list->anchors(first).enabled());
  EXPECT_EQ(list->anchors(first + 1).name(), "lab");
  EXPECT_TRUE(list->anchors(first + 1).enabled());
  EXPECT_EQ(list->anchors(first + 2).name(), "simulated-snp-ark");
  EXPECT_TRUE(list->anchors(first + 2).enabled());
  ASSERT_TRUE(RemoveAnchor("lab").ok());
  EXPECT_EQ(RefusalOf(RemoveAnchor("lab")), v1::NOT_FOUND);
  EXPECT_EQ(
      static_cast<size_t>(handlers_.ListAnchors(admin_, {})->anchors_size()),
      built_in + 2);
}

class TestPolicyTest : public PolicyHandlersTest {
 protected:
  TestPolicyTest() {
    request_.set_document(Document("p", "true", kAnchors));
    *request_.mutable_evidence()->add_evidence() =
        machine_.Attest(AsBytes(std::string(64, 'r')), {});
  }

  static simtee::SimulatedSnp Machine() {
    simtee::SnpOptions options;
    options.rsa_bits = 2048;
    options.not_before = TestStartTime() - absl::Hours(24);
    options.not_after = TestStartTime() + absl::Hours(24);
    return simtee::SimulatedSnp::Create(options);
  }

  void TrustMachine() {
    ASSERT_TRUE(
        PutAnchor("simulated-snp-ark", machine_.ark().der(), true).ok());
  }

  v1::RefusalCode Refusal() {
    return RefusalOf(handlers_.TestPolicy(admin_, request_).status());
  }

  static constexpr char kAnchors[] = "anchors: [simulated-snp-ark]\n";
  const simtee::SimulatedSnp machine_ = Machine();
  v1::TestPolicyRequest request_;
};

TEST_F(TestPolicyTest, JudgesByADocumentOrByAStoredPolicy) {
  TrustMachine();
  const auto by_document = handlers_.TestPolicy(admin_, request_);
  ASSERT_TRUE(by_document.ok()) << by_document.status();
  EXPECT_TRUE(by_document->decision().allowed());
  EXPECT_EQ(by_document->decision().policy_version(), 0u);
  EXPECT_TRUE(by_document->claims().cpu().simulated());
  EXPECT_EQ(by_document->claims().cpu().anchor(), "simulated-snp-ark");

  ASSERT_TRUE(Put("p", Document("p", "false", kAnchors)).ok());
  ASSERT_TRUE(Put("p", Document("p", "claims.cpu.debug", kAnchors)).ok());
  request_.clear_document();
  request_.set_name("p");
  const auto stored = handlers_.TestPolicy(admin_, request_);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_FALSE(stored->decision().allowed());
  EXPECT_EQ(stored->decision().code(), v1::POLICY_DENIED);
  EXPECT_EQ(stored->decision().policy_version(), 2u);
  ASSERT_EQ(stored->decision().rules_size(), 1);
}

TEST_F(TestPolicyTest, TrustsASimulatorOnlyByStateAndConfigurationTogether) {
  EXPECT_EQ(Refusal(), v1::CHAIN_UNTRUSTED);
  // In the state, under a name that this instance's configuration lacks.
  ASSERT_TRUE(PutAnchor("elsewhere", machine_.ark().der(), true).ok());
  EXPECT_EQ(Refusal(), v1::CHAIN_UNTRUSTED);
  ASSERT_TRUE(RemoveAnchor("elsewhere").ok());
  TrustMachine();
  EXPECT_TRUE(handlers_.TestPolicy(admin_, request_).ok());
  ASSERT_TRUE(RemoveAnchor("simulated-snp-ark").ok());
  EXPECT_EQ(Refusal(), v1::CHAIN_UNTRUSTED);
}

TEST_F(TestPolicyTest, JudgesValidityAtTheTimeAskedFor) {
  TrustMachine();
  request_.set_at_us(absl::ToUnixMicros(TestStartTime() + absl::Hours(25)));
  EXPECT_EQ(Refusal(), v1::CERTIFICATE_EXPIRED);
  request_.set_at_us(absl::ToUnixMicros(TestStartTime() - absl::Hours(25)));
  EXPECT_EQ(Refusal(), v1::CERTIFICATE_NOT_YET_VALID);
  request_.set_at_us(absl::ToUnixMicros(TestStartTime() + absl::Hours(23)));
  EXPECT_TRUE(handlers_.TestPolicy(admin_, request_).ok());
  request_.set_at_us(0);  // Now, by the instance's clock.
  test_->clock.Advance(absl::Hours(25));
  EXPECT_EQ(Refusal(), v1::CERTIFICATE_EXPIRED);
}

TEST_F(TestPolicyTest, ShowsWhatDeniedHardwareWouldMeet) {
  TrustMachine();
  const collateral::CollateralHandlers hardware(test_->holder);
  const auto chip =
      machine_.MakeReport(AsBytes(std::string(64, 'r')), {}).chip_id;
  v1::PutDenyListRequest deny;
  deny.set_type(v1::SEV_SNP);
  deny.add_entries(std::string(chip.begin(), chip.end()));
  ASSERT_TRUE(hardware.PutDenyList(admin_, deny).ok());
  const auto denied = handlers_.TestPolicy(admin_, request_);
  ASSERT_TRUE(denied.ok()) << denied.status();
  EXPECT_FALSE(denied->decision().allowed());
  EXPECT_EQ(denied->decision().code(), v1::HARDWARE_DENIED);
  EXPECT_EQ(denied->decision().rules_size(), 1);
  v1::SetKillSwitchRequest kill;
  kill.set_type(v1::SEV_SNP);
  kill.set_on(true);
  ASSERT_TRUE(hardware.SetKillSwitch(admin_, kill).ok());
  EXPECT_EQ(Refusal(), v1::HARDWARE_DENIED);
}

TEST_F(TestPolicyTest, RefusesARequestThatIsNotOne) {
  TrustMachine();
  const v1::TestPolicyRequest good = request_;
  request_.set_name("p");
  EXPECT_EQ(Refusal(), v1::REQUEST_MALFORMED);  // Both.
  request_.clear_name();
  request_.clear_document();
  EXPECT_EQ(Refusal(), v1::REQUEST_MALFORMED);  // Neither.
  request_.set_name("none");
  EXPECT_EQ(Refusal(), v1::NOT_FOUND);
  request_.set_name("../none");
  EXPECT_EQ(Refusal(), v1::REQUEST_MALFORMED);
  request_ = good;
  request_.set_document("name: [");
  EXPECT_EQ(Refusal(), v1::POLICY_INVALID);
  for (const int64_t at : {int64_t{-1}, INT64_MAX, INT64_MIN}) {
    request_ = good;
    request_.set_at_us(at);
    EXPECT_EQ(Refusal(), v1::REQUEST_MALFORMED) << at;
  }
  request_ = good;
  request_.clear_evidence();
  EXPECT_EQ(Refusal(), v1::EVIDENCE_MALFORMED);
  request_ = good;
  request_.mutable_context()->set_purpose("join");
  EXPECT_EQ(Refusal(), v1::REQUEST_MALFORMED);
  request_ = good;
  request_.mutable_context()->set_key("../k");
  EXPECT_EQ(Refusal(), v1::REQUEST_MALFORMED);
}

TEST_F(TestPolicyTest, ShowsRulesTheRequestTheyWouldMeet) {
  TrustMachine();
  request_.set_document(
      Document("p",
               "request.namespace == \"default\" && request.purpose == "
               "\"release\" && request.key == \"k\"",
               kAnchors));
  request_.mutable_context()->set_key("k");
  const auto tested = handlers_.TestPolicy(admin_, request_);
  ASSERT_TRUE(tested.ok()) << tested.status();
  EXPECT_TRUE(tested->decision().allowed()) << tested->DebugString();
}

TEST_F(TestPolicyTest, TriesEveryPurposeThatAReleaseHas) {
  TrustMachine();
  for (const std::string purpose :
       {"release", "unwrap", "generate", "rewrap"}) {
    request_.set_document(Document(
        "p", absl::StrCat("request.purpose == \"", purpose, "\""), kAnchors));
    request_.mutable_context()->set_purpose(purpose);
    const auto tested = handlers_.TestPolicy(admin_, request_);
    ASSERT_TRUE(tested.ok()) << purpose << ": " << tested.status();
    EXPECT_TRUE(tested->decision().allowed()) << purpose;
  }
}

}  // namespace
}  // namespace kms::admin
