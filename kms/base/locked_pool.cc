#include "kms/base/locked_pool.h"

#include <string.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace kms::locked_pool {
namespace {

constexpr size_t kChunkBytes = 256 * 1024;
constexpr size_t kBlockBytesMin = 32;
constexpr size_t kClasses = 12;  // 32 bytes to 64 KiB.

struct Pool {
  absl::Mutex mutex;
  std::array<std::vector<uint8_t*>, kClasses> free ABSL_GUARDED_BY(mutex);
};

Pool& ThePool() {
  // Never destroyed: a Secret with static lifetime may outlive any order.
  static Pool* const pool = new Pool;
  return *pool;
}

size_t ClassOf(size_t size) {
  const size_t block =
      std::bit_ceil(size < kBlockBytesMin ? kBlockBytesMin : size);
  return static_cast<size_t>(std::countr_zero(block)) - 5;
}

uint8_t* MapChunk() {
  void* const chunk = mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (chunk == MAP_FAILED) return nullptr;
  if (mlock(chunk, kChunkBytes) != 0 ||
      madvise(chunk, kChunkBytes, MADV_DONTDUMP) != 0 ||
      madvise(chunk, kChunkBytes, MADV_WIPEONFORK) != 0) {
    munmap(chunk, kChunkBytes);
    return nullptr;
  }
  return static_cast<uint8_t*>(chunk);
}

}  // namespace

uint8_t* Allocate(size_t size) {
  const size_t cls = ClassOf(size);
  if (cls >= kClasses) return nullptr;
  Pool& pool = ThePool();
  absl::MutexLock lock(&pool.mutex);
  std::vector<uint8_t*>& blocks = pool.free[cls];
  if (blocks.empty()) {
    uint8_t* const chunk = MapChunk();
    if (chunk == nullptr) return nullptr;
    const size_t block = kBlockBytesMin << cls;
    for (size_t at = 0; at < kChunkBytes; at += block) {
      blocks.push_back(chunk + at);
    }
  }
  uint8_t* const data = blocks.back();
  blocks.pop_back();
  return data;
}

void Free(uint8_t* data, size_t size) {
  explicit_bzero(data, size);
  Pool& pool = ThePool();
  absl::MutexLock lock(&pool.mutex);
  pool.free[ClassOf(size)].push_back(data);
}

}  // namespace kms::locked_pool
