// TCB info: which TCB levels of one kind of platform Intel knows, best first,
// and how it rates them. Source: Intel PCS API v4, "Get TCB info", version 3 of
// the structure, for SGX and for TDX.
// Thread-safe: values and free functions.
// Parsing proves nothing: collateral.h says who signed it.
#ifndef POLICY_DCAP_TCB_INFO_H_
#define POLICY_DCAP_TCB_INFO_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/dcap/pck_certificate.h"
#include "policy/dcap/quote.h"
#include "policy/dcap/tcb_status.h"
#include "policy/formats/json.h"

namespace kms::dcap {

struct TcbLevel {
  TcbComponents sgx{};
  uint16_t pce_svn = 0;
  TcbComponents tdx{};  // TDX only.
  TcbStatus status = TcbStatus::kRevoked;
  absl::Time date;
  std::vector<std::string> advisories;
};

// A level of a part with one security version number: a quoting enclave's or a
// TDX module's.
struct IsvLevel {
  uint16_t isv_svn = 0;
  TcbStatus status = TcbStatus::kRevoked;
  absl::Time date;
  std::vector<std::string> advisories;
};

// What signed the TDX module, and how it must be configured.
struct TdxModule {
  std::array<uint8_t, 48> mrsigner{};
  uint64_t attributes = 0;  // Little-endian, as SEAMATTRIBUTES are.
  uint64_t attributes_mask = 0;
};

struct TdxModuleIdentity {
  uint8_t version = 0;  // 3 for "TDX_03".
  TdxModule module;
  std::vector<IsvLevel> levels;  // Best first.
};

struct TcbInfo {
  TeeKind tee = TeeKind::kSgx;
  absl::Time issued;
  absl::Time next_update;
  Fmspc fmspc{};
  std::array<uint8_t, 2> pce_id{};
  uint32_t evaluation_data_number = 0;
  std::optional<TdxModule> module;            // TDX only.
  std::vector<TdxModuleIdentity> identities;  // TDX only.
  std::vector<TcbLevel> levels;               // Best first.

  // "tdx/50806f000000": what names it in a collateral store.
  std::string Subject() const;
};
std::string TcbInfoSubject(TeeKind tee, const Fmspc& fmspc);

// `body` is the value of "tcbInfo". ENDORSEMENT_MALFORMED if a field is absent
// or of the wrong form, for another version, an unknown status, or two equal
// levels. Levels are sorted as QVL sorts them, best first, whatever their order
// in the file; members that we do not know are ignored.
absl::StatusOr<TcbInfo> ParseTcbInfo(const formats::JsonValue& body);

// Shared with qe_identity.cc: "tcbLevels" of `object`, best first.
absl::StatusOr<std::vector<IsvLevel>> ParseIsvLevels(
    const formats::JsonValue& object);

// The first level that `isv_svn` reaches, or null.
const IsvLevel* FindIsvLevel(const std::vector<IsvLevel>& levels,
                             uint16_t isv_svn);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_TCB_INFO_H_
