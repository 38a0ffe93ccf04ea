#include "policy/dcap/collateral.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/limits.h"
#include "policy/dcap/limits.h"
#include "policy/dcap/pck_certificate.h"
#include "policy/formats/json.h"

namespace kms::dcap {
namespace {

using formats::JsonValue;
using x509::Certificate;

constexpr size_t kSignatureBytes = 64;
constexpr size_t kScalarBytes = 32;

struct SignedJson {
  JsonValue body;
  std::string signature;  // r, s: 32 bytes each.
};

absl::Status Malformed(absl::string_view name, absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("dcap ", name, ": ", fault));
}

// {"<name>": {...}, "signature": "<hex>"} and nothing else.
absl::StatusOr<SignedJson> ParseSignedJson(absl::string_view name,
                                           BytesView json) {
  const absl::StatusOr<JsonValue> parsed =
      formats::ParseJson(AsStringView(json), "dcap json", kJsonBounds);
  if (!parsed.ok()) {
    return Refuse(v1::ENDORSEMENT_MALFORMED, parsed.status().message());
  }
  const JsonValue& document = *parsed;
  const JsonValue* body = document.Find(name);
  const JsonValue* signature = document.Find("signature");
  if (body == nullptr || !body->is_object() || signature == nullptr ||
      document.members.size() != 2) {
    return Malformed(name, "want its value and a signature, and no more");
  }
  const absl::StatusOr<std::string> bytes =
      Unhex(signature->String().value_or(""));
  if (!bytes.ok() || bytes->size() != kSignatureBytes) {
    return Malformed(name, "the signature is not 64 bytes in hex");
  }
  return SignedJson{.body = *body, .signature = *bytes};
}

bool IsHexDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c));
  });
}

// RFC 3986 section 2.1. Nothing if a "%" is not followed by two hex digits.
std::optional<std::string> PercentDecode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const absl::StatusOr<std::string> byte = Unhex(text.substr(i + 1, 2));
    if (!byte.ok() || byte->empty()) return std::nullopt;
    out += *byte;
    i += 2;
  }
  return out;
}

// The chain of who signs TCB infos and QE identities. The root also issues the
// PCK CAs, so it is the name that says which of its keys may sign what.
absl::StatusOr<x509::VerifiedChain> VerifySigner(absl::string_view name,
                                                 const SignerInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> offered,
                       ParseChainFile(inputs.issuer_chain));
  const auto leaf =
      std::find_if(offered.begin(), offered.end(),
                   [](const Certificate& c) { return !c.is_ca(); });
  if (leaf == offered.end()) {
    return Refuse(
        v1::ENDORSEMENT_MISSING,
        absl::StrCat("dcap ", name, ": no certificate of its signer"));
  }
  if (leaf->SubjectCommonName() != kTcbSigningName) {
    return Refuse(
        v1::ENDORSEMENT_MISMATCH,
        absl::StrCat("dcap ", name, ": its signer is not the TCB signer"));
  }
  KMS_ASSIGN_OR_RETURN(
      x509::VerifiedChain chain,
      x509::VerifyChain(
          *leaf, offered, inputs.anchors, inputs.root_ca_crl, inputs.now,
          {.schemes = kSchemes, .crls_required = inputs.crl_required}));
  if (chain.path.size() != 2) {
    return Refuse(
        v1::ENDORSEMENT_MISMATCH,
        absl::StrCat("dcap ", name, ": its signer is not the root's own"));
  }
  return chain;
}

absl::Status CheckSignature(absl::string_view name, const SignedJson& json,
                            const x509::VerifiedChain& signer) {
  const BytesView signature = AsBytes(json.signature);
  if (signer.path[0]
          .public_key()
          .VerifyEcdsaRaw(crypto::Hash::kSha256, AsBytes(json.body.text),
                          signature.first(kScalarBytes),
                          signature.subspan(kScalarBytes))
          .ok()) {
    return absl::OkStatus();
  }
  return Refuse(v1::CHAIN_UNTRUSTED,
                absl::StrCat("dcap ", name, ": not signed by its signer"));
}

absl::Status CheckInForce(absl::string_view name, absl::Time issued,
                          absl::Time next_update, absl::Time now) {
  if (now < issued) {
    return Refuse(v1::COLLATERAL_EXPIRED,
                  absl::StrCat("dcap ", name, ": only issued ",
                               absl::FormatTime(issued, absl::UTCTimeZone())));
  }
  if (now > next_update) {
    return Refuse(
        v1::COLLATERAL_EXPIRED,
        absl::StrCat("dcap ", name, ": next update was due ",
                     absl::FormatTime(next_update, absl::UTCTimeZone())));
  }
  return absl::OkStatus();
}

constexpr absl::string_view kTcbInfo = "tcbInfo";
constexpr absl::string_view kQeIdentity = "enclaveIdentity";

}  // namespace

absl::StatusOr<std::vector<Certificate>> ParseChainFile(BytesView file) {
  absl::string_view text = AsStringView(file);
  if (!text.empty() && text.front() == '-' && text.back() == '\0') {
    text.remove_suffix(1);
  }
  if (!absl::StartsWith(text, "-----BEGIN%20")) {
    return x509::ParseCertificates(AsBytes(text));
  }
  const std::optional<std::string> decoded =
      text.size() <= x509::kPemBytesMax ? PercentDecode(text) : std::nullopt;
  if (!decoded.has_value()) {
    return Malformed("issuer chain", "not percent-encoded PEM");
  }
  return x509::ParseCertificates(AsBytes(*decoded));
}

absl::StatusOr<x509::Crl> ParseCrlFile(BytesView file) {
  // DER starts with 0x30 too, which is the digit "0", but no DER consists of
  // hex digits alone: the second byte of a CRL's is 0x82 or so.
  const absl::string_view text = absl::StripAsciiWhitespace(AsStringView(file));
  if (!IsHexDigits(text)) return x509::Crl::Parse(file);
  const absl::StatusOr<std::string> der = Unhex(text);
  if (!der.ok()) return Malformed("crl", "hex of an odd length");
  return x509::Crl::Parse(AsBytes(*der));
}

template <typename T>
Verified<T>::Verified(T value, const x509::VerifiedChain& signer)
    : value_(std::move(value)),
      anchor_(signer.anchor),
      valid_from_(std::max(signer.valid_from, value_.issued)),
      valid_until_(std::min(signer.valid_until, value_.next_update)) {}

absl::StatusOr<Verified<TcbInfo>> VerifyTcbInfo(BytesView json,
                                                const SignerInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const SignedJson parsed,
                       ParseSignedJson(kTcbInfo, json));
  KMS_ASSIGN_OR_RETURN(const x509::VerifiedChain signer,
                       VerifySigner(kTcbInfo, inputs));
  KMS_RETURN_IF_ERROR(CheckSignature(kTcbInfo, parsed, signer));
  KMS_ASSIGN_OR_RETURN(TcbInfo info, ParseTcbInfo(parsed.body));
  KMS_RETURN_IF_ERROR(
      CheckInForce(kTcbInfo, info.issued, info.next_update, inputs.now));
  return Verified<TcbInfo>(std::move(info), signer);
}

absl::StatusOr<Verified<QeIdentity>> VerifyQeIdentity(
    BytesView json, const SignerInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const SignedJson parsed,
                       ParseSignedJson(kQeIdentity, json));
  KMS_ASSIGN_OR_RETURN(const x509::VerifiedChain signer,
                       VerifySigner(kQeIdentity, inputs));
  KMS_RETURN_IF_ERROR(CheckSignature(kQeIdentity, parsed, signer));
  KMS_ASSIGN_OR_RETURN(QeIdentity identity, ParseQeIdentity(parsed.body));
  KMS_RETURN_IF_ERROR(CheckInForce(kQeIdentity, identity.issued,
                                   identity.next_update, inputs.now));
  return Verified<QeIdentity>(std::move(identity), signer);
}

absl::StatusOr<TcbInfo> ParseTcbInfoFile(BytesView json) {
  KMS_ASSIGN_OR_RETURN(const SignedJson parsed,
                       ParseSignedJson(kTcbInfo, json));
  return ParseTcbInfo(parsed.body);
}

absl::StatusOr<QeIdentity> ParseQeIdentityFile(BytesView json) {
  KMS_ASSIGN_OR_RETURN(const SignedJson parsed,
                       ParseSignedJson(kQeIdentity, json));
  return ParseQeIdentity(parsed.body);
}

}  // namespace kms::dcap
