#include "kms/crypto/random.h"

#include <openssl/rand.h>
#include <sys/mman.h>

#include <climits>
#include <cstring>
#include <memory>

#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {

namespace {

// About twenty nonces. Larger draws are worth the generator's while.
constexpr size_t kReserveSize = 512;
constexpr size_t kReservedDrawMax = 64;

void Draw(absl::Span<uint8_t> out) {
  DieUnless(out.size() <= INT_MAX &&
                RAND_bytes(out.data(), static_cast<int>(out.size())) == 1,
            "random: the generator failed");
}

// Public bytes drawn ahead, the first `left` of `bytes`. All zero is empty.
struct Reserve {
  size_t left;
  uint8_t bytes[kReserveSize];
};

struct Unmap {
  void operator()(Reserve* reserve) const { munmap(reserve, sizeof(Reserve)); }
};

// The kernel zeroes the mapping in a forked child, however it was forked: the
// child finds it empty, and what is left is its parent's alone.
std::unique_ptr<Reserve, Unmap> NewReserve() {
  void* const mapped = mmap(nullptr, sizeof(Reserve), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  DieUnless(mapped != MAP_FAILED &&
                madvise(mapped, sizeof(Reserve), MADV_WIPEONFORK) == 0,
            "random: no memory that a fork wipes");
  return std::unique_ptr<Reserve, Unmap>(static_cast<Reserve*>(mapped));
}

}  // namespace

void RandomBytes(absl::Span<uint8_t> out) {
  if (out.size() > kReservedDrawMax) return Draw(out);
  thread_local const std::unique_ptr<Reserve, Unmap> reserve = NewReserve();
  if (reserve->left < out.size()) {
    Draw(absl::MakeSpan(reserve->bytes));
    reserve->left = kReserveSize;
  }
  reserve->left -= out.size();
  std::memcpy(out.data(), reserve->bytes + reserve->left, out.size());
}

std::string RandomString(size_t size) {
  std::string out(size, '\0');
  RandomBytes(absl::MakeSpan(reinterpret_cast<uint8_t*>(out.data()), size));
  return out;
}

absl::StatusOr<Secret> RandomSecret(size_t size) {
  KMS_ASSIGN_OR_RETURN(Secret secret, Secret::Allocate(size));
  const absl::Span<uint8_t> out = secret.ExposeMutable(GrantSecretAccess());
  DieUnless(RAND_priv_bytes(out.data(), static_cast<int>(out.size())) == 1,
            "random: the generator failed");
  return secret;
}

}  // namespace kms::crypto
