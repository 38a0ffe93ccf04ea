#include "kms/base/secret.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/locked_pool.h"

namespace kms {

absl::StatusOr<Secret> Secret::Allocate(size_t size) {
  if (size == 0) return Secret();
  if (size > kSizeMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("secret: ", size, " bytes, at most ", kSizeMax));
  }
  uint8_t* const data = locked_pool::Allocate(size);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(
        "secret: no locked memory left; raise RLIMIT_MEMLOCK "
        "(systemd: LimitMEMLOCK=)");
  }
  return Secret(data, size);
}

absl::StatusOr<Secret> Secret::CopyOf(BytesView bytes, SecretAccess) {
  absl::StatusOr<Secret> copy = Allocate(bytes.size());
  if (copy.ok()) std::copy(bytes.begin(), bytes.end(), copy->data_);
  return copy;
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { Wipe(); }

absl::StatusOr<Secret> Secret::Clone() const {
  absl::StatusOr<Secret> copy = Allocate(size_);
  if (copy.ok()) std::copy(data_, data_ + size_, copy->data_);
  return copy;
}

void Secret::Wipe() {
  if (data_ != nullptr) locked_pool::Free(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

void Wipe(absl::Span<uint8_t> bytes) {
  explicit_bzero(bytes.data(), bytes.size());
}

void Wipe(std::string& bytes) {
  explicit_bzero(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace kms
