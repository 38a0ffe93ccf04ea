// Where an entry stands in the shared log, and who appended it.
// Source: architecture.md, "Shared log"; review.md 1, 5.
// Thread-safe: values.
#ifndef STORAGE_LOG_LOG_POSITION_H_
#define STORAGE_LOG_LOG_POSITION_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace kms::storage {

// An epoch is one life of the log; the index counts its entries from 1, with
// no gaps. {0, 0} comes before everything; {epoch, 0} before the epoch's first
// entry.
struct LogPosition {
  uint64_t epoch = 0;
  uint64_t index = 0;

  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

// An instance's id: random, made once, kept outside the replicated database.
struct InstanceId {
  static constexpr size_t kSize = 16;
  std::array<uint8_t, kSize> bytes = {};

  friend auto operator<=>(const InstanceId&, const InstanceId&) = default;
};

// Names one batch for ever: a retry carries the same one. A boot opens the
// next incarnation; the sequence counts the incarnation's batches from 1.
struct BatchId {
  InstanceId instance;
  uint64_t incarnation = 0;
  uint64_t sequence = 0;

  friend auto operator<=>(const BatchId&, const BatchId&) = default;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_LOG_POSITION_H_
