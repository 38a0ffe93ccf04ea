#include "tools/client/server_evidence.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/auth_context.h>

#include <utility>

#include "kms/attester/server_transcript.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/file.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/release/transcript.h"
#include "policy/document/appraise.h"
#include "policy/document/limits.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/evidence.pb.h"
#include "proto/kms/v1/server_evidence.grpc.pb.h"
#include "tools/client/anchor_files.h"
#include "tools/client/grpc_status.h"
#include "tools/client/outcome.h"

namespace kms::client {
namespace {

// A TEE's quoting service takes seconds where it is asked by many.
constexpr absl::Duration kEvidenceTimeout = absl::Seconds(30);

// The certificate that the far end of the finished call has proven; PEM.
absl::StatusOr<std::string> ServerCertificate(
    const grpc::ClientContext& context) {
  const std::shared_ptr<const grpc::AuthContext> session =
      context.auth_context();
  if (session == nullptr) {
    return IntegrityError("server evidence: the connection is not TLS");
  }
  const std::vector<grpc::string_ref> found =
      session->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (found.size() != 1) {
    return IntegrityError("server evidence: the server has no certificate");
  }
  return std::string(found[0].data(), found[0].size());
}

absl::StatusOr<v1::Claims> Verify(const v1::GetServerEvidenceResponse& response,
                                  BytesView digest,
                                  const policy::TrustAnchors& anchors,
                                  absl::Time now) {
  v1::EvidenceBundle bundle;
  if (!bundle.ParseFromString(response.evidence())) {
    return Refuse(v1::EVIDENCE_MALFORMED, "bundle does not parse");
  }
  KMS_ASSIGN_OR_RETURN(
      v1::Claims claims,
      policy::VerifyBundle(bundle, {.now = now, .anchors = anchors}));
  const std::string gpu_nonce = release::GpuNonce(digest);
  KMS_RETURN_IF_ERROR(policy::CheckBinding(
      claims, {.transcript = digest, .gpu_nonce = AsBytes(gpu_nonce)}));
  return claims;
}

// A judgement made here, of the server and not of the caller's request.
absl::Status Judged(const absl::Status& status) {
  return WithNextStep(AsRefusal(Annotate(status, "server evidence")),
                      "send this server nothing: it did not prove that it runs "
                      "what your policy wants; ask its operator");
}

}  // namespace

ServerRequirement::ServerRequirement(
    ServerRequirementOptions options, policy::TrustAnchors anchors,
    std::optional<policy::CompiledPolicy> policy)
    : options_(std::move(options)),
      anchors_(std::move(anchors)),
      policy_(std::move(policy)) {}

absl::StatusOr<ServerRequirement> ServerRequirement::Load(
    const ServerRequirementOptions& options) {
  KMS_ASSIGN_OR_RETURN(policy::TrustAnchors anchors,
                       LoadAnchors(options.anchors, options.simulated_anchors));
  std::optional<policy::CompiledPolicy> policy;
  if (!options.policy.empty()) {
    KMS_ASSIGN_OR_RETURN(const std::string document,
                         ReadFile(options.policy, policy::kDocumentBytesMax));
    absl::StatusOr<policy::CompiledPolicy> compiled = policy::Compile(document);
    if (!compiled.ok()) return AsRefusal(compiled.status());
    policy = *std::move(compiled);
  }
  return ServerRequirement(options, std::move(anchors), std::move(policy));
}

absl::StatusOr<ShownServer> ServerRequirement::Ask(
    const std::shared_ptr<grpc::Channel>& channel, absl::Time now) const {
  v1::GetServerEvidenceRequest request;
  request.set_nonce(crypto::RandomString(attester::kServerNonceBytesMin));
  v1::GetServerEvidenceResponse response;
  grpc::ClientContext context;
  context.set_deadline(
      absl::ToChronoTime(SystemClock().Now() + kEvidenceTimeout));
  KMS_RETURN_IF_ERROR(
      FromGrpc(v1::ServerEvidenceService::NewStub(channel)->GetServerEvidence(
          &context, request, &response)));

  ShownServer shown;
  KMS_ASSIGN_OR_RETURN(shown.certificate, ServerCertificate(context));
  absl::StatusOr<std::string> key = attester::TlsKeyDigest(shown.certificate);
  if (!key.ok()) return AsIntegrityError(Annotate(key.status(), "server"));
  shown.tls_key_digest = *std::move(key);
  shown.cluster_id = response.cluster_id();
  shown.identity_public_key = response.identity_public_key();
  KMS_RETURN_IF_ERROR(CheckPins(shown));
  const std::string digest = attester::ServerTranscriptDigest(
      {.cluster_id = AsBytes(shown.cluster_id),
       .nonce = AsBytes(request.nonce()),
       .tls_key_digest = AsBytes(shown.tls_key_digest),
       .identity_public_key = AsBytes(shown.identity_public_key)});
  absl::StatusOr<v1::Claims> claims =
      Verify(response, AsBytes(digest), anchors_, now);
  if (!claims.ok()) return Judged(claims.status());
  shown.claims = *std::move(claims);
  const absl::Status appraised = Appraise(shown.claims, now);
  if (!appraised.ok()) return Judged(appraised);
  return shown;
}

absl::Status ServerRequirement::CheckPins(const ShownServer& shown) const {
  if (!options_.cluster_id.empty() && shown.cluster_id != options_.cluster_id) {
    return IntegrityError(
        "server evidence: the server is not of the pinned cluster");
  }
  if (!options_.identity_public_key.empty() &&
      shown.identity_public_key != options_.identity_public_key) {
    return IntegrityError(
        "server evidence: the server's identity key is not the pinned one");
  }
  return absl::OkStatus();
}

absl::Status ServerRequirement::Appraise(const v1::Claims& claims,
                                         absl::Time now) const {
  if (!policy_.has_value()) return absl::OkStatus();
  v1::RequestContext context;
  context.set_namespace_("default");
  context.set_purpose("server");
  const v1::Decision decision =
      policy::Appraise(*policy_, claims, context, now);
  return decision.allowed() ? absl::OkStatus()
                            : Refuse(decision.code(), decision.reason());
}

}  // namespace kms::client
