#include "kms/lifecycle/key_watch.h"

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/release/receipt.h"

namespace kms::lifecycle {
namespace {

absl::Status LeaseExpired() {
  return Refuse(v1::LEASE_ENDED,
                "watch: the receipt's lease is over; renew it by a release");
}

// Everything but the time, which moves by itself.
bool SameKey(const v1::WatchedKey& a, const v1::WatchedKey& b) {
  return a.primary_version() == b.primary_version() &&
         a.minimum_version() == b.minimum_version();
}

absl::StatusOr<v1::WatchedKey> ReadWatched(const storage::StateView& view,
                                           const std::string& name_space,
                                           const std::string& name) {
  KMS_ASSIGN_OR_RETURN(const ::storage::v1::KeyRecord record,
                       view.GetKeyUncounted(name_space, name));
  v1::WatchedKey key;
  key.set_key_id(record.key_id());
  key.set_primary_version(record.primary_version());
  key.set_minimum_version(record.minimum_version());
  key.set_log_time_us(view.header().log_time_us());
  return key;
}

}  // namespace

void KeyWatch::Start() { thread_ = std::thread(&KeyWatch::Run, this); }

void KeyWatch::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  EndAll(Refuse(v1::LOG_UNAVAILABLE,
                "watch: this instance stops; watch at another"));
}

void KeyWatch::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                                  kWatchInterval)) {
        return;
      }
    }
    Look();
  }
}

absl::Status KeyWatch::Add(const Caller& caller,
                           const v1::WatchKeyRequest& request,
                           std::shared_ptr<Watcher> watcher) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       holder_.Get());
  const auto view = instance->replica->View();
  Watch watch;
  if (request.has_receipt()) {
    const absl::StatusOr<release::VerifiedReceipt> receipt =
        release::VerifyReceipt(request.receipt(),
                               AsBytes(instance->identity_key.public_key()),
                               AsBytes(instance->cluster_id));
    if (!receipt.ok()) {
      return Refuse(v1::RECEIPT_INVALID, receipt.status().message());
    }
    watch.lease_until_us = receipt->body.lease_until_us();
    if (view->header().log_time_us() >= watch.lease_until_us) {
      return LeaseExpired();
    }
    KMS_ASSIGN_OR_RETURN(
        const ::storage::v1::KeyRecord key,
        view->GetKeyById(receipt->body.namespace_(), receipt->body.key_id()));
    watch.key = {key.namespace_(), key.name()};
  } else if (caller.administrator) {
    KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                         ResolveNamespace(request.namespace_()));
    KMS_RETURN_IF_ERROR(CheckKeyName(request.name()));
    watch.key = {std::string(name_space), request.name()};
  } else {
    return Refuse(v1::ADMINISTRATOR_REQUIRED,
                  "watch: want a receipt of a release of the key, or an "
                  "administrator's certificate");
  }

  absl::MutexLock telling(&telling_);
  // Read after the lock: what a Look told meanwhile is not told backwards.
  KMS_ASSIGN_OR_RETURN(watch.told,
                       ReadWatched(*instance->replica->View(), watch.key.first,
                                   watch.key.second));
  watch.watcher = watcher;
  const v1::WatchedKey now = watch.told;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      return Refuse(v1::LOG_UNAVAILABLE, "watch: this instance stops");
    }
    if (watches_.size() >= kWatchersMax) {
      return Refuse(v1::LIMIT_REACHED, absl::StrCat("watch: ", kWatchersMax,
                                                    " watch on this instance"));
    }
    watches_.emplace(watcher.get(), std::move(watch));
  }
  watcher->Tell(now);
  return absl::OkStatus();
}

void KeyWatch::Remove(const Watcher* watcher) {
  std::shared_ptr<Watcher> last;  // May be destroyed by this, outside the lock.
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(watcher);
  if (found == watches_.end()) return;
  last = std::move(found->second.watcher);
  watches_.erase(found);
}

void KeyWatch::Look() {
  const absl::StatusOr<std::shared_ptr<const Instance>> instance =
      holder_.Get();
  const absl::Status usable =
      instance.ok() ? (*instance)->replica->health() : instance.status();
  if (!usable.ok()) {
    EndAll(usable);
    return;
  }
  absl::MutexLock telling(&telling_);
  std::vector<std::shared_ptr<Watcher>> expired;
  std::vector<Watch> due;
  {
    const auto view = (*instance)->replica->View();
    absl::MutexLock lock(&mutex_);
    due = Due(*view, expired);
  }
  for (const Watch& watch : due) watch.watcher->Tell(watch.told);
  for (const auto& watcher : expired) watcher->End(LeaseExpired());
}

std::vector<KeyWatch::Watch> KeyWatch::Due(
    const storage::StateView& view,
    std::vector<std::shared_ptr<Watcher>>& expired) {
  for (auto watch = watches_.begin(); watch != watches_.end();) {
    const int64_t until_us = watch->second.lease_until_us;
    if (until_us != 0 && view.header().log_time_us() >= until_us) {
      expired.push_back(std::move(watch->second.watcher));
      watch = watches_.erase(watch);
    } else {
      ++watch;
    }
  }
  std::vector<Watch> due;
  if (epoch_ == view.position().epoch &&
      settings_index_ == view.settings_index()) {
    return due;
  }
  epoch_ = view.position().epoch;
  settings_index_ = view.settings_index();
  std::map<KeyName, v1::WatchedKey> keys;
  for (auto& [watcher, watch] : watches_) {
    auto key = keys.find(watch.key);
    if (key == keys.end()) {
      // A row that cannot be read ends the replica, and with it the watch.
      const absl::StatusOr<v1::WatchedKey> read =
          ReadWatched(view, watch.key.first, watch.key.second);
      if (!read.ok()) continue;
      key = keys.emplace(watch.key, *read).first;
    }
    if (SameKey(key->second, watch.told)) continue;
    watch.told = key->second;
    due.push_back(watch);
  }
  return due;
}

void KeyWatch::EndAll(const absl::Status& status) {
  std::map<const Watcher*, Watch> all;
  absl::MutexLock telling(&telling_);
  {
    absl::MutexLock lock(&mutex_);
    all.swap(watches_);
  }
  for (auto& [watcher, watch] : all) watch.watcher->End(status);
}

}  // namespace kms::lifecycle
