#include "tools/kmsctl/policy_versions.h"

#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "policy/document/limits.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/text_diff.h"

namespace kms::kmsctl {
namespace {

using Policies = v1::PolicyService::StubInterface;

struct Options {
  std::string subject;  // A name, or NAME@VERSION.
  std::string other;
  std::string name_space = "default";
  int64_t expected_active = -1;  // -1: whatever it is.
};

absl::StatusOr<NamedVersion> WantVersion(const std::string& subject) {
  KMS_ASSIGN_OR_RETURN(NamedVersion named, ParseNamedVersion(subject));
  if (named.version == 0) {
    return client::UsageError("policy: want a version, as in NAME@3");
  }
  return named;
}

absl::Status SetState(Context& context, const Options& options,
                      v1::PolicyState state) {
  KMS_ASSIGN_OR_RETURN(const NamedVersion named, WantVersion(options.subject));
  v1::SetPolicyStateRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(named.name);
  request.set_version(named.version);
  request.set_state(state);
  if (options.expected_active >= 0) {
    request.set_check_active(true);
    request.set_expected_active(static_cast<uint32_t>(options.expected_active));
  }
  KMS_ASSIGN_OR_RETURN(const v1::Policy policy,
                       (context.Call<v1::PolicyService, v1::Policy>(
                           &Policies::SetPolicyState, request)));
  context.Print(policy);
  return absl::OkStatus();
}

absl::Status Activate(Context& context, const Options& options) {
  return SetState(context, options, v1::POLICY_ACTIVE);
}
absl::Status Shadow(Context& context, const Options& options) {
  return SetState(context, options, v1::POLICY_SHADOW);
}
absl::Status Retire(Context& context, const Options& options) {
  return SetState(context, options, v1::POLICY_RETIRED);
}

absl::Status Revert(Context& context, const Options& options) {
  v1::RevertPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.subject);
  KMS_ASSIGN_OR_RETURN(const v1::Policy policy,
                       (context.Call<v1::PolicyService, v1::Policy>(
                           &Policies::RevertPolicy, request)));
  context.Print(policy);
  return absl::OkStatus();
}

absl::Status History(Context& context, const Options& options) {
  v1::ListPolicyVersionsRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.subject);
  v1::ListPoliciesResponse all;
  do {
    KMS_ASSIGN_OR_RETURN(
        const v1::ListPoliciesResponse page,
        (context.Call<v1::PolicyService, v1::ListPoliciesResponse>(
            &Policies::ListPolicyVersions, request)));
    all.mutable_policies()->MergeFrom(page.policies());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::vector<std::string>> rows = {
      {"VERSION", "STATE", "STORED", "BY", "CHANGED", "BY", "REPLACED"}};
  for (const v1::Policy& policy : all.policies()) {
    rows.push_back(
        {absl::StrCat(policy.version()), PolicyStateText(policy.state()),
         TimeText(policy.created_us()), policy.principal(),
         TimeText(policy.state_changed_us()),
         policy.state_principal().empty() ? "-" : policy.state_principal(),
         policy.replaced_version() == 0
             ? "-"
             : absl::StrCat(policy.replaced_version())});
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

// A file's text, or a stored version's.
absl::StatusOr<std::string> DocumentOf(Context& context, const Options& options,
                                       const std::string& subject) {
  if (std::filesystem::is_regular_file(subject)) {
    return client::ReadFile(subject, policy::kDocumentBytesMax);
  }
  KMS_ASSIGN_OR_RETURN(const NamedVersion named, WantVersion(subject));
  v1::GetPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(named.name);
  request.set_version(named.version);
  KMS_ASSIGN_OR_RETURN(v1::Policy policy,
                       (context.Call<v1::PolicyService, v1::Policy>(
                           &Policies::GetPolicy, request)));
  return std::move(*policy.mutable_document());
}

absl::Status Diff(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const std::string from,
                       DocumentOf(context, options, options.subject));
  KMS_ASSIGN_OR_RETURN(const std::string to,
                       DocumentOf(context, options, options.other));
  const std::string diff =
      UnifiedDiff(options.subject, from, options.other, to);
  if (context.json()) {
    context.PrintJson({{"from", options.subject},
                       {"to", options.other},
                       {"equal", diff.empty()},
                       {"diff", diff}});
  } else {
    context.out() << diff;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NamedVersion> ParseNamedVersion(absl::string_view text) {
  const size_t at = text.find('@');
  NamedVersion named;
  named.name = std::string(text.substr(0, at));
  if (at == absl::string_view::npos) return named;
  if (!absl::SimpleAtoi(text.substr(at + 1), &named.version) ||
      named.version == 0) {
    return client::UsageError("policy: want a version after @, as in NAME@3");
  }
  return named;
}

std::string PolicyStateText(v1::PolicyState state) {
  const std::string name = v1::PolicyState_Name(state);
  absl::string_view text = name;
  if (state == v1::POLICY_STATE_UNSPECIFIED || name.empty()) return "-";
  absl::ConsumePrefix(&text, "POLICY_");
  return absl::AsciiStrToLower(text);
}

void AddPolicyVersionCommands(CLI::App& policy, Context& context) {
  const auto add = [&policy, &context](
                       const char* name, const char* what, const char* subject,
                       absl::Status (*body)(Context&, const Options&)) {
    CLI::App* command = policy.add_subcommand(name, what);
    auto options = std::make_shared<Options>();
    command->add_option("--namespace", options->name_space,
                        "default unless given");
    command->add_option("policy", options->subject, subject)->required();
    context.OnRun(*command, [&context, options, body] {
      return body(context, *options);
    });
    return std::pair<CLI::App*, Options*>(command, options.get());
  };
  const auto add_change = [&add](
                              const char* name, const char* what,
                              absl::Status (*body)(Context&, const Options&)) {
    const auto [command, options] = add(name, what, "NAME@VERSION", body);
    command
        ->add_option("--expected-active", options->expected_active,
                     "refuse if another version is active; 0: none")
        ->check(CLI::NonNegativeNumber);
  };
  add_change("activate", "Let this version decide, in place of the one before",
             Activate);
  add_change("shadow", "Let this version watch: recorded, never deciding",
             Shadow);
  add_change("retire", "Take a version out of use", Retire);
  add("revert", "Back to the version that the active one replaced", "NAME",
      Revert);
  add("history", "List all versions, their states, and who set them", "NAME",
      History);
  const auto [diff, options] = add("diff", "Show what changed between two",
                                   "NAME@VERSION, or a file", Diff);
  diff->add_option("other", options->other, "NAME@VERSION, or a file")
      ->required();
}

}  // namespace kms::kmsctl
