#include "kms/seal/tpm/tpm.h"

#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/seal/limits.h"

namespace kms::seal {
namespace {

// What ESAPI returns in memory of its own.
template <typename T>
struct EsysFree {
  void operator()(T* object) const { Esys_Free(object); }
};
template <typename T>
using Returned = std::unique_ptr<T, EsysFree<T>>;

// TPM_RC without the number of the handle, session or parameter that it is
// about (Part 2, 6.6.3).
TSS2_RC WithoutPosition(TSS2_RC result) {
  return (result & TPM2_RC_FMT1) != 0 ? result & 0xbf : result;
}

bool IsTpms(TSS2_RC result) {
  const TSS2_RC layer = result & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

absl::Status TpmError(absl::string_view call, TSS2_RC result) {
  const std::string what =
      absl::StrCat("tpm: ", call, ": RC 0x", absl::Hex(result));
  if (!IsTpms(result)) return Refuse(v1::SEAL_UNAVAILABLE, what);
  switch (WithoutPosition(result & 0xfff)) {
    case TPM2_RC_POLICY_FAIL:
    case TPM2_RC_PCR_CHANGED:
      return Refuse(v1::SEAL_PCRS_CHANGED,
                    absl::StrCat(what, ", PCRs are not what they were"));
    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
      return Refuse(v1::SEAL_PIN_REJECTED,
                    absl::StrCat(what,
                                 ", want an owner hierarchy without a "
                                 "password"));
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_SIZE:
    case TPM2_RC_VALUE:
    case TPM2_RC_HASH:
      return Refuse(v1::SEAL_KEY_REJECTED,
                    absl::StrCat(what, ", another TPM's, or changed"));
    default:
      return Refuse(v1::SEAL_UNAVAILABLE, what);
  }
}

TPMT_SYM_DEF Aes128Cfb() {
  TPMT_SYM_DEF symmetric = {};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  return symmetric;
}

TPM2B_PUBLIC StorageRootTemplate() {
  TPM2B_PUBLIC key = {};
  TPMT_PUBLIC& area = key.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                          TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_AES;
  ecc.symmetric.keyBits.aes = 128;
  ecc.symmetric.mode.aes = TPM2_ALG_CFB;
  ecc.scheme.scheme = TPM2_ALG_NULL;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  area.unique.ecc.x.size = 32;
  area.unique.ecc.y.size = 32;
  return key;
}

// No userWithAuth: the policy is the only way to what it holds.
TPM2B_PUBLIC SealedTemplate(absl::string_view policy) {
  TPM2B_PUBLIC object = {};
  TPMT_PUBLIC& area = object.publicArea;
  area.type = TPM2_ALG_KEYEDHASH;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_NODA;
  area.authPolicy.size = static_cast<UINT16>(policy.size());
  std::memcpy(area.authPolicy.buffer, policy.data(), policy.size());
  area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  return object;
}

TPML_PCR_SELECTION SelectionOf(const std::vector<uint32_t>& pcrs) {
  TPML_PCR_SELECTION selection = {};
  selection.count = 1;
  TPMS_PCR_SELECTION& bank = selection.pcrSelections[0];
  bank.hash = TPM2_ALG_SHA256;
  bank.sizeofSelect = 3;
  for (const uint32_t pcr : pcrs) {
    bank.pcrSelect[pcr / 8] =
        static_cast<BYTE>(bank.pcrSelect[pcr / 8] | 1u << pcr % 8);
  }
  return selection;
}

}  // namespace

std::string PcrPolicy(const std::vector<uint32_t>& pcrs,
                      const std::vector<std::string>& values) {
  const TPML_PCR_SELECTION selection = SelectionOf(pcrs);
  const TPMS_PCR_SELECTION& bank = selection.pcrSelections[0];
  crypto::Sha256Hasher all;
  for (const std::string& value : values) all.Update(value);
  const std::string input =
      ByteWriter()
          .Bytes(std::string(32, '\0'))  // The policy of an empty session.
          .U32Be(TPM2_CC_PolicyPCR)
          .U32Be(selection.count)
          .U16Be(bank.hash)
          .U8(bank.sizeofSelect)
          .Bytes(BytesView(bank.pcrSelect, bank.sizeofSelect))
          .Bytes(all.Finish())
          .Take();
  return crypto::Sha256(AsBytes(input));
}

absl::StatusOr<std::unique_ptr<Tpm>> Tpm::Open(const std::string& tcti) {
  std::unique_ptr<Tpm> tpm(new Tpm());
  TSS2_RC result = Tss2_TctiLdr_Initialize(tcti.c_str(), &tpm->tcti_);
  if (result != TSS2_RC_SUCCESS) {
    return Refuse(v1::SEAL_UNAVAILABLE,
                  absl::StrCat("tpm: the configured tcti does not answer: RC "
                               "0x",
                               absl::Hex(result)));
  }
  result = Esys_Initialize(&tpm->esys_, tpm->tcti_, nullptr);
  if (result != TSS2_RC_SUCCESS) return TpmError("Esys_Initialize", result);
  return tpm;
}

Tpm::~Tpm() {
  if (esys_ != nullptr) Esys_Finalize(&esys_);
  if (tcti_ != nullptr) Tss2_TctiLdr_Finalize(&tcti_);
}

absl::StatusOr<std::vector<std::string>> Tpm::ReadPcrs(
    const std::vector<uint32_t>& pcrs) const {
  std::vector<std::string> values;
  for (const uint32_t pcr : pcrs) {
    const TPML_PCR_SELECTION selection = SelectionOf({pcr});
    TPML_DIGEST* returned = nullptr;
    const TSS2_RC result =
        Esys_PCR_Read(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                      &selection, nullptr, nullptr, &returned);
    const Returned<TPML_DIGEST> digests(returned);
    if (result != TSS2_RC_SUCCESS) return TpmError("TPM2_PCR_Read", result);
    if (digests->count != 1 || digests->digests[0].size != kPcrBytes) {
      return Refuse(v1::SEAL_KEY_REJECTED,
                    absl::StrCat("tpm: no PCR ", pcr, " of SHA-256"));
    }
    values.push_back(
        ToString(BytesView(digests->digests[0].buffer, kPcrBytes)));
  }
  return values;
}

absl::StatusOr<TpmHandle> Tpm::StorageRootKey() const {
  const TPM2B_SENSITIVE_CREATE sensitive = {};
  const TPM2B_PUBLIC key = StorageRootTemplate();
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION creation = {};
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC result = Esys_CreatePrimary(
      esys_, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
      &sensitive, &key, &outside, &creation, &handle, nullptr, nullptr, nullptr,
      nullptr);
  if (result != TSS2_RC_SUCCESS) return TpmError("TPM2_CreatePrimary", result);
  return TpmHandle(esys_, handle);
}

absl::StatusOr<std::string> Tpm::NameOf(const TpmHandle& object) const {
  TPM2B_NAME* returned = nullptr;
  const TSS2_RC result = Esys_TR_GetName(esys_, object.get(), &returned);
  const Returned<TPM2B_NAME> name(returned);
  if (result != TSS2_RC_SUCCESS) return TpmError("Esys_TR_GetName", result);
  return ToString(BytesView(name->name, name->size));
}

absl::StatusOr<TpmHandle> Tpm::StartSession(const TpmHandle& parent,
                                            TPM2_SE type) const {
  const TPMT_SYM_DEF symmetric = Aes128Cfb();
  ESYS_TR handle = ESYS_TR_NONE;
  TSS2_RC result = Esys_StartAuthSession(
      esys_, parent.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
      ESYS_TR_NONE, nullptr, type, &symmetric, TPM2_ALG_SHA256, &handle);
  if (result != TSS2_RC_SUCCESS) {
    return TpmError("TPM2_StartAuthSession", result);
  }
  TpmHandle session(esys_, handle);
  const TPMA_SESSION attributes = TPMA_SESSION_CONTINUESESSION |
                                  TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
  result = Esys_TRSess_SetAttributes(esys_, handle, attributes, 0xff);
  if (result != TSS2_RC_SUCCESS) {
    return TpmError("Esys_TRSess_SetAttributes", result);
  }
  return session;
}

absl::StatusOr<TpmBlob> Tpm::Seal(const TpmHandle& parent, const Secret& secret,
                                  absl::string_view policy) const {
  KMS_ASSIGN_OR_RETURN(const TpmHandle session,
                       StartSession(parent, TPM2_SE_HMAC));
  TPM2B_SENSITIVE_CREATE sensitive = {};
  const BytesView bytes = secret.Expose(GrantSecretAccess());
  TPM2B_SENSITIVE_DATA& data = sensitive.sensitive.data;
  if (bytes.size() > sizeof(data.buffer)) {
    return absl::InvalidArgumentError("tpm: too long to seal");
  }
  data.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), data.buffer);
  const TPM2B_PUBLIC object = SealedTemplate(policy);
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION creation = {};
  TPM2B_PRIVATE* private_returned = nullptr;
  TPM2B_PUBLIC* public_returned = nullptr;
  TSS2_RC result = Esys_Create(esys_, parent.get(), session.get(), ESYS_TR_NONE,
                               ESYS_TR_NONE, &sensitive, &object, &outside,
                               &creation, &private_returned, &public_returned,
                               nullptr, nullptr, nullptr);
  Wipe({data.buffer, sizeof(data.buffer)});
  const Returned<TPM2B_PRIVATE> private_area(private_returned);
  const Returned<TPM2B_PUBLIC> public_area(public_returned);
  if (result != TSS2_RC_SUCCESS) return TpmError("TPM2_Create", result);

  uint8_t buffer[sizeof(TPM2B_PUBLIC) + sizeof(TPM2B_PRIVATE)];
  TpmBlob blob;
  size_t size = 0;
  result = Tss2_MU_TPM2B_PUBLIC_Marshal(public_area.get(), buffer,
                                        sizeof(buffer), &size);
  if (result != TSS2_RC_SUCCESS) return TpmError("marshal", result);
  blob.public_area = ToString(BytesView(buffer, size));
  size = 0;
  result = Tss2_MU_TPM2B_PRIVATE_Marshal(private_area.get(), buffer,
                                         sizeof(buffer), &size);
  if (result != TSS2_RC_SUCCESS) return TpmError("marshal", result);
  blob.private_area = ToString(BytesView(buffer, size));
  return blob;
}

absl::StatusOr<Secret> Tpm::Unseal(const TpmHandle& parent, const TpmBlob& blob,
                                   const std::vector<uint32_t>& pcrs) const {
  TPM2B_PUBLIC public_area = {};
  TPM2B_PRIVATE private_area = {};
  const BytesView public_bytes = AsBytes(blob.public_area);
  const BytesView private_bytes = AsBytes(blob.private_area);
  size_t public_size = 0;
  size_t private_size = 0;
  if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(public_bytes.data(), public_bytes.size(),
                                     &public_size,
                                     &public_area) != TSS2_RC_SUCCESS ||
      Tss2_MU_TPM2B_PRIVATE_Unmarshal(private_bytes.data(),
                                      private_bytes.size(), &private_size,
                                      &private_area) != TSS2_RC_SUCCESS ||
      public_size != public_bytes.size() ||
      private_size != private_bytes.size()) {
    return Refuse(v1::DATA_LOSS,
                  "seal file: its wrapped root key is not a TPM's object");
  }
  ESYS_TR loaded = ESYS_TR_NONE;
  TSS2_RC result =
      Esys_Load(esys_, parent.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                ESYS_TR_NONE, &private_area, &public_area, &loaded);
  if (result != TSS2_RC_SUCCESS) return TpmError("TPM2_Load", result);
  const TpmHandle object(esys_, loaded);

  KMS_ASSIGN_OR_RETURN(const TpmHandle session,
                       StartSession(parent, TPM2_SE_POLICY));
  const TPM2B_DIGEST now = {};  // Empty: of the PCRs as they are.
  const TPML_PCR_SELECTION selection = SelectionOf(pcrs);
  result = Esys_PolicyPCR(esys_, session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                          ESYS_TR_NONE, &now, &selection);
  if (result != TSS2_RC_SUCCESS) return TpmError("TPM2_PolicyPCR", result);
  TPM2B_SENSITIVE_DATA* returned = nullptr;
  result = Esys_Unseal(esys_, object.get(), session.get(), ESYS_TR_NONE,
                       ESYS_TR_NONE, &returned);
  const Returned<TPM2B_SENSITIVE_DATA> data(returned);
  if (result != TSS2_RC_SUCCESS) return TpmError("TPM2_Unseal", result);
  absl::StatusOr<Secret> secret =
      Secret::CopyOf(BytesView(data->buffer, data->size), GrantSecretAccess());
  Wipe({data->buffer, sizeof(data->buffer)});
  return secret;
}

}  // namespace kms::seal
