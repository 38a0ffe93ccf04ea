#include "tools/kmsctl/reference.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "policy/reference_values/limits.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/policy_versions.h"

namespace kms::kmsctl {
namespace {

using Policies = v1::PolicyService::StubInterface;

struct Options {
  std::string name;  // NAME, or NAME@VERSION.
  std::string file;
  std::string name_space = "default";
  std::string signer;
  std::string measurement_key;
  int64_t expected_version = -1;  // -1: whatever it is.
};

absl::Status Put(Context& context, const Options& options) {
  v1::PutReferenceSetRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  KMS_ASSIGN_OR_RETURN(
      *request.mutable_file(),
      client::ReadFile(options.file, reference_values::kFileBytesMax));
  request.set_signer(options.signer);
  request.set_measurement_key(options.measurement_key);
  if (options.expected_version >= 0) {
    request.set_check_version(true);
    request.set_expected_version(
        static_cast<uint32_t>(options.expected_version));
  }
  KMS_ASSIGN_OR_RETURN(
      v1::ReferenceSetVersion put,
      (context.Call<v1::PolicyService, v1::ReferenceSetVersion>(
          &Policies::PutReferenceSet, request)));
  put.clear_values();  // The caller has the file.
  context.Print(put);
  return absl::OkStatus();
}

absl::Status Get(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const NamedVersion named,
                       ParseNamedVersion(options.name));
  v1::GetReferenceSetRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(named.name);
  request.set_version(named.version);
  KMS_ASSIGN_OR_RETURN(
      const v1::ReferenceSetVersion set,
      (context.Call<v1::PolicyService, v1::ReferenceSetVersion>(
          &Policies::GetReferenceSet, request)));
  context.Print(set);
  return absl::OkStatus();
}

absl::Status End(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const NamedVersion named,
                       ParseNamedVersion(options.name));
  if (named.version == 0) {
    return client::UsageError("reference: want a version, as in NAME@3");
  }
  v1::EndReferenceVersionRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(named.name);
  request.set_version(named.version);
  KMS_ASSIGN_OR_RETURN(
      const v1::ReferenceSetVersion set,
      (context.Call<v1::PolicyService, v1::ReferenceSetVersion>(
          &Policies::EndReferenceVersion, request)));
  context.Print(set);
  return absl::OkStatus();
}

std::string StateText(const v1::ReferenceSetVersion& set) {
  if (set.in_force()) return "in force";
  if (set.ended_us() != 0)
    return absl::StrCat("ended by ", set.ended_principal());
  return "outside its window";
}

// The latest of each set, or (history) all versions of one.
absl::Status List(Context& context, const Options& options) {
  v1::ListReferenceSetsRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  v1::ListReferenceSetsResponse all;
  do {
    KMS_ASSIGN_OR_RETURN(
        const v1::ListReferenceSetsResponse page,
        (context.Call<v1::PolicyService, v1::ListReferenceSetsResponse>(
            &Policies::ListReferenceSets, request)));
    all.mutable_sets()->MergeFrom(page.sets());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "VERSION", "STATE", "VALUES", "FROM", "UNTIL", "SIGNER",
       "SIGNED", "STORED", "BY"}};
  for (const v1::ReferenceSetVersion& set : all.sets()) {
    rows.push_back({set.name(), absl::StrCat(set.version()), StateText(set),
                    absl::StrCat(set.value_count()),
                    TimeText(set.valid_from_us()),
                    TimeText(set.valid_until_us()),
                    set.signer().empty()
                        ? "-"
                        : absl::StrCat(set.signer(),
                                       set.simulated() ? " (simulated)" : ""),
                    TimeText(set.signed_us()), TimeText(set.stored_us()),
                    set.principal()});
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

}  // namespace

void AddReferenceCommands(CLI::App& app, Context& context) {
  CLI::App* reference = app.add_subcommand(
      "reference", "Reference Values that policies read as reference.<name>");
  reference->require_subcommand(1, 1);
  const auto add = [reference, &context](
                       const char* name, const char* what,
                       absl::Status (*body)(Context&, const Options&)) {
    CLI::App* command = reference->add_subcommand(name, what);
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
        add("put", "Store another version, beside those in force", Put);
    command->add_option("name", options->name, "of the set")->required();
    command->add_option("file", options->file, "CoRIM, or JSON")->required();
    command->add_option("--signer", options->signer,
                        "the anchor for reference values that it must verify "
                        "to; without it, unsigned JSON");
    command->add_option("--measurement-key", options->measurement_key,
                        "only these measurements of a CoRIM");
    command
        ->add_option("--expected-version", options->expected_version,
                     "refuse if the latest version is another; 0: none yet")
        ->check(CLI::NonNegativeNumber);
  }
  {
    const auto [command, options] = add("get", "Show a version", Get);
    command->add_option("name", options->name, "NAME, or NAME@VERSION")
        ->required();
  }
  add("list", "List the latest version of each set", List);
  {
    const auto [command, options] =
        add("history", "List all versions of a set", List);
    command->add_option("name", options->name, "of the set")->required();
  }
  {
    const auto [command, options] =
        add("end", "End a version now, whatever its window says", End);
    command->add_option("name", options->name, "NAME@VERSION")->required();
  }
}

}  // namespace kms::kmsctl
