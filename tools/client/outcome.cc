#include "tools/client/outcome.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "kms/base/refusal.h"

namespace kms::client {
namespace {

// Which side said it; the payload's value is one of the words below.
constexpr absl::string_view kOriginUrl = "kms.client.Origin";
constexpr absl::string_view kNextStepUrl = "kms.client.NextStep";
constexpr absl::string_view kUsage = "usage";
constexpr absl::string_view kIntegrity = "integrity";
constexpr absl::string_view kRefusal = "refusal";

absl::Status WithOrigin(absl::Status status, absl::string_view origin) {
  if (!status.ok()) status.SetPayload(kOriginUrl, absl::Cord(origin));
  return status;
}

bool HasOrigin(const absl::Status& status, absl::string_view origin) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kOriginUrl);
  return payload.has_value() && *payload == origin;
}

ExitCode ExitCodeOfRefusal(const absl::Status& status) {
  switch (RefusalOf(status)) {
    case v1::SEALED:
    case v1::LOG_UNAVAILABLE:
    case v1::HEADS_MISSING:
    case v1::SEAL_UNAVAILABLE:
    case v1::RATE_LIMITED:
    case v1::APPRAISAL_STALE:
      return ExitCode::kUnavailable;
    case v1::DATA_LOSS:
      return ExitCode::kIntegrity;
    case v1::INTERNAL_ERROR:
      return ExitCode::kFailed;
    default:
      return ExitCode::kRefused;
  }
}

std::string NextStepOfRefusal(v1::RefusalCode code) {
  switch (code) {
    case v1::SEALED:
      return "unseal the instance (kmsctl unseal), or ask another one";
    case v1::NOT_INITIALIZED:
      return "initialize the cluster once: kmsctl init";
    case v1::NOT_SEALED:
      return "nothing: the instance is unsealed already";
    case v1::ALREADY_INITIALIZED:
      return "unseal it with its shares: kmsctl unseal";
    case v1::SEAL_UNAVAILABLE:
      return "see to the token or TPM, or to `seal` in kmsd's configuration; "
             "kmsd tries again by itself";
    case v1::SEAL_PIN_REJECTED:
      return "put the token's PIN into pin_file, then kmsctl unseal; kmsd does "
             "not try again by itself, so that the token is not locked";
    case v1::SEAL_KEY_REJECTED:
      return "let `seal` in kmsd's configuration name the token, key or TPM "
             "that the root key was sealed with, and restart";
    case v1::SEAL_PCRS_CHANGED:
      return "boot this machine as it was when its root key was sealed, then "
             "kmsctl unseal; or let the instance join its cluster anew";
    case v1::REKEY_CONFLICT:
      return "kmsctl status shows the seal and the configured one; kmsctl seal "
             "rekey-cancel forgets a rekey that nobody goes on with";
    case v1::SHARE_REJECTED:
      return "check the share's text, or start over: kmsctl unseal --reset";
    case v1::ADMINISTRATOR_REQUIRED:
      return "give an administrator's certificate with --cert and --key";
    case v1::RATE_LIMITED:
    case v1::LOG_UNAVAILABLE:
    case v1::APPRAISAL_STALE:
      return "wait a moment and repeat the command";
    case v1::VERSION_CONFLICT:
      return "somebody else changed it: read it again, then decide";
    case v1::NOT_FOUND:
      return "check the name and --namespace; a list command shows what exists";
    case v1::ALREADY_EXISTS:
      return "choose another name, or change the one that exists";
    case v1::VERSION_DISABLED:
      return "an administrator may enable it: kmsctl key enable NAME VERSION";
    case v1::VERSION_DESTROYED:
      return "nothing brings a destroyed version back; rotate the key";
    case v1::NO_POLICY:
      return "name a policy (kmsctl key set-policy) or activate a version of "
             "it (kmsctl policy activate)";
    case v1::POLICY_INVALID:
      return "correct the document at the place named and put it again";
    case v1::POLICY_DENIED:
    case v1::POLICY_ERROR:
    case v1::DEBUG_DENIED:
    case v1::ANCHOR_DENIED:
    case v1::EVIDENCE_REQUIRED:
      return "see which rule failed: kmsctl policy test POLICY bundle.json";
    case v1::COLLATERAL_STALE:
      return "import fresher collateral: kmsctl collateral age, import";
    case v1::CONCURRENCY_EXHAUSTED:
      return "wait until a lease ends, or have the policy changed";
    case v1::NOTHING_TO_REVERT:
      return "choose a version: kmsctl policy history, then activate";
    case v1::QUOTA_EXHAUSTED:
      return "wait for the next quota window, or have the policy changed";
    case v1::CHALLENGE_INVALID:
    case v1::CHALLENGE_EXPIRED:
    case v1::CHALLENGE_SPENT:
      return "ask for a fresh challenge and make new Evidence over it";
    case v1::DESTRUCTION_TOO_SOON:
      return "destroy it after a wait as long as the reason says: --wait";
    case v1::LEASE_ENDED:
      return "renew the lease by another release, and show its receipt";
    case v1::CHAIN_UNTRUSTED:
      return "compare with the configured anchors: kmsctl anchor list";
    case v1::REQUEST_MALFORMED:
    case v1::REQUEST_TOO_LARGE:
      return "correct the request as the reason says";
    case v1::HEADS_MISSING:
      return "see who is silent: kmsctl cluster status; ask another instance";
    case v1::INSTANCE_REMOVED:
      return "nothing brings it back: join a new one from an empty data_dir";
    case v1::LAST_INSTANCE:
      return "let another instance join first";
    case v1::CLUSTER_MISMATCH:
    case v1::PEER_UNKNOWN:
      return "compare cluster id, identity key and certificates of both sides";
    case v1::DATA_LOSS:
      return "stop and page a person: stored data does not authenticate";
    case v1::INTERNAL_ERROR:
      return "report this as a bug, with the server's log of this minute";
    default:
      return "correct what the reason names; repeating cannot help";
  }
}

}  // namespace

absl::Status UsageError(absl::string_view message) {
  return WithOrigin(absl::InvalidArgumentError(message), kUsage);
}

absl::Status IntegrityError(absl::string_view message) {
  return WithOrigin(absl::UnauthenticatedError(message), kIntegrity);
}

absl::Status AsIntegrityError(const absl::Status& status) {
  return status.ok() ? status : IntegrityError(status.message());
}

absl::Status AsRefusal(const absl::Status& status) {
  return WithOrigin(status, kRefusal);
}

bool IsRefusal(const absl::Status& status) {
  return HasOrigin(status, kRefusal);
}

absl::Status WithNextStep(absl::Status status, absl::string_view sentence) {
  if (!status.ok()) status.SetPayload(kNextStepUrl, absl::Cord(sentence));
  return status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (HasOrigin(status, kUsage)) return ExitCode::kUsage;
  if (HasOrigin(status, kIntegrity)) return ExitCode::kIntegrity;
  if (IsRefusal(status)) return ExitCodeOfRefusal(status);
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    return ExitCode::kUnavailable;
  }
  return ExitCode::kFailed;
}

std::string CodeName(const absl::Status& status) {
  if (HasOrigin(status, kUsage)) return "USAGE";
  if (HasOrigin(status, kIntegrity)) return "INTEGRITY";
  if (IsRefusal(status)) return RefusalName(RefusalOf(status));
  return absl::StatusCodeToString(status.code());
}

std::string NextStep(const absl::Status& status) {
  if (status.ok()) return "";
  if (const auto own = status.GetPayload(kNextStepUrl); own.has_value()) {
    return std::string(*own);
  }
  if (IsRefusal(status)) return NextStepOfRefusal(RefusalOf(status));
  switch (ExitCodeOf(status)) {
    case ExitCode::kUsage:
      return "run it again with --help";
    case ExitCode::kIntegrity:
      return "do not use the answer: check the pinned cluster id and identity "
             "key, then who really answered";
    case ExitCode::kUnavailable:
      return "check --address, --ca and the network; if the call changes "
             "something, look before you repeat it";
    default:
      return "correct what the reason names and repeat";
  }
}

void PrintFailure(absl::string_view program, const absl::Status& status,
                  std::ostream& err) {
  if (status.ok()) return;
  err << absl::StrCat(program, ": ", CodeName(status), ": ", status.message(),
                      "\nnext: ", NextStep(status), "\n");
}

}  // namespace kms::client
