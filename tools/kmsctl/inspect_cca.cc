#include "tools/kmsctl/inspect_cca.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/base/bytes.h"
#include "policy/cca/platform.h"
#include "policy/cca/realm.h"
#include "policy/cca/token.h"
#include "policy/cca/verify.h"
#include "policy/verifier/evidence_files.h"
#include "tools/kmsctl/inspect_rows.h"

namespace kms::kmsctl {
namespace {

void ShowPlatform(const cca::UnverifiedPlatform& platform, std::string& out) {
  Row("platform profile", Printable(platform.profile), out);
  Row("implementation id", Hex(platform.implementation_id), out);
  Row("instance id", Hex(platform.instance_id), out);
  Row("config", Hex(platform.config), out);
  const absl::string_view state = cca::LifecycleName(platform.lifecycle);
  Row("lifecycle",
      absl::StrFormat("0x%04x %s", platform.lifecycle,
                      state.empty() ? "(not known)" : state),
      out);
  Row("challenge", Hex(platform.challenge), out);
  for (const cca::SoftwareComponent& component : platform.software_components) {
    Row("software",
        absl::StrCat(Printable(component.type), " ",
                     Printable(component.version)),
        out);
    Row("", absl::StrCat("measurement ", Hex(component.measurement)), out);
    Row("", absl::StrCat("signer ", Hex(component.signer_id)), out);
  }
}

void ShowRealm(const cca::UnverifiedRealm& realm, std::string& out) {
  Row("realm profile",
      realm.profile.empty() ? "(none)" : Printable(realm.profile), out);
  Row("challenge", Hex(realm.challenge), out);
  Row("personalization", Hex(realm.personalization), out);
  Row("hash", realm.hash_algorithm, out);
  Row("rim", Hex(realm.initial_measurement), out);
  for (size_t i = 0; i < realm.extensible_measurements.size(); ++i) {
    Row(absl::StrCat("rem ", i), Hex(realm.extensible_measurements[i]), out);
  }
  Row("realm key", Hex(realm.public_key), out);
  Row("", absl::StrCat("bound by ", realm.public_key_hash_algorithm), out);
}

}  // namespace

void ShowCca(const v1::Evidence& evidence, std::string& out) {
  const std::string* file = policy::FindFile(evidence, "evidence");
  if (file == nullptr) {
    Row("token", "(none)", out);
    return;
  }
  const auto token = cca::ParseToken(AsBytes(*file));
  if (!token.ok()) {
    Row("token", token.status().message(), out);
    return;
  }
  const auto platform = cca::ParsePlatform(token->platform.payload);
  if (platform.ok()) {
    ShowPlatform(*platform, out);
  } else {
    Row("platform", platform.status().message(), out);
  }
  const auto realm = cca::ParseRealm(token->realm.payload);
  if (realm.ok()) {
    ShowRealm(*realm, out);
  } else {
    Row("realm", realm.status().message(), out);
  }
}

}  // namespace kms::kmsctl
