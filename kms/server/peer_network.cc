#include "kms/server/peer_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace kms::server {
namespace {

constexpr char kOther[] = "other";

std::string Ipv4(absl::string_view host) {
  in_addr address;
  if (inet_pton(AF_INET, std::string(host).c_str(), &address) != 1) {
    return kOther;
  }
  return std::string(host);
}

std::string Ipv6(absl::string_view host) {
  // A link-local address names its interface after '%'.
  host = host.substr(0, host.find('%'));
  in6_addr address;
  if (inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1) {
    return kOther;
  }
  char text[INET6_ADDRSTRLEN];
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof(text));
    return text;
  }
  std::memset(address.s6_addr + 8, 0, 8);
  inet_ntop(AF_INET6, &address, text, sizeof(text));
  return absl::StrCat(text, "/64");
}

}  // namespace

std::string PeerNetwork(absl::string_view peer) {
  const size_t colon = peer.rfind(':');
  if (colon == absl::string_view::npos) return kOther;
  absl::string_view host = peer.substr(0, colon);
  if (absl::ConsumePrefix(&host, "ipv4:")) return Ipv4(host);
  if (!absl::ConsumePrefix(&host, "ipv6:")) return kOther;
  const std::string decoded =
      absl::StrReplaceAll(host, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  host = decoded;
  if (!absl::ConsumePrefix(&host, "[") || !absl::ConsumeSuffix(&host, "]")) {
    return kOther;
  }
  return Ipv6(host);
}

}  // namespace kms::server
