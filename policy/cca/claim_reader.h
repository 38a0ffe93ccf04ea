// Reads the typed claims of one EAT claims set, whose keys are integers.
// Source: RFC 9711 (EAT); Arm DEN0137 (RMM), A7.2.3, for types and sizes.
//
// It fails once and stays failed: a parser reads all that it wants and asks
// for the verdict at the end. Claims that nobody reads are ignored, as the
// profile demands (draft-ffm-rats-cca-token, table "Baseline Profile").
// Thread-compatible. The claims set outlives the reader.
#ifndef POLICY_CCA_CLAIM_READER_H_
#define POLICY_CCA_CLAIM_READER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "policy/cbor/item.h"

namespace kms::cca {

class ClaimReader {
 public:
  // `map` is any item; what is no map is a failure.
  ClaimReader(const cbor::Item& map, absl::string_view subject);

  bool Has(int64_t key) const { return map_.Find(key) != nullptr; }

  // The claim, which must be there; empty or 0 after a failure.
  std::string Bytes(int64_t key, size_t size_min, size_t size_max);
  std::string Bytes(int64_t key, size_t size) { return Bytes(key, size, size); }
  std::string Hash(int64_t key);  // 32, 48 or 64 bytes.
  std::string Text(int64_t key);  // 1 to kTextBytesMax bytes.
  uint64_t Unsigned(int64_t key, uint64_t max);
  // The claim's item; null after a failure.
  const cbor::Item* Array(int64_t key, size_t size_min, size_t size_max);

  // The same, empty if it is absent.
  std::string OptionalText(int64_t key) { return Has(key) ? Text(key) : ""; }

  void Fail(int64_t key, absl::string_view want);

  // EVIDENCE_MALFORMED for the first failure.
  const absl::Status& status() const { return status_; }

 private:
  const cbor::Item& map_;
  const absl::string_view subject_;
  absl::Status status_;
};

}  // namespace kms::cca

#endif  // POLICY_CCA_CLAIM_READER_H_
