#include "tools/kmsctl/key.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "kms/crypto/hpke.h"
#include "kms/lifecycle/import_aad.h"
#include "kms/lifecycle/signed_import_key.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/key_wrapping.h"
#include "tools/kmsctl/secret_input.h"

namespace kms::kmsctl {
namespace {

using Keys = v1::KeyService::StubInterface;
using client::UsageError;

// NewMaterial's bounds.
constexpr size_t kMaterialBytesMin = 16;
constexpr size_t kMaterialBytesMax = 4096;

struct Options {
  std::string name;
  // Spelled out in every request: imported material is sealed for it.
  std::string name_space = "default";
  std::string policy;
  std::string description;
  std::string prefix;
  std::string import_file;
  std::string purpose = "stored";
  std::string kem;
  std::string artifact;  // Hex.
  std::map<std::string, std::string> labels;
  bool no_labels = false;
  uint32_t bytes = 0;
  uint32_t version = 0;
  uint32_t expected_primary = 0;
  std::optional<uint32_t> minimum_version;
  std::optional<std::string> new_description;
  bool yes = false;
  bool now = false;
  std::string wait;
  int64_t to_us = 0;
  std::string rotation_period;
};

template <typename Request, typename Method>
absl::Status CallAndPrint(Context& context, Method method,
                          const Request& request) {
  KMS_ASSIGN_OR_RETURN(
      const v1::Key key,
      (context.Call<v1::KeyService, v1::Key>(method, request)));
  context.Print(key);
  return absl::OkStatus();
}

// Seals the file to the service's one-time import key, so that TLS and its
// termination never see the bytes; hence the pins: a key that the cluster did
// not sign may be of whoever ends TLS.
absl::StatusOr<v1::NewMaterial> ImportedMaterial(Context& context,
                                                 const Options& options) {
  KMS_ASSIGN_OR_RETURN(const Secret bytes,
                       ReadSecretFile(options.import_file, kMaterialBytesMax));
  if (bytes.size() < kMaterialBytesMin) {
    return UsageError(absl::StrCat("--import-file: ", bytes.size(),
                                   " bytes, want ", kMaterialBytesMin, " to ",
                                   kMaterialBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  KMS_ASSIGN_OR_RETURN(const v1::ImportKey import_key,
                       (context.Call<v1::KeyService, v1::ImportKey>(
                           &Keys::GetImportKey, v1::GetImportKeyRequest())));
  const absl::Status genuine = lifecycle::VerifyImportKey(
      import_key, AsBytes(pinned.identity_public_key),
      AsBytes(pinned.cluster_id));
  if (!genuine.ok()) return client::AsIntegrityError(genuine);
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem,
                       crypto::KemFromId(import_key.kem_id()));
  KMS_ASSIGN_OR_RETURN(crypto::HpkeSealed sealed,
                       crypto::HpkeSeal(kem, AsBytes(import_key.public_key()),
                                        AsBytes(lifecycle::kImportInfo),
                                        AsBytes(lifecycle::ImportAad(
                                            import_key.import_key_id(),
                                            options.name_space, options.name)),
                                        bytes));
  v1::NewMaterial material;
  material.mutable_sealed()->set_import_key_id(import_key.import_key_id());
  material.mutable_sealed()->set_enc(std::move(sealed.enc));
  material.mutable_sealed()->set_ciphertext(std::move(sealed.ciphertext));
  return material;
}

absl::StatusOr<v1::NewMaterial> Material(Context& context,
                                         const Options& options) {
  v1::NewMaterial material;
  if (!options.import_file.empty()) {
    KMS_ASSIGN_OR_RETURN(material, ImportedMaterial(context, options));
  }
  material.set_random_bytes(options.bytes);
  if (!options.kem.empty()) {
    material.set_kem_id(static_cast<uint32_t>(
        options.kem == "p256" ? crypto::Kem::kP256 : crypto::Kem::kX25519));
  }
  const absl::StatusOr<std::string> artifact = Unhex(options.artifact);
  if (!artifact.ok()) return UsageError("--artifact: want hex digits");
  material.set_artifact_digest(*artifact);
  return material;
}

void SetLabels(const Options& options,
               google::protobuf::Map<std::string, std::string>& labels) {
  labels.insert(options.labels.begin(), options.labels.end());
}

absl::Status Create(Context& context, const Options& options) {
  v1::CreateKeyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_policy(options.policy);
  request.set_description(options.description);
  request.set_purpose(options.purpose == "wrapping" ? v1::Key::WRAPPING
                                                    : v1::Key::STORED);
  SetLabels(options, *request.mutable_labels());
  KMS_ASSIGN_OR_RETURN(*request.mutable_material(), Material(context, options));
  return CallAndPrint(context, &Keys::CreateKey, request);
}

absl::Status Rotate(Context& context, const Options& options) {
  v1::RotateKeyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_expected_primary(options.expected_primary);
  KMS_ASSIGN_OR_RETURN(*request.mutable_material(), Material(context, options));
  return CallAndPrint(context, &Keys::RotateKey, request);
}

absl::Status Get(Context& context, const Options& options) {
  v1::GetKeyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  return CallAndPrint(context, &Keys::GetKey, request);
}

absl::Status List(Context& context, const Options& options) {
  v1::ListKeysRequest request;
  request.set_namespace_(options.name_space);
  request.set_prefix(options.prefix);
  v1::ListKeysResponse all;
  do {
    KMS_ASSIGN_OR_RETURN(const v1::ListKeysResponse page,
                         (context.Call<v1::KeyService, v1::ListKeysResponse>(
                             &Keys::ListKeys, request)));
    all.mutable_keys()->MergeFrom(page.keys());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "PURPOSE", "PRIMARY", "VERSIONS", "POLICY", "CREATED"}};
  for (const v1::Key& key : all.keys()) {
    rows.push_back(
        {key.name(), key.purpose() == v1::Key::WRAPPING ? "wrapping" : "stored",
         absl::StrCat(key.primary_version()), absl::StrCat(key.versions_size()),
         key.policy().empty() ? "-" : key.policy(),
         TimeText(key.created_us())});
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

absl::Status SetState(Context& context, const Options& options,
                      v1::KeyVersion::State state) {
  v1::SetKeyVersionStateRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_version(options.version);
  request.set_state(state);
  return CallAndPrint(context, &Keys::SetKeyVersionState, request);
}

absl::Status DestroyNow(Context& context, const Options& options) {
  if (!options.yes) {
    context.err() << "Version " << options.version << " of " << options.name
                  << " will be gone for ever, and with it all that only it "
                     "opens.\nType the key's name to go on: ";
    std::string typed;
    std::getline(context.in(), typed);
    if (typed != options.name) {
      return UsageError("destroy: not confirmed; nothing was done");
    }
  }
  return SetState(context, options, v1::KeyVersion::DESTROYED);
}

absl::Status Destroy(Context& context, const Options& options) {
  if (options.now) return DestroyNow(context, options);
  v1::ScheduleKeyVersionDestructionRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_version(options.version);
  if (!options.wait.empty()) {
    absl::Duration wait;
    if (!absl::ParseDuration(options.wait, &wait) ||
        wait < absl::Microseconds(1)) {
      return UsageError("--wait: want a duration such as 168h");
    }
    request.set_wait_us(absl::ToInt64Microseconds(wait));
  }
  return CallAndPrint(context, &Keys::ScheduleKeyVersionDestruction, request);
}

absl::Status CancelDestroy(Context& context, const Options& options) {
  v1::CancelKeyVersionDestructionRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_version(options.version);
  return CallAndPrint(context, &Keys::CancelKeyVersionDestruction, request);
}

absl::Status ConfirmClock(Context& context, const Options& options) {
  v1::ConfirmClockRequest request;
  request.set_to_us(options.to_us);
  KMS_ASSIGN_OR_RETURN(const v1::ClockJump jump,
                       (context.Call<v1::KeyService, v1::ClockJump>(
                           &Keys::ConfirmClock, request)));
  context.Print(jump);
  return absl::OkStatus();
}

absl::Status SetPolicy(Context& context, const Options& options) {
  v1::SetKeyPolicyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  request.set_policy(options.policy);
  return CallAndPrint(context, &Keys::SetKeyPolicy, request);
}

absl::Status Update(Context& context, const Options& options) {
  v1::UpdateKeyRequest request;
  request.set_namespace_(options.name_space);
  request.set_name(options.name);
  if (options.minimum_version.has_value()) {
    request.set_minimum_version(*options.minimum_version);
  }
  if (options.new_description.has_value()) {
    request.set_description(*options.new_description);
  }
  if (!options.rotation_period.empty()) {
    absl::Duration period;
    if (!absl::ParseDuration(options.rotation_period, &period) ||
        period != absl::Trunc(period, absl::Seconds(1)) ||
        period < absl::ZeroDuration()) {
      return UsageError(
          "--rotation-period: want whole seconds such as 720h, or 0");
    }
    request.set_rotation_period_s(absl::ToInt64Seconds(period));
  }
  if (options.no_labels || !options.labels.empty()) {
    SetLabels(options, *request.mutable_labels()->mutable_labels());
  }
  return CallAndPrint(context, &Keys::UpdateKey, request);
}

class Adder {
 public:
  Adder(CLI::App& key, Context& context) : key_(key), context_(context) {}

  using Body = absl::Status (*)(Context&, const Options&);

  // A subcommand that runs `body` with options of its own.
  std::pair<CLI::App*, Options*> Add(const char* name, const char* what,
                                     Body body) {
    CLI::App* command = key_.add_subcommand(name, what);
    auto options = std::make_shared<Options>();
    command->add_option("--namespace", options->name_space,
                        "of the key; default unless given");
    context_.OnRun(*command, [&context = context_, options, body] {
      return body(context, *options);
    });
    return {command, options.get()};
  }

  std::pair<CLI::App*, Options*> AddNamed(const char* name, const char* what,
                                          Body body) {
    const auto [command, options] = Add(name, what, body);
    command->add_option("name", options->name, "the key's name")->required();
    return {command, options};
  }

  std::pair<CLI::App*, Options*> AddForVersion(const char* name,
                                               const char* what, Body body) {
    const auto [command, options] = AddNamed(name, what, body);
    command->add_option("version", options->version, "from 1")
        ->required()
        ->check(CLI::PositiveNumber);
    return {command, options};
  }

 private:
  CLI::App& key_;
  Context& context_;
};

void AddLabelOption(CLI::App& command, Options& options) {
  command
      .add_option_function<std::vector<std::string>>(
          "--label",
          [&options](const std::vector<std::string>& labels) {
            for (const std::string& label : labels) {
              const size_t equals = label.find('=');
              if (equals == std::string::npos) {
                throw CLI::ValidationError("--label", "want name=value");
              }
              options.labels[label.substr(0, equals)] =
                  label.substr(equals + 1);
            }
          },
          "name=value, for people and their scripts; repeat for more")
      ->allow_extra_args(false);
}

void AddMaterialOptions(CLI::App& command, Options& options) {
  command
      .add_option("--kem", options.kem,
                  "of a wrapping key; as the version before, or x25519")
      ->check(CLI::IsMember({"x25519", "p256"}));
  command.add_option("--artifact", options.artifact,
                     "SHA-256 of the one artifact it is for: 64 hex digits");
  CLI::Option* bytes =
      command
          .add_option("--bytes", options.bytes, "random bytes; 32 unless given")
          ->check(CLI::Range(kMaterialBytesMin, kMaterialBytesMax));
  command
      .add_option("--import-file", options.import_file,
                  "seal this file's bytes to the pinned cluster; - for stdin")
      ->excludes(bytes);
}

}  // namespace

void AddKeyCommands(CLI::App& app, Context& context) {
  CLI::App* key = app.add_subcommand("key", "Create, rotate and retire keys");
  key->require_subcommand(1, 1);
  Adder adder(*key, context);
  {
    const auto [command, options] =
        adder.AddNamed("create", "Make a key with its first version", Create);
    command->add_option("--policy", options->policy,
                        "decides its releases; without one it has none");
    command->add_option("--description", options->description, "for people");
    command
        ->add_option("--purpose", options->purpose,
                     "stored: bytes, released; wrapping: opens publishers' "
                     "blobs")
        ->check(CLI::IsMember({"stored", "wrapping"}));
    AddLabelOption(*command, *options);
    AddMaterialOptions(*command, *options);
  }
  {
    const auto [command, options] = adder.AddNamed(
        "update", "Change what is given, and nothing else", Update);
    command->add_option("--minimum-version", options->minimum_version,
                        "older ones are not usable; 0: all are");
    command->add_option("--description", options->new_description,
                        "for people");
    command->add_option("--rotation-period", options->rotation_period,
                        "such as 720h; 0: rotated by hand only");
    AddLabelOption(*command, *options);
    command->add_flag("--no-labels", options->no_labels, "take all away")
        ->excludes("--label");
  }
  AddWrappingCommands(*key, context);
  adder.AddNamed("get", "Show a key and its versions", Get);
  {
    const auto [command, options] = adder.Add("list", "List keys", List);
    command->add_option("--prefix", options->prefix, "of the name");
  }
  {
    const auto [command, options] = adder.AddNamed(
        "rotate", "Add a version, which becomes primary", Rotate);
    command->add_option("--expected-primary", options->expected_primary,
                        "refuse if the primary version is another");
    AddMaterialOptions(*command, *options);
  }
  adder.AddForVersion("enable", "Let a version be released again",
                      [](Context& c, const Options& o) {
                        return SetState(c, o, v1::KeyVersion::ENABLED);
                      });
  adder.AddForVersion("disable", "Release a version no more, for now",
                      [](Context& c, const Options& o) {
                        return SetState(c, o, v1::KeyVersion::DISABLED);
                      });
  {
    const auto [command, options] =
        adder.AddForVersion("destroy",
                            "Disable a version, and erase it for ever after "
                            "a waiting period",
                            Destroy);
    CLI::Option* wait = command->add_option(
        "--wait", options->wait, "such as 168h, which is what it is otherwise");
    command->add_flag("--now", options->now, "do not wait")->excludes(wait);
    command->add_flag("--yes", options->yes, "with --now: do not ask");
  }
  adder.AddForVersion("cancel-destroy",
                      "Keep a version after all; it stays disabled",
                      CancelDestroy);
  {
    const auto [command, options] = adder.Add(
        "confirm-clock", "Let schedules go on after a jump of the only clock",
        ConfirmClock);
    command
        ->add_option("to_us", options->to_us,
                     "held_by.to_us of key get -o json: microseconds")
        ->required();
  }
  {
    const auto [command, options] = adder.AddNamed(
        "set-policy", "Name the policy that decides releases", SetPolicy);
    command->add_option("--policy", options->policy, "its name")->required();
  }
}

}  // namespace kms::kmsctl
