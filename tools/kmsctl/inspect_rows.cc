#include "tools/kmsctl/inspect_rows.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/base/bytes.h"

namespace kms::kmsctl {

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone());
}

std::string Printable(absl::string_view text) { return absl::CHexEscape(text); }

void Row(absl::string_view name, absl::string_view value, std::string& out) {
  absl::StrAppendFormat(&out, "  %-20s %s\n", name, value);
}

void ShowCertificate(absl::string_view name,
                     const x509::Certificate& certificate, std::string& out) {
  Row(name, Printable(certificate.SubjectCommonName()), out);
  Row("", absl::StrCat("issued by ", Printable(certificate.IssuerCommonName())),
      out);
  Row("",
      absl::StrCat("valid ", Date(certificate.not_before()), " to ",
                   Date(certificate.not_after()), ", ",
                   std::string(x509::SchemeName(certificate.scheme()))),
      out);
  Row("", absl::StrCat("key sha256 ", Hex(certificate.spki_sha256())), out);
}

}  // namespace kms::kmsctl
