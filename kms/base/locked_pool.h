// Memory for secrets: mmapped chunks that are locked into RAM (mlock), left
// out of core dumps (MADV_DONTDUMP) and zeroed in a forked child
// (MADV_WIPEONFORK), cut into blocks of powers of two.
// Thread-safe. Chunks are never returned to the system.
#ifndef KMS_BASE_LOCKED_POOL_H_
#define KMS_BASE_LOCKED_POOL_H_

#include <cstddef>
#include <cstdint>

namespace kms::locked_pool {

// `size` zero bytes, or null when the system will not lock more memory.
uint8_t* Allocate(size_t size);

// Wipes and takes back what Allocate(size) gave.
void Free(uint8_t* data, size_t size);

}  // namespace kms::locked_pool

#endif  // KMS_BASE_LOCKED_POOL_H_
