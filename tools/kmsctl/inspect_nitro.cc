#include "tools/kmsctl/inspect_nitro.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "policy/nitro/document.h"
#include "policy/verifier/evidence_files.h"
#include "tools/kmsctl/inspect_rows.h"

namespace kms::kmsctl {
namespace {

void ShowDer(absl::string_view name, const std::string& der, std::string& out) {
  const auto certificate = x509::Certificate::Parse(AsBytes(der));
  if (certificate.ok()) {
    ShowCertificate(name, *certificate, out);
  } else {
    Row(name, certificate.status().message(), out);
  }
}

void ShowBytes(absl::string_view name, const std::string& bytes,
               std::string& out) {
  Row(name, bytes.empty() ? "(none)" : Hex(bytes), out);
}

void ShowDocument(const nitro::UnverifiedDocument& document, std::string& out) {
  Row("module id", Printable(document.module_id), out);
  Row("made",
      absl::FormatTime(absl::FromUnixMillis(document.timestamp_ms),
                       absl::UTCTimeZone()),
      out);
  for (const auto& [index, value] : document.pcrs) {
    if (AllZero(AsBytes(value)) && index > 2) continue;  // Never extended.
    Row(absl::StrCat("pcr ", index), Hex(value), out);
  }
  ShowBytes("nonce", document.nonce, out);
  ShowBytes("user data", document.user_data, out);
  ShowBytes("public key", document.public_key, out);
  ShowDer("certificate", document.certificate, out);
  for (const std::string& der : document.cabundle) {
    ShowDer("cabundle", der, out);
  }
}

}  // namespace

void ShowNitro(const v1::Evidence& evidence, std::string& out) {
  const std::string* file = policy::FindFile(evidence, "evidence");
  if (file == nullptr) {
    Row("document", "(none)", out);
    return;
  }
  const auto envelope = nitro::ParseEnvelope(AsBytes(*file));
  if (!envelope.ok()) {
    Row("document", envelope.status().message(), out);
    return;
  }
  const auto document = nitro::ParseDocument(envelope->payload);
  if (!document.ok()) {
    Row("document", document.status().message(), out);
    return;
  }
  ShowDocument(*document, out);
}

}  // namespace kms::kmsctl
