#include "tools/kmsctl/anchor.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

using Policies = v1::PolicyService::StubInterface;

constexpr size_t kCertificateBytesMax = 16 * 1024;  // PutAnchorRequest's.

constexpr absl::string_view kEvidenceUse = "evidence";
constexpr absl::string_view kReferenceValuesUse = "reference-values";

struct Options {
  std::string name;
  std::string file;
  std::string type;
  std::string use = std::string(kEvidenceUse);
  bool simulated = false;
};

absl::Status Put(Context& context, const Options& options) {
  v1::PutAnchorRequest request;
  request.set_name(options.name);
  request.set_type(policy::EvidenceTypeNamed(options.type));
  if (request.type() == v1::EVIDENCE_TYPE_UNSPECIFIED) {
    return client::UsageError("--type: not a type of Evidence, say sev-snp");
  }
  KMS_ASSIGN_OR_RETURN(*request.mutable_certificate(),
                       client::ReadFile(options.file, kCertificateBytesMax));
  request.set_simulated(options.simulated);
  if (options.use == kReferenceValuesUse) {
    request.set_use(v1::ANCHOR_FOR_REFERENCE_VALUES);
  }
  KMS_ASSIGN_OR_RETURN(const v1::Anchor anchor,
                       (context.Call<v1::PolicyService, v1::Anchor>(
                           &Policies::PutAnchor, request)));
  context.Print(anchor);
  return absl::OkStatus();
}

absl::Status Remove(Context& context, const Options& options) {
  v1::RemoveAnchorRequest request;
  request.set_name(options.name);
  return context
      .Call<v1::PolicyService, v1::RemoveAnchorResponse>(
          &Policies::RemoveAnchor, request)
      .status();
}

absl::Status List(Context& context) {
  KMS_ASSIGN_OR_RETURN(
      const v1::ListAnchorsResponse all,
      (context.Call<v1::PolicyService, v1::ListAnchorsResponse>(
          &Policies::ListAnchors, v1::ListAnchorsRequest())));
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "TYPE", "USE", "KIND", "ENABLED", "PUBLIC KEY SHA-256"}};
  for (const v1::Anchor& anchor : all.anchors()) {
    rows.push_back(
        {anchor.name(), std::string(policy::EvidenceTypeName(anchor.type())),
         std::string(anchor.use() == v1::ANCHOR_FOR_REFERENCE_VALUES
                         ? kReferenceValuesUse
                         : kEvidenceUse),
         anchor.simulated()  ? "simulated"
         : anchor.built_in() ? "built in"
                             : "added",
         anchor.enabled() ? "yes" : "no", Hex(anchor.spki_digest())});
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

}  // namespace

void AddAnchorCommands(CLI::App& app, Context& context) {
  CLI::App* anchor = app.add_subcommand(
      "anchor", "Trust anchors beside the built-in vendors'");
  anchor->require_subcommand(1, 1);

  CLI::App* put =
      anchor->add_subcommand("put", "Add a root certificate or a public key");
  auto put_options = std::make_shared<Options>();
  put->add_option("name", put_options->name, "shown in Claims")->required();
  put->add_option(
         "file", put_options->file,
         "a self-signed certificate or a public key (PEM or DER), or a JWK")
      ->required();
  put->add_option("--type", put_options->type, "of Evidence, say sev-snp")
      ->required();
  put->add_option("--use", put_options->use,
                  "what it signs: evidence, or reference-values (manifests)")
      ->check(CLI::IsMember(
          {std::string(kEvidenceUse), std::string(kReferenceValuesUse)}))
      ->capture_default_str();
  put->add_flag("--simulated", put_options->simulated,
                "a simulator's: works only where the configuration names it");
  context.OnRun(*put,
                [&context, put_options] { return Put(context, *put_options); });

  CLI::App* remove = anchor->add_subcommand("remove", "Trust it no more");
  auto remove_options = std::make_shared<Options>();
  remove->add_option("name", remove_options->name, "of the anchor")->required();
  context.OnRun(*remove, [&context, remove_options] {
    return Remove(context, *remove_options);
  });

  CLI::App* list = anchor->add_subcommand("list", "List all anchors");
  context.OnRun(*list, [&context] { return List(context); });
}

}  // namespace kms::kmsctl
