#include "storage/state/row_check.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace kms::storage {
namespace {

constexpr size_t kByteValues = 256;

// Row key prefixes that cover the summed families, each a small share of its
// family: ids are random or hashes, so the byte after the family (and after
// the namespace) splits it evenly.
absl::StatusOr<std::vector<std::string>> Ranges(const RowReader& rows) {
  std::vector<std::string> ranges;
  const auto split = [&ranges](const std::string& prefix) {
    for (size_t byte = 0; byte < kByteValues; ++byte) {
      ranges.push_back(prefix + static_cast<char>(byte));
    }
  };
  for (const FamilyInfo& info : Families()) {
    if (!info.summed) continue;
    const std::string prefix = FamilyPrefix(info.family);
    if (!info.has_namespace) {
      split(prefix);
      continue;
    }
    // The namespaces, skipping from one to the next.
    std::string after;
    for (bool found = true; found;) {
      found = false;
      std::string tag;
      KMS_RETURN_IF_ERROR(rows.engine().Scan(
          prefix, after, 1, [&](absl::string_view key, absl::string_view) {
            found = true;
            tag = std::string(key.substr(prefix.size(), kNamespaceTagBytes));
            return true;
          }));
      if (!found) break;
      if (tag.size() != kNamespaceTagBytes) {
        return RowLoss(info.family, "has a short key");
      }
      split(prefix + tag);
      after = prefix + tag + std::string(info.id_size, '\xff');
    }
  }
  return ranges;
}

absl::Status RefuseUnknownFamilies(const RowReader& rows) {
  for (size_t family = 0; family < kByteValues; ++family) {
    if (family >= 1 && family <= Families().size()) continue;
    bool found = false;
    KMS_RETURN_IF_ERROR(
        rows.engine().Scan(std::string(1, static_cast<char>(family)), {}, 1,
                           [&found](absl::string_view, absl::string_view) {
                             found = true;
                             return true;
                           }));
    if (found) return Refuse(v1::DATA_LOSS, "state: a row of no family");
  }
  return absl::OkStatus();
}

absl::StatusOr<RowSum> SumRange(const RowReader& rows, const RowHasher& hasher,
                                const std::string& prefix) {
  RowSum sum;
  KMS_RETURN_IF_ERROR(rows.Scan(prefix, {}, EngineReader::kNoLimit,
                                [&](const RowKey& key, std::string value) {
                                  sum.Add(hasher.Hash(key, value));
                                  return absl::OkStatus();
                                }));
  return sum;
}

}  // namespace

absl::StatusOr<RowSum> SumRows(const RowReader& rows, const RowHasher& hasher,
                               size_t threads) {
  KMS_RETURN_IF_ERROR(RefuseUnknownFamilies(rows));
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> ranges, Ranges(rows));
  std::atomic<size_t> next = 0;
  // One slot a thread: nothing is shared but `next`.
  std::vector<RowSum> sums(threads);
  std::vector<absl::Status> statuses(threads);
  const auto work = [&](size_t self) {
    for (size_t i = next++; i < ranges.size() && statuses[self].ok();
         i = next++) {
      const auto sum = SumRange(rows, hasher, ranges[i]);
      if (sum.ok()) {
        sums[self].Add(*sum);
      } else {
        statuses[self] = sum.status();
      }
    }
  };
  std::vector<std::thread> workers;
  for (size_t i = 1; i < threads; ++i) workers.emplace_back(work, i);
  work(0);
  for (std::thread& worker : workers) worker.join();
  RowSum total;
  for (size_t i = 0; i < threads; ++i) {
    KMS_RETURN_IF_ERROR(statuses[i]);
    total.Add(sums[i]);
  }
  return total;
}

}  // namespace kms::storage
