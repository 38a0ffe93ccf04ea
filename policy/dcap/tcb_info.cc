#include "policy/dcap/tcb_info.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/dcap/json_fields.h"
#include "policy/dcap/limits.h"

namespace kms::dcap {
namespace {

using formats::JsonValue;

constexpr absl::string_view kSubject = "dcap tcb info";
constexpr uint64_t kVersion = 3;
constexpr uint64_t kTcbType = 0;  // Components compared one by one.
constexpr uint64_t kIdentityPrefixBytes = 4;

TcbComponents ReadComponents(JsonFields& tcb, absl::string_view name,
                             std::string* fault) {
  TcbComponents components{};
  const std::vector<JsonValue>& items = tcb.Array(name, components.size());
  if (items.size() != components.size()) tcb.Fail(name);
  if (tcb.failed()) return components;
  for (size_t i = 0; i < components.size(); ++i) {
    JsonFields component(items[i], fault);
    components[i] = static_cast<uint8_t>(component.Number("svn", 0xff));
  }
  return components;
}

TcbLevel ReadLevel(const JsonValue& value, TeeKind tee, std::string* fault) {
  JsonFields fields(value, fault);
  JsonFields tcb(fields.Object("tcb"), fault);
  TcbLevel level;
  level.sgx = ReadComponents(tcb, "sgxtcbcomponents", fault);
  level.pce_svn = static_cast<uint16_t>(tcb.Number("pcesvn", 0xffff));
  if (tee == TeeKind::kTdx) {
    level.tdx = ReadComponents(tcb, "tdxtcbcomponents", fault);
  }
  level.status = fields.Status();
  level.date = fields.Time("tcbDate");
  level.advisories = fields.Advisories();
  return level;
}

// QVL's order: as one long number, SGX components first.
auto Rank(const TcbLevel& level) {
  return std::tie(level.sgx, level.pce_svn, level.tdx);
}

std::vector<TcbLevel> ReadLevels(JsonFields& fields, TeeKind tee,
                                 std::string* fault) {
  std::vector<TcbLevel> levels;
  for (const JsonValue& item : fields.Array("tcbLevels", kTcbLevelsMax)) {
    levels.push_back(ReadLevel(item, tee, fault));
  }
  std::sort(
      levels.begin(), levels.end(),
      [](const TcbLevel& a, const TcbLevel& b) { return Rank(a) > Rank(b); });
  const auto twice = std::adjacent_find(
      levels.begin(), levels.end(),
      [](const TcbLevel& a, const TcbLevel& b) { return Rank(a) == Rank(b); });
  if (twice != levels.end()) fields.Fail("tcbLevels");
  return levels;
}

TdxModule ReadModule(const JsonValue& value, std::string* fault) {
  JsonFields fields(value, fault);
  TdxModule module;
  module.mrsigner = fields.Bytes<48>("mrsigner");
  module.attributes = fields.U64Le("attributes");
  module.attributes_mask = fields.U64Le("attributesMask");
  return module;
}

// "TDX_03": the module's major version in hex.
uint8_t ReadModuleVersion(JsonFields& fields) {
  const std::string id = absl::AsciiStrToUpper(fields.Text("id"));
  const absl::StatusOr<std::string> version =
      Unhex(id.substr(std::min<size_t>(kIdentityPrefixBytes, id.size())));
  if (id.substr(0, kIdentityPrefixBytes) != "TDX_" || !version.ok() ||
      version->size() != 1) {
    fields.Fail("id");
    return 0;
  }
  return static_cast<uint8_t>(version->front());
}

std::vector<IsvLevel> ReadIsvLevels(const JsonValue& object,
                                    std::string* fault) {
  JsonFields fields(object, fault);
  std::vector<IsvLevel> levels;
  for (const JsonValue& item : fields.Array("tcbLevels", kTcbLevelsMax)) {
    JsonFields level_fields(item, fault);
    JsonFields tcb(level_fields.Object("tcb"), fault);
    IsvLevel level;
    level.isv_svn = static_cast<uint16_t>(tcb.Number("isvsvn", 0xffff));
    level.status = level_fields.Status();
    level.date = level_fields.Time("tcbDate");
    level.advisories = level_fields.Advisories();
    levels.push_back(std::move(level));
  }
  std::sort(levels.begin(), levels.end(),
            [](const IsvLevel& a, const IsvLevel& b) {
              return a.isv_svn > b.isv_svn;
            });
  const auto twice = std::adjacent_find(
      levels.begin(), levels.end(), [](const IsvLevel& a, const IsvLevel& b) {
        return a.isv_svn == b.isv_svn;
      });
  if (twice != levels.end()) fields.Fail("tcbLevels");
  return levels;
}

void ReadModules(const JsonValue& body, JsonFields& fields, TcbInfo& info,
                 std::string* fault) {
  const bool tdx = info.tee == TeeKind::kTdx;
  if (!tdx) {
    if (fields.Has("tdxModule")) fields.Fail("tdxModule");
    if (fields.Has("tdxModuleIdentities")) fields.Fail("tdxModuleIdentities");
    return;
  }
  info.module = ReadModule(fields.Object("tdxModule"), fault);
  // Absent before TDX modules had versions of their own.
  if (body.Find("tdxModuleIdentities") == nullptr) return;
  for (const JsonValue& item :
       fields.Array("tdxModuleIdentities", kModuleIdentitiesMax)) {
    JsonFields identity_fields(item, fault);
    TdxModuleIdentity identity;
    identity.version = ReadModuleVersion(identity_fields);
    identity.module = ReadModule(item, fault);
    identity.levels = ReadIsvLevels(item, fault);
    for (const TdxModuleIdentity& other : info.identities) {
      if (other.version == identity.version) identity_fields.Fail("id");
    }
    info.identities.push_back(std::move(identity));
  }
}

}  // namespace

std::string TcbInfoSubject(TeeKind tee, const Fmspc& fmspc) {
  return absl::StrCat(tee == TeeKind::kTdx ? "tdx/" : "sgx/",
                      Hex(BytesView(fmspc)));
}

std::string TcbInfo::Subject() const { return TcbInfoSubject(tee, fmspc); }

absl::StatusOr<TcbInfo> ParseTcbInfo(const JsonValue& body) {
  std::string fault;
  JsonFields fields(body, &fault);
  TcbInfo info;
  if (fields.Number("version", kVersion) != kVersion) fields.Fail("version");
  const absl::string_view id = fields.Text("id");
  if (id != "SGX" && id != "TDX") fields.Fail("id");
  info.tee = id == "TDX" ? TeeKind::kTdx : TeeKind::kSgx;
  info.issued = fields.Time("issueDate");
  info.next_update = fields.Time("nextUpdate");
  info.fmspc = fields.Bytes<6>("fmspc");
  info.pce_id = fields.Bytes<2>("pceId");
  fields.Number("tcbType", kTcbType);
  info.evaluation_data_number = static_cast<uint32_t>(fields.Number(
      "tcbEvaluationDataNumber", std::numeric_limits<uint32_t>::max()));
  ReadModules(body, fields, info, &fault);
  info.levels = ReadLevels(fields, info.tee, &fault);
  KMS_RETURN_IF_ERROR(FaultToStatus(kSubject, fault));
  return info;
}

absl::StatusOr<std::vector<IsvLevel>> ParseIsvLevels(const JsonValue& object) {
  std::string fault;
  std::vector<IsvLevel> levels = ReadIsvLevels(object, &fault);
  KMS_RETURN_IF_ERROR(FaultToStatus("dcap collateral", fault));
  return levels;
}

const IsvLevel* FindIsvLevel(const std::vector<IsvLevel>& levels,
                             uint16_t isv_svn) {
  for (const IsvLevel& level : levels) {
    if (isv_svn >= level.isv_svn) return &level;
  }
  return nullptr;
}

}  // namespace kms::dcap
