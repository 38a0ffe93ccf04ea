#include "storage/log/etcd/queries.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/log/etcd/limits.h"

namespace kms::storage {
namespace {

using ::etcdserverpb::Compare;
using ::etcdserverpb::RangeRequest;
using ::etcdserverpb::RangeResponse;
using ::etcdserverpb::TxnRequest;
using ::etcdserverpb::TxnResponse;
using ::mvccpb::KeyValue;

// The tail as of `revision`; version 0: there was none.
// kOutOfRange: compacted.
absl::StatusOr<KeyValue> TailAt(EtcdClient& client, const EtcdKeys& keys,
                                int64_t revision) {
  RangeRequest request;
  request.set_key(keys.Tail());
  request.set_revision(revision);
  KMS_ASSIGN_OR_RETURN(RangeResponse response, client.Range(request));
  if (response.kvs_size() == 0) return KeyValue();
  KeyValue& tail = *response.mutable_kvs(0);
  if (response.kvs_size() != 1 || tail.key() != keys.Tail() ||
      tail.version() < 1 || tail.mod_revision() < 1 ||
      tail.mod_revision() > revision) {
    return EtcdDamaged("no honest tail");
  }
  return std::move(tail);
}

absl::StatusOr<EtcdEntry> EntryOf(const EtcdKeys& keys, const KeyValue& kv,
                                  const EtcdBounds& bounds) {
  const std::optional<BatchId> id = keys.ParseBatch(kv.key());
  if (!id.has_value()) return EtcdDamaged("a key that is none of a batch");
  if (kv.version() != 1 || kv.mod_revision() != kv.create_revision()) {
    return EtcdDamaged("an entry was put more than once");
  }
  if (kv.mod_revision() < 1 || kv.mod_revision() > bounds.tail_revision) {
    return EtcdDamaged("an entry without an index");
  }
  return EtcdEntry{kv.mod_revision(), *id};
}

}  // namespace

absl::Status EtcdDamaged(absl::string_view what) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("etcd log: ", what));
}

void AddGet(etcdserverpb::RequestOp& op, const std::string& key,
            int64_t revision) {
  op.mutable_request_range()->set_key(key);
  op.mutable_request_range()->set_revision(revision);
}

void AddPut(etcdserverpb::RequestOp& op, const std::string& key,
            const std::string& value) {
  op.mutable_request_put()->set_key(key);
  op.mutable_request_put()->set_value(value);
}

void AddUnmoved(TxnRequest& request, const std::string& key, int64_t revision) {
  Compare& compare = *request.add_compare();
  compare.set_result(Compare::EQUAL);
  compare.set_target(Compare::MOD);
  compare.set_key(key);
  compare.set_mod_revision(revision);
}

absl::StatusOr<const KeyValue*> GotAt(const TxnResponse& response, int number,
                                      const std::string& key) {
  if (number >= response.responses_size() ||
      !response.responses(number).has_response_range()) {
    return EtcdDamaged("an answer to something else");
  }
  const RangeResponse& got = response.responses(number).response_range();
  if (got.kvs_size() == 0) return nullptr;
  if (got.kvs_size() != 1 || got.kvs(0).key() != key ||
      got.kvs(0).version() < 1 || got.kvs(0).mod_revision() < 1) {
    return EtcdDamaged("an answer to something else");
  }
  return &got.kvs(0);
}

absl::StatusOr<EtcdBounds> GetBounds(EtcdClient& client, const EtcdKeys& keys) {
  TxnRequest request;
  AddGet(*request.add_success(), keys.Epoch());
  AddGet(*request.add_success(), keys.Tail());
  AddGet(*request.add_success(), keys.Trimmed());
  KMS_ASSIGN_OR_RETURN(const TxnResponse response, client.Get(request));
  KMS_ASSIGN_OR_RETURN(const KeyValue* epoch, GotAt(response, 0, keys.Epoch()));
  KMS_ASSIGN_OR_RETURN(const KeyValue* tail, GotAt(response, 1, keys.Tail()));
  KMS_ASSIGN_OR_RETURN(const KeyValue* trimmed,
                       GotAt(response, 2, keys.Trimmed()));
  EtcdBounds bounds;
  bounds.revision = response.header().revision();
  if (epoch != nullptr) {
    const std::optional<uint64_t> number = ParseHex16(epoch->value());
    if (!number.has_value() || *number == 0) {
      return EtcdDamaged("a malformed epoch");
    }
    bounds.current_epoch = *number;
    bounds.epoch_revision = epoch->mod_revision();
  }
  bounds.tail = {keys.epoch(), 0};
  bounds.trimmed = {keys.epoch(), 0};
  const bool begun =
      bounds.current_epoch != 0 && bounds.current_epoch == keys.epoch();
  if (!begun && tail == nullptr && trimmed == nullptr) return bounds;
  const std::optional<uint64_t> trimmed_index =
      trimmed == nullptr ? std::nullopt : ParseHex16(trimmed->value());
  if (tail == nullptr || !trimmed_index.has_value() ||
      *trimmed_index > static_cast<uint64_t>(tail->version()) ||
      bounds.revision < tail->mod_revision() ||
      bounds.revision < trimmed->mod_revision()) {
    return EtcdDamaged("no honest tail");
  }
  bounds.tail.index = static_cast<uint64_t>(tail->version());
  bounds.tail_revision = tail->mod_revision();
  bounds.trimmed.index = *trimmed_index;
  bounds.trimmed_revision = trimmed->mod_revision();
  return bounds;
}

absl::StatusOr<int64_t> FindStart(EtcdClient& client, const EtcdKeys& keys,
                                  const EtcdBounds& bounds, uint64_t index) {
  if (index == bounds.tail.index) return bounds.revision + 1;
  if (index + 1 == bounds.tail.index) return bounds.tail_revision;
  // The tail's version at `low` is below `index` or can no longer be read; at
  // `high` it is above index + 1.
  int64_t low = 0;
  int64_t high = bounds.tail_revision;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    const absl::StatusOr<KeyValue> tail = TailAt(client, keys, middle);
    if (absl::IsOutOfRange(tail.status())) {
      low = middle;
      continue;
    }
    KMS_RETURN_IF_ERROR(tail.status());
    const uint64_t version = static_cast<uint64_t>(tail->version());
    if (version == index) return middle + 1;
    if (version == index + 1) return tail->mod_revision();
    if (version < index) {
      low = middle;
    } else {
      high = tail->mod_revision();
    }
  }
  return absl::OutOfRangeError("etcd log: compaction has passed the reader");
}

absl::StatusOr<uint64_t> IndexAt(EtcdClient& client, const EtcdKeys& keys,
                                 int64_t revision) {
  KMS_ASSIGN_OR_RETURN(const KeyValue tail, TailAt(client, keys, revision));
  if (tail.mod_revision() != revision) {
    return EtcdDamaged("an entry without an index");
  }
  return static_cast<uint64_t>(tail.version());
}

absl::StatusOr<std::vector<EtcdEntry>> ListEntries(EtcdClient& client,
                                                   const EtcdKeys& keys,
                                                   const EtcdBounds& bounds) {
  const uint64_t count = bounds.tail.index - bounds.trimmed.index;
  if (count > kListEntriesMax) {
    return absl::OutOfRangeError(absl::StrCat("etcd log: ", count,
                                              " entries, want at most ",
                                              kListEntriesMax, " to list"));
  }
  std::vector<EtcdEntry> entries;
  entries.reserve(count);
  RangeRequest request;
  request.set_key(keys.BatchPrefix());
  request.set_range_end(RangeEnd(keys.BatchPrefix()));
  request.set_revision(bounds.revision);
  request.set_limit(kListPageEntries);
  request.set_keys_only(true);
  for (bool more = true; more;) {
    const absl::StatusOr<RangeResponse> answer =
        client.Range(request, kBulkTimeout);
    if (absl::IsOutOfRange(answer.status())) {
      // Nothing is lost: others trimmed while this read.
      return absl::UnavailableError(
          "etcd log: compaction has passed the list; list again");
    }
    KMS_RETURN_IF_ERROR(answer.status());
    const RangeResponse& page = *answer;
    for (const KeyValue& kv : page.kvs()) {
      KMS_ASSIGN_OR_RETURN(const EtcdEntry entry, EntryOf(keys, kv, bounds));
      entries.push_back(entry);
    }
    more = page.more() && page.kvs_size() > 0 && entries.size() <= count;
    if (more) {
      // The next key after the last one.
      request.set_key(page.kvs(page.kvs_size() - 1).key() + '\0');
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const EtcdEntry& a, const EtcdEntry& b) {
              return a.revision < b.revision;
            });
  const bool distinct =
      std::adjacent_find(entries.begin(), entries.end(),
                         [](const EtcdEntry& a, const EtcdEntry& b) {
                           return a.revision == b.revision;
                         }) == entries.end();
  if (entries.size() != count || !distinct ||
      (count > 0 && entries.back().revision != bounds.tail_revision)) {
    return absl::OutOfRangeError(
        absl::StrCat("etcd log: ", entries.size(), " entries, want ", count));
  }
  return entries;
}

}  // namespace kms::storage
