#include "tools/kmsctl/key_wrapping.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "kms/lifecycle/wrapping_key.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/secret_input.h"
#include "tools/kmsctl/wrapping_key_file.h"

namespace kms::kmsctl {
namespace {

using Keys = v1::KeyService::StubInterface;

struct Options {
  std::string name;
  std::string name_space = "default";
  uint32_t version = 0;
  std::string key_file;
  std::string in;
  std::string out;
  std::string artifact;  // Hex.
  std::vector<std::string> blobs;
};

absl::Status Public(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  v1::GetWrappingKeyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_version(options.version);
  KMS_ASSIGN_OR_RETURN(const v1::SignedWrappingKey signed_key,
                       (context.Call<v1::KeyService, v1::SignedWrappingKey>(
                           &Keys::GetWrappingKey, request)));
  const absl::StatusOr<v1::WrappingKey> key = lifecycle::VerifyWrappingKey(
      signed_key, AsBytes(pinned.identity_public_key),
      AsBytes(pinned.cluster_id));
  if (!key.ok()) return client::AsIntegrityError(key.status());
  if (key->name() != options.name || key->namespace_() != options.name_space ||
      (options.version != 0 && key->version() != options.version)) {
    return client::IntegrityError("wrapping key: not the one asked for");
  }
  if (context.json()) {
    context.PrintJson(WrappingKeyJson(*key, signed_key));
  } else {
    context.Print(*key);
    context.out() << WrappingKeyPem(*key);
  }
  return absl::OkStatus();
}

absl::Status Wrap(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  KMS_ASSIGN_OR_RETURN(const v1::WrappingKey key,
                       ReadWrappingKeyFile(options.key_file, pinned));
  const absl::StatusOr<std::string> artifact = Unhex(options.artifact);
  if (!artifact.ok()) return client::UsageError("--artifact: want hex digits");
  KMS_ASSIGN_OR_RETURN(const Secret data_key,
                       ReadSecretFile(options.in, lifecycle::kDataKeySizeMax));
  const absl::StatusOr<std::string> blob =
      lifecycle::SealBlobTo(key, AsBytes(*artifact), data_key);
  if (!blob.ok()) return client::AsRefusal(blob.status());
  KMS_RETURN_IF_ERROR(client::WriteFile(options.out, AsBytes(*blob)));
  context.PrintJson({{"blob", options.out},
                     {"key", key.name()},
                     {"version", key.version()},
                     {"artifact_digest", Hex(*artifact)}});
  return absl::OkStatus();
}

// What can be seen of it from outside, before the only copy of a blob gives way
// to it: `moved` says that it holds as much, of the same key and for the same
// artifact.
absl::Status CheckMoved(const std::string& blob,
                        const v1::RewrapBlobResponse& moved) {
  const auto from = lifecycle::ParseBlob(AsBytes(blob));
  const auto to = lifecycle::ParseBlob(AsBytes(moved.blob()));
  if (from.ok() && to.ok()) {
    lifecycle::BlobHeader want = from->header;
    want.version = moved.version();
    want.kem = to->header.kem;
    if (to->header == want &&
        to->ciphertext.size() == from->ciphertext.size()) {
      return absl::OkStatus();
    }
  }
  return client::IntegrityError(
      "rewrapped blob: not the one that was sent; the file is as it was");
}

// One blob, in place; whether it had to be moved.
absl::StatusOr<bool> RewrapFile(Context& context, const std::string& path) {
  v1::RewrapBlobRequest request;
  KMS_ASSIGN_OR_RETURN(*request.mutable_blob(),
                       client::ReadFile(path, lifecycle::kBlobSizeMax));
  KMS_ASSIGN_OR_RETURN(const v1::RewrapBlobResponse response,
                       (context.Call<v1::KeyService, v1::RewrapBlobResponse>(
                           &Keys::RewrapBlob, request)));
  if (response.blob() == request.blob()) return false;
  KMS_RETURN_IF_ERROR(CheckMoved(request.blob(), response));
  KMS_RETURN_IF_ERROR(client::WriteFile(path, AsBytes(response.blob())));
  return true;
}

// A campaign: one blob that cannot be moved does not keep the others, and what
// was moved before is found to be so, so that it can be run again.
absl::Status Rewrap(Context& context, const Options& options) {
  size_t moved = 0;
  size_t failed = 0;
  absl::Status first;
  for (size_t i = 0; i < options.blobs.size(); ++i) {
    const std::string& path = options.blobs[i];
    const absl::StatusOr<bool> done = RewrapFile(context, path);
    if (done.ok()) {
      moved += *done ? 1 : 0;
    } else {
      ++failed;
      if (first.ok()) first = done.status();
    }
    if (!context.json()) {
      context.err() << absl::StrCat(i + 1, "/", options.blobs.size(), " ", path,
                                    ": ",
                                    !done.ok() ? client::CodeName(done.status())
                                    : *done    ? "moved"
                                               : "already there",
                                    "\n");
    }
  }
  context.PrintJson(
      {{"blobs", options.blobs.size()}, {"moved", moved}, {"failed", failed}});
  return first;
}

std::pair<CLI::App*, Options*> Add(CLI::App& key, Context& context,
                                   const char* name, const char* what,
                                   absl::Status (*body)(Context&,
                                                        const Options&)) {
  CLI::App* command = key.add_subcommand(name, what);
  auto options = std::make_shared<Options>();
  context.OnRun(*command,
                [&context, options, body] { return body(context, *options); });
  return {command, options.get()};
}

}  // namespace

void AddWrappingCommands(CLI::App& key, Context& context) {
  {
    const auto [command, options] =
        Add(key, context, "public",
            "Show the public half of a wrapping key, for publishers", Public);
    command->add_option("name", options->name, "the key's name")->required();
    command->add_option("--namespace", options->name_space,
                        "of the key; default unless given");
    command->add_option("--version", options->version, "primary unless given");
  }
  {
    const auto [command, options] =
        Add(key, context, "wrap",
            "Seal a data key to a wrapping key, without a server", Wrap);
    command
        ->add_option("key-file", options->key_file,
                     "what key public -o json printed")
        ->required();
    command->add_option("--in", options->in, "the data key; - for stdin")
        ->required();
    command->add_option("--out", options->out, "the blob")->required();
    command->add_option("--artifact", options->artifact,
                        "SHA-256 of what it encrypts: 64 hex digits");
  }
  {
    const auto [command, options] =
        Add(key, context, "rewrap",
            "Move blobs to the primary version of their key", Rewrap);
    command->add_option("blobs", options->blobs, "files, replaced")->required();
  }
}

}  // namespace kms::kmsctl
