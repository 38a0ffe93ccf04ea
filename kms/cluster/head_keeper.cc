#include "kms/cluster/head_keeper.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "storage/state/limits.h"

namespace kms::cluster {
namespace {

using ::storage::v1::InstanceRecord;

storage::LogPosition PositionOf(const v1::Head& head) {
  return {head.epoch(), head.index()};
}

// Whose word counts: registered for good, and seen in the log. A registration
// whose joiner never came to life would otherwise count against the others.
bool TakesPart(const InstanceRecord& record) {
  return !record.removed() && !record.fenced() && record.incarnation() > 0;
}

}  // namespace

absl::Status HeadKeeper::Compare(const v1::Head& head, absl::Duration received,
                                 const storage::StateView& view, Peer& peer) {
  const storage::LogPosition position = PositionOf(head);
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> own,
                       view.DigestAt(position));
  if (!own.has_value()) return absl::OkStatus();  // Too old to tell.
  if (*own != head.digest()) {
    peer.agreement = v1::InstanceStatus::CONTRADICTS;
    return absl::OkStatus();
  }
  peer.agreement = v1::InstanceStatus::AGREES;
  peer.agreed = received;
  peer.agreed_at = position;
  if (unconfirmed_.has_value() && position > *unconfirmed_) {
    unconfirmed_.reset();
  }
  return absl::OkStatus();
}

absl::Status HeadKeeper::Received(const v1::Head& head,
                                  const storage::StateView& view,
                                  absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  own_.emplace_back(now, view.position());
  while (own_.size() > 1 && own_[1].first <= now - kHeadFresh) own_.pop_front();
  Peer& peer = peers_[head.instance_id()];
  peer.head = head;
  peer.received = now;
  if (PositionOf(head) <= view.position()) {
    peer.waiting.reset();
    return Compare(head, now, view, peer);
  }
  // The first that is ahead is kept: later ones would always be.
  if (!peer.waiting.has_value()) {
    peer.waiting = head;
    peer.waiting_received = now;
  }
  return absl::OkStatus();
}

storage::LogPosition HeadKeeper::PositionBefore(absl::Duration now) const {
  storage::LogPosition before;
  for (const auto& [at, position] : own_) {
    if (at > now - kHeadFresh) break;
    before = position;
  }
  return before;
}

absl::Status HeadKeeper::Recheck(const storage::StateView& view) {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, peer] : peers_) {
    if (!peer.waiting.has_value() ||
        PositionOf(*peer.waiting) > view.position()) {
      continue;
    }
    const v1::Head head = *std::exchange(peer.waiting, std::nullopt);
    KMS_RETURN_IF_ERROR(Compare(head, peer.waiting_received, view, peer));
  }
  return absl::OkStatus();
}

absl::Status HeadKeeper::Verdict(const storage::StateView& view,
                                 const std::string& own_id) const {
  KMS_ASSIGN_OR_RETURN(const std::vector<InstanceRecord> instances,
                       view.ListInstances());
  size_t others = 0;
  size_t contradicting = 0;
  absl::MutexLock lock(&mutex_);
  for (const InstanceRecord& record : instances) {
    if (record.instance_id() == own_id || !TakesPart(record)) continue;
    ++others;
    const auto peer = peers_.find(record.instance_id());
    if (peer != peers_.end() &&
        peer->second.agreement == v1::InstanceStatus::CONTRADICTS) {
      ++contradicting;
    }
  }
  if (2 * contradicting <= others) return absl::OkStatus();
  return Refuse(v1::DATA_LOSS,
                absl::StrCat("heads: ", contradicting, " of ", others,
                             " other instances have another history"));
}

absl::Status HeadKeeper::Guard(const storage::StateView& view,
                               const std::string& own_id,
                               absl::Duration now) const {
  {
    absl::MutexLock lock(&mutex_);
    if (unconfirmed_.has_value()) {
      return Refuse(v1::HEADS_MISSING,
                    "guard: no instance has confirmed the copied state yet");
    }
  }
  if (!majority_) return absl::OkStatus();
  KMS_ASSIGN_OR_RETURN(const std::vector<InstanceRecord> instances,
                       view.ListInstances());
  size_t registered = 0;
  size_t agreeing = 0;
  absl::MutexLock lock(&mutex_);
  const storage::LogPosition before = PositionBefore(now);
  for (const InstanceRecord& record : instances) {
    if (!TakesPart(record)) continue;
    ++registered;
    if (record.instance_id() == own_id) {
      ++agreeing;
      continue;
    }
    const auto peer = peers_.find(record.instance_id());
    if (peer != peers_.end() && peer->second.agreed_at.index != 0 &&
        peer->second.agreed_at >= before &&
        peer->second.agreement == v1::InstanceStatus::AGREES &&
        now - peer->second.agreed < kHeadFresh) {
      ++agreeing;
    }
  }
  if (2 * agreeing > registered) return absl::OkStatus();
  return Refuse(v1::HEADS_MISSING,
                absl::StrCat("guard: ", agreeing, " of ", registered,
                             " instances confirm this state, want most"));
}

void HeadKeeper::CameBySnapshot(storage::LogPosition position) {
  absl::MutexLock lock(&mutex_);
  unconfirmed_ = position;
}

std::map<std::string, HeadKeeper::Peer> HeadKeeper::peers() const {
  absl::MutexLock lock(&mutex_);
  return peers_;
}

}  // namespace kms::cluster
