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
            // Also the first row of its namespace: a key that ends where the
            // id should begin is in none of the ranges below.
            const auto parsed = ParseRowKey(key);
            if (parsed.ok()) tag = std::string(parsed->namespace_tag());
            return true;
          }));
      if (!found) break;
      if (tag.empty()) return RowLoss(info.family, "has a key that is none");
      split(prefix + tag);
      after = prefix + tag + std::string(info.id_size, '\xff');
    }
  }
  return ranges;
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

absl::Status CheckFirstRows(const RowReader& rows) {
  // Two of each: the header is the only row of its family, so what comes after
  // it has no key of that family's length.
  for (size_t byte = 0; byte < kByteValues; ++byte) {
    const std::string prefix(1, static_cast<char>(byte));
    bool malformed = false;
    KMS_RETURN_IF_ERROR(rows.engine().Scan(
        prefix, {}, 2, [&](absl::string_view key, absl::string_view) {
          malformed |= !ParseRowKey(key).ok();
          return true;
        }));
    if (malformed) {
      return Refuse(v1::DATA_LOSS, "state: a row key that is none");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RowSum> SumRows(const RowReader& rows, const RowHasher& hasher,
                               size_t threads) {
  KMS_RETURN_IF_ERROR(CheckFirstRows(rows));
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
