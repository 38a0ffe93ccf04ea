// The registered instances, in memory: every batch needs one's key and all
// clocks. Rows are the truth; this is their parsed form.
// Source: architecture.md, "Time"; review.md 8, 9.
// Thread-compatible.
#ifndef STORAGE_STATE_INSTANCE_TABLE_H_
#define STORAGE_STATE_INSTANCE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/public_key.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/state/row_store.h"

namespace kms::storage {

class InstanceTable {
 public:
  struct Instance {
    ::storage::v1::InstanceRecord record;
    crypto::PublicKey key;
  };

  // kDataLoss: a row does not authenticate, or is not an instance's.
  static absl::StatusOr<InstanceTable> Load(const RowReader& rows);

  // Null if there is none. Whoever changes the record also calls Store.
  Instance* Find(absl::string_view id);

  // Adds an instance, and its row. kInvalidArgument: a bad public key.
  // REQUIRES: Find(record.instance_id()) is null.
  absl::Status Add(const ::storage::v1::InstanceRecord& record, RowBatch& rows);

  // Writes the instance's row.
  static absl::Status Store(const Instance& instance, RowBatch& rows);

  // Marks all instances but `id`'s removed, and writes their rows.
  absl::Status RemoveAllBut(absl::string_view id, RowBatch& rows);

  struct Clocks {
    int64_t lower_median_us = 0;
    size_t count = 0;
  };
  // Of the instances that have stated one and are neither removed nor fenced.
  Clocks clocks() const;

  size_t size() const { return instances_.size(); }
  // Those not removed.
  size_t active() const;

  // Null: no instance, removed ones included, has this public key.
  const Instance* FindByKey(absl::string_view public_key) const;

  // The greatest level that every instance not removed speaks.
  uint32_t common_level() const;

 private:
  std::map<std::string, Instance, std::less<>> instances_;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_INSTANCE_TABLE_H_
