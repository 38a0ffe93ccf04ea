// From what the transport proved about a connection to a Caller.
// Thread-safe: immutable.
#ifndef KMS_SERVER_CALLER_IDENTITY_H_
#define KMS_SERVER_CALLER_IDENTITY_H_

#include <string>
#include <vector>

#include "kms/base/caller.h"

namespace grpc {
class ServerContextBase;
}  // namespace grpc

namespace kms::server {

// What a verified client certificate says of its owner.
struct CertificateNames {
  bool verified = false;               // To the administrators' CA.
  std::vector<std::string> uris = {};  // SAN URIs.
  std::string common_name = {};
};

class CallerIdentity {
 public:
  // `administrators`: names that may administer; empty: every verified one.
  explicit CallerIdentity(std::vector<std::string> administrators)
      : administrators_(std::move(administrators)) {}

  // An administrator is a verified certificate with a name on the list; his
  // principal is that name (without a list: his first URI, else the common
  // name). A name that is empty, over kPrincipalBytesMax or not printable
  // ASCII is no name, and nobody administers without one.
  Caller Identify(const CertificateNames& names, std::string peer) const;
  Caller Identify(const grpc::ServerContextBase& context) const;

 private:
  bool Listed(const std::string& name) const;

  std::vector<std::string> administrators_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_CALLER_IDENTITY_H_
