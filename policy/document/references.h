// Reference Values that a policy reads from stored sets, beside those that it
// lists itself: every version that has not ended, with its window.
// Thread-compatible; immutable once made, and then thread-safe.
// Knows nothing of files and signatures: who stores a set verified it.
#ifndef POLICY_DOCUMENT_REFERENCES_H_
#define POLICY_DOCUMENT_REFERENCES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace kms::policy {

struct ReferenceVersion {
  uint32_t version = 0;
  std::string digest;  // 32 bytes, SHA-256 over its values.
  std::vector<std::string> values;
  std::optional<absl::Time> valid_from;
  std::optional<absl::Time> valid_until;
  // The anchor that vouches for it; empty: only administrators do.
  std::string signer;
  bool simulated = false;  // That anchor is a simulator's.

  bool InForce(absl::Time now) const {
    return (!valid_from.has_value() || now >= *valid_from) &&
           (!valid_until.has_value() || now < *valid_until);
  }
};

// By the stored set's name, each in the order of its versions.
using ReferenceSets = std::map<std::string, std::vector<ReferenceVersion>>;

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_REFERENCES_H_
