// JsonFields reads the members of one JSON object in the forms that Intel's
// collateral uses. Source: Intel PCS API v4.
//
// It fails once and stays failed: after the first member that is absent or of
// another form every later read gives a zero value, so a parser may read a
// whole structure and ask for the verdict at its end. All readers of a file
// share one fault, owned by the caller, which names the first bad member.
// Thread-compatible.
#ifndef POLICY_DCAP_JSON_FIELDS_H_
#define POLICY_DCAP_JSON_FIELDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "policy/dcap/tcb_status.h"
#include "policy/formats/json.h"

namespace kms::dcap {

class JsonFields {
 public:
  // `object` and `fault` outlive this; `fault` starts out empty.
  JsonFields(const formats::JsonValue& object, std::string* fault);

  bool failed() const { return !fault_->empty(); }
  // `name`: a literal, shown to whoever sent the file.
  void Fail(absl::string_view name);

  bool Has(absl::string_view name) const {
    return object_.Find(name) != nullptr;
  }

  // The member itself, of that kind; an empty value when failed.
  const formats::JsonValue& Object(absl::string_view name);
  // Of 1 to `count_max` items.
  const std::vector<formats::JsonValue>& Array(absl::string_view name,
                                               size_t count_max);

  absl::string_view Text(absl::string_view name);
  uint64_t Number(absl::string_view name, uint64_t max);
  // "2026-02-01T14:49:26Z", and no other form.
  absl::Time Time(absl::string_view name);
  // Hex of either case.
  template <size_t N>
  std::array<uint8_t, N> Bytes(absl::string_view name) {
    std::array<uint8_t, N> bytes{};
    ReadHex(name, bytes.data(), N);
    return bytes;
  }
  // 8 bytes, as a little-endian integer.
  uint64_t U64Le(absl::string_view name);
  TcbStatus Status();  // "tcbStatus".
  // "advisoryIDs", which may be absent.
  std::vector<std::string> Advisories();

 private:
  void ReadHex(absl::string_view name, uint8_t* to, size_t size);

  const formats::JsonValue& object_;
  std::string* const fault_;
};

// ENDORSEMENT_MALFORMED that names `fault`; OK if it is empty.
absl::Status FaultToStatus(absl::string_view subject, absl::string_view fault);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_JSON_FIELDS_H_
