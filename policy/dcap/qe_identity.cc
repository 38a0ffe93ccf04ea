#include "policy/dcap/qe_identity.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/dcap/json_fields.h"

namespace kms::dcap {
namespace {

using formats::JsonValue;

constexpr absl::string_view kSubject = "dcap qe identity";
constexpr uint64_t kVersion = 2;

absl::Status Mismatch(absl::string_view fault) {
  return Refuse(v1::MEASUREMENT_MISMATCH,
                absl::StrCat("dcap quoting enclave: ", fault));
}

// Little-endian, as integers lie in a report.
template <size_t N>
std::array<uint8_t, N> LittleEndian(uint64_t value) {
  std::array<uint8_t, N> bytes{};
  for (size_t i = 0; i < N; ++i) {
    bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  return bytes;
}

template <size_t N>
bool EqualUnder(const std::array<uint8_t, N>& mask,
                const std::array<uint8_t, N>& have,
                const std::array<uint8_t, N>& want) {
  for (size_t i = 0; i < N; ++i) {
    if ((have[i] & mask[i]) != want[i]) return false;
  }
  return true;
}

std::array<uint8_t, 16> AttributesOf(const SgxReport& report) {
  const std::array<uint8_t, 8> flags = LittleEndian<8>(report.attributes);
  const std::array<uint8_t, 8> xfrm = LittleEndian<8>(report.xfrm);
  std::array<uint8_t, 16> both{};
  for (size_t i = 0; i < 8; ++i) {
    both[i] = flags[i];
    both[8 + i] = xfrm[i];
  }
  return both;
}

}  // namespace

std::string QeIdentitySubject(TeeKind tee) {
  return tee == TeeKind::kTdx ? "TD_QE" : "QE";
}

std::string QeIdentity::Subject() const { return QeIdentitySubject(tee); }

absl::StatusOr<QeIdentity> ParseQeIdentity(const JsonValue& body) {
  std::string fault;
  JsonFields fields(body, &fault);
  QeIdentity identity;
  if (fields.Number("version", kVersion) != kVersion) fields.Fail("version");
  // QVE is Intel's verification enclave, which quotes nothing.
  const absl::string_view id = fields.Text("id");
  if (id != "QE" && id != "TD_QE") fields.Fail("id");
  identity.tee = id == "TD_QE" ? TeeKind::kTdx : TeeKind::kSgx;
  identity.issued = fields.Time("issueDate");
  identity.next_update = fields.Time("nextUpdate");
  identity.evaluation_data_number = static_cast<uint32_t>(fields.Number(
      "tcbEvaluationDataNumber", std::numeric_limits<uint32_t>::max()));
  identity.misc_select = fields.Bytes<4>("miscselect");
  identity.misc_select_mask = fields.Bytes<4>("miscselectMask");
  identity.attributes = fields.Bytes<16>("attributes");
  identity.attributes_mask = fields.Bytes<16>("attributesMask");
  identity.mrsigner = fields.Bytes<32>("mrsigner");
  identity.isv_prod_id =
      static_cast<uint16_t>(fields.Number("isvprodid", 0xffff));
  KMS_RETURN_IF_ERROR(FaultToStatus(kSubject, fault));
  KMS_ASSIGN_OR_RETURN(identity.levels, ParseIsvLevels(body));
  return identity;
}

absl::Status CheckQeReport(const SgxReport& report,
                           const QeIdentity& identity) {
  if (!EqualUnder(identity.misc_select_mask,
                  LittleEndian<4>(report.misc_select), identity.misc_select)) {
    return Mismatch("MISCSELECT is not its identity's");
  }
  if (!EqualUnder(identity.attributes_mask, AttributesOf(report),
                  identity.attributes)) {
    return Mismatch("ATTRIBUTES are not its identity's");
  }
  if (report.mrsigner != identity.mrsigner) {
    return Mismatch("MRSIGNER is not its identity's");
  }
  if (report.isv_prod_id != identity.isv_prod_id) {
    return Mismatch(absl::StrCat("ISVPRODID ", report.isv_prod_id, ", want ",
                                 identity.isv_prod_id));
  }
  // Whatever the identity's mask says.
  if ((report.attributes & kSgxDebug) != 0) {
    return Mismatch("it is a debug enclave");
  }
  return absl::OkStatus();
}

}  // namespace kms::dcap
