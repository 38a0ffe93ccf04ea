// bundle.json: an evidence bundle on disk, beside the files it names.
//
//   {"evidence": [{"type": "sev-snp", "files": {"evidence": ["report.bin"],
//                                               "vcek": ["vcek.der"]}}],
//    "verify_at": "2024-05-01T00:00:00Z",   optional, RFC 3339
//    "report_data": "<hex>"}                optional, what must be bound
//
// Strict: every key known, none twice, names only of files in the same folder.
// Thread-safe: free functions. Reads no files: the caller does.
#ifndef POLICY_BUNDLE_BUNDLE_H_
#define POLICY_BUNDLE_BUNDLE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// Names and times only; real ones are under 2 KiB.
inline constexpr size_t kBundleJsonBytesMax = 64 * 1024;

struct BundleFile {
  std::string role;
  std::string name;  // A plain file name: no folder, not "." or "..".
};

struct BundlePiece {
  v1::EvidenceType type = v1::EVIDENCE_TYPE_UNSPECIFIED;
  std::vector<BundleFile> files;
};

struct BundleIndex {
  std::vector<BundlePiece> evidence;
  std::optional<absl::Time> verify_at;
  std::optional<std::string> report_data;  // Bytes.
};

// kInvalidArgument "bundle.json: ..." otherwise.
absl::StatusOr<BundleIndex> ParseBundleIndex(absl::string_view json);

// Fills in the contents, calling `read` once for each name; its error is
// returned as it is.
absl::StatusOr<v1::EvidenceBundle> LoadBundle(
    const BundleIndex& index,
    absl::FunctionRef<absl::StatusOr<std::string>(const std::string& name)>
        read);

// The inverse, for programs that write bundles. Ends with a newline.
std::string BundleIndexToJson(const BundleIndex& index);

}  // namespace kms::policy

#endif  // POLICY_BUNDLE_BUNDLE_H_
