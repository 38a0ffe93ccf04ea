#include "tools/kmsctl/policy.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/document/appraise.h"
#include "policy/document/limits.h"
#include "policy/document/policy.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "tools/client/bundle.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/anchor_files.h"
#include "tools/kmsctl/policy_explain.h"
#include "tools/kmsctl/policy_suite.h"
#include "tools/kmsctl/policy_versions.h"

namespace kms::kmsctl {
namespace {

using Policies = v1::PolicyService::StubInterface;

struct Options {
  std::string subject;  // A file or a stored policy's name.
  std::string bundle;
  std::string bundles;  // Of a suite.
  int64_t leaf = -1;    // -1: not given.
  std::string name_space = "default";
  std::string at;
  std::string key;
  std::vector<std::string> anchors;
  std::vector<std::string> simulated_anchors;
  std::string state = "active";
  uint32_t version = 0;
  uint32_t key_version = 1;
  int64_t expected_version = -1;  // -1: whatever it is.
};

// `name` is one that --state takes.
v1::PolicyState StateNamed(absl::string_view name) {
  if (name == "draft") return v1::POLICY_DRAFT;
  if (name == "shadow") return v1::POLICY_SHADOW;
  return v1::POLICY_ACTIVE;
}

absl::StatusOr<std::string> ReadDocument(const std::string& file) {
  return client::ReadFile(file, policy::kDocumentBytesMax);
}

absl::Status Put(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(std::string document, ReadDocument(options.subject));
  // Compiled here first: a fault is shown without a call, and the document's
  // own name is the one to store it under.
  const absl::StatusOr<policy::CompiledPolicy> compiled =
      policy::Compile(document);
  if (!compiled.ok()) return client::AsRefusal(compiled.status());
  v1::PutPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(compiled->name());
  request.set_document(std::move(document));
  request.set_state(StateNamed(options.state));
  if (options.expected_version >= 0) {
    request.set_check_version(true);
    request.set_expected_version(
        static_cast<uint32_t>(options.expected_version));
  }
  KMS_ASSIGN_OR_RETURN(v1::Policy policy,
                       (context.Call<v1::PolicyService, v1::Policy>(
                           &Policies::PutPolicy, request)));
  policy.clear_document();  // The caller has it.
  context.Print(policy);
  return absl::OkStatus();
}

absl::Status Get(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const NamedVersion named,
                       ParseNamedVersion(options.subject));
  v1::GetPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(named.name);
  request.set_version(options.version != 0 ? options.version : named.version);
  KMS_ASSIGN_OR_RETURN(const v1::Policy policy,
                       (context.Call<v1::PolicyService, v1::Policy>(
                           &Policies::GetPolicy, request)));
  if (!context.json()) {
    context.out() << policy.document();  // As stored, to edit and put again.
    return absl::OkStatus();
  }
  nlohmann::ordered_json json = ProtoToJson(policy);
  json["document"] = policy.document();
  context.PrintJson(json);
  return absl::OkStatus();
}

std::string VersionText(uint32_t version) {
  return version == 0 ? "-" : absl::StrCat(version);
}

absl::Status List(Context& context, const Options& options) {
  v1::ListPoliciesRequest request;
  request.set_namespace_(options.name_space);
  v1::ListPoliciesResponse all;
  do {
    KMS_ASSIGN_OR_RETURN(
        const v1::ListPoliciesResponse page,
        (context.Call<v1::PolicyService, v1::ListPoliciesResponse>(
            &Policies::ListPolicies, request)));
    all.mutable_policies()->MergeFrom(page.policies());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "LATEST", "STATE", "ACTIVE", "SHADOW", "STORED", "BY"}};
  for (const v1::Policy& policy : all.policies()) {
    rows.push_back({policy.name(), absl::StrCat(policy.version()),
                    PolicyStateText(policy.state()),
                    VersionText(policy.active_version()),
                    VersionText(policy.shadow_version()),
                    TimeText(policy.created_us()), policy.principal()});
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

// --at, else what the bundle says, else nothing: now.
absl::StatusOr<std::optional<absl::Time>> TimeOf(const Options& options,
                                                 const client::Bundle& bundle) {
  if (options.at.empty()) return bundle.index.verify_at;
  absl::Time at;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, options.at, &at, &error)) {
    return client::UsageError("--at: want an RFC 3339 time");
  }
  return std::optional<absl::Time>(at);
}

v1::RequestContext RequestContextOf(const Options& options) {
  v1::RequestContext request;
  request.set_namespace_(options.name_space);
  request.set_key(options.key);
  request.set_key_version(options.key_version);
  request.set_purpose("release");
  return request;
}

absl::StatusOr<v1::TestPolicyResponse> TestHere(
    const Options& options, const client::Bundle& bundle,
    const std::optional<absl::Time>& at) {
  KMS_ASSIGN_OR_RETURN(const std::string document,
                       ReadDocument(options.subject));
  const absl::StatusOr<policy::CompiledPolicy> compiled =
      policy::Compile(document);
  if (!compiled.ok()) return client::AsRefusal(compiled.status());
  KMS_ASSIGN_OR_RETURN(const policy::TrustAnchors anchors,
                       LoadAnchors(options.anchors, options.simulated_anchors));
  const absl::Time now = at.value_or(SystemClock().Now());
  const absl::StatusOr<v1::Claims> claims =
      policy::VerifyBundle(bundle.evidence, {.now = now, .anchors = anchors});
  if (!claims.ok()) return client::AsRefusal(claims.status());
  v1::TestPolicyResponse response;
  *response.mutable_claims() = *claims;
  *response.mutable_decision() =
      policy::Appraise(*compiled, *claims, RequestContextOf(options), now);
  policy::TellCollateral(*claims, *response.mutable_decision());
  return response;
}

absl::StatusOr<v1::TestPolicyResponse> TestThere(
    Context& context, const Options& options, const client::Bundle& bundle,
    const std::optional<absl::Time>& at) {
  KMS_ASSIGN_OR_RETURN(const NamedVersion named,
                       ParseNamedVersion(options.subject));
  v1::TestPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(named.name);
  request.set_version(named.version);
  *request.mutable_evidence() = bundle.evidence;
  if (at.has_value()) request.set_at_us(absl::ToUnixMicros(*at));
  *request.mutable_context() = RequestContextOf(options);
  return context.Call<v1::PolicyService, v1::TestPolicyResponse>(
      &Policies::TestPolicy, request);
}

absl::StatusOr<v1::TestPolicyResponse> Judge(Context& context,
                                             const Options& options) {
  KMS_ASSIGN_OR_RETURN(const client::Bundle bundle,
                       client::ReadBundle(options.bundle));
  KMS_ASSIGN_OR_RETURN(const std::optional<absl::Time> at,
                       TimeOf(options, bundle));
  return std::filesystem::exists(options.subject)
             ? TestHere(options, bundle, at)
             : TestThere(context, options, bundle, at);
}

absl::Status Show(Context& context, const Options& options, bool inputs) {
  KMS_ASSIGN_OR_RETURN(const v1::TestPolicyResponse response,
                       Judge(context, options));
  if (context.json()) {
    context.Print(response);
  } else {
    PrintDecision(context.out(), response.decision(), inputs);
  }
  return StatusOf(response.decision());
}

absl::Status Test(Context& context, const Options& options) {
  if (options.bundle.empty()) {
    return RunPolicySuite(context, options.subject, options.bundles,
                          options.anchors, options.simulated_anchors);
  }
  return Show(context, options, /*inputs=*/false);
}

absl::Status Explain(Context& context, const Options& options) {
  if (options.leaf >= 0) {
    if (!options.subject.empty()) {
      return client::UsageError(
          "policy explain: want a policy and a bundle, or --decision");
    }
    return ExplainLeaf(context, static_cast<uint64_t>(options.leaf));
  }
  if (options.subject.empty() || options.bundle.empty()) {
    return client::UsageError(
        "policy explain: want a policy and a bundle, or --decision");
  }
  return Show(context, options, /*inputs=*/true);
}

void AddJudgingOptions(CLI::App& command, Options& options) {
  command.add_option("--at", options.at,
                     "RFC 3339; else the bundle's verify_at, else now");
  command.add_option("--for-key", options.key, "request.key");
  command.add_option("--for-key-version", options.key_version,
                     "request.key_version");
  command.add_option("--anchor", options.anchors,
                     "a further vendor root, for a document");
  command.add_option("--simulated-anchor", options.simulated_anchors,
                     "a simulator's root, for a document");
}

}  // namespace

void AddPolicyCommands(CLI::App& app, Context& context) {
  CLI::App* policy = app.add_subcommand("policy", "Store and try out policies");
  policy->require_subcommand(1, 1);
  const auto add = [policy, &context](
                       const char* name, const char* what,
                       absl::Status (*body)(Context&, const Options&)) {
    CLI::App* command = policy->add_subcommand(name, what);
    auto options = std::make_shared<Options>();
    command->add_option("--namespace", options->name_space,
                        "default unless given");
    context.OnRun(*command, [&context, options, body] {
      return body(context, *options);
    });
    return std::pair<CLI::App*, Options*>(command, options.get());
  };
  {
    const auto [command, options] =
        add("put", "Store a document as a new version", Put);
    command->add_option("file", options->subject, "YAML")->required();
    command
        ->add_option("--state", options->state,
                     "draft: only kept; shadow: recorded beside the active "
                     "one; active: decides (if not given)")
        ->check(CLI::IsMember({"draft", "shadow", "active"}));
    command
        ->add_option("--expected-version", options->expected_version,
                     "refuse if the latest version is another; 0: none yet")
        ->check(CLI::NonNegativeNumber);
  }
  {
    const auto [command, options] = add("get", "Show a stored document", Get);
    command->add_option("name", options->subject, "NAME, or NAME@VERSION")
        ->required();
    command->add_option("--version", options->version, "0: the latest");
  }
  add("list", "List the latest versions", List);
  AddPolicyVersionCommands(*policy, context);
  {
    const auto [command, options] =
        add("test", "Run a suite of bundles and verdicts, or judge one bundle",
            Test);
    command
        ->add_option("policy", options->subject,
                     "a suite; or a document, or a stored policy's NAME or "
                     "NAME@VERSION")
        ->required();
    command->add_option("bundle", options->bundle,
                        "bundle.json, unless it is a suite");
    command->add_option("--bundles", options->bundles,
                        "where a suite's bundles and anchors are");
    AddJudgingOptions(*command, *options);
  }
  {
    const auto [command, options] =
        add("explain", "Why a policy decides as it does, or decided", Explain);
    command->add_option("policy", options->subject,
                        "a document, or a stored policy's NAME or "
                        "NAME@VERSION");
    command->add_option("bundle", options->bundle, "bundle.json");
    command
        ->add_option("--decision", options->leaf,
                     "a leaf of the log, in place of policy and bundle")
        ->check(CLI::NonNegativeNumber);
    AddJudgingOptions(*command, *options);
  }
  AddDryRunCommand(*policy, context);
}

}  // namespace kms::kmsctl
