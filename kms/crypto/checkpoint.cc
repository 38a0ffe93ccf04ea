#include "kms/crypto/checkpoint.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/base/status.h"
#include "kms/crypto/base64_strict.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/utf8.h"

namespace kms::crypto {
namespace {

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("checkpoint: ", fault));
}

bool OriginIsGood(absl::string_view origin) {
  if (origin.empty()) return false;
  while (!origin.empty()) {
    const std::optional<uint32_t> c = TakeCodePoint(origin);
    if (!c || *c < 0x20) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> FormatCheckpoint(const Checkpoint& checkpoint) {
  if (!OriginIsGood(checkpoint.origin)) return Bad("origin is not a line");
  if (checkpoint.root.size() != kMerkleHashSize) {
    return Bad("root, want 32 bytes");
  }
  return absl::StrCat(checkpoint.origin, "\n", checkpoint.size, "\n",
                      absl::Base64Escape(checkpoint.root), "\n");
}

absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view text) {
  // Three lines that each end in a newline are four pieces, the last empty.
  const std::vector<absl::string_view> lines =
      absl::StrSplit(text, absl::MaxSplits('\n', 3));
  if (lines.size() != 4 || !lines[3].empty()) return Bad("want three lines");
  Checkpoint checkpoint;
  checkpoint.origin = std::string(lines[0]);
  if (!absl::SimpleAtoi(lines[1], &checkpoint.size)) return Bad("tree size");
  const auto root = Base64DecodeStrict(lines[2]);
  if (!root) return Bad("root is not base64");
  checkpoint.root = *root;
  // SimpleAtoi also takes spaces, signs and leading zeros.
  KMS_ASSIGN_OR_RETURN(const std::string canonical,
                       FormatCheckpoint(checkpoint));
  if (canonical != text) return Bad("tree size is not plain decimal");
  return checkpoint;
}

}  // namespace kms::crypto
