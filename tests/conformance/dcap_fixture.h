// Machines, quotes and collateral for the tests of what Intel's Evidence may
// lie about: each makes one that is right, changes one thing, and has it signed
// anew.
// Thread-compatible. For tests.
#ifndef TESTS_CONFORMANCE_DCAP_FIXTURE_H_
#define TESTS_CONFORMANCE_DCAP_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {

using simtee::SgxEnclave;
using simtee::SimulatedTdx;
using simtee::TdxGuest;
using simtee::TdxOptions;

inline const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
inline const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
inline const absl::Time kNow = kStart + absl::Hours(24);

inline const std::string kReportData(64, '\x42');
inline constexpr char kPem[] = "CERTIFICATE";

inline TdxOptions Options(TeeKind tee = TeeKind::kTdx,
                          bool platform_ca = true) {
  TdxOptions options;
  options.tee = tee;
  options.platform_ca = platform_ca;
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}

inline const SimulatedTdx& Tdx() {
  static const auto* const kMachine =
      new SimulatedTdx(SimulatedTdx::Create(Options()));
  return *kMachine;
}
inline const SimulatedTdx& OtherTdx() {
  static const auto* const kMachine =
      new SimulatedTdx(SimulatedTdx::Create(Options()));
  return *kMachine;
}
inline const SimulatedTdx& Sgx() {
  static const auto* const kMachine =
      new SimulatedTdx(SimulatedTdx::Create(Options(TeeKind::kSgx)));
  return *kMachine;
}

inline policy::TrustAnchors Anchors(std::vector<policy::TrustAnchor> ours) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  anchors.insert(anchors.end(), ours.begin(), ours.end());
  return *policy::TrustAnchors::Create(anchors);
}

struct With {
  absl::Time now = kNow;
  policy::VerifiedCache* cache = nullptr;
  const policy::Collateral* collateral = nullptr;
};

inline absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                         const SimulatedTdx& machine,
                                         const With& with = {}) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  const policy::TrustAnchors anchors = Anchors({machine.Anchor()});
  return policy::VerifyBundle(bundle, {.now = with.now,
                                       .anchors = anchors,
                                       .collateral = with.collateral,
                                       .cache = with.cache});
}

inline v1::RefusalCode Code(const v1::Evidence& evidence,
                            const SimulatedTdx& machine,
                            const With& with = {}) {
  return RefusalOf(Verify(evidence, machine, with).status());
}

inline UnverifiedQuote Quote(const SimulatedTdx& machine,
                             const TdxGuest& guest = {}) {
  return machine.tee() == TeeKind::kTdx
             ? machine.MakeQuote(AsBytes(kReportData), guest)
             : machine.MakeSgxQuote(AsBytes(kReportData), SgxEnclave());
}
inline std::string GoodQuote(const SimulatedTdx& machine,
                             const TdxGuest& guest = {}) {
  return machine.Sign(Quote(machine, guest));
}
inline v1::Evidence Good(const SimulatedTdx& machine,
                         const TdxGuest& guest = {}) {
  return machine.Wrap(GoodQuote(machine, guest));
}

inline TdxGuest V4() {
  TdxGuest guest;
  guest.version = 4;
  return guest;
}
inline TdxGuest V5Td10() {
  TdxGuest guest;
  guest.is_15 = false;
  return guest;
}

// The verdict after `change` to the body, signed anew.
inline v1::RefusalCode Judge(
    const SimulatedTdx& machine,
    const std::function<void(UnverifiedQuote&)>& change) {
  UnverifiedQuote quote = Quote(machine);
  change(quote);
  return Code(machine.Wrap(machine.Sign(quote)), machine);
}

// The same for a change to what the PCK signs, or to what nobody signs.
inline v1::RefusalCode JudgeQe(
    const SimulatedTdx& machine,
    const std::function<void(UnverifiedQuote&)>& change) {
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(machine)));
  change(quote);
  machine.SignQe(quote);
  machine.SignBody(quote);
  return Code(machine.Wrap(SerializeQuote(quote)), machine);
}

// The same for bytes that no quote may hold. Signs the first `signed_size`.
inline std::string SignBytes(const SimulatedTdx& machine, std::string quote,
                             size_t signed_size) {
  const auto signature = simtee::RawSignature(machine.attestation_key(),
                                              quote.substr(0, signed_size));
  quote.replace(signed_size + 4, signature.size(),
                ToString(BytesView(signature)));
  return quote;
}
inline v1::RefusalCode JudgeBytes(const SimulatedTdx& machine, size_t offset,
                                  const std::string& bytes,
                                  const TdxGuest& guest = {}) {
  const UnverifiedQuote good = Quote(machine, guest);
  std::string quote = machine.Sign(good);
  quote.replace(offset, bytes.size(), bytes);
  return Code(
      machine.Wrap(SignBytes(machine, quote, SerializeSigned(good).size())),
      machine);
}

inline std::string* FileOf(v1::Evidence& evidence, const std::string& role) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) return file.mutable_content();
  }
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role(role);
  return file->mutable_content();
}

inline v1::RefusalCode JudgeFile(const SimulatedTdx& machine,
                                 const std::string& role,
                                 const std::string& content,
                                 const With& with = {}) {
  v1::Evidence evidence = Good(machine);
  *FileOf(evidence, role) = content;
  return Code(evidence, machine, with);
}

// `text` with its one or more `from` replaced.
inline std::string Replaced(const std::string& text, const std::string& from,
                            const std::string& to) {
  EXPECT_NE(text.find(from), std::string::npos) << from;
  return absl::StrReplaceAll(text, {{from, to}});
}

using Edit = std::pair<std::string, std::string>;

// TCB info with text replaced, signed anew.
inline std::string TcbInfoWith(const SimulatedTdx& machine,
                               const std::vector<Edit>& edits) {
  std::string body = machine.TcbInfoBody();
  for (const auto& [from, to] : edits) body = Replaced(body, from, to);
  return machine.SignJson("tcbInfo", body);
}
inline std::string QeIdentityWith(const SimulatedTdx& machine,
                                  const std::vector<Edit>& edits) {
  std::string body = machine.QeIdentityBody();
  for (const auto& [from, to] : edits) body = Replaced(body, from, to);
  return machine.SignJson("enclaveIdentity", body);
}
inline v1::RefusalCode JudgeTcbInfo(const std::vector<Edit>& edits,
                                    const SimulatedTdx& machine = Tdx()) {
  return JudgeFile(machine, "tcb_info", TcbInfoWith(machine, edits));
}
inline v1::RefusalCode JudgeQeIdentity(const std::vector<Edit>& edits,
                                       const SimulatedTdx& machine = Tdx()) {
  return JudgeFile(machine, "qe_identity", QeIdentityWith(machine, edits));
}

inline std::string U16(uint32_t value) {
  return {static_cast<char>(value), static_cast<char>(value >> 8)};
}
inline std::string U32(uint32_t value) { return U16(value) + U16(value >> 16); }
inline std::string U64(uint64_t value) {
  return U32(static_cast<uint32_t>(value)) +
         U32(static_cast<uint32_t>(value >> 32));
}

inline constexpr v1::RefusalCode kAccepted = v1::REFUSAL_CODE_UNSPECIFIED;

// The quote with another PCK chain.
inline v1::RefusalCode JudgeChain(const std::vector<std::string>& certificates,
                                  const With& with = {}) {
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.pck_chain.clear();
  for (const std::string& der : certificates) {
    quote.pck_chain += x509::ToPem(AsBytes(der), kPem);
  }
  return Code(Tdx().Wrap(SerializeQuote(quote)), Tdx(), with);
}

// The PCK issued anew with a change.
inline v1::RefusalCode JudgePck(
    const std::function<void(x509::CertificateSpec&)>& change) {
  x509::CertificateSpec spec = Tdx().PckSpec();
  change(spec);
  return JudgeChain({x509::IssueCertificate(spec, Tdx().pck_ca_key()),
                     Tdx().pck_ca().der(), Tdx().root().der()});
}

inline std::string StatusOfClaims(const absl::StatusOr<v1::Claims>& claims) {
  return claims.ok() ? claims->cpu().tcb_status()
                     : RefusalName(RefusalOf(claims.status()));
}

inline policy::CollateralItem Item(const std::string& role,
                                   const std::string& subject,
                                   const std::string& content) {
  return {.role = role,
          .subject = subject,
          .content = content,
          .digest = crypto::Sha256(AsBytes(content))};
}

}  // namespace kms::dcap

#endif  // TESTS_CONFORMANCE_DCAP_FIXTURE_H_
