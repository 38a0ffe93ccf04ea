#include "kms/crypto/shamir.h"

#include <array>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"

namespace kms::crypto {
namespace {

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("shamir: ", fault));
}

// The product modulo x^8 + x^4 + x^3 + x + 1; masks, so that neither factor
// decides what is executed.
uint8_t Multiply(uint8_t a, uint8_t b) {
  unsigned product = 0;
  unsigned shifted = a;
  for (int bit = 0; bit < 8; ++bit) {
    product ^= shifted & (0u - (b >> bit & 1u));
    shifted = shifted << 1 ^ (0x11bu & (0u - (shifted >> 7)));
  }
  return static_cast<uint8_t>(product);
}

// a^254 = 1/a, since a^255 = 1 for every a but 0. Only public x go in.
uint8_t Inverse(uint8_t a) {
  uint8_t power = a;  // a^(2^n - 1), from n = 1 to 7
  for (int n = 1; n < 7; ++n) power = Multiply(Multiply(power, power), a);
  return Multiply(power, power);
}

// The i-th Lagrange basis polynomial at 0: the product of xj / (xj - xi).
uint8_t BasisAtZero(absl::Span<const Share> shares, size_t i) {
  uint8_t numerator = 1;
  uint8_t denominator = 1;
  for (size_t j = 0; j < shares.size(); ++j) {
    if (j == i) continue;
    numerator = Multiply(numerator, shares[j].x);
    denominator =
        Multiply(denominator, static_cast<uint8_t>(shares[j].x ^ shares[i].x));
  }
  return Multiply(numerator, Inverse(denominator));
}

absl::Status CheckShares(absl::Span<const Share> shares) {
  if (shares.empty() || shares.size() > kSharesMax) {
    return Bad(absl::StrCat(shares.size(), " shares, want 1 to 255"));
  }
  std::array<bool, 256> seen = {};
  for (const Share& share : shares) {
    if (share.x == 0) return Bad("share with x = 0");
    if (seen[share.x]) return Bad("two shares with the same x");
    seen[share.x] = true;
    if (share.y.empty() || share.y.size() != shares[0].y.size()) {
      return Bad("shares are empty or differ in length");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Share>> Split(const Secret& secret, int shares,
                                         int threshold) {
  if (secret.empty()) return Bad("nothing to split");
  if (shares < 1 || shares > kSharesMax) {
    return Bad(absl::StrCat(shares, " shares, want 1 to 255"));
  }
  const bool whole = shares == 1 && threshold == 1;
  if (!whole && (threshold < 2 || threshold > shares)) {
    return Bad(absl::StrCat("threshold ", threshold, " of ", shares,
                            ", want 2 to all"));
  }
  const SecretAccess access = GrantSecretAccess();
  // One polynomial a byte, of degree threshold - 1: random but for its value
  // at 0. coefficients[k - 1] are those of x^k.
  std::vector<Secret> coefficients(static_cast<size_t>(threshold - 1));
  for (Secret& coefficient : coefficients) {
    KMS_ASSIGN_OR_RETURN(coefficient, RandomSecret(secret.size()));
  }
  std::vector<Share> out(static_cast<size_t>(shares));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].x = static_cast<uint8_t>(i + 1);
    KMS_ASSIGN_OR_RETURN(out[i].y, Secret::Allocate(secret.size()));
    const absl::Span<uint8_t> y = out[i].y.ExposeMutable(access);
    for (size_t at = 0; at < y.size(); ++at) {
      uint8_t value = 0;  // Horner's rule, from the highest power.
      for (size_t k = coefficients.size(); k > 0; --k) {
        value = Multiply(static_cast<uint8_t>(
                             value ^ coefficients[k - 1].Expose(access)[at]),
                         out[i].x);
      }
      y[at] = static_cast<uint8_t>(value ^ secret.Expose(access)[at]);
    }
  }
  return out;
}

absl::StatusOr<Secret> Combine(absl::Span<const Share> shares) {
  KMS_RETURN_IF_ERROR(CheckShares(shares));
  const SecretAccess access = GrantSecretAccess();
  KMS_ASSIGN_OR_RETURN(Secret secret, Secret::Allocate(shares[0].y.size()));
  const absl::Span<uint8_t> out = secret.ExposeMutable(access);
  for (size_t i = 0; i < shares.size(); ++i) {
    const uint8_t basis = BasisAtZero(shares, i);
    const BytesView y = shares[i].y.Expose(access);
    for (size_t at = 0; at < out.size(); ++at) {
      out[at] ^= Multiply(y[at], basis);
    }
  }
  return secret;
}

}  // namespace kms::crypto
