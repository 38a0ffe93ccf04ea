// A Secret owns key bytes. It moves, never copies, and is zeroed when it dies.
// Its memory is locked (never swapped), left out of core dumps, and not shared
// with a forked child. There is no way to print one; Expose is the only way to
// read one, and takes a SecretAccess, which only the targets on the short
// visibility list of //kms/base:secret_access can make.
// Thread-compatible.
#ifndef KMS_BASE_SECRET_H_
#define KMS_BASE_SECRET_H_

#include <cstddef>
#include <cstdint>
#include <ostream>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"

namespace kms {

// Proof that the holder may read secrets. See kms/base/secret_access.h.
class SecretAccess {
 private:
  SecretAccess() = default;
  friend SecretAccess GrantSecretAccess();
};

class Secret {
 public:
  // The largest secret: a wrapped private key or keyring, not a document.
  static constexpr size_t kSizeMax = 64 * 1024;

  // `size` zero bytes, to be filled through ExposeMutable.
  // kResourceExhausted: no locked memory left (raise RLIMIT_MEMLOCK), or
  // `size` is over kSizeMax.
  static absl::StatusOr<Secret> Allocate(size_t size);

  // A copy of `bytes`; the caller still has to wipe his own.
  static absl::StatusOr<Secret> CopyOf(BytesView bytes, SecretAccess);

  Secret() = default;  // Empty; size() is 0.
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Valid until moved from or destroyed.
  BytesView Expose(SecretAccess) const { return {data_, size_}; }
  absl::Span<uint8_t> ExposeMutable(SecretAccess) { return {data_, size_}; }

  // An independent copy, spelled out so that nobody copies by accident.
  absl::StatusOr<Secret> Clone() const;

  // Constant time in the contents.
  friend bool operator==(const Secret& a, const Secret& b) {
    return ConstantTimeEqual({a.data_, a.size_}, {b.data_, b.size_});
  }
  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

 private:
  Secret(uint8_t* data, size_t size) : data_(data), size_(size) {}
  void Wipe();

  uint8_t* data_ = nullptr;  // From the locked pool; null when empty.
  size_t size_ = 0;
};

// Zeroes a buffer that held key bytes on their way in or out; the compiler
// may not drop it.
void Wipe(absl::Span<uint8_t> bytes);
void Wipe(std::string& bytes);

}  // namespace kms

#endif  // KMS_BASE_SECRET_H_
