// Every bound of the etcd log, with its reason.
#ifndef STORAGE_LOG_ETCD_LIMITS_H_
#define STORAGE_LOG_ETCD_LIMITS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace kms::storage {

inline constexpr size_t kEndpointsMax = 16;
inline constexpr size_t kEtcdPrefixBytesMax = 128;

// A call's first deadline: a commit takes milliseconds, and a member that hangs
// is left after this. Each that runs out doubles it, up to the most that etcd
// itself waits (7 s), so that a slow disk does not mean that none ever ends.
inline constexpr absl::Duration kCallTimeoutMin = absl::Milliseconds(500);
inline constexpr absl::Duration kCallTimeoutMax = absl::Seconds(4);

// Between attempts to connect (gRPC's own first delay is a second), and for one
// attempt with its TLS handshake.
inline constexpr absl::Duration kReconnectDelayMin = absl::Milliseconds(50);
inline constexpr absl::Duration kReconnectDelayMax = absl::Milliseconds(500);
inline constexpr absl::Duration kConnectTimeout = absl::Seconds(2);

// A watch that says nothing for this long is asked, by a get of the tail on the
// same connection, whether it lives and has nothing to say. HTTP/2 pings as
// frequent would break etcd's default --grpc-keepalive-min-time of 5 s and get
// the connection closed; and they would not notice a member without a leader.
inline constexpr absl::Duration kSilenceMax = absl::Seconds(2);

// Keys of one page of a list, and of the whole list: 256 MiB of log (the most
// that is kept) in batches of 1 KiB (the least that is sealed), four times.
inline constexpr size_t kListPageEntries = 4096;
inline constexpr size_t kListEntriesMax = size_t{1} << 20;

// Batches of at most 1 MiB that one call fetches.
inline constexpr size_t kFetchEntries = 8;

// A page makes etcd read the values too, and a fetch is large: neither is held
// to the deadline of a commit.
inline constexpr absl::Duration kBulkTimeout = absl::Seconds(8);

// What one message from etcd may take: a fetch, and room for keys. A watch
// sends fragments of at most 2 MiB, or one transaction.
inline constexpr int kReceiveBytesMax = 10 << 20;

// etcd refuses transactions of more than 128 operations (--max-txn-ops).
inline constexpr size_t kTrimEntries = 100;

// A watch or list that contradicts itself is tried again this often.
inline constexpr int kFaultsMax = 3;

// Of etcd's own words in a message.
inline constexpr size_t kEtcdWordsMax = 160;

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_LIMITS_H_
