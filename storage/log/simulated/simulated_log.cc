#include "storage/log/simulated/simulated_log.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kms/base/status.h"
#include "storage/log/checks.h"

namespace kms::storage {
namespace {

constexpr uint64_t kFnvOffset = 0xcbf29ce484222325;
constexpr uint64_t kFnvPrime = 0x100000001b3;

absl::Status Unreachable() {
  return absl::UnavailableError("simulated log: out of reach");
}

}  // namespace

SimulatedLog::SimulatedLog(uint64_t epoch, uint64_t seed)
    : random_(seed), trace_hash_(kFnvOffset) {
  branches_.emplace_back().epoch = epoch;
  Trace("log", epoch, seed, 0);
}

std::unique_ptr<SimulatedLogClient> SimulatedLog::Attach() {
  peers_.push_back({});
  Trace("attach", peers_.size(), 0, 0);
  return std::unique_ptr<SimulatedLogClient>(
      new SimulatedLogClient(this, peers_.size() - 1));
}

void SimulatedLog::Step() {
  ++step_;
  Trace("step", step_, 0, 0);
  const std::vector<Request> requests = std::exchange(in_flight_, {});
  for (const Request& request : requests) {
    if (request.due > step_) {
      in_flight_.push_back(request);
    } else {
      Arrive(request.branch, request.id, request.batch);
    }
  }
}

void SimulatedLog::SetPartitioned(Peer peer, bool partitioned) {
  peers_.at(peer).partitioned = partitioned;
  Trace("partition", peer, partitioned, 0);
}

void SimulatedLog::Crash(Peer peer) {
  peers_.at(peer).crashed = true;
  Trace("crash", peer, 0, 0);
}

size_t SimulatedLog::Fork(const std::vector<Peer>& peers) {
  const size_t copy = branches_.size();
  branches_.push_back(Branch(branches_.at(peers_.at(peers.at(0)).branch)));
  for (const Peer peer : peers) MoveTo(peer, copy);
  return copy;
}

void SimulatedLog::MoveTo(Peer peer, size_t branch) {
  peers_.at(peer).branch = branch;
  Trace("move", peer, branch, 0);
}

void SimulatedLog::Rollback(size_t branch, LogPosition through) {
  Branch& log = branches_.at(branch);
  while (!log.entries.empty() && log.tail() > through) {
    log.known.erase(log.entries.back().first);
    log.entries.pop_back();
  }
  log.trimmed = std::min(log.trimmed, through.index);
  Trace("rollback", branch, through.epoch, through.index);
}

absl::StatusOr<LogPosition> SimulatedLog::Resend(size_t branch,
                                                 const BatchId& id) {
  const auto sent = sent_.find(id);
  if (sent == sent_.end()) {
    return absl::NotFoundError("simulated log: never sent");
  }
  return Arrive(branch, id, sent->second);
}

void SimulatedLog::StartEpoch(uint64_t epoch) {
  branches_[0] = Branch();
  branches_[0].epoch = epoch;
  // An epoch has its own prefix: what was sent to the old one cannot arrive.
  std::erase_if(in_flight_, [](const Request& r) { return r.branch == 0; });
  Trace("epoch", epoch, 0, 0);
}

std::vector<LogEntry> SimulatedLog::Entries(size_t branch,
                                            uint64_t after) const {
  const Branch& log = branches_.at(branch);
  std::vector<LogEntry> entries;
  for (uint64_t index = std::max(after, log.trimmed); index < log.tail().index;
       ++index) {
    entries.push_back(
        {{log.epoch, index + 1}, log.entries[index - log.trimmed].second});
  }
  return entries;
}

absl::StatusOr<LogPosition> SimulatedLog::Append(Peer peer, const BatchId& id,
                                                 BytesView sealed_batch) {
  KMS_RETURN_IF_ERROR(CheckBatch(sealed_batch));
  KMS_RETURN_IF_ERROR(CheckReachable(peer));
  Trace("append", peer, id.incarnation, id.sequence);
  sent_[id] = ToString(sealed_batch);
  const size_t branch = peers_.at(peer).branch;
  double draw = Draw();
  if (draw < faults_.lose) return Unreachable();
  draw -= faults_.lose;
  if (draw < faults_.unknown) {
    Arrive(branch, id, ToString(sealed_batch));
    return Unreachable();
  }
  draw -= faults_.unknown;
  if (draw < faults_.delay) {
    SendLater(branch, id, sealed_batch);
    return Unreachable();
  }
  draw -= faults_.delay;
  if (draw < faults_.duplicate) SendLater(branch, id, sealed_batch);
  return Arrive(branch, id, ToString(sealed_batch));
}

absl::StatusOr<std::vector<LogEntry>> SimulatedLog::Read(Peer peer,
                                                         LogPosition after,
                                                         size_t bytes_max) {
  KMS_RETURN_IF_ERROR(CheckReachable(peer));
  if (Draw() < faults_.unreachable) return Unreachable();
  const bool short_read = Draw() < faults_.short_read;
  const Branch& log = branches_.at(peers_.at(peer).branch);
  KMS_RETURN_IF_ERROR(
      CheckReadable(after, {log.epoch, log.trimmed}, log.tail()));
  std::vector<LogEntry> entries;
  size_t bytes = 0;
  for (size_t i = after.index - log.trimmed; i < log.entries.size(); ++i) {
    const std::string& batch = log.entries[i].second;
    bytes += batch.size();
    if (!entries.empty() && (short_read || bytes > bytes_max)) break;
    entries.push_back({{log.epoch, log.trimmed + i + 1}, batch});
  }
  if (!entries.empty() && faults_.gap > 0 && Draw() < faults_.gap) {
    entries.erase(entries.begin());
  }
  Trace("read", peer, after.index, entries.size());
  return entries;
}

absl::StatusOr<LogPosition> SimulatedLog::Tail(Peer peer) {
  KMS_RETURN_IF_ERROR(CheckReachable(peer));
  if (Draw() < faults_.unreachable) return Unreachable();
  const LogPosition tail = branches_.at(peers_.at(peer).branch).tail();
  Trace("tail", peer, tail.epoch, tail.index);
  return tail;
}

absl::Status SimulatedLog::Trim(Peer peer, LogPosition through) {
  KMS_RETURN_IF_ERROR(CheckReachable(peer));
  if (Draw() < faults_.unreachable) return Unreachable();
  Branch& log = branches_.at(peers_.at(peer).branch);
  KMS_RETURN_IF_ERROR(CheckTrim(through, log.tail()));
  while (log.trimmed < through.index) {
    log.known.erase(log.entries.front().first);
    log.entries.pop_front();
    ++log.trimmed;
  }
  Trace("trim", peer, through.epoch, through.index);
  return absl::OkStatus();
}

absl::Status SimulatedLog::CheckReachable(Peer peer) const {
  const PeerState& state = peers_.at(peer);
  if (state.crashed || state.partitioned) return Unreachable();
  return absl::OkStatus();
}

// Create-only, as long as the log knows the id.
LogPosition SimulatedLog::Arrive(size_t branch, const BatchId& id,
                                 std::string batch) {
  Branch& log = branches_.at(branch);
  const auto known = log.known.find(id);
  if (known != log.known.end()) return {log.epoch, known->second};
  log.entries.emplace_back(id, std::move(batch));
  log.known[id] = log.tail().index;
  Trace("arrive", branch, log.epoch, log.tail().index);
  return log.tail();
}

void SimulatedLog::SendLater(size_t branch, const BatchId& id,
                             BytesView batch) {
  const uint64_t span = std::max<uint64_t>(1, faults_.delay_steps_max);
  in_flight_.push_back(
      {step_ + 1 + random_() % span, branch, id, ToString(batch)});
}

double SimulatedLog::Draw() {
  // The standard's distributions differ between libraries; this does not.
  return static_cast<double>(random_() >> 11) * 0x1p-53;
}

void SimulatedLog::Trace(absl::string_view call, uint64_t a, uint64_t b,
                         uint64_t c) {
  const auto mix = [this](uint8_t byte) {
    trace_hash_ = (trace_hash_ ^ byte) * kFnvPrime;
  };
  for (const char letter : call) mix(static_cast<uint8_t>(letter));
  for (const uint64_t value : {a, b, c}) {
    for (int shift = 0; shift < 64; shift += 8) {
      mix(static_cast<uint8_t>(value >> shift));
    }
  }
}

}  // namespace kms::storage
