// Bounds of the network side that are not configured, each with its reason.
// Source: threats.md, section 6, "gRPC 1.51.1": what a client may cost before
// anything about him is known.
#ifndef KMS_SERVER_LIMITS_H_
#define KMS_SERVER_LIMITS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace kms::server {

// Room for framing and field tags above the configured request bytes: what is
// over the documented bound by a little gets our refusal, not a broken stream.
inline constexpr int kMessageSlackBytes = 64 * 1024;

// All headers of one request. Ours are a few hundred bytes.
inline constexpr int kMetadataBytesMax = 8 * 1024;

// Of one connection: a workload has one call open, an administrator's tool a
// few. It also bounds what a rapid reset can start at once.
inline constexpr int kStreamsPerConnectionMax = 64;

// Connections are renewed, so that a revoked route or certificate does not
// live for ever; calls in progress get the grace.
inline constexpr absl::Duration kConnectionAgeMax = absl::Hours(1);
inline constexpr absl::Duration kConnectionAgeGrace = absl::Minutes(1);
inline constexpr absl::Duration kConnectionIdleMax = absl::Minutes(10);

// A peer that vanished is noticed; one that pings more often is dropped.
inline constexpr absl::Duration kKeepaliveInterval = absl::Seconds(60);
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(20);
inline constexpr absl::Duration kPingIntervalMin = absl::Seconds(10);
inline constexpr int kPingStrikesMax = 3;

// TLS and HTTP/2 settings must be through by then.
inline constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);

// For calls that bring no deadline, and the most that any may ask for: a
// thread is never held for longer.
inline constexpr absl::Duration kDeadlineDefault = absl::Seconds(30);
inline constexpr absl::Duration kDeadlineMax = absl::Minutes(2);

// At the end: from a call's last line of ours until its answer is with the
// kernel. Then connections are cut.
inline constexpr absl::Duration kAnswersLeaveTimeout = absl::Milliseconds(250);

// What a refused client is told to wait.
inline constexpr absl::Duration kRetryHint = absl::Milliseconds(500);

// Rates are averages over this long: a burst of it is let through.
inline constexpr double kRateBurstSeconds = 10;

// Evidence of this instance itself, each made by the TEE's firmware: of one
// client network, and of all together. A kmsctl that requires it asks once.
inline constexpr double kServerEvidencePerNetwork = 2;
inline constexpr double kServerEvidencePerSecond = 5;
// Calls that wait for the attester, each with a thread.
inline constexpr int kServerEvidenceWaitersMax = 16;

// Threads beside those that work on requests: gRPC's own pollers.
inline constexpr int kSpareThreads = 8;

// Each has its own pollers: with more than a few, threads wait in the wrong
// one.
inline constexpr int kCompletionQueues = 2;
inline constexpr int kPollersMin = 4;

// A name in a certificate that may become a principal.
inline constexpr size_t kPrincipalBytesMax = 128;

// Key files and certificates of the operator's.
inline constexpr size_t kPemBytesMax = 1024 * 1024;

// The replica asks to be ticked about once a second.
inline constexpr absl::Duration kTickInterval = absl::Seconds(1);
// Between attempts to unseal by a device: a token or a network that comes back
// is noticed soon, one that does not is not hammered.
inline constexpr absl::Duration kUnsealRetryMin = absl::Seconds(1);
inline constexpr absl::Duration kUnsealRetryMax = absl::Seconds(30);
// How often the newest checkpoint is kept for the sealed status.
inline constexpr absl::Duration kCheckpointInterval = absl::Seconds(10);

}  // namespace kms::server

#endif  // KMS_SERVER_LIMITS_H_
