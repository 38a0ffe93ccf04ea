#include "kms/seal/log_store.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/seal/private_file.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/log/local/local_log.h"

namespace kms::seal {
namespace {

constexpr char kLocalName[] = "log";
constexpr char kAcknowledgedName[] = "log.acknowledged";
constexpr char kEndedName[] = "log.ended";
constexpr char kEndedAcknowledgedName[] = "log.ended.acknowledged";
constexpr char kEtcdName[] = "log.etcd";
constexpr size_t kEtcdFileBytes = 17;

std::string In(const LogPlace& place, absl::string_view name) {
  return absl::StrCat(place.directory, "/", name);
}

bool Has(const LogPlace& place, absl::string_view name) {
  return access(In(place, name).c_str(), F_OK) == 0;
}

absl::Status PinEtcd(const LogPlace& place, uint64_t cluster_id) {
  const std::string line =
      absl::StrCat(Hex(ByteWriter().U64Be(cluster_id).str()), "\n");
  return WritePrivateFile(In(place, kEtcdName), AsBytes(line));
}

// The id of the etcd that this log was found in so far; 0: never.
absl::StatusOr<uint64_t> PinnedEtcd(const LogPlace& place) {
  const std::string path = In(place, kEtcdName);
  const absl::StatusOr<std::string> file =
      ReadPrivateFile(path, kEtcdFileBytes);
  if (absl::IsNotFound(file.status())) return 0;
  KMS_RETURN_IF_ERROR(file.status());
  const auto id = Unhex(absl::StripSuffix(*file, "\n"));
  if (file->size() != kEtcdFileBytes || !id.ok()) {
    return Refuse(v1::DATA_LOSS, absl::StrCat(path, ": malformed"));
  }
  return ByteReader(AsBytes(*id)).U64Be();
}

absl::StatusOr<std::unique_ptr<storage::Engine>> OpenLocalEngine(
    const LogPlace& place) {
  storage::RocksdbOptions options;
  options.path = In(place, kLocalName);
  options.on_fatal = place.on_fatal;
  return storage::OpenRocksdbEngine(options);
}

storage::LocalLogOptions LocalOptions(const LogPlace& place) {
  storage::LocalLogOptions options;
  options.acknowledged_path = In(place, kAcknowledgedName);
  return options;
}

}  // namespace

absl::StatusOr<OpenedLog> CreateLog(const LogPlace& place, uint64_t epoch,
                                    absl::Time deadline) {
  OpenedLog opened;
  if (place.etcd.has_value()) {
    KMS_ASSIGN_OR_RETURN(
        std::unique_ptr<storage::EtcdLog> log,
        storage::EtcdLog::Create(*place.etcd, epoch, deadline));
    KMS_RETURN_IF_ERROR(PinEtcd(place, log->cluster_id()));
    opened.log = std::move(log);
    return opened;
  }
  KMS_ASSIGN_OR_RETURN(opened.engine, OpenLocalEngine(place));
  KMS_ASSIGN_OR_RETURN(opened.log,
                       storage::LocalLog::Create(opened.engine.get(),
                                                 LocalOptions(place), epoch));
  return opened;
}

absl::StatusOr<OpenedLog> OpenLog(const LogPlace& place, absl::Time deadline) {
  OpenedLog opened;
  if (place.etcd.has_value()) {
    if (Has(place, kLocalName) && !Has(place, kEtcdName)) {
      return absl::FailedPreconditionError(
          absl::StrCat(place.directory,
                       ": its log is a local one, the configuration says etcd; "
                       "a move is a new epoch"));
    }
    storage::EtcdLogOptions options = *place.etcd;
    KMS_ASSIGN_OR_RETURN(const uint64_t pinned, PinnedEtcd(place));
    if (pinned != 0) options.cluster_id = pinned;
    KMS_ASSIGN_OR_RETURN(std::unique_ptr<storage::EtcdLog> log,
                         storage::EtcdLog::Open(options, deadline));
    if (pinned == 0) KMS_RETURN_IF_ERROR(PinEtcd(place, log->cluster_id()));
    opened.log = std::move(log);
    return opened;
  }
  if (Has(place, kEtcdName)) {
    return absl::FailedPreconditionError(
        absl::StrCat(place.directory,
                     ": its log is in etcd, the configuration has no log.etcd; "
                     "a move is a new epoch"));
  }
  KMS_ASSIGN_OR_RETURN(opened.engine, OpenLocalEngine(place));
  KMS_ASSIGN_OR_RETURN(
      opened.log,
      storage::LocalLog::Open(opened.engine.get(), LocalOptions(place)));
  return opened;
}

absl::StatusOr<OpenedLog> OpenEndedLog(const LogPlace& place,
                                       absl::Time deadline) {
  if (!place.etcd.has_value()) {
    return absl::FailedPreconditionError(
        "log: a new epoch is begun in etcd; the configuration has no log.etcd");
  }
  OpenedLog ended;
  if (Has(place, kLocalName)) {
    KMS_ASSIGN_OR_RETURN(ended.engine, OpenLocalEngine(place));
    auto log = storage::LocalLog::Open(ended.engine.get(), LocalOptions(place));
    if (absl::IsDataLoss(log.status())) return OpenedLog();
    KMS_ASSIGN_OR_RETURN(ended.log, std::move(log));
    return ended;
  }
  auto log = storage::EtcdLog::Open(*place.etcd, deadline);
  if (absl::IsNotFound(log.status())) return ended;
  KMS_ASSIGN_OR_RETURN(ended.log, std::move(log));
  return ended;
}

absl::Status RetireLocalLog(const LogPlace& place) {
  if (!Has(place, kLocalName)) return absl::OkStatus();
  for (const auto& [from, to] :
       {std::pair(kAcknowledgedName, kEndedAcknowledgedName),
        std::pair(kLocalName, kEndedName)}) {
    if (!Has(place, from)) continue;
    if (rename(In(place, from).c_str(), In(place, to).c_str()) != 0) {
      return absl::UnavailableError(
          absl::StrCat(In(place, from), ": cannot be put aside"));
    }
  }
  return SyncDirectory(place.directory);
}

}  // namespace kms::seal
