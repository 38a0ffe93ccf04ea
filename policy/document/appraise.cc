#include "policy/document/appraise.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/arena.h"
#include "policy/cel/limits.h"
#include "policy/cel/program.h"
#include "policy/cel/value.h"
#include "policy/collateral/age.h"
#include "policy/document/limits.h"
#include "policy/document/sources.h"
#include "policy/verifier/anchors.h"

namespace kms::policy {
namespace {

// Enough for what most rules make; more comes from the heap.
constexpr size_t kScratchBytes = 1024;

constexpr size_t kFixedVariables = 3;  // claims, request, now.

// Denies, unless something was denied already: the first cause is the code.
void Deny(v1::Decision& decision, v1::RefusalCode code, std::string reason) {
  if (decision.code() != v1::REFUSAL_CODE_UNSPECIFIED) return;
  decision.set_code(code);
  decision.set_reason(std::move(reason));
}

void CheckValidity(const PolicyTerms& terms, absl::Time now,
                   v1::Decision& decision) {
  if (terms.valid_from.has_value() &&
      now < absl::FromUnixSeconds(*terms.valid_from)) {
    Deny(decision, v1::POLICY_DENIED, "policy: not yet valid");
  }
  if (terms.valid_until.has_value() &&
      now >= absl::FromUnixSeconds(*terms.valid_until)) {
    Deny(decision, v1::POLICY_DENIED, "policy: no longer valid");
  }
}

// Pieces of Evidence of `type` that the Claims speak of.
int64_t Count(const v1::Claims& claims, v1::EvidenceType type) {
  if (type == v1::NVIDIA_GPU) return claims.gpus_size();
  if (type == v1::TPM) return claims.tpm().type() == v1::TPM;
  return claims.has_cpu() && claims.cpu().type() == type;
}

void CheckEvidence(const CompiledPolicy& policy, const v1::Claims& claims,
                   v1::Decision& decision) {
  // A GPU signs whatever its host asks: alone it speaks for no workload.
  if (!claims.has_cpu() && !claims.has_tpm()) {
    Deny(decision, v1::EVIDENCE_REQUIRED,
         "evidence: none of a CPU TEE or a TPM");
  }
  for (const EvidenceRequirement& required : policy.evidence()) {
    const int64_t count = Count(claims, required.type);
    if (count != required.count) {
      Deny(decision, v1::EVIDENCE_REQUIRED,
           absl::StrCat("evidence: ", count, " of type ",
                        v1::EvidenceType_Name(required.type), ", want ",
                        required.count));
    }
  }
}

bool IsBuiltIn(absl::string_view name) {
  const std::vector<TrustAnchor>& built_in = TrustAnchors::BuiltIn();
  return std::any_of(built_in.begin(), built_in.end(),
                     [name](const TrustAnchor& anchor) {
                       return absl::string_view(anchor.name) == name;
                     });
}

void CheckAnchor(const CompiledPolicy& policy, const std::string& anchor,
                 bool simulated, v1::Decision& decision) {
  const std::vector<std::string>& named = policy.anchors();
  const bool allowed = named.empty() ? IsBuiltIn(anchor) && !simulated
                                     : std::find(named.begin(), named.end(),
                                                 anchor) != named.end();
  // A simulator cannot pass by having been configured under a vendor's name.
  const bool posing = simulated && IsBuiltIn(anchor);
  if (!allowed || posing) {
    Deny(decision, v1::ANCHOR_DENIED,
         "policy: evidence leads to a trust anchor that is not allowed");
  }
}

// Of every part, whether the policy asked for it or not: rules may read it.
void CheckAnchors(const CompiledPolicy& policy, const v1::Claims& claims,
                  v1::Decision& decision) {
  if (claims.has_cpu()) {
    CheckAnchor(policy, claims.cpu().anchor(), claims.cpu().simulated(),
                decision);
  }
  // Only where the CPU TEE vouches for its vTPM's key may there be no anchor.
  const v1::TpmClaims& tpm = claims.tpm();
  if (claims.has_tpm() && (tpm.type() == v1::TPM || !tpm.anchor().empty())) {
    CheckAnchor(policy, tpm.anchor(), tpm.simulated(), decision);
  }
  for (const v1::GpuClaims& gpu : claims.gpus()) {
    CheckAnchor(policy, gpu.anchor(), gpu.simulated(), decision);
    if (!gpu.rim_anchor().empty()) {
      CheckAnchor(policy, gpu.rim_anchor(), gpu.simulated(), decision);
    }
  }
}

// Over what is required, not over what arrived: a role of which nothing was
// used is older than any bound.
void CheckCollateralAge(const CompiledPolicy& policy, const v1::Claims& claims,
                        absl::Time now, v1::Decision& decision) {
  for (const auto& [role, max_age] : policy.max_collateral_age()) {
    const CollateralMaxAges bound = {{role, max_age}};
    bool used = false;
    bool fresh = true;
    for (const v1::CollateralClaims& item : claims.collateral()) {
      if (!MaxAgeOf(bound, item.kind()).has_value()) continue;
      used = true;
      fresh &= item.issued_us() != 0 &&
               now - absl::FromUnixMicros(item.issued_us()) <= max_age;
    }
    if (used && fresh) continue;
    Deny(decision, v1::COLLATERAL_STALE,
         absl::StrCat("policy: collateral of role ", role,
                      used ? " is older than is allowed"
                           : " was not used, and its age is bounded"));
  }
}

// What is refused unless the document says otherwise.
void CheckDefaults(const CompiledPolicy& policy, const v1::Claims& claims,
                   v1::Decision& decision) {
  const auto& gpus = claims.gpus();
  const bool debug = claims.cpu().debug() ||
                     std::any_of(gpus.begin(), gpus.end(),
                                 [](const auto& gpu) { return gpu.debug(); });
  if (debug && !policy.allow_debug()) {
    Deny(decision, v1::DEBUG_DENIED,
         "policy: the TEE is in debug mode, which is not allowed");
  }
  const std::string& status = claims.cpu().tcb_status();
  const std::vector<std::string>& allowed = policy.allow_tcb_status();
  if (!status.empty() && status != kTcbUpToDate &&
      std::find(allowed.begin(), allowed.end(), status) == allowed.end()) {
    Deny(decision, v1::TCB_STATUS_DENIED,
         "policy: the platform's TCB status is not allowed");
  }
  // Whoever runs at the TEE's highest privilege can put a key of his own where
  // the paravisor puts its vTPM's, and sign any PCRs with it.
  const bool azure = claims.cpu().type() == v1::AZ_SNP_VTPM ||
                     claims.cpu().type() == v1::AZ_TDX_VTPM;
  if (azure && !claims.tpm().ak_certified() &&
      !policy.allow_uncertified_vtpm()) {
    Deny(decision, v1::REFERENCE_VALUES_REQUIRED,
         "policy: no certificate says that the vTPM's key is the cloud's");
  }
  const bool matched = std::all_of(
      gpus.begin(), gpus.end(),
      [](const v1::GpuClaims& gpu) { return gpu.measurements_match(); });
  if (!matched && !policy.allow_unmatched_gpu()) {
    Deny(decision, v1::REFERENCE_VALUES_REQUIRED,
         "policy: a GPU's measurements were not compared with its vendor's "
         "manifests");
  }
}

// A simulator's word on Reference Values counts where it is asked for by name,
// as its Evidence does.
bool VouchedFor(const Reference& reference, const ReferenceVersion& version) {
  const std::vector<std::string>& signers = reference.signed_by;
  if (signers.empty()) return !version.simulated;
  return std::find(signers.begin(), signers.end(), version.signer) !=
         signers.end();
}

// The values of all versions in force: an upgrade overlaps.
std::vector<cel::Value> ValuesInForce(const Reference& reference,
                                      const ReferenceSets& stored,
                                      absl::Time now, v1::Decision& decision) {
  std::vector<cel::Value> values;
  bool any = false;
  const auto set = stored.find(reference.set);
  for (size_t i = 0; set != stored.end() && i < set->second.size(); ++i) {
    const ReferenceVersion& version = set->second[i];
    if (!version.InForce(now) || !VouchedFor(reference, version)) continue;
    any = true;
    for (const std::string& value : version.values) {
      values.push_back(cel::Value::Bytes(value));
    }
    v1::ReferenceInput& used = *decision.add_references();
    used.set_name(reference.name);
    used.set_set(reference.set);
    used.set_version(version.version);
    used.set_digest(version.digest);
    used.set_signer(version.signer);
    if (version.valid_until.has_value()) {
      used.set_valid_until_us(absl::ToUnixMicros(*version.valid_until));
    }
  }
  // An empty list would make "not in" true.
  if (!any) {
    Deny(decision, v1::REFERENCE_VALUES_EXPIRED,
         absl::StrCat("policy: no version of the reference set ", reference.set,
                      " is in force"));
  }
  return values;
}

struct Inputs {
  const v1::Claims& claims;
  const v1::RequestContext& request;
};

// What a field of several failures shows: joined, and bounded.
std::string Joined(const std::vector<std::string>& parts,
                   absl::string_view separator) {
  std::string text = absl::StrJoin(parts, separator);
  if (text.size() > cel::kRenderedBytesMax) {
    text.resize(cel::kRenderedBytesMax - 3);
    // Not in the middle of a character.
    while (!text.empty() &&
           (static_cast<uint8_t>(text.back()) & 0xc0) == 0x80) {
      text.pop_back();
    }
    if (!text.empty() && static_cast<uint8_t>(text.back()) >= 0x80) {
      text.pop_back();
    }
    text += "...";
  }
  return text;
}

void Explain(const CompiledPolicy& policy, const Rule& rule,
             const std::vector<cel::Failure>& failures, const Inputs& inputs,
             v1::RuleResult& result) {
  if (failures.empty()) return;
  const absl::string_view source = rule.expression.text;
  std::vector<std::string> failing;
  std::vector<std::string> seen;
  std::vector<std::string> wanted;
  for (const cel::Failure& failure : failures) {
    failing.emplace_back(source.substr(failure.span.begin,
                                       failure.span.end - failure.span.begin));
    seen.push_back(failure.seen);
    if (!failure.wanted.empty()) wanted.push_back(failure.wanted);
  }
  result.set_failing(absl::StrJoin(failing, "; "));
  result.set_seen(Joined(seen, "; "));
  result.set_wanted(Joined(wanted, "; "));
  const cel::LineColumn at =
      policy.PositionOf(rule, failures.front().span.begin);
  result.set_line(at.line);
  result.set_column(at.column);
  for (v1::ValueSource& used :
       SourcesOf(result.failing(), inputs.claims, inputs.request)) {
    *result.add_sources() = std::move(used);
  }
}

void CheckRule(const CompiledPolicy& policy, const Rule& rule,
               absl::Span<const cel::Value> values, const Inputs& inputs,
               google::protobuf::Arena& arena, v1::Decision& decision) {
  v1::RuleResult& result = *decision.add_rules();
  result.set_id(rule.id);
  result.set_message(rule.message);
  result.set_expression(rule.expression.text);
  cel::EvaluateOptions options;
  // An error in any operand is a refusal, never a pass.
  options.strict = true;
  const cel::Outcome outcome = rule.program.Evaluate(values, options, arena);
  if (outcome.IsTrue()) {
    result.set_outcome(v1::RuleResult::TRUE);
    return;
  }
  const bool error = outcome.error != nullptr;
  result.set_outcome(error ? v1::RuleResult::ERROR : v1::RuleResult::FALSE);
  Explain(policy, rule,
          error
              ? std::vector<cel::Failure>{{outcome.error_at, outcome.error, ""}}
              : rule.program.Explain(values, options),
          inputs, result);
  Deny(decision, error ? v1::POLICY_ERROR : v1::POLICY_DENIED,
       absl::StrCat("policy: rule ", rule.id,
                    error ? " could not be evaluated" : " is false"));
}

}  // namespace

v1::Decision Appraise(const CompiledPolicy& policy, const v1::Claims& claims,
                      const v1::RequestContext& request, absl::Time now,
                      const ReferenceSets& stored) {
  v1::Decision decision;
  decision.set_policy(policy.name());
  CheckValidity(policy.terms(), now, decision);
  CheckEvidence(policy, claims, decision);
  CheckAnchors(policy, claims, decision);
  CheckCollateralAge(policy, claims, now, decision);
  CheckDefaults(policy, claims, decision);

  // In the order of the environment that Compile made.
  absl::InlinedVector<cel::Value, 8> values = {cel::Value::OfMessage(claims),
                                               cel::Value::OfMessage(request),
                                               cel::Value::Timestamp(now)};
  values.insert(values.end(), policy.reference_lists().begin(),
                policy.reference_lists().end());
  // The lists view these, which therefore never move.
  absl::InlinedVector<std::vector<cel::Value>, kStoredSetsMax> in_force;
  for (size_t i = 0; i < policy.references().size(); ++i) {
    if (policy.references()[i].set.empty()) continue;
    in_force.push_back(
        ValuesInForce(policy.references()[i], stored, now, decision));
    values[kFixedVariables + i] = cel::Value::List(in_force.back());
  }
  char scratch[kScratchBytes];
  google::protobuf::Arena arena(scratch, sizeof(scratch));
  for (const Rule& rule : policy.rules()) {
    CheckRule(policy, rule, values, {claims, request}, arena, decision);
  }

  // Allowed only where each rule is seen to be TRUE and nothing was denied.
  const bool all_true =
      std::all_of(decision.rules().begin(), decision.rules().end(),
                  [](const v1::RuleResult& rule) {
                    return rule.outcome() == v1::RuleResult::TRUE;
                  });
  decision.set_allowed(
      decision.code() == v1::REFUSAL_CODE_UNSPECIFIED && all_true &&
      decision.rules_size() == static_cast<int>(policy.rules().size()) &&
      decision.rules_size() > 0);
  return decision;
}

void TellCollateral(const v1::Claims& claims, v1::Decision& decision) {
  for (const v1::CollateralClaims& used : claims.collateral()) {
    v1::CollateralInput& told = *decision.add_collateral();
    told.set_kind(used.kind());
    told.set_subject(used.subject());
    told.set_digest(used.digest());
    told.set_issued_us(used.issued_us());
    told.set_next_update_us(used.next_update_us());
    told.set_stored(used.stored());
  }
}

}  // namespace kms::policy
