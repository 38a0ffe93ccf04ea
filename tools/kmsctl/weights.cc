#include "tools/kmsctl/weights.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/weights/limits.h"
#include "kms/weights/reader.h"
#include "kms/weights/transfer.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/secret_input.h"
#include "tools/kmsctl/weights_blob.h"
#include "tools/kmsctl/weights_progress.h"
#include "tools/kmsctl/wrapping_key_file.h"

namespace kms::kmsctl {
namespace {

using client::UsageError;
using client::WithNextStep;
using Json = nlohmann::ordered_json;
using weights::Expectation;
using weights::Reader;
using weights::UnverifiedFile;

struct Options {
  std::string input;
  std::string output;
  std::string key_file;
  std::string to;  // A wrapping key's file.
  std::string name_space = "default";
  std::string name;
  uint32_t version = 0;
  std::string artifact;
  unsigned threads = 0;
  bool force = false;
};

// What `input` is not, as a proof that failed: exit 5. A file that cannot be
// opened or written to is none.
absl::Status JudgeInput(const absl::Status& status) {
  if (absl::IsFailedPrecondition(status)) {
    return WithNextStep(client::AsIntegrityError(status),
                        "give the file that belongs to this key, or the key, "
                        "version and bytes that belong to this file");
  }
  if (absl::IsUnauthenticated(status) || absl::IsInvalidArgument(status)) {
    return WithNextStep(client::AsIntegrityError(status),
                        "do not use the file: check the key, then copy the "
                        "file from its publisher again");
  }
  return status;
}

// A failure to write `output`.
absl::Status JudgeOutput(const absl::Status& status) {
  if (absl::IsAlreadyExists(status)) {
    return WithNextStep(status, "choose another --out, or say --force");
  }
  if (absl::IsAborted(status)) {
    return WithNextStep(status,
                        "run it again when nothing writes to the input");
  }
  if (absl::IsUnavailable(status)) {
    return WithNextStep(status, "wait for the other one, or end it");
  }
  return status;
}

absl::StatusOr<Secret> ReadKey(const Options& options) {
  KMS_ASSIGN_OR_RETURN(
      Secret key, ReadSecretFile(options.key_file, weights::kDataKeySizeMax));
  if (key.size() < weights::kDataKeySizeMin) {
    return UsageError(absl::StrCat("--key-file: ", key.size(), " bytes, want ",
                                   weights::kDataKeySizeMin, " to ",
                                   weights::kDataKeySizeMax));
  }
  return key;
}

absl::StatusOr<std::optional<std::string>> WantedArtifact(
    const Options& options) {
  if (options.artifact.empty()) return std::optional<std::string>();
  const absl::StatusOr<std::string> digest = Unhex(options.artifact);
  if (!digest.ok() || digest->size() != weights::kDigestSize) {
    return UsageError(
        "--artifact: want 64 hex digits, as weights encrypt printed them");
  }
  return std::make_optional(*digest);
}

absl::StatusOr<Reader> OpenReader(const Options& options) {
  Expectation expected{.name_space = options.name_space,
                       .name = options.name,
                       .version = {},
                       .artifact_digest = {}};
  if (options.version != 0) expected.version = options.version;
  KMS_ASSIGN_OR_RETURN(expected.artifact_digest, WantedArtifact(options));
  KMS_ASSIGN_OR_RETURN(const Secret key, ReadKey(options));
  absl::StatusOr<UnverifiedFile> file = UnverifiedFile::Open(options.input);
  if (!file.ok()) return JudgeInput(file.status());
  absl::StatusOr<Reader> reader =
      Reader::Create(*std::move(file), key, expected);
  if (!reader.ok()) return JudgeInput(reader.status());
  return reader;
}

// Sets the hook that shows `progress`.
void ShowProgress(WeightsProgress& progress,
                  weights::TransferOptions& options) {
  options.progress = [&progress](uint64_t bytes) { progress.Add(bytes); };
}

Json Describe(const weights::Header& header,
              const std::string& artifact_digest) {
  return {{"namespace", header.key.name_space},
          {"key", header.key.name},
          {"version", header.key.version},
          {"size", header.size},
          {"segment_size", uint64_t{1} << header.segment_log2},
          {"segments", weights::Layout(header).segments()},
          {"artifact_digest", Hex(artifact_digest)}};
}

Json DescribeTransferred(const weights::Transferred& done) {
  Json json = Describe(done.header, done.artifact_digest);
  json["segments_kept"] = done.segments_kept;
  return json;
}

absl::StatusOr<weights::Transferred> EncryptShown(
    const Options& options, const Secret& data_key, const weights::KeyName& key,
    weights::EncryptOptions transfer) {
  transfer.threads = options.threads;
  transfer.overwrite = options.force;
  WeightsProgress progress("encrypting");
  ShowProgress(progress, transfer);
  transfer.begin = [&progress](uint64_t size) { progress.SetTotal(size); };
  return weights::Encrypt(options.input, options.output, data_key, key,
                          transfer);
}

// A failure to make `output` or its blob.
absl::Status JudgePublication(const absl::Status& status) {
  if (!absl::IsAlreadyExists(status)) return JudgeOutput(status);
  return WithNextStep(
      status,
      "choose another --out: what was published is not replaced. A blob whose "
      "file was never finished may be removed");
}

// Under a data key that leaves this process in the blob only, unless it was
// given.
absl::Status Publish(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  KMS_ASSIGN_OR_RETURN(const v1::WrappingKey to,
                       ReadWrappingKeyFile(options.to, pinned));
  const bool given = !options.key_file.empty();
  KMS_ASSIGN_OR_RETURN(const Secret data_key,
                       given ? ReadKey(options)
                             : crypto::RandomSecret(weights::kDataKeySizeMin));
  absl::StatusOr<WeightsBlob> blob =
      WeightsBlob::Open(to, data_key, options.output);
  if (!blob.ok()) return JudgePublication(blob.status());
  weights::EncryptOptions transfer;
  transfer.one_time_key = !given;
  transfer.before_commit = [&](const weights::Transferred& done) {
    return blob->Write(done.artifact_digest);
  };
  const absl::StatusOr<weights::Transferred> done =
      EncryptShown(options, data_key, blob->key_name(), std::move(transfer));
  if (!done.ok()) return JudgePublication(done.status());
  Json json = DescribeTransferred(*done);
  json["blob"] = blob->path();
  context.PrintJson(json);
  return absl::OkStatus();
}

absl::Status Encrypt(Context& context, const Options& options) {
  if (!options.to.empty()) return Publish(context, options);
  if (options.key_file.empty() || options.name.empty() ||
      options.version == 0) {
    return UsageError("want --to, or --key-file, --name and --version");
  }
  KMS_ASSIGN_OR_RETURN(const Secret data_key, ReadKey(options));
  const absl::StatusOr<weights::Transferred> done =
      EncryptShown(options, data_key,
                   {.name_space = options.name_space,
                    .name = options.name,
                    .version = options.version},
                   {});
  if (!done.ok()) return JudgeOutput(done.status());
  context.PrintJson(DescribeTransferred(*done));
  return absl::OkStatus();
}

absl::Status Decrypt(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const Reader reader, OpenReader(options));
  weights::TransferOptions transfer;
  transfer.threads = options.threads;
  transfer.overwrite = options.force;
  absl::StatusOr<weights::Transferred> done;
  {
    WeightsProgress progress("decrypting");
    progress.SetTotal(reader.header().size);
    ShowProgress(progress, transfer);
    done = weights::Decrypt(reader, options.output, transfer);
  }
  if (absl::IsUnauthenticated(done.status())) return JudgeInput(done.status());
  if (!done.ok()) return JudgeOutput(done.status());
  context.PrintJson(DescribeTransferred(*done));
  return absl::OkStatus();
}

// Without the key, all that the artifact digest names: the whole file.
absl::StatusOr<Json> VerifyWithoutKey(const Options& options,
                                      const weights::TransferOptions& transfer,
                                      WeightsProgress& progress) {
  KMS_ASSIGN_OR_RETURN(const auto artifact, WantedArtifact(options));
  if (!artifact.has_value()) {
    return UsageError(
        "give --key-file and --name, or --artifact: the file alone can only "
        "vouch for itself");
  }
  absl::StatusOr<UnverifiedFile> file = UnverifiedFile::Open(options.input);
  if (!file.ok()) return JudgeInput(file.status());
  KMS_RETURN_IF_ERROR(JudgeInput(weights::CheckArtifact(*file, *artifact)));
  progress.SetTotal(file->header().size);
  KMS_RETURN_IF_ERROR(JudgeInput(weights::VerifyDigests(*file, transfer)));
  Json json = Describe(file->header(), file->artifact_digest());
  json["verified"] = "every byte, against the artifact digest";
  return json;
}

absl::StatusOr<Json> VerifyWithKey(const Options& options,
                                   const weights::TransferOptions& transfer,
                                   WeightsProgress& progress) {
  if (options.name.empty()) return UsageError("--key-file: want --name too");
  KMS_ASSIGN_OR_RETURN(const Reader reader, OpenReader(options));
  progress.SetTotal(reader.header().size);
  KMS_RETURN_IF_ERROR(JudgeInput(weights::Verify(reader, transfer)));
  Json json = Describe(reader.header(), reader.artifact_digest());
  json["verified"] = options.artifact.empty()
                         ? "every byte, with the key"
                         : "every byte, with the key and against the artifact "
                           "digest";
  return json;
}

absl::Status Verify(Context& context, const Options& options) {
  weights::TransferOptions transfer;
  transfer.threads = options.threads;
  absl::StatusOr<Json> verdict;
  {
    WeightsProgress progress("verifying");
    ShowProgress(progress, transfer);
    verdict = options.key_file.empty()
                  ? VerifyWithoutKey(options, transfer, progress)
                  : VerifyWithKey(options, transfer, progress);
  }
  if (!verdict.ok()) return verdict.status();
  context.PrintJson(*verdict);
  return absl::OkStatus();
}

absl::Status Inspect(Context& context, const Options& options) {
  const absl::StatusOr<UnverifiedFile> file =
      UnverifiedFile::Open(options.input);
  if (!file.ok()) return JudgeInput(file.status());
  Json json = Describe(file->header(), file->artifact_digest());
  json["verified"] = "nothing: this is what the file says of itself";
  context.PrintJson(json);
  return absl::OkStatus();
}

class Adder {
 public:
  Adder(CLI::App& group, Context& context) : group_(group), context_(context) {}

  using Body = absl::Status (*)(Context&, const Options&);

  std::pair<CLI::App*, Options*> Add(const char* name, const char* what,
                                     const char* input, Body body) {
    CLI::App* command = group_.add_subcommand(name, what);
    auto options = std::make_shared<Options>();
    command->add_option("file", options->input, input)->required();
    context_.OnRun(*command, [&context = context_, options, body] {
      return body(context, *options);
    });
    return {command, options.get()};
  }

 private:
  CLI::App& group_;
  Context& context_;
};

struct KeyOptions {
  CLI::Option* key_file;
  CLI::Option* name_space;
};

KeyOptions AddKeyOptions(CLI::App& command, Options& options) {
  const KeyOptions added{
      command.add_option("--key-file", options.key_file,
                         "the data key's bytes: a file, - for stdin, or fd:N"),
      command.add_option("--namespace", options.name_space,
                         "of the key; default unless given")};
  command
      .add_option("--threads", options.threads,
                  "one for each processor unless given")
      ->check(CLI::Range(1u, weights::kThreadsMax));
  return added;
}

void AddExpectations(CLI::App& command, Options& options) {
  command
      .add_option("--version", options.version,
                  "the version that it has to name; any unless given")
      ->check(CLI::PositiveNumber);
  command.add_option("--artifact", options.artifact,
                     "the artifact digest that it has to have, hex");
}

CLI::Option* AddOutput(CLI::App& command, Options& options) {
  command.add_option("--out", options.output, "the file to make")->required();
  return command.add_flag("--force", options.force, "replace it if it exists");
}

}  // namespace

void AddWeightsCommands(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand(
      "weights", "Encrypt, decrypt and check files of weights");
  group->require_subcommand(1, 1);
  group->footer(
      "A command that was killed goes on where it was when it is run again, "
      "but for encrypt --to without --key-file: its data key died with it.");
  Adder adder(*group, context);
  {
    const auto [command, options] =
        adder.Add("encrypt", "Encrypt a file and print its artifact digest",
                  "the plaintext, a regular file", Encrypt);
    const KeyOptions key = AddKeyOptions(*command, *options);
    CLI::Option* name = command->add_option("--name", options->name,
                                            "of the key, for the header");
    CLI::Option* version =
        command->add_option("--version", options->version, "of the key, from 1")
            ->check(CLI::PositiveNumber);
    CLI::Option* force = AddOutput(*command, *options);
    command
        ->add_option("--to", options->to,
                     "publish: seal the data key (a new one, or --key-file) to "
                     "this wrapping key, what key public -o json printed; the "
                     "blob is OUT.blob")
        ->excludes(key.name_space, name, version, force);
  }
  {
    const auto [command, options] =
        adder.Add("decrypt", "Decrypt a file (0600), or leave nothing",
                  "the encrypted file", Decrypt);
    AddKeyOptions(*command, *options).key_file->required();
    command->add_option("--name", options->name, "the key that it has to name")
        ->required();
    AddExpectations(*command, *options);
    AddOutput(*command, *options);
  }
  {
    const auto [command, options] = adder.Add(
        "verify",
        "Check every byte and write nothing: with the key, or with the "
        "artifact digest, or both",
        "the encrypted file", Verify);
    AddKeyOptions(*command, *options);
    command->add_option("--name", options->name, "the key that it has to name");
    AddExpectations(*command, *options);
  }
  adder.Add("inspect", "Print what a file says of itself", "the encrypted file",
            Inspect);
}

}  // namespace kms::kmsctl
