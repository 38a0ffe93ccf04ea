// What is known of claims before any Evidence is seen: which types of Evidence
// state them, how long they are, and which words they can be.
// Source: proto/kms/v1/claims.proto and decision.proto, whose comments say it
// in words. Thread-safe: free functions over constant tables. Knows no
// expressions.
#ifndef POLICY_DOCUMENT_CLAIM_FACTS_H_
#define POLICY_DOCUMENT_CLAIM_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

using EvidenceTypes = std::vector<v1::EvidenceType>;

// The types that ever state `path`, a message of the Claims such as
// "cpu.snp"; empty: it is not one that only some types state.
absl::Span<const v1::EvidenceType> StatedBy(absl::string_view path);

// The lengths that `field` can have in Evidence of `types`; empty: any.
std::vector<size_t> SizesOf(const google::protobuf::FieldDescriptor* field,
                            const EvidenceTypes& types);

// The words that a text field can be; empty: any. Such a field may also be "",
// where the Evidence does not say.
std::vector<std::string> WordsOf(
    const google::protobuf::FieldDescriptor* field);

// The numbers that a field can be; empty: any of its type.
std::vector<uint64_t> NumbersOf(const google::protobuf::FieldDescriptor* field);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_CLAIM_FACTS_H_
