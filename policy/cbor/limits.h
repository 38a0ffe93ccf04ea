// Bounds on untrusted CBOR, each with its reason.
#ifndef POLICY_CBOR_LIMITS_H_
#define POLICY_CBOR_LIMITS_H_

#include <cstddef>

namespace kms::cbor {

// The deepest real structure, a software component in a CCA platform token,
// nests to four; claims that we do not know may nest a little deeper.
inline constexpr int kDepthMax = 8;

// Array elements, map keys, map values and tags, over the whole input. A CCA
// platform token with thirteen software components has 130; an item of ours
// takes some 100 bytes of memory, so this bounds it too.
inline constexpr size_t kItemsMax = 1024;

}  // namespace kms::cbor

#endif  // POLICY_CBOR_LIMITS_H_
