// The lines of `kmsctl evidence inspect` that all vendors share.
// Thread-safe: free functions.
#ifndef TOOLS_KMSCTL_INSPECT_ROWS_H_
#define TOOLS_KMSCTL_INSPECT_ROWS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::kmsctl {

// "2025-01-31", UTC.
std::string Date(absl::Time time);

// What the sender wrote, with all but printable ASCII escaped: a terminal
// obeys some of the rest.
std::string Printable(absl::string_view text);

// Appends "  name  value".
void Row(absl::string_view name, absl::string_view value, std::string& out);

void ShowCertificate(absl::string_view name,
                     const x509::Certificate& certificate, std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_ROWS_H_
