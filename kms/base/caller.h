// Who is calling, as the transport proved it. Handlers take it as an argument
// and put its principal into the commands they propose.
// Thread-compatible: a value. It authorises nothing: the server's adapters
// demand an administrator before they call an administrators' handler.
#ifndef KMS_BASE_CALLER_H_
#define KMS_BASE_CALLER_H_

#include <string>

namespace kms {

struct Caller {
  // A client certificate that verified to the administrators' CA, with a name
  // on the configured list of administrators.
  bool administrator = false;
  // That certificate's name (SAN URI, else common name), at most 128 bytes of
  // printable ASCII; empty for a workload, which has no certificate.
  std::string principal;
  // The network at the connection's far end, without a port: "192.0.2.1" or
  // "2001:db8::/64". For rate limits and logs, never for a decision.
  std::string peer;
};

}  // namespace kms

#endif  // KMS_BASE_CALLER_H_
