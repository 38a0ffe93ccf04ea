// IP addresses and ranges: the types net.IP and net.CIDR.
// Source: Kubernetes, "CEL in Kubernetes", IP address and CIDR libraries, from
// which the extension comes; RFC 4291 and RFC 5952 for IPv6 text.
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_NETWORK_H_
#define POLICY_CEL_NETWORK_H_

#include <string>

#include "absl/types/span.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

// ip(text) and cidr(text), whose literals are converted when an expression is
// compiled. Zones ("%eth0") and IPv4 written inside IPv6 are refused; IPv4
// mapped into IPv6 in hex (::ffff:c0a8:1) is the IPv4 address.
Error ToIp(Context& context, absl::Span<const Value> args, Value* out);
Error ToCidr(Context& context, absl::Span<const Value> args, Value* out);

// The canonical text. REQUIRES: an address or a range.
std::string NetworkText(const Value& value);

}  // namespace kms::cel

#endif  // POLICY_CEL_NETWORK_H_
