// Bounds on what a sender may offer with a GPU's report, each with its reason.
#ifndef POLICY_NVIDIA_LIMITS_H_
#define POLICY_NVIDIA_LIMITS_H_

#include <cstddef>

namespace kms::nvidia {

// A report and all that comes with it: real ones are under 60 KiB. What a
// sender adds beyond, we hash, parse and keep before we know who he is.
inline constexpr size_t kEvidenceBytesMax = 512 * 1024;

// DSP0274 1.1, section 10.11.1: OpaqueLength shall not be above 1024.
inline constexpr size_t kOpaqueBytesMax = 1024;
inline constexpr size_t kOpaqueFieldsMax = 64;  // Real reports have 17.

// A raw measurement of hardware configuration may be longer than a digest;
// none that we have seen is.
inline constexpr size_t kMeasurementBytesMax = 1024;

// Real manifests are under 26 KiB, with 64 measurements of up to four
// alternatives and some 90 elements.
inline constexpr size_t kRimBytesMax = 256 * 1024;
inline constexpr size_t kRimElementsMax = 1024;
// Real manifests have some 500 attributes and 6 declarations of namespaces.
// libxml2 compares each attribute of an element with each, and looks up each
// namespace in scope at each element: 250 KiB of them, from any sender of a
// report, would take it minutes.
inline constexpr size_t kRimAttributesMax = 2048;
inline constexpr size_t kRimNamespacesMax = 16;
inline constexpr size_t kRimAlternativesMax = 32;
inline constexpr size_t kRimTextBytesMax = 64;  // A version, a product.

// Manifests offered with one report: a driver's and a VBIOS's, and room for a
// second edition of each.
inline constexpr size_t kRimsMax = 4;

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_LIMITS_H_
