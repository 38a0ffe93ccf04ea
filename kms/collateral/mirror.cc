#include "kms/collateral/mirror.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kms/base/status.h"
#include "policy/collateral/limits.h"

namespace kms::collateral {
namespace {

constexpr int kDoublingsMax = 16;  // Past kMirrorRetryMax long before.

std::string NameOf(const MirrorEntry& entry) {
  return absl::StrCat(static_cast<int>(entry.kind), " ",
                      absl::StrJoin(entry.files, " "));
}

}  // namespace

void Mirror::Poll() {
  {
    absl::MutexLock lock(&mutex_);
    if (polling_) {
      const uint64_t round = rounds_;
      const auto done = [this, round]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return rounds_ != round;
      };
      mutex_.Await(absl::Condition(&done));
      return;
    }
    polling_ = true;
  }
  PollOnce();
  absl::Time next = index_schedule_.due;
  for (const MirrorEntry& entry : index_) {
    next = std::min(next, schedules_[NameOf(entry)].due);
  }
  absl::MutexLock lock(&mutex_);
  polling_ = false;
  ++rounds_;
  next_due_ = next;
}

absl::Time Mirror::NextDue() const {
  absl::MutexLock lock(&mutex_);
  return next_due_;
}

void Mirror::PollOnce() {
  const absl::Time now = options_.clock->Now();
  Round round;
  round_bytes_ = 0;
  if (now >= index_schedule_.due) {
    const std::string path(kMirrorIndexPath);
    absl::StatusOr<std::string> json = Get(path, kMirrorIndexBytesMax, round);
    absl::Status fault = json.status();
    if (json.ok()) {
      absl::StatusOr<std::vector<MirrorEntry>> index = ParseMirrorIndex(*json);
      fault = index.status();
      if (index.ok()) index_ = *std::move(index);
    }
    Reschedule(fault, index_schedule_);
    if (!fault.ok()) Tell(path, fault);
  }
  // What is no longer listed is forgotten: an index cannot make this grow.
  std::map<std::string, Schedule> listed;
  std::set<std::string> paths = {std::string(kMirrorIndexPath)};
  for (const MirrorEntry& entry : index_) {
    paths.insert(entry.files.begin(), entry.files.end());
  }
  for (auto kept = kept_.begin(); kept != kept_.end();) {
    const auto next = std::next(kept);
    if (paths.count(kept->first) == 0) Forget(kept);
    kept = next;
  }
  for (const MirrorEntry& entry : index_) {
    const std::string name = NameOf(entry);
    Schedule& schedule = listed.emplace(name, schedules_[name]).first->second;
    if (now < schedule.due) continue;
    const absl::Status imported = Import(entry, round);
    Reschedule(imported, schedule);
    if (!imported.ok()) Tell(entry.files.front(), imported);
  }
  schedules_ = std::move(listed);
}

absl::Status Mirror::Import(const MirrorEntry& entry, Round& round) {
  std::vector<std::string> files;
  for (const std::string& path : entry.files) {
    KMS_ASSIGN_OR_RETURN(std::string file,
                         Get(path, policy::kCollateralFileBytesMax, round));
    files.push_back(std::move(file));
  }
  KMS_ASSIGN_OR_RETURN(const uint32_t changed,
                       options_.import(entry.kind, files));
  if (changed != 0) Tell(entry.files.front(), absl::OkStatus());
  return absl::OkStatus();
}

absl::StatusOr<std::string> Mirror::Get(const std::string& path,
                                        size_t bytes_max, Round& round) {
  const auto fetched = round.find(path);
  if (fetched != round.end()) return fetched->second;
  absl::StatusOr<std::string> file = Fetch(path, bytes_max);
  // Beyond the bound a file that two entries name is asked for twice.
  const size_t bytes = path.size() + (file.ok() ? file->size() : 0);
  if (bytes <= kMirrorKeptBytesMax - round_bytes_) {
    round_bytes_ += bytes;
    round.emplace(path, file);
  }
  return file;
}

absl::StatusOr<std::string> Mirror::Fetch(const std::string& path,
                                          size_t bytes_max) {
  const auto kept = kept_.find(path);
  KMS_ASSIGN_OR_RETURN(
      FetchResponse response,
      options_.fetcher->Fetch(
          {.path = path,
           .etag = kept == kept_.end() ? "" : kept->second.etag,
           .bytes_max = bytes_max}));
  if (response.not_modified) {
    if (kept != kept_.end()) return kept->second.body;
    return absl::UnavailableError(
        absl::StrCat("mirror: ", path, ": not modified, but never fetched"));
  }
  Keep(path, {std::move(response.etag), response.body});
  return std::move(response.body);
}

void Mirror::Keep(const std::string& path, Kept kept) {
  const auto before = kept_.find(path);
  if (before != kept_.end()) Forget(before);
  const size_t bytes = BytesOf(path, kept);
  if (kept.etag.empty() || bytes > kMirrorKeptBytesMax - kept_bytes_) return;
  kept_bytes_ += bytes;
  kept_.emplace(path, std::move(kept));
}

void Mirror::Forget(std::map<std::string, Kept>::iterator kept) {
  kept_bytes_ -= BytesOf(kept->first, kept->second);
  kept_.erase(kept);
}

size_t Mirror::BytesOf(const std::string& path, const Kept& kept) {
  return path.size() + kept.etag.size() + kept.body.size();
}

// After a failure min * 2^n, halved at most by jitter; else an interval, a
// tenth more or less.
void Mirror::Reschedule(const absl::Status& status, Schedule& schedule) {
  const double random = options_.random();
  if (status.ok()) {
    schedule.failures = 0;
    schedule.due =
        options_.clock->Now() + options_.interval * (0.9 + 0.2 * random);
    return;
  }
  const int doublings = std::min(schedule.failures, kDoublingsMax);
  const absl::Duration delay =
      std::min(kMirrorRetryMin * (int64_t{1} << doublings), kMirrorRetryMax);
  ++schedule.failures;
  schedule.due = options_.clock->Now() + delay * (0.5 + 0.5 * random);
}

void Mirror::Tell(absl::string_view subject, const absl::Status& status) {
  if (options_.tell != nullptr) options_.tell(subject, status);
}

}  // namespace kms::collateral
