#include "tools/kmsctl/rekey.h"

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/secret_input.h"

namespace kms::kmsctl {
namespace {

using Seals = v1::SealService::StubInterface;

struct BeginOptions {
  uint32_t shares = 5;
  uint32_t threshold = 3;
};

struct ShareOptions {
  std::string rekey;
  std::string file;
};

// What to do next, for whoever holds the next share.
void ShowNext(const v1::RekeyStatus& status, std::ostream& err) {
  const std::string command =
      absl::StrCat("kmsctl seal rekey-share --rekey ", Hex(status.rekey_id()));
  switch (status.phase()) {
    case v1::RekeyStatus::AGREEING:
      err << "next: " << status.threshold() - status.progress()
          << " more shares of the present root key: " << command << "\n";
      break;
    case v1::RekeyStatus::CONFIRMING:
      err << "next: " << status.threshold() - status.progress()
          << " more shares of the NEW root key, given back by those who have "
             "them now; until then the present ones stay good: "
          << command << "\n";
      break;
    default:
      err << "done: this instance's root key is kept by its "
          << status.seal().kind() << " seal\n";
  }
}

absl::Status Show(Context& context, absl::StatusOr<v1::RekeyStatus> status) {
  KMS_RETURN_IF_ERROR(status.status());
  if (context.json() || status->shares().empty()) {
    context.Print(*status);
  } else {
    context.out() << "Give each share to one custodian; they are shown only "
                     "now, and count once the rekey is done.\n";
    for (int i = 0; i < status->shares_size(); ++i) {
      context.out() << "new share " << i + 1 << ": " << status->shares(i)
                    << "\n";
    }
  }
  context.out().flush();
  for (std::string& share : *status->mutable_shares()) Wipe(share);
  ShowNext(*status, context.err());
  return absl::OkStatus();
}

absl::Status Begin(Context& context, const BeginOptions& options,
                   bool migrate) {
  KMS_ASSIGN_OR_RETURN(const v1::Status status,
                       (context.CallOne<v1::StatusService, v1::Status>(
                           &v1::StatusService::StubInterface::GetStatus,
                           v1::GetStatusRequest())));
  const v1::SealStatus& seal = status.seal();
  if (migrate == (seal.kind() == seal.configured_kind())) {
    return client::UsageError(
        migrate ? absl::StrCat(
                      "seal migrate: the root key is kept by a ", seal.kind(),
                      " seal, as the configuration says; to move it, configure "
                      "the other seal, with this one as seal.before")
                : absl::StrCat("seal rekey: the configuration names a ",
                               seal.configured_kind(),
                               " seal; move the root key there with seal "
                               "migrate"));
  }
  v1::BeginRekeyRequest request;
  request.set_kind(seal.configured_kind());
  if (request.kind() == "shamir") {
    request.set_shares(options.shares);
    request.set_threshold(options.threshold);
  }
  return Show(context, context.CallOne<v1::SealService, v1::RekeyStatus>(
                           &Seals::BeginRekey, request));
}

absl::Status OfferShare(Context& context, const ShareOptions& options) {
  const auto id = Unhex(options.rekey);
  if (!id.ok()) return client::UsageError("--rekey: want hex digits");
  KMS_ASSIGN_OR_RETURN(const Secret share, ReadShare(options.file));
  v1::ContinueRekeyRequest request;
  request.set_rekey_id(*id);
  request.set_share(ToString(share.Expose(GrantSecretAccess())));
  auto status = context.CallOne<v1::SealService, v1::RekeyStatus>(
      &Seals::ContinueRekey, request);
  Wipe(*request.mutable_share());
  return Show(context, std::move(status));
}

absl::Status Cancel(Context& context) {
  KMS_ASSIGN_OR_RETURN(const v1::RekeyStatus status,
                       (context.CallOne<v1::SealService, v1::RekeyStatus>(
                           &Seals::CancelRekey, v1::CancelRekeyRequest())));
  context.Print(status.seal());
  return absl::OkStatus();
}

absl::Status RotateKeyring(Context& context,
                           const std::vector<std::string>& kinds) {
  v1::RotateKeyringRequest request;
  for (const std::string& kind : kinds) request.add_kinds(kind);
  KMS_ASSIGN_OR_RETURN(
      const v1::RotateKeyringResponse response,
      (context.CallOne<v1::SealService, v1::RotateKeyringResponse>(
          &Seals::RotateKeyring, request)));
  context.Print(response);
  return absl::OkStatus();
}

void AddBegin(CLI::App& seal, Context& context, const char* name,
              const char* help, bool migrate) {
  CLI::App* command = seal.add_subcommand(name, help);
  auto options = std::make_shared<BeginOptions>();
  command->add_option("--shares", options->shares,
                      "how many, for custodians; 5 unless given");
  command->add_option("--threshold", options->threshold,
                      "how many unseal; 3 unless given");
  context.OnRun(*command, [&context, options, migrate] {
    return Begin(context, *options, migrate);
  });
}

}  // namespace

void AddRekeyCommands(CLI::App& seal, Context& context) {
  AddBegin(seal, context, "rekey",
           "Put a new root key in place of one instance's: new shares, or the "
           "same device anew",
           /*migrate=*/false);
  AddBegin(seal, context, "migrate",
           "Move one instance's root key, as a new one, to the seal that its "
           "configuration names",
           /*migrate=*/true);

  CLI::App* share = seal.add_subcommand(
      "rekey-share", "Give one share to a rekey that goes on");
  auto options = std::make_shared<ShareOptions>();
  share->add_option("--rekey", options->rekey, "its id, as its begin told")
      ->required();
  share->add_option("--share-file", options->file,
                    "file with the share, - for stdin; asked for at the "
                    "terminal otherwise");
  context.OnRun(*share,
                [&context, options] { return OfferShare(context, *options); });

  CLI::App* cancel = seal.add_subcommand(
      "rekey-cancel", "Forget the rekey that goes on; its shares are void");
  context.OnRun(*cancel, [&context] { return Cancel(context); });

  CLI::App* rotate = seal.add_subcommand(
      "rotate-keyring",
      "Let the only instance write under new storage, log and challenge keys");
  auto kinds = std::make_shared<std::vector<std::string>>();
  rotate->add_option("--kind", *kinds,
                     "storage, log or challenge; all unless given");
  context.OnRun(*rotate,
                [&context, kinds] { return RotateKeyring(context, *kinds); });
}

}  // namespace kms::kmsctl
