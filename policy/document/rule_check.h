// Faults of a rule that no type checker sees: it reads a claim that none of the
// required types of Evidence states, or compares one with what it can never be.
// Either is a policy that its author did not mean, and one that would deny
// everybody, or nobody.
//
// It looks at comparisons of one plain path (claims.cpu.snp.vmpl, or a macro's
// variable over such a path) with a literal, a list of literals or a list of
// the document, and passes over all else: what it finds is a fault, what it
// does not may be one.
// Thread-safe: a free function. The expression has compiled before.
#ifndef POLICY_DOCUMENT_RULE_CHECK_H_
#define POLICY_DOCUMENT_RULE_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "policy/document/claim_facts.h"

namespace kms::policy {

struct RuleFault {
  uint32_t offset = 0;  // Bytes from the start of the expression.
  std::string text;
};

// The lengths of the values of each list that the document itself has, by the
// name that rules read it under.
using ListSizes = std::map<std::string, std::vector<size_t>>;

// The first fault, or nothing. `types`: that the document requires.
std::optional<RuleFault> FindRuleFault(absl::string_view expression,
                                       const EvidenceTypes& types,
                                       const ListSizes& lists);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_RULE_CHECK_H_
