// A policy document compiled: what Evidence must be present, which trust
// anchors may vouch for it, rules over its Claims, and the terms of release.
//
//   name: llama-weights
//   evidence:
//     - {type: sev-snp, count: 1}
//   reference:
//     measurements: ["<96 hex digits>"]
//   rules:
//     - id: known-image
//       expr: claims.cpu.measurement in reference.measurements
//       message: the guest image is not one of the approved builds
//   release: {lease: 1h}
//
// README.md has every key. Nothing is implied by an absent one but what it
// says there, and every default denies.
// Thread-safe: a CompiledPolicy is immutable, and copies share it. It reads no
// clock and knows nothing of storage or of how Claims came about.
#ifndef POLICY_DOCUMENT_POLICY_H_
#define POLICY_DOCUMENT_POLICY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "policy/cel/issue.h"
#include "policy/cel/program.h"
#include "policy/cel/value.h"
#include "policy/document/yaml.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// What ordering a release must know of a policy without parsing it.
struct PolicyTerms {
  int64_t lease_seconds = 0;
  // Both or neither: at most `quota_count` releases in any `window_seconds`.
  std::optional<int64_t> quota_count;
  std::optional<int64_t> window_seconds;
  std::optional<int64_t> concurrent;  // Leases outstanding at once, at most.
  // Unix seconds; [valid_from, valid_until).
  std::optional<int64_t> valid_from;
  std::optional<int64_t> valid_until;
};

struct EvidenceRequirement {
  v1::EvidenceType type = v1::EVIDENCE_TYPE_UNSPECIFIED;
  int64_t count = 0;  // Exactly so many.
};

// A list that rules read as reference.<name>.
struct Reference {
  std::string name;
  // Of a stored set: its name, and the anchors of which one must vouch for a
  // version (none: administrators are enough). Empty: the document lists the
  // values itself.
  std::string set;
  std::vector<std::string> signed_by;
};

struct Rule {
  std::string id;
  std::string message;
  YamlNode expression;  // The scalar in the document.
  cel::Program program;
};

class CompiledPolicy {
 public:
  const std::string& name() const { return body_->name; }
  const std::string& description() const { return body_->description; }
  const PolicyTerms& terms() const { return body_->terms; }
  const std::vector<EvidenceRequirement>& evidence() const {
    return body_->evidence;
  }
  // The only anchors allowed; empty only if the document does not say, and
  // then the built-in vendor anchors are. See Appraise.
  const std::vector<std::string>& anchors() const { return body_->anchors; }
  bool allow_debug() const { return body_->allow_debug; }
  // Vendor ratings that may pass beside "UpToDate".
  const std::vector<std::string>& allow_tcb_status() const {
    return body_->allow_tcb_status;
  }
  // Azure's vTPM may pass without a certificate of its attestation key: the
  // policy must then pin the paravisor that vouches for it.
  bool allow_uncertified_vtpm() const { return body_->allow_uncertified_vtpm; }
  // Each role must have been used, and nothing of it be older.
  const std::map<std::string, absl::Duration>& max_collateral_age() const {
    return body_->max_collateral_age;
  }
  // A GPU may pass whose measurements were compared with no manifest.
  bool allow_unmatched_gpu() const { return body_->allow_unmatched_gpu; }
  const std::vector<Rule>& rules() const { return body_->rules; }
  // Where byte `at` of the rule's expression stands in the document.
  cel::LineColumn PositionOf(const Rule& rule, uint32_t at) const {
    return cel::LineColumnOf(
        body_->source, OffsetInScalar(body_->source, rule.expression, at));
  }
  // What rules read as reference.<name>, in the order of their slots, and the
  // lists; those of stored sets are empty here.
  const std::vector<Reference>& references() const { return body_->references; }
  const std::vector<cel::Value>& reference_lists() const {
    return body_->reference_lists;
  }

 private:
  friend class Compiler;

  struct Body {
    std::string source;
    std::string name;
    std::string description;
    PolicyTerms terms;
    std::vector<EvidenceRequirement> evidence;
    std::vector<std::string> anchors;
    std::map<std::string, absl::Duration> max_collateral_age;
    bool allow_debug = false;
    std::vector<std::string> allow_tcb_status;
    bool allow_unmatched_gpu = false;
    bool allow_uncertified_vtpm = false;
    std::vector<Rule> rules;
    std::vector<Reference> references;
    // Three layers, each viewing the one before: bytes, values, lists.
    std::vector<std::vector<std::string>> reference_bytes;
    std::vector<std::vector<cel::Value>> reference_values;
    std::vector<cel::Value> reference_lists;
  };

  explicit CompiledPolicy(std::shared_ptr<const Body> body)
      : body_(std::move(body)) {}

  std::shared_ptr<const Body> body_;
};

// `yaml` is a whole document, any bytes. POLICY_INVALID "policy: line 3,
// column 7: ..." names the first fault; REQUEST_TOO_LARGE is not used, because
// a document over its bound is as invalid as any other.
absl::StatusOr<CompiledPolicy> Compile(absl::string_view yaml);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_POLICY_H_
