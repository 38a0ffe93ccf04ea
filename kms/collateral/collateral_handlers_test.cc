// CollateralService's calls, each refusal by its exact code.
#include "kms/collateral/collateral_handlers.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kms/admin/policy_handlers.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/collateral/importer.h"
#include "kms/collateral/mirror.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/instance/testing.h"
#include "tools/simtee/snp.h"
#include "tools/simtee/tdx.h"

namespace kms::collateral {
namespace {

const absl::Time kFrom = TestStartTime() - absl::Hours(24);
const absl::Time kUntil = TestStartTime() + absl::Hours(24 * 365);

const simtee::SimulatedSnp& Snp() {
  static const auto* const machine =
      new simtee::SimulatedSnp(simtee::SimulatedSnp::Create(
          {.rsa_bits = 2048, .not_before = kFrom, .not_after = kUntil}));
  return *machine;
}

const simtee::SimulatedTdx& Tdx() {
  static const auto* const machine = new simtee::SimulatedTdx(
      simtee::SimulatedTdx::Create({.not_before = kFrom, .not_after = kUntil}));
  return *machine;
}

// The ARK's list of that number, issued so many hours after kFrom.
std::string ArkCrl(char number) {
  x509::CrlSpec spec;
  spec.issuer = Snp().ark().subject_der();
  spec.this_update = kFrom + absl::Hours(number);
  spec.next_update = kUntil;
  spec.extensions = {
      {.oid = "2.5.29.20", .value = std::string("\x02\x01") + number}};
  return x509::IssueCrl(spec, Snp().ark_key());
}

class CollateralHandlersTest : public testing::Test {
 protected:
  CollateralHandlersTest()
      : test_(MakeTestInstance(
            {.simulated_anchors = {"simulated-snp-ark", "simulated-tdx-root"},
             .collateral_max_ages = {{"crl", absl::Hours(48)}}})),
        handlers_(test_->holder) {
    Trust("simulated-snp-ark", v1::SEV_SNP, Snp().ark().der());
    Trust("simulated-tdx-root", v1::TDX, Tdx().root().der());
  }

  void Trust(const std::string& name, v1::EvidenceType type,
             const std::string& certificate) {
    v1::PutAnchorRequest anchor;
    anchor.set_name(name);
    anchor.set_type(type);
    anchor.set_certificate(certificate);
    anchor.set_simulated(true);
    ASSERT_TRUE(
        admin::PolicyHandlers(test_->holder).PutAnchor(admin_, anchor).ok());
  }

  absl::StatusOr<v1::ImportCollateralResponse> Import(
      const std::string& kind, const std::vector<std::string>& files) {
    v1::ImportCollateralRequest request;
    request.set_kind(kind);
    for (const std::string& file : files) request.add_files(file);
    return handlers_.ImportCollateral(admin_, request);
  }

  std::vector<std::string> TcbInfoFiles() {
    return {Tdx().SignJson("tcbInfo", Tdx().TcbInfoBody()),
            Tdx().SignerChainPem()};
  }

  absl::StatusOr<v1::DenyList> PutDenyList(
      v1::EvidenceType type, const std::vector<std::string>& entries) {
    v1::PutDenyListRequest request;
    request.set_type(type);
    for (const std::string& entry : entries) request.add_entries(entry);
    return handlers_.PutDenyList(admin_, request);
  }

  uint64_t Generation() { return test_->View().appraisal_generation(); }

  const Caller admin_ = TestAdministrator();
  std::unique_ptr<TestInstance> test_;
  CollateralHandlers handlers_;
};

TEST_F(CollateralHandlersTest, EveryCallIsAnAdministratorsAndWantsNoSeal) {
  const auto statuses = [this](const Caller& caller) {
    return std::vector<absl::Status>{
        handlers_.ImportCollateral(caller, {}).status(),
        handlers_.ListCollateral(caller, {}).status(),
        handlers_.GetCollateral(caller, {}).status(),
        handlers_.RemoveCollateral(caller, {}).status(),
        handlers_.PutDenyList(caller, {}).status(),
        handlers_.ListDenyLists(caller, {}).status(),
        handlers_.SetKillSwitch(caller, {}).status(),
        handlers_.ListKillSwitches(caller, {}).status()};
  };
  for (const absl::Status& status : statuses(TestWorkload())) {
    EXPECT_EQ(RefusalOf(status), v1::ADMINISTRATOR_REQUIRED);
  }
  test_->Seal();
  for (const absl::Status& status : statuses(admin_)) {
    EXPECT_EQ(RefusalOf(status), v1::SEALED);
  }
}

TEST_F(CollateralHandlersTest, ImportsListsAndGivesBack) {
  const uint64_t before = Generation();
  const auto imported = Import("crl", {ArkCrl(5)});
  ASSERT_TRUE(imported.ok()) << imported.status();
  ASSERT_EQ(imported->stored_size(), 1);
  EXPECT_EQ(imported->unchanged(), 0u);
  EXPECT_EQ(Generation(), before + 1);
  const v1::Collateral& stored = imported->stored(0);
  EXPECT_EQ(stored.role(), "crl");
  EXPECT_EQ(stored.number(), "\5");
  EXPECT_EQ(stored.type(), v1::SEV_SNP);
  EXPECT_EQ(stored.principal(), "alice");
  EXPECT_NE(stored.title(), "");
  EXPECT_EQ(stored.max_age_until_us() - stored.issued_us(),
            absl::ToInt64Microseconds(absl::Hours(48)));
  EXPECT_EQ(stored.content(), "");

  const auto list = handlers_.ListCollateral(admin_, {});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->collateral_size(), 1);
  EXPECT_EQ(list->collateral(0).digest(), stored.digest());

  v1::GetCollateralRequest get;
  get.set_role("crl");
  get.set_subject(stored.subject());
  const auto got = handlers_.GetCollateral(admin_, get);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(crypto::Sha256(AsBytes(got->content())), stored.digest());

  v1::RemoveCollateralRequest remove;
  remove.set_role("crl");
  remove.set_subject(stored.subject());
  EXPECT_TRUE(handlers_.RemoveCollateral(admin_, remove).ok());
  EXPECT_EQ(RefusalOf(handlers_.RemoveCollateral(admin_, remove).status()),
            v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(handlers_.GetCollateral(admin_, get).status()),
            v1::NOT_FOUND);
}

TEST_F(CollateralHandlersTest, ProposesNothingForWhatIsThere) {
  const std::string crl = ArkCrl(5);
  ASSERT_TRUE(Import("crl", {crl}).ok());
  const uint64_t before = Generation();
  const auto again = Import("crl", {crl});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->unchanged(), 1u);
  EXPECT_EQ(again->stored_size(), 1);
  EXPECT_EQ(Generation(), before);
}

TEST_F(CollateralHandlersTest, NeverGoesBack) {
  ASSERT_TRUE(Import("crl", {ArkCrl(5)}).ok());
  EXPECT_EQ(RefusalOf(Import("crl", {ArkCrl(4)}).status()),
            v1::COLLATERAL_OLDER);
  EXPECT_TRUE(Import("crl", {ArkCrl(6)}).ok());
  EXPECT_EQ(RefusalOf(Import("crl", {ArkCrl(5)}).status()),
            v1::COLLATERAL_OLDER);
}

TEST_F(CollateralHandlersTest, StoresATcbInfoWithItsChain) {
  const auto imported = Import("tcb-info", TcbInfoFiles());
  ASSERT_TRUE(imported.ok()) << imported.status();
  ASSERT_EQ(imported->stored_size(), 2);
  EXPECT_EQ(imported->stored(0).role(), "tcb_info");
  EXPECT_EQ(imported->stored(1).role(), "tcb_info_issuer_chain");
  EXPECT_EQ(imported->stored(0).subject(), imported->stored(1).subject());
}

TEST_F(CollateralHandlersTest, StoresNothingThatDoesNotVerify) {
  const uint64_t before = Generation();
  std::vector<std::string> files = TcbInfoFiles();
  files[0][files[0].size() / 2] ^= 1;
  EXPECT_FALSE(Import("tcb-info", files).ok());
  std::string forged = ArkCrl(5);
  forged.back() = static_cast<char>(forged.back() ^ 1);
  EXPECT_EQ(RefusalOf(Import("crl", {forged}).status()), v1::CRL_INVALID);
  // Not even the good one beside it.
  EXPECT_EQ(RefusalOf(Import("crl", {ArkCrl(5), forged}).status()),
            v1::CRL_INVALID);
  EXPECT_EQ(RefusalOf(Import("certificates", {ArkCrl(5)}).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Import("crl", {}).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Generation(), before);
}

TEST_F(CollateralHandlersTest, BelievesOnlyAnchorsInEffectHere) {
  v1::RemoveAnchorRequest remove;
  remove.set_name("simulated-snp-ark");
  ASSERT_TRUE(
      admin::PolicyHandlers(test_->holder).RemoveAnchor(admin_, remove).ok());
  EXPECT_EQ(RefusalOf(Import("crl", {ArkCrl(5), Snp().ark().der()}).status()),
            v1::CHAIN_UNTRUSTED);
}

TEST_F(CollateralHandlersTest, DenyListsAreVersionedAndSorted) {
  const auto first = PutDenyList(v1::SEV_SNP, {"b", "a", "b"});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->version(), 1u);
  ASSERT_EQ(first->entries_size(), 2);
  EXPECT_EQ(first->entries(0), "a");
  EXPECT_EQ(PutDenyList(v1::SEV_SNP, {"c"})->version(), 2u);
  EXPECT_EQ(PutDenyList(v1::NVIDIA_GPU, {"g"})->version(), 1u);

  v1::PutDenyListRequest request;
  request.set_type(v1::SEV_SNP);
  request.set_check_version(true);
  request.set_expected_version(1);
  EXPECT_EQ(RefusalOf(handlers_.PutDenyList(admin_, request).status()),
            v1::VERSION_CONFLICT);
  request.set_expected_version(2);
  EXPECT_EQ(handlers_.PutDenyList(admin_, request)->entries_size(), 0);

  const auto lists = handlers_.ListDenyLists(admin_, {});
  ASSERT_TRUE(lists.ok()) << lists.status();
  ASSERT_EQ(lists->lists_size(), 2);
  EXPECT_EQ(lists->lists(1).type(), v1::NVIDIA_GPU);
}

TEST_F(CollateralHandlersTest, DenyListsAreBounded) {
  EXPECT_EQ(RefusalOf(PutDenyList(v1::EVIDENCE_TYPE_UNSPECIFIED, {}).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      RefusalOf(PutDenyList(static_cast<v1::EvidenceType>(200), {}).status()),
      v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(PutDenyList(v1::SEV_SNP, {""}).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      RefusalOf(PutDenyList(v1::SEV_SNP, {std::string(65, 'x')}).status()),
      v1::REQUEST_MALFORMED);
  std::vector<std::string> many;
  for (int i = 0; i < 4097; ++i) many.push_back(std::to_string(i));
  EXPECT_EQ(RefusalOf(PutDenyList(v1::SEV_SNP, many).status()),
            v1::REQUEST_TOO_LARGE);
  many.pop_back();
  EXPECT_TRUE(PutDenyList(v1::SEV_SNP, many).ok());
}

TEST_F(CollateralHandlersTest, KillSwitchesAreShown) {
  EXPECT_EQ(handlers_.ListKillSwitches(admin_, {})->switches_size(), 0);
  v1::SetKillSwitchRequest request;
  EXPECT_EQ(RefusalOf(handlers_.SetKillSwitch(admin_, request).status()),
            v1::REQUEST_MALFORMED);
  request.set_type(v1::TDX);
  request.set_on(true);
  const auto on = handlers_.SetKillSwitch(admin_, request);
  ASSERT_TRUE(on.ok()) << on.status();
  EXPECT_TRUE(on->on());
  EXPECT_EQ(on->principal(), "alice");
  request.set_on(false);
  EXPECT_FALSE(handlers_.SetKillSwitch(admin_, request)->on());
  const auto all = handlers_.ListKillSwitches(admin_, {});
  ASSERT_EQ(all->switches_size(), 1);
  EXPECT_EQ(all->switches(0).type(), v1::TDX);
  EXPECT_FALSE(all->switches(0).on());
}

TEST_F(CollateralHandlersTest, NamesAreBounded) {
  v1::GetCollateralRequest get;
  EXPECT_EQ(RefusalOf(handlers_.GetCollateral(admin_, get).status()),
            v1::REQUEST_MALFORMED);
  get.set_role(std::string(65, 'r'));
  get.set_subject("s");
  EXPECT_EQ(RefusalOf(handlers_.GetCollateral(admin_, get).status()),
            v1::REQUEST_TOO_LARGE);
  get.set_role("crl");
  get.set_subject(std::string(257, 's'));
  EXPECT_EQ(RefusalOf(handlers_.GetCollateral(admin_, get).status()),
            v1::REQUEST_TOO_LARGE);
}

// --- A mirror, and the state behind it ---

class MapFetcher : public Fetcher {
 public:
  absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request) override {
    const auto found = files.find(request.path);
    if (found == files.end()) return absl::UnavailableError("stalls");
    return FetchResponse{false, found->second, ""};
  }
  std::map<std::string, std::string> files;
};

class MirroredTest : public CollateralHandlersTest {
 protected:
  MirroredTest() {
    fetcher_.files["collateral.json"] =
        R"({"collateral": [{"kind": "crl", "files": ["ark.crl"]},
            {"kind": "tcb-info", "files": ["info.json", "chain.pem"]}]})";
    fetcher_.files["ark.crl"] = ArkCrl(5);
    fetcher_.files["info.json"] = TcbInfoFiles()[0];
    fetcher_.files["chain.pem"] = TcbInfoFiles()[1];
  }

  // After which every delay is over.
  void Poll() {
    test_->clock.Advance(absl::Hours(2));
    mirror_.Poll();
  }
  absl::StatusOr<uint32_t> Take(policy::CollateralKind kind,
                                const std::vector<std::string>& files) {
    const auto inputs = cache_.Get(*test_->get(), test_->View());
    const auto imported =
        collateral::Import(*test_->get(), **inputs, Caller(), kind, files);
    if (!imported.ok()) return imported.status();
    return static_cast<uint32_t>(imported->items.size()) - imported->unchanged;
  }
  // The number of the ARK's list that is stored; empty: none.
  std::string Stored() {
    const auto list = handlers_.ListCollateral(admin_, {});
    for (const v1::Collateral& item : list->collateral()) {
      if (item.type() == v1::SEV_SNP) return item.number();
    }
    return "";
  }

  MapFetcher fetcher_;
  AppraisalInputsCache cache_;
  v1::RefusalCode told_ = v1::REFUSAL_CODE_UNSPECIFIED;
  Mirror mirror_{{.fetcher = &fetcher_,
                  .clock = &test_->clock,
                  .import =
                      [this](policy::CollateralKind kind,
                             const std::vector<std::string>& files) {
                        return Take(kind, files);
                      },
                  .tell =
                      [this](absl::string_view, const absl::Status& status) {
                        told_ = RefusalOf(status);
                      },
                  .random = [] { return 0.5; }}};
};

TEST_F(MirroredTest, FillsTheStoreInNobodysName) {
  Poll();
  const auto list = handlers_.ListCollateral(admin_, {});
  ASSERT_EQ(list->collateral_size(), 3);
  for (const v1::Collateral& item : list->collateral()) {
    EXPECT_EQ(item.principal(), "");
  }
  const uint64_t before = Generation();
  Poll();  // Nothing new: no command.
  EXPECT_EQ(Generation(), before);
}

TEST_F(MirroredTest, WrongSignaturesChangeNothing) {
  Poll();
  std::string forged = ArkCrl(6);
  forged.back() = static_cast<char>(forged.back() ^ 1);
  fetcher_.files["ark.crl"] = forged;
  const uint64_t before = Generation();
  Poll();
  EXPECT_EQ(told_, v1::CRL_INVALID);
  EXPECT_EQ(Generation(), before);
  EXPECT_EQ(Stored(), "\5");
}

TEST_F(MirroredTest, OlderListsChangeNothing) {
  Poll();
  fetcher_.files["ark.crl"] = ArkCrl(4);
  const uint64_t before = Generation();
  Poll();
  EXPECT_EQ(told_, v1::COLLATERAL_OLDER);
  EXPECT_EQ(Generation(), before);
  fetcher_.files["ark.crl"] = ArkCrl(6);
  Poll();
  EXPECT_EQ(Stored(), "\6");
}

TEST_F(MirroredTest, AnothersListStandsUnderItsOwnIssuer) {
  Poll();
  // Genuine, but not what the name promises.
  fetcher_.files["ark.crl"] = Tdx().RootCaCrl();
  Poll();
  EXPECT_EQ(Stored(), "\5");
  EXPECT_EQ(handlers_.ListCollateral(admin_, {})->collateral_size(), 4);
}

// --- What appraisals read ---

class AppraisalInputsTest : public CollateralHandlersTest {
 protected:
  std::shared_ptr<const AppraisalInputs> Inputs() {
    auto inputs = cache_.Get(*test_->get(), test_->View());
    EXPECT_TRUE(inputs.ok()) << inputs.status();
    return *inputs;
  }

  AppraisalInputsCache cache_;
};

TEST_F(AppraisalInputsTest, AreMadeOnceForEachGeneration) {
  const auto first = Inputs();
  EXPECT_EQ(Inputs(), first);
  ASSERT_TRUE(Import("crl", {ArkCrl(5)}).ok());
  const auto second = Inputs();
  EXPECT_NE(second, first);
  EXPECT_EQ(second->generation, first->generation + 1);
  EXPECT_EQ(second->stored->OfRole("crl").size(), 1u);
  EXPECT_TRUE(first->stored->OfRole("crl").empty());
}

TEST_F(AppraisalInputsTest, TheDigestCoversAllOfThem) {
  std::set<std::string> digests = {Inputs()->digest};
  ASSERT_TRUE(Import("crl", {ArkCrl(5)}).ok());
  digests.insert(Inputs()->digest);
  ASSERT_TRUE(Import("crl", {ArkCrl(6)}).ok());
  digests.insert(Inputs()->digest);
  ASSERT_TRUE(PutDenyList(v1::SEV_SNP, {"chip"}).ok());
  digests.insert(Inputs()->digest);
  v1::SetKillSwitchRequest kill;
  kill.set_type(v1::SGX);
  kill.set_on(true);
  ASSERT_TRUE(handlers_.SetKillSwitch(admin_, kill).ok());
  digests.insert(Inputs()->digest);
  v1::RemoveAnchorRequest remove;
  remove.set_name("simulated-tdx-root");
  ASSERT_TRUE(
      admin::PolicyHandlers(test_->holder).RemoveAnchor(admin_, remove).ok());
  digests.insert(Inputs()->digest);
  EXPECT_EQ(digests.size(), 6u);
  for (const std::string& digest : digests) EXPECT_EQ(digest.size(), 32u);
}

TEST_F(AppraisalInputsTest, ReadTheStoreAgainOnlyWhereItChanged) {
  ASSERT_TRUE(Import("tcb-info", TcbInfoFiles()).ok());
  ASSERT_TRUE(Import("crl", {ArkCrl(5)}).ok());
  const auto before = Inputs();
  ASSERT_TRUE(Import("crl", {ArkCrl(6)}).ok());
  const auto after = Inputs();
  const std::string subject = before->stored->OfRole("crl")[0]->subject;
  EXPECT_NE(after->stored->Find("crl", subject)->content,
            before->stored->Find("crl", subject)->content);
  // A whole reading comes to the same.
  const auto whole = ReadAppraisalInputs(*test_->get(), test_->View(), nullptr);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ((*whole)->digest, after->digest);
  EXPECT_EQ((*whole)->stored->Find("crl", subject)->content,
            after->stored->Find("crl", subject)->content);
}

}  // namespace
}  // namespace kms::collateral
