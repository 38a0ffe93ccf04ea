#include "storage/log/etcd/etcd_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/log/checks.h"
#include "storage/log/etcd/limits.h"
#include "storage/log/etcd/queries.h"

namespace kms::storage {
namespace {

using ::etcdserverpb::TxnRequest;
using ::etcdserverpb::TxnResponse;
using ::mvccpb::KeyValue;

absl::Status AlreadyBegun(const EtcdKeys& keys) {
  return Refuse(
      v1::ALREADY_INITIALIZED,
      absl::StrCat("etcd log: epoch ", keys.epoch(),
                   " was begun by another instance; join its cluster. If its "
                   "init never answered, remove the prefix's keys from etcd "
                   "and init again"));
}

// The bounds, for which etcd is given until `deadline` to answer.
absl::StatusOr<EtcdBounds> AwaitBounds(EtcdClient& client, const EtcdKeys& keys,
                                       absl::Time deadline) {
  absl::StatusOr<EtcdBounds> bounds = GetBounds(client, keys);
  while (absl::IsUnavailable(bounds.status()) &&
         absl::Now() + kReconnectDelayMin < deadline) {
    absl::SleepFor(kReconnectDelayMin);
    bounds = GetBounds(client, keys);
  }
  return bounds;
}

absl::Status CheckOptions(const EtcdLogOptions& options) {
  const size_t addresses = options.endpoints.addresses.size();
  if (addresses == 0 || addresses > kEndpointsMax || options.prefix.empty() ||
      options.prefix.size() > kEtcdPrefixBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "etcd log: want 1 to ", kEndpointsMax,
        " endpoints and a prefix of 1 to ", kEtcdPrefixBytesMax, " bytes"));
  }
  // gRPC takes an empty text for "whatever the system trusts".
  if (options.endpoints.ca_certificates.empty() ||
      options.endpoints.certificate.empty() ||
      options.endpoints.private_key.empty()) {
    return absl::InvalidArgumentError(
        "etcd log: want a CA, a certificate and its private key, none empty");
  }
  return absl::OkStatus();
}

}  // namespace

EtcdLog::EtcdLog(const EtcdLogOptions& options, uint64_t cluster_id,
                 uint64_t epoch, int64_t epoch_revision, bool begun)
    : keys_(options.prefix, epoch),
      client_(options.endpoints, cluster_id),
      reader_client_(options.endpoints, cluster_id),
      follower_(&reader_client_, &keys_, &index_),
      epoch_{begun, epoch_revision} {}

absl::StatusOr<std::unique_ptr<EtcdLog>> EtcdLog::Create(
    const EtcdLogOptions& options, uint64_t epoch, absl::Time deadline) {
  KMS_RETURN_IF_ERROR(CheckOptions(options));
  if (epoch == 0) {
    return absl::InvalidArgumentError("etcd log: epoch 0, want at least 1");
  }
  EtcdClient client(options.endpoints, options.cluster_id);
  const EtcdKeys keys(options.prefix, epoch);
  KMS_ASSIGN_OR_RETURN(const EtcdBounds bounds,
                       AwaitBounds(client, keys, deadline));
  if (bounds.current_epoch >= epoch) return AlreadyBegun(keys);
  return std::unique_ptr<EtcdLog>(new EtcdLog(options, client.cluster_id(),
                                              epoch, bounds.epoch_revision,
                                              /*begun=*/false));
}

absl::StatusOr<std::unique_ptr<EtcdLog>> EtcdLog::Open(
    const EtcdLogOptions& options, absl::Time deadline) {
  KMS_RETURN_IF_ERROR(CheckOptions(options));
  EtcdClient client(options.endpoints, options.cluster_id);
  KMS_ASSIGN_OR_RETURN(
      const EtcdBounds bounds,
      AwaitBounds(client, EtcdKeys(options.prefix, 0), deadline));
  if (bounds.current_epoch == 0) {
    return absl::NotFoundError("etcd log: none was begun under this prefix");
  }
  return std::unique_ptr<EtcdLog>(
      new EtcdLog(options, client.cluster_id(), bounds.current_epoch,
                  bounds.epoch_revision, /*begun=*/true));
}

EtcdLog::Epoch EtcdLog::epoch_state() const {
  absl::MutexLock lock(&mutex_);
  return epoch_;
}

// ---------------------------------------------------------------------------
// Append

TxnRequest EtcdLog::AppendRequest(const BatchId& id, BytesView sealed_batch,
                                  const Epoch& epoch) const {
  TxnRequest request;
  const std::string batch = keys_.Batch(id);
  AddUnmoved(request, batch, 0);
  AddUnmoved(request, keys_.Epoch(), epoch.revision);
  AddPut(*request.add_success(), batch, ToString(sealed_batch));
  AddPut(*request.add_success(), keys_.Tail(), "");
  AddGet(*request.add_success(), keys_.Tail());
  if (!epoch.begun) {
    AddUnmoved(request, keys_.Tail(), 0);
    AddPut(*request.add_success(), keys_.Epoch(), EncodeHex16(keys_.epoch()));
    AddPut(*request.add_success(), keys_.Trimmed(), EncodeHex16(0));
  }
  AddGets(request.mutable_failure(), id);
  return request;
}

// What NotAppended judges.
void EtcdLog::AddGets(
    google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>* ops,
    const BatchId& id) const {
  AddGet(*ops->Add(), keys_.Batch(id));
  AddGet(*ops->Add(), keys_.Epoch());
  AddGet(*ops->Add(), keys_.Tail());
}

absl::StatusOr<LogPosition> EtcdLog::Append(const BatchId& id,
                                            BytesView sealed_batch) {
  KMS_RETURN_IF_ERROR(CheckBatch(sealed_batch));
  absl::MutexLock append_lock(&append_mutex_);
  const Epoch epoch = epoch_state();
  const TxnRequest request = AppendRequest(id, sealed_batch, epoch);
  absl::StatusOr<TxnResponse> response = client_.TryTxn(request);
  const bool unknown = absl::IsUnavailable(response.status());
  if (unknown) {
    // A proposal that was on its way to a leader that died is lost in silence,
    // while a read is answered as soon as there is a new one; so that is waited
    // for, and then asked once more.
    KMS_RETURN_IF_ERROR(GetBounds(client_, keys_).status());
    response = client_.TryTxn(request);
  }
  if (absl::IsResourceExhausted(response.status())) {
    return LookForRefused(id, response.status(), unknown, epoch);
  }
  KMS_RETURN_IF_ERROR(response.status());
  return response->succeeded() ? Appended(*response)
                               : NotAppended(id, *response, epoch);
}

// etcd has no room, which it also says of the transaction that took the last.
absl::StatusOr<LogPosition> EtcdLog::LookForRefused(const BatchId& id,
                                                    const absl::Status& refusal,
                                                    bool unknown,
                                                    const Epoch& epoch) {
  TxnRequest request;
  AddGets(request.mutable_success(), id);
  KMS_ASSIGN_OR_RETURN(const TxnResponse response, client_.Get(request));
  KMS_ASSIGN_OR_RETURN(const KeyValue* batch,
                       GotAt(response, 0, keys_.Batch(id)));
  if (batch != nullptr) return NotAppended(id, response, epoch);
  // An earlier try may still come.
  return unknown ? absl::UnavailableError(refusal.message()) : refusal;
}

absl::StatusOr<LogPosition> EtcdLog::Appended(const TxnResponse& response) {
  KMS_ASSIGN_OR_RETURN(const KeyValue* tail, GotAt(response, 2, keys_.Tail()));
  if (tail == nullptr || tail->mod_revision() != response.header().revision()) {
    return EtcdDamaged("an append that left no tail");
  }
  absl::MutexLock lock(&mutex_);
  if (!epoch_.begun) epoch_ = {true, tail->mod_revision()};
  return LogPosition{keys_.epoch(), static_cast<uint64_t>(tail->version())};
}

absl::StatusOr<LogPosition> EtcdLog::NotAppended(const BatchId& id,
                                                 const TxnResponse& response,
                                                 const Epoch& epoch) {
  KMS_ASSIGN_OR_RETURN(const KeyValue* batch,
                       GotAt(response, 0, keys_.Batch(id)));
  KMS_ASSIGN_OR_RETURN(const KeyValue* current,
                       GotAt(response, 1, keys_.Epoch()));
  KMS_ASSIGN_OR_RETURN(const KeyValue* tail, GotAt(response, 2, keys_.Tail()));
  if (batch != nullptr) return Found(*batch, tail);
  if (!epoch.begun) return AlreadyBegun(keys_);
  if (current == nullptr || current->mod_revision() != epoch.revision) {
    return absl::FailedPreconditionError(
        absl::StrCat("etcd log: epoch ", keys_.epoch(),
                     " has ended; this instance must join again"));
  }
  return EtcdDamaged("an append was refused without a reason");
}

// The position of a batch that an earlier try, or caller, appended.
absl::StatusOr<LogPosition> EtcdLog::Found(const KeyValue& batch,
                                           const KeyValue* tail) {
  if (batch.version() != 1 || tail == nullptr) {
    return EtcdDamaged("an entry was put more than once");
  }
  LogPosition position = {keys_.epoch(), 0};
  if (tail->mod_revision() == batch.mod_revision()) {
    position.index = static_cast<uint64_t>(tail->version());
  } else {
    absl::StatusOr<uint64_t> index =
        IndexAt(client_, keys_, batch.mod_revision());
    if (absl::IsOutOfRange(index.status())) {
      // Compaction has passed it: count.
      KMS_ASSIGN_OR_RETURN(const EtcdBounds bounds, GetBounds(client_, keys_));
      KMS_ASSIGN_OR_RETURN(const std::vector<EtcdEntry> entries,
                           ListEntries(client_, keys_, bounds));
      const auto found = std::find_if(
          entries.begin(), entries.end(), [&batch](const EtcdEntry& entry) {
            return entry.revision == batch.mod_revision();
          });
      if (found == entries.end()) {
        return absl::UnavailableError("etcd log: trimmed meanwhile");
      }
      index = bounds.trimmed.index + 1 +
              static_cast<uint64_t>(found - entries.begin());
    }
    KMS_RETURN_IF_ERROR(index.status());
    position.index = *index;
  }
  absl::MutexLock lock(&mutex_);
  // Only the first entry can be found by a log that has not begun.
  if (!epoch_.begun) epoch_ = {true, batch.mod_revision()};
  return position;
}

// ---------------------------------------------------------------------------
// Read, Tail

absl::StatusOr<std::vector<LogEntry>> EtcdLog::Read(LogPosition after,
                                                    size_t bytes_max,
                                                    absl::Duration wait) {
  if (after == LogPosition{}) after.epoch = keys_.epoch();
  return follower_.Read(after, bytes_max, wait);
}

absl::StatusOr<LogPosition> EtcdLog::Tail() {
  KMS_ASSIGN_OR_RETURN(const EtcdBounds bounds, GetBounds(client_, keys_));
  return bounds.end();
}

void EtcdLog::Stop() {
  client_.Stop();
  reader_client_.Stop();
  follower_.Interrupt();
}

// ---------------------------------------------------------------------------
// Trim

absl::Status EtcdLog::Trim(LogPosition through) {
  absl::MutexLock trim_lock(&trim_mutex_);
  std::optional<uint64_t> before;
  for (;;) {
    KMS_ASSIGN_OR_RETURN(const EtcdBounds bounds, GetBounds(client_, keys_));
    KMS_RETURN_IF_ERROR(CheckTrim(through, bounds.end()));
    index_.Forget(bounds.trimmed.index);
    if (through.index <= bounds.trimmed.index) return absl::OkStatus();
    if (before.has_value() && bounds.trimmed.index <= *before) {
      return absl::UnavailableError("etcd log: a trim failed without a reason");
    }
    KMS_ASSIGN_OR_RETURN(const std::vector<BatchId> ids,
                         IdsOf(bounds, through.index));
    KMS_ASSIGN_OR_RETURN(const bool trimmed, TrimAll(ids, bounds));
    if (trimmed) {
      index_.Forget(through.index);
      return client_.Compact(bounds.trimmed_revision);
    }
    before = bounds.trimmed.index;  // Another instance has trimmed meanwhile.
  }
}

// The ids of the entries after bounds.trimmed up to `through`.
absl::StatusOr<std::vector<BatchId>> EtcdLog::IdsOf(const EtcdBounds& bounds,
                                                    uint64_t through) {
  std::optional<std::vector<BatchId>> known =
      index_.Between(bounds.trimmed.index, through);
  if (known.has_value()) return *std::move(known);
  // From before this process, or of a log that nobody reads here.
  KMS_ASSIGN_OR_RETURN(const std::vector<EtcdEntry> entries,
                       ListEntries(client_, keys_, bounds));
  std::vector<BatchId> ids;
  for (const EtcdEntry& entry : entries) {
    if (ids.size() == through - bounds.trimmed.index) break;
    ids.push_back(entry.id);
  }
  return ids;
}

// Trims the entries after bounds.trimmed, which are `ids`, as many at a time
// as one transaction may; false: not all, because the log has moved on.
absl::StatusOr<bool> EtcdLog::TrimAll(const std::vector<BatchId>& ids,
                                      EtcdBounds bounds) {
  for (size_t done = 0; done < ids.size();) {
    const size_t count = std::min(ids.size() - done, kTrimEntries);
    TxnRequest request;
    AddUnmoved(request, keys_.Trimmed(), bounds.trimmed_revision);
    AddUnmoved(request, keys_.Epoch(), bounds.epoch_revision);
    for (size_t i = done; i < done + count; ++i) {
      request.add_success()->mutable_request_delete_range()->set_key(
          keys_.Batch(ids[i]));
    }
    done += count;
    // In the same transaction as the deletions: nobody can mistake a trimmed
    // entry for a lost one.
    AddPut(*request.add_success(), keys_.Trimmed(),
           EncodeHex16(bounds.trimmed.index + done));
    KMS_ASSIGN_OR_RETURN(const TxnResponse response, client_.TryTxn(request));
    if (!response.succeeded()) return false;
    bounds.trimmed_revision = response.header().revision();
  }
  return true;
}

}  // namespace kms::storage
