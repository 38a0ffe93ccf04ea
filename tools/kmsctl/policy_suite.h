// kmsctl policy test SUITE: a policy with bundles of Evidence and the verdicts
// that they must get, for CI. No service is asked.
//
//   policy: web-service.yaml
//   simulated_anchors: [machine/simulated-snp-ark.pem]
//   anchors: [root.pem]
//   reference_sets:
//     guest-images: {file: images.json, signer: acme-release}
//   tests:
//     - name: an unknown image gets nothing
//       bundles: [old-image/bundle.json]
//       at: 2026-05-01T00:00:00Z
//       request: {namespace: default, key: weights, key_version: 1}
//       expect: POLICY_DENIED
//       failing: [known-image]
//
// Only `policy`, `tests`, and of a test `name`, `bundles` and `expect` must be
// there; `request` takes `purpose` and `artifact_digest` (hex) too. The pieces
// of several bundles are one bundle. `expect` is "allowed" or a refusal code;
// `failing`, exactly the rules that are not true. Without `at`, the first
// bundle's verify_at counts, else now. Reference sets are bare JSON
// (policy/reference_values/json.h), in force and taken to be signed as the
// suite says: no signature is checked. Files of Evidence and anchors are looked
// for below --bundles, all others beside the suite. Thread-compatible: one
// command runs in a process.
#ifndef TOOLS_KMSCTL_POLICY_SUITE_H_
#define TOOLS_KMSCTL_POLICY_SUITE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// `file`: the suite. `bundles`: a folder; empty: the suite's own. Of
// `simulated_anchors` and `anchors`, paths beside those that the suite names.
// Sets the exit code 3 if a test fails. UsageError with line and column: the
// suite is not one. Others: a file cannot be read or does not parse.
absl::Status RunPolicySuite(Context& context, const std::string& file,
                            const std::string& bundles,
                            const std::vector<std::string>& anchors,
                            const std::vector<std::string>& simulated_anchors);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_POLICY_SUITE_H_
