#include "kms/crypto/x509/pem.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/crypto/x509/limits.h"

namespace kms::x509 {

bool LooksLikePem(BytesView file) {
  return absl::StartsWith(absl::StripLeadingAsciiWhitespace(AsStringView(file)),
                          "-----BEGIN ");
}

absl::StatusOr<std::vector<std::string>> ParsePem(BytesView file,
                                                  absl::string_view label,
                                                  size_t max) {
  const std::string begin = absl::StrCat("-----BEGIN ", label, "-----");
  const std::string end = absl::StrCat("-----END ", label, "-----");
  if (file.size() > kPemBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pem: ", file.size(), " bytes, want at most ", kPemBytesMax));
  }
  std::vector<std::string> blocks;
  absl::string_view rest = absl::StripAsciiWhitespace(AsStringView(file));
  while (!rest.empty()) {
    if (!absl::ConsumePrefix(&rest, begin)) {
      return absl::InvalidArgumentError(
          absl::StrCat("pem: something other than a ", label));
    }
    const size_t stop = rest.find(end);
    if (stop == absl::string_view::npos) {
      return absl::InvalidArgumentError("pem: no end line");
    }
    if (blocks.size() == max) {
      return absl::InvalidArgumentError(
          absl::StrCat("pem: more than ", max, " blocks"));
    }
    // Only white space may stand between base64 digits (RFC 7468 section 3).
    std::string base64;
    for (char c : rest.substr(0, stop)) {
      if (!absl::ascii_isspace(static_cast<unsigned char>(c))) base64 += c;
    }
    // Checked by writing it again: the decoder is lenient about padding.
    std::string der;
    if (!absl::Base64Unescape(base64, &der) ||
        absl::Base64Escape(der) != base64) {
      return absl::InvalidArgumentError("pem: not base64");
    }
    blocks.push_back(std::move(der));
    rest = absl::StripLeadingAsciiWhitespace(rest.substr(stop + end.size()));
  }
  if (blocks.empty()) return absl::InvalidArgumentError("pem: empty");
  return blocks;
}

std::string ToPem(BytesView der, absl::string_view label) {
  constexpr size_t kLine = 64;
  const std::string base64 = absl::Base64Escape(AsStringView(der));
  std::string out = absl::StrCat("-----BEGIN ", label, "-----\n");
  for (size_t i = 0; i < base64.size(); i += kLine) {
    absl::StrAppend(&out, base64.substr(i, kLine), "\n");
  }
  absl::StrAppend(&out, "-----END ", label, "-----\n");
  return out;
}

}  // namespace kms::x509
