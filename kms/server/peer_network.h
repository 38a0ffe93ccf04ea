// The network a peer speaks from, as the unit of rate limits: one IPv4
// address, or the /64 that one IPv6 host may roam in. Without the port, which
// a client picks anew for each connection.
// Thread-safe: a free function.
#ifndef KMS_SERVER_PEER_NETWORK_H_
#define KMS_SERVER_PEER_NETWORK_H_

#include <string>

#include "absl/strings/string_view.h"

namespace kms::server {

// `peer`: as gRPC names it, "ipv4:192.0.2.1:4711" or "ipv6:[2001:db8::1]:4711"
// (its older versions percent-encode the brackets).
// "192.0.2.1", "2001:db8::/64", or "other" for anything else: what cannot be
// told apart shares one limit.
std::string PeerNetwork(absl::string_view peer);

}  // namespace kms::server

#endif  // KMS_SERVER_PEER_NETWORK_H_
