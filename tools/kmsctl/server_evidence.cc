#include "tools/kmsctl/server_evidence.h"

#include <nlohmann/json.hpp>

#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "tools/client/server_evidence.h"

namespace kms::kmsctl {
namespace {

absl::Status Show(Context& context) {
  KMS_ASSIGN_OR_RETURN(const client::ShownServer shown, context.AskServer());
  nlohmann::ordered_json json;
  json["cluster_id"] = Hex(shown.cluster_id);
  json["identity_public_key"] = Hex(shown.identity_public_key);
  json["tls_key_sha256"] = Hex(shown.tls_key_digest);
  json["claims"] = ProtoToJson(shown.claims);
  context.PrintJson(json);
  return absl::OkStatus();
}

}  // namespace

void AddServerEvidenceCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "server-evidence",
      "Show what an instance proves of itself: Claims of Evidence that is "
      "bound to this connection and to the keys shown");
  context.OnRun(*command, [&context] { return Show(context); });
}

}  // namespace kms::kmsctl
