#include "kms/server/caller_identity.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "grpcpp/security/auth_context.h"
#include "grpcpp/server_context.h"
#include "kms/server/limits.h"
#include "kms/server/peer_network.h"

namespace kms::server {
namespace {

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kPrincipalBytesMax &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c >= ' ' && c <= '~'; });
}

CertificateNames NamesOf(const grpc::AuthContext& auth) {
  CertificateNames names;
  // True only if the handshake had a client certificate and it verified.
  names.verified = auth.IsPeerAuthenticated();
  for (const grpc::string_ref& uri :
       auth.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    names.uris.emplace_back(uri.data(), uri.size());
  }
  const auto common_names = auth.FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  // With several, which one is meant would be anybody's guess.
  if (common_names.size() == 1) {
    names.common_name.assign(common_names[0].data(), common_names[0].size());
  }
  return names;
}

}  // namespace

bool CallerIdentity::Listed(const std::string& name) const {
  return administrators_.empty() ||
         std::find(administrators_.begin(), administrators_.end(), name) !=
             administrators_.end();
}

Caller CallerIdentity::Identify(const CertificateNames& names,
                                std::string peer) const {
  Caller caller;
  caller.peer = std::move(peer);
  if (!names.verified) return caller;
  std::vector<std::string> candidates = names.uris;
  candidates.push_back(names.common_name);
  for (const std::string& name : candidates) {
    if (IsName(name) && Listed(name)) {
      caller.administrator = true;
      caller.principal = name;
      return caller;
    }
  }
  return caller;
}

Caller CallerIdentity::Identify(const grpc::ServerContextBase& context) const {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  return Identify(auth == nullptr ? CertificateNames{} : NamesOf(*auth),
                  PeerNetwork(context.peer()));
}

}  // namespace kms::server
