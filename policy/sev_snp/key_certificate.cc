#include "policy/sev_snp/key_certificate.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/der.h"

namespace kms::sev_snp {
namespace {

using x509::Certificate;
using x509::DerReader;
using x509::Extension;

constexpr char kStructVersionOid[] = "1.3.6.1.4.1.3704.1.1";
constexpr char kProductNameOid[] = "1.3.6.1.4.1.3704.1.2";
constexpr char kSplArc[] = "1.3.6.1.4.1.3704.1.3.";
constexpr char kHwidOid[] = "1.3.6.1.4.1.3704.1.4";
constexpr char kCspIdOid[] = "1.3.6.1.4.1.3704.1.5";

// The last arc of a component's OID.
constexpr int kBootloaderSpl = 1;
constexpr int kTeeSpl = 2;
constexpr int kSnpSpl = 3;
constexpr int kReservedSpl4 = 4;
constexpr int kReservedSpl5 = 5;
constexpr int kReservedSpl7 = 7;
constexpr int kMicrocodeSpl = 8;
constexpr int kFmcSpl = 9;

constexpr uint32_t kStructVersionTurin = 1;
constexpr size_t kHwidBytes = 64;
constexpr size_t kHwidBytesTurin = 8;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("sev_snp key certificate: ", fault));
}
absl::Status Mismatch(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("sev_snp key certificate: ", fault));
}

absl::StatusOr<uint32_t> ReadInteger(const Certificate& leaf,
                                     absl::string_view oid, uint32_t max) {
  const Extension* extension = leaf.FindExtension(oid);
  if (extension == nullptr) return Malformed(absl::StrCat(oid, " is absent"));
  bool failed = false;
  DerReader reader(AsBytes(extension->value), &failed);
  const uint32_t value = reader.U32();
  reader.Finish();
  if (failed || value > max) {
    return Malformed(absl::StrCat(oid, " is not an INTEGER of 0 to ", max));
  }
  return value;
}

absl::StatusOr<std::string> ReadIa5(const Certificate& leaf,
                                    absl::string_view oid) {
  const Extension* extension = leaf.FindExtension(oid);
  if (extension == nullptr) return Malformed(absl::StrCat(oid, " is absent"));
  bool failed = false;
  DerReader reader(AsBytes(extension->value), &failed);
  std::string value = ToString(reader.Take(x509::kDerIa5String).content);
  reader.Finish();
  for (char c : value) failed = failed || c < 0x20 || c > 0x7e;
  if (failed || value.empty() || value.size() > 128) {
    return Malformed(absl::StrCat(oid, " is not a short IA5String"));
  }
  return value;
}

absl::Status ReadSpl(const Certificate& leaf, int component, uint8_t* value) {
  KMS_ASSIGN_OR_RETURN(
      const uint32_t spl,
      ReadInteger(leaf, absl::StrCat(kSplArc, component), 0xff));
  *value = static_cast<uint8_t>(spl);
  return absl::OkStatus();
}

absl::StatusOr<Tcb> ReadTcb(const Certificate& leaf, bool turin) {
  Tcb tcb;
  KMS_RETURN_IF_ERROR(ReadSpl(leaf, kBootloaderSpl, &tcb.bootloader));
  KMS_RETURN_IF_ERROR(ReadSpl(leaf, kTeeSpl, &tcb.tee));
  KMS_RETURN_IF_ERROR(ReadSpl(leaf, kSnpSpl, &tcb.snp));
  KMS_RETURN_IF_ERROR(ReadSpl(leaf, kMicrocodeSpl, &tcb.microcode));
  if (turin) KMS_RETURN_IF_ERROR(ReadSpl(leaf, kFmcSpl, &tcb.fmc));
  // The components without a meaning are zero in every report, too.
  for (int spl = turin ? kReservedSpl5 : kReservedSpl4; spl <= kReservedSpl7;
       ++spl) {
    uint8_t reserved = 0;
    KMS_RETURN_IF_ERROR(ReadSpl(leaf, spl, &reserved));
    if (reserved != 0) {
      return Malformed(absl::StrCat("reserved component ", spl, " is set"));
    }
  }
  return tcb;
}

// "Milan-B0" names a stepping, "Milan" (a VLEK's) does not.
std::optional<Product> ProductNamed(absl::string_view name) {
  name = name.substr(0, name.find('-'));
  if (name == "Milan") return Product::kMilan;
  if (name == "Genoa") return Product::kGenoa;
  if (name == "Turin") return Product::kTurin;
  return std::nullopt;
}

absl::string_view CertificateName(Product product) {
  switch (product) {
    case Product::kMilan:
      return "Milan";
    case Product::kGenoa:
      return "Genoa";
    case Product::kTurin:
      return "Turin";
  }
  return "";
}

}  // namespace

absl::StatusOr<KeyCertificate> ReadKeyCertificateLeaf(const Certificate& leaf) {
  KeyCertificate key;
  const std::string common_name = leaf.SubjectCommonName();
  if (common_name == "SEV-VCEK") {
    key.kind = SigningKey::kVcek;
  } else if (common_name == "SEV-VLEK") {
    key.kind = SigningKey::kVlek;
  } else {
    return Mismatch("neither a VCEK's nor a VLEK's");
  }
  KMS_ASSIGN_OR_RETURN(const std::string name, ReadIa5(leaf, kProductNameOid));
  const std::optional<Product> product = ProductNamed(name);
  if (!product.has_value()) return Malformed("unknown product name");
  key.product = *product;
  KMS_ASSIGN_OR_RETURN(const uint32_t struct_version,
                       ReadInteger(leaf, kStructVersionOid, 0xff));
  const bool turin = key.product == Product::kTurin;
  if (struct_version != (turin ? kStructVersionTurin : 0)) {
    return Mismatch("structure version and product disagree");
  }
  KMS_ASSIGN_OR_RETURN(key.tcb, ReadTcb(leaf, turin));
  if (key.kind == SigningKey::kVlek) {
    if (leaf.FindExtension(kHwidOid) != nullptr) {
      return Mismatch("a VLEK's with a chip id");
    }
    KMS_ASSIGN_OR_RETURN(key.csp_id, ReadIa5(leaf, kCspIdOid));
    return key;
  }
  if (leaf.FindExtension(kCspIdOid) != nullptr) {
    return Mismatch("a VCEK's with a cloud provider's id");
  }
  const Extension* hwid = leaf.FindExtension(kHwidOid);
  const size_t want = turin ? kHwidBytesTurin : kHwidBytes;
  if (hwid == nullptr || hwid->value.size() != want) {
    return Malformed(absl::StrCat("chip id is not ", want, " bytes"));
  }
  key.hwid = hwid->value;
  return key;
}

absl::StatusOr<KeyCertificate> ReadKeyCertificate(
    const x509::VerifiedChain& chain) {
  if (chain.path.size() != 3) {
    return Mismatch(absl::StrCat("a chain of ", chain.path.size(),
                                 " certificates, want 3"));
  }
  KMS_ASSIGN_OR_RETURN(KeyCertificate key,
                       ReadKeyCertificateLeaf(chain.path[0]));
  const absl::string_view product = CertificateName(key.product);
  const std::string signer = absl::StrCat(
      key.kind == SigningKey::kVlek ? "SEV-VLEK-" : "SEV-", product);
  if (chain.path[1].SubjectCommonName() != signer) {
    return Mismatch("issued by the signing key of another kind or product");
  }
  if (chain.path[2].SubjectCommonName() != absl::StrCat("ARK-", product)) {
    return Mismatch("its root is another product's");
  }
  return key;
}

}  // namespace kms::sev_snp
