#include "policy/dcap/pck_certificate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/der.h"

namespace kms::dcap {
namespace {

using x509::Certificate;
using x509::DerReader;
using x509::Extension;

// The arcs below kSgxExtensionOid.
constexpr int kPpidArc = 1;
constexpr int kTcbArc = 2;
constexpr int kPceIdArc = 3;
constexpr int kFmspcArc = 4;
constexpr int kSgxTypeArc = 5;
constexpr int kPlatformInstanceIdArc = 6;
constexpr int kConfigurationArc = 7;
// Below kTcbArc: the components are arcs 1 to 16.
constexpr int kPceSvnArc = 17;
constexpr int kCpuSvnArc = 18;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("dcap pck certificate: ", fault));
}
absl::Status Mismatch(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("dcap pck certificate: ", fault));
}

std::string Arc(int arc) { return absl::StrCat(kSgxExtensionOid, ".", arc); }
std::string Arc(int arc, int below) {
  return absl::StrCat(kSgxExtensionOid, ".", arc, ".", below);
}

// field = SEQUENCE { OID, value }. The fields stand in the order of their OIDs
// in every certificate of Intel's, so one that is absent, unknown or there
// twice shows as another OID than the one due.
DerReader EnterField(DerReader& reader, const std::string& oid) {
  DerReader field = reader.Enter(x509::kDerSequence);
  if (field.Oid() != oid) field.Fail();
  return field;
}

template <size_t N>
void ReadOctets(DerReader& reader, const std::string& oid,
                std::array<uint8_t, N>& to) {
  DerReader field = EnterField(reader, oid);
  const BytesView bytes = field.OctetString();
  field.Finish();
  if (bytes.size() != N) {
    reader.Fail();
    return;
  }
  std::copy(bytes.begin(), bytes.end(), to.begin());
}

uint32_t ReadNumber(DerReader& reader, const std::string& oid, uint32_t max) {
  DerReader field = EnterField(reader, oid);
  const uint32_t value = field.U32();
  field.Finish();
  if (value > max) reader.Fail();
  return value;
}

bool ReadBoolean(DerReader& reader, const std::string& oid) {
  DerReader field = EnterField(reader, oid);
  const bool value = field.Boolean();
  field.Finish();
  return value;
}

void ReadTcb(DerReader& reader, PckExtension& out) {
  DerReader field = EnterField(reader, Arc(kTcbArc));
  DerReader tcb = field.Enter(x509::kDerSequence);
  field.Finish();
  int arc = 0;
  for (uint8_t& component : out.components) {
    component =
        static_cast<uint8_t>(ReadNumber(tcb, Arc(kTcbArc, ++arc), 0xff));
  }
  out.pce_svn =
      static_cast<uint16_t>(ReadNumber(tcb, Arc(kTcbArc, kPceSvnArc), 0xffff));
  ReadOctets(tcb, Arc(kTcbArc, kCpuSvnArc), out.cpu_svn);
  tcb.Finish();
}

uint32_t ReadSgxType(DerReader& reader) {
  DerReader field = EnterField(reader, Arc(kSgxTypeArc));
  const BytesView content = field.Take(x509::kDerEnumerated).content;
  field.Finish();
  if (content.size() != 1 || content[0] > 0x7f) {
    reader.Fail();
    return 0;
  }
  return content[0];
}

PckExtension::Configuration ReadConfiguration(DerReader& reader) {
  DerReader field = EnterField(reader, Arc(kConfigurationArc));
  DerReader list = field.Enter(x509::kDerSequence);
  field.Finish();
  PckExtension::Configuration configuration;
  configuration.dynamic_platform = ReadBoolean(list, Arc(kConfigurationArc, 1));
  configuration.cached_keys = ReadBoolean(list, Arc(kConfigurationArc, 2));
  configuration.smt_enabled = ReadBoolean(list, Arc(kConfigurationArc, 3));
  list.Finish();
  return configuration;
}

}  // namespace

absl::StatusOr<PckExtension> ParsePckExtension(BytesView value) {
  bool failed = false;
  DerReader outer(value, &failed);
  DerReader reader = outer.Enter(x509::kDerSequence);
  outer.Finish();
  PckExtension extension;
  ReadOctets(reader, Arc(kPpidArc), extension.ppid);
  ReadTcb(reader, extension);
  ReadOctets(reader, Arc(kPceIdArc), extension.pce_id);
  ReadOctets(reader, Arc(kFmspcArc), extension.fmspc);
  extension.sgx_type = ReadSgxType(reader);
  // Those of the platform CA have these two more.
  if (reader.More()) {
    ReadOctets(reader, Arc(kPlatformInstanceIdArc),
               extension.platform_instance_id.emplace());
    extension.configuration = ReadConfiguration(reader);
  }
  reader.Finish();
  if (failed) {
    return Malformed("a field of the SGX extension is absent or ill-formed");
  }
  return extension;
}

absl::StatusOr<PckCertificate> ReadPckCertificate(
    const x509::VerifiedChain& chain) {
  if (chain.path.size() != 3) {
    return Mismatch(absl::StrCat("a chain of ", chain.path.size(),
                                 " certificates, want 3"));
  }
  const Certificate& leaf = chain.path[0];
  const std::string ca = chain.path[1].SubjectCommonName();
  if (leaf.SubjectCommonName() != kPckName) {
    return Mismatch("not a PCK's");
  }
  if (ca != kPlatformCaName && ca != kProcessorCaName) {
    return Mismatch("not issued by a PCK CA");
  }
  if (chain.path[2].SubjectCommonName() != kRootCaName) {
    return Mismatch("its root is no SGX root");
  }
  const Extension* extension = leaf.FindExtension(kSgxExtensionOid);
  if (extension == nullptr) return Malformed("no SGX extension");
  PckCertificate certificate;
  KMS_ASSIGN_OR_RETURN(certificate.sgx,
                       ParsePckExtension(AsBytes(extension->value)));
  certificate.platform_ca = ca == kPlatformCaName;
  return certificate;
}

}  // namespace kms::dcap
