#include "tools/kmsctl/policy_explain.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/document/limits.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/policy_versions.h"

namespace kms::kmsctl {
namespace {

using Policies = v1::PolicyService::StubInterface;

void PrintRule(std::ostream& out, const v1::RuleResult& rule) {
  out << v1::RuleResult::Outcome_Name(rule.outcome()) << "  " << rule.id()
      << "\n";
  if (rule.outcome() == v1::RuleResult::TRUE) return;
  if (!rule.message().empty()) out << "    " << rule.message() << "\n";
  out << "    rule:    " << rule.expression() << "\n";
  out << "    failing: " << rule.failing() << "  (line " << rule.line()
      << ", column " << rule.column() << ")\n";
  if (!rule.seen().empty()) out << "    seen:    " << rule.seen() << "\n";
  if (!rule.wanted().empty()) out << "    wanted:  " << rule.wanted() << "\n";
  for (const v1::ValueSource& source : rule.sources()) {
    out << "    from:    " << source.path();
    if (!source.value().empty()) out << " = " << source.value();
    if (!source.evidence().empty()) out << "  (" << source.evidence() << ")";
    out << "\n";
  }
}

void PrintInputs(std::ostream& out, const v1::Decision& decision) {
  for (const v1::ReferenceInput& used : decision.references()) {
    out << "reference." << used.name() << ": " << used.set() << "@"
        << used.version() << ", digest " << Hex(used.digest()) << ", "
        << (used.signer().empty() ? "unsigned"
                                  : absl::StrCat("signed by ", used.signer()))
        << ", until " << TimeText(used.valid_until_us()) << "\n";
  }
  for (const v1::CollateralInput& used : decision.collateral()) {
    out << "collateral: " << used.kind() << " " << used.subject() << ", digest "
        << Hex(used.digest()) << ", issued " << TimeText(used.issued_us())
        << ", expires " << TimeText(used.next_update_us())
        << (used.stored() ? ", stored" : ", brought") << "\n";
  }
}

std::string Verdict(bool allowed, v1::RefusalCode code) {
  return allowed ? "allowed" : RefusalName(code);
}

struct DryRunOptions {
  std::string subject;
  std::string name_space = "default";
  std::string against = "recorded";
  std::string decided_by;
  uint32_t last = 100;
};

absl::Status DryRun(Context& context, const DryRunOptions& options) {
  v1::DryRunPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_decided_by(options.decided_by);
  request.set_limit(options.last);
  if (std::filesystem::is_regular_file(options.subject)) {
    KMS_ASSIGN_OR_RETURN(
        *request.mutable_document(),
        client::ReadFile(options.subject, policy::kDocumentBytesMax));
  } else {
    KMS_ASSIGN_OR_RETURN(const NamedVersion named,
                         ParseNamedVersion(options.subject));
    request.set_name(named.name);
    request.set_version(named.version);
  }
  KMS_ASSIGN_OR_RETURN(
      const v1::DryRunPolicyResponse response,
      (context.Call<v1::PolicyService, v1::DryRunPolicyResponse>(
          &Policies::DryRunPolicy, request)));
  std::vector<std::vector<std::string>> rows = {
      {"COUNT", "THEN", "NOW", "REASON NOW", "NEWEST LEAF"}};
  for (const auto& group : response.groups()) {
    rows.push_back({absl::StrCat(group.count()),
                    Verdict(group.allowed_then(), group.code_then()),
                    Verdict(group.allowed_now(), group.code_now()),
                    group.reason_now().empty() ? "-" : group.reason_now(),
                    absl::StrCat(group.first_leaf())});
  }
  context.PrintTable(rows, ProtoToJson(response));
  if (!context.json()) {
    context.out() << response.judged() << " judged, "
                  << response.without_evidence()
                  << " without Evidence here, back to leaf "
                  << response.oldest_leaf() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void PrintDecision(std::ostream& out, const v1::Decision& decision,
                   bool inputs) {
  for (const v1::RuleResult& rule : decision.rules()) PrintRule(out, rule);
  if (inputs) PrintInputs(out, decision);
  out << (decision.allowed() ? "allowed" : "denied") << " by "
      << decision.policy();
  if (decision.policy_version() != 0) out << "@" << decision.policy_version();
  // Not every verdict is a rule's.
  if (!decision.reason().empty()) out << ": " << decision.reason();
  out << "\n";
}

absl::Status StatusOf(const v1::Decision& decision) {
  if (decision.allowed()) return absl::OkStatus();
  if (decision.code() == v1::REFUSAL_CODE_UNSPECIFIED) {
    return absl::InternalError("decision: denied without a code");
  }
  return client::AsRefusal(Refuse(decision.code(), decision.reason()));
}

absl::Status ExplainLeaf(Context& context, uint64_t leaf) {
  v1::ExplainDecisionRequest request;
  request.set_leaf_index(leaf);
  KMS_ASSIGN_OR_RETURN(
      const v1::ExplainDecisionResponse response,
      (context.Call<v1::PolicyService, v1::ExplainDecisionResponse>(
          &Policies::ExplainDecision, request)));
  if (context.json()) {
    context.Print(response);
    return absl::OkStatus();
  }
  PrintDecision(context.out(), response.decision(), /*inputs=*/true);
  context.out() << "recorded: "
                << Verdict(response.allowed_then(), response.code_then())
                << "\n";
  if (response.generation_then() != response.generation_now()) {
    context.out() << "Policy inputs may have moved since; collateral and "
                     "Reference Values are those of now.\n";
  }
  return absl::OkStatus();
}

void AddDryRunCommand(CLI::App& policy, Context& context) {
  CLI::App* command = policy.add_subcommand(
      "dry-run", "What a policy would have decided on recorded requests");
  auto options = std::make_shared<DryRunOptions>();
  command
      ->add_option("policy", options->subject,
                   "a document, or a stored policy's NAME or NAME@VERSION")
      ->required();
  command
      ->add_option("--against", options->against,
                   "recorded: what the log and the archive have")
      ->check(CLI::IsMember({"recorded"}));
  command
      ->add_option("--last", options->last,
                   "how many of the newest requests, at most 1000")
      ->check(CLI::Range(1, 1000));
  command->add_option("--decided-by", options->decided_by,
                      "the policy that decided them; else the same name");
  command->add_option("--namespace", options->name_space,
                      "default unless given");
  context.OnRun(*command,
                [&context, options] { return DryRun(context, *options); });
}

}  // namespace kms::kmsctl
