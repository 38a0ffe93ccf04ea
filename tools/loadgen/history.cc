#include "tools/loadgen/history.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <cstdint>
#include <cstdio>
#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "tools/client/outcome.h"

namespace kms::loadgen {
namespace {

constexpr uint64_t kDuelEvery = 8;
// An instance that is back is found soon; one that is not costs little.
constexpr int kReconnectMsMin = 50;
constexpr int kReconnectMsMax = 500;
constexpr absl::Duration kPauseAfterFailure = absl::Milliseconds(10);

std::string CodeOf(const absl::Status& status) {
  if (status.ok()) return "OK";
  if (client::IsRefusal(status)) return RefusalName(RefusalOf(status));
  return absl::StatusCodeToString(status.code());
}

// Without an answer the request may have been acted upon; so it may if the log
// was out of reach.
bool OutcomeKnown(const absl::Status& status) {
  if (status.ok()) return true;
  return client::IsRefusal(status) && RefusalOf(status) != v1::LOG_UNAVAILABLE;
}

// Whether another instance may know better.
bool AskAnother(const absl::Status& status) {
  if (status.ok()) return false;
  if (!client::IsRefusal(status)) {
    return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  }
  const v1::RefusalCode code = RefusalOf(status);
  return code == v1::SEALED || code == v1::LOG_UNAVAILABLE ||
         code == v1::HEADS_MISSING || code == v1::LIMIT_REACHED ||
         code == v1::DATA_LOSS;
}

std::string Microseconds(absl::Time time) {
  return absl::StrCat(absl::ToUnixMicros(time));
}

class Client {
 public:
  Client(const HistoryOptions& options, const simtee::SimulatedSnp& attester,
         const Pins& pins, size_t number)
      : options_(options), number_(number), preferred_(number) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = options.ca;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMsMax);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
    for (const std::string& address : options.addresses) {
      channels_.push_back(grpc::CreateCustomChannel(
          address, grpc::SslCredentials(tls), arguments));
      // Connected before it is needed.
      channels_.back()->GetState(/*try_to_connect=*/true);
      instances_.emplace_back(channels_.back(), attester, pins,
                              options.call_timeout);
    }
  }

  void Run() {
    const absl::Time end = absl::Now() + options_.duration;
    for (uint64_t i = 1; absl::Now() < end; ++i) {
      for (const auto& channel : channels_) channel->GetState(true);
      const absl::Time start = absl::Now();
      const bool ok = i % kDuelEvery == 0 ? Duel(start) : Release(start);
      absl::SleepFor(ok ? options_.pause : kPauseAfterFailure);
    }
  }

 private:
  const Workload& At(size_t i) const {
    return instances_[(preferred_ + i) % instances_.size()];
  }

  absl::StatusOr<Prepared> Begin() {
    absl::StatusOr<std::string> challenge = At(0).GetChallenge();
    for (size_t i = 1; i < instances_.size() && AskAnother(challenge.status());
         ++i) {
      ++preferred_;
      challenge = At(0).GetChallenge();
    }
    if (!challenge.ok()) return challenge.status();
    challenge_ = *challenge;
    return At(0).Prepare(*challenge, options_.key);
  }

  bool Release(absl::Time start) {
    const absl::StatusOr<Prepared> prepared = Begin();
    if (!prepared.ok()) return Write(start, prepared.status(), true, {});
    absl::StatusOr<v1::ReleaseKeyResponse> response = At(0).Send(*prepared);
    bool known = OutcomeKnown(response.status());
    for (size_t i = 1; i < instances_.size() && AskAnother(response.status());
         ++i) {
      ++preferred_;
      response = At(0).Send(*prepared);
      // What one did not tell, another's refusal does not take back.
      known = response.ok() || (known && OutcomeKnown(response.status()));
    }
    if (!response.ok()) {
      // The next release does not begin where this one found nobody.
      if (AskAnother(response.status())) ++preferred_;
      return Write(start, response.status(), known, {});
    }
    return Write(start, Opened(*prepared, *response), true, {});
  }

  bool Duel(absl::Time start) {
    const absl::StatusOr<Prepared> first = Begin();
    if (!first.ok()) return Write(start, first.status(), true, {});
    const absl::StatusOr<Prepared> second =
        At(0).Prepare(challenge_, options_.key);
    if (!second.ok()) return Write(start, second.status(), true, {});
    absl::StatusOr<v1::ReleaseKeyResponse> answers[2] = {
        absl::UnknownError(""), absl::UnknownError("")};
    std::thread other([&] { answers[1] = At(1).Send(*second); });
    answers[0] = At(0).Send(*first);
    other.join();
    // The winner's line, whoever that is; two winners are seen in `duel`.
    const int winner = answers[0].ok() ? 0 : 1;
    const std::string duel = CodeOf(answers[1 - winner].status());
    const bool known =
        OutcomeKnown(answers[0].status()) && OutcomeKnown(answers[1].status());
    if (!answers[winner].ok()) {
      return Write(start, answers[winner].status(), known, duel);
    }
    return Write(start,
                 Opened(winner == 0 ? *first : *second, *answers[winner]), true,
                 duel, static_cast<size_t>(winner));
  }

  absl::StatusOr<Released> Opened(const Prepared& prepared,
                                  const v1::ReleaseKeyResponse& response) {
    return At(0).Open(prepared, response);
  }

  // Whether it is a success. `asked`: as in At.
  bool Write(absl::Time start, const absl::StatusOr<Released>& released,
             bool known, const std::string& duel, size_t asked = 0) {
    std::string line =
        absl::StrCat("{\"start_us\":", Microseconds(start),
                     ",\"end_us\":", Microseconds(absl::Now()), ",\"code\":\"",
                     CodeOf(released.status()), "\",\"client\":", number_,
                     ",\"instance\":", (preferred_ + asked) % instances_.size(),
                     ",\"known\":", known ? "true" : "false");
    if (released.ok()) {
      const v1::ReceiptBody& body = released->receipt.body;
      absl::StrAppend(&line, ",\"key_id\":\"", Hex(AsBytes(body.key_id())),
                      "\",\"version\":", body.key_version(),
                      ",\"leaf\":", body.leaf_index(), ",\"transcript\":\"",
                      Hex(AsBytes(body.transcript_digest())), "\"");
    }
    if (!duel.empty()) absl::StrAppend(&line, ",\"duel\":\"", duel, "\"");
    absl::StrAppend(&line, "}\n");
    // One call, so that lines of several threads do not mix.
    std::fwrite(line.data(), 1, line.size(), stdout);
    return released.ok();
  }

  const HistoryOptions& options_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::deque<Workload> instances_;  // They cannot move.
  const size_t number_;
  size_t preferred_;  // Modulo the instances.
  std::string challenge_;
};

}  // namespace

absl::Status RecordHistory(const HistoryOptions& options,
                           const simtee::SimulatedSnp& attester,
                           const Pins& pins) {
  std::setvbuf(stdout, nullptr, _IOLBF, size_t{1} << 16);
  std::vector<std::thread> threads;
  for (int i = 0; i < options.clients; ++i) {
    threads.emplace_back([&, i] {
      Client(options, attester, pins, static_cast<size_t>(i)).Run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (std::ferror(stdout) != 0) {
    return absl::DataLossError("history: not all of it was written");
  }
  return absl::OkStatus();
}

}  // namespace kms::loadgen
