// The keys of one epoch of a log in etcd.
//
//   <prefix>/epoch                    -> hex16 of the epoch that is being
//   written <prefix>/<epoch>/batch/<batch id> -> a sealed batch; put once,
//   never again <prefix>/<epoch>/tail             -> empty; its version is the
//   last index <prefix>/<epoch>/trimmed          -> hex16 of the last trimmed
//   index epoch    = hex16 batch id = hex32 of the instance "-" hex16
//   incarnation "-" hex16 sequence
//
// A batch and the tail are put in one transaction, so both have one
// mod-revision, and the tail's version counts the batches without gaps. The
// epoch's key is put only by the transaction of an epoch's first entry.
//
// Source: architecture.md, "Shared log"; review.md 5, 6. Thread-safe:
// immutable.
#ifndef STORAGE_LOG_ETCD_KEYS_H_
#define STORAGE_LOG_ETCD_KEYS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "storage/log/log_position.h"

namespace kms::storage {

class EtcdKeys {
 public:
  EtcdKeys(absl::string_view prefix, uint64_t epoch);

  uint64_t epoch() const { return epoch_; }
  static std::string Epoch(absl::string_view prefix);
  const std::string& Epoch() const { return epoch_key_; }
  const std::string& Tail() const { return tail_; }
  const std::string& Trimmed() const { return trimmed_; }
  std::string Batch(const BatchId& id) const;

  // What all batches' keys begin with, and all keys of this epoch.
  const std::string& BatchPrefix() const { return batch_prefix_; }
  const std::string& EpochPrefix() const { return epoch_prefix_; }

  // The id that a batch's key names; nothing if `key` is none.
  std::optional<BatchId> ParseBatch(absl::string_view key) const;

 private:
  uint64_t epoch_;
  std::string epoch_key_;
  std::string epoch_prefix_;
  std::string batch_prefix_;
  std::string tail_;
  std::string trimmed_;
};

// The end of the range of all keys that begin with `prefix`, which does not
// end in 0xff.
std::string RangeEnd(absl::string_view prefix);

// 16 lowercase hex digits, so that their order is the numbers'.
std::string EncodeHex16(uint64_t number);
// Nothing: another form.
std::optional<uint64_t> ParseHex16(absl::string_view text);

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_KEYS_H_
