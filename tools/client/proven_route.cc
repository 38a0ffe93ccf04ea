#include "tools/client/proven_route.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"

namespace kms::client {

ProvenRoute::ProvenRoute(std::string address, std::string trusted,
                         ConnectionOptions options,
                         std::shared_ptr<const ServerRequirement> requirement)
    : address_(std::move(address)),
      trusted_(std::move(trusted)),
      options_(std::move(options)),
      requirement_(std::move(requirement)) {}

void ProvenRoute::Begin() {
  if (proven_ == nullptr) BeginQuestion();
}

void ProvenRoute::BeginQuestion() {
  if (question_ != nullptr) return;
  // Without a certificate: whoever it is does not learn who asks. It is made
  // of what is in memory, and so cannot fail.
  ConnectionOptions anonymous = options_;
  anonymous.cert_file.clear();
  anonymous.key_file.clear();
  question_ = *MakeChannel(address_, trusted_, anonymous);
  question_->GetState(/*try_to_connect=*/true);
}

absl::StatusOr<ShownServer> ProvenRoute::Ask(absl::Time deadline,
                                             bool patient) {
  BeginQuestion();
  const std::shared_ptr<grpc::Channel> question = std::move(question_);
  if (!AwaitConnected(*question, deadline, patient)) {
    return absl::UnavailableError(
        absl::StrCat(address_, ": no connection, TLS included"));
  }
  return requirement_->Ask(question, SystemClock().Now());
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ProvenRoute::Open(
    absl::Time deadline, bool patient) {
  const SystemClock clock;
  if (proven_ != nullptr &&
      AwaitConnected(*proven_, deadline, /*patient=*/false)) {
    return proven_;
  }
  proven_ = nullptr;
  const absl::Duration wait = deadline - clock.Now();
  KMS_ASSIGN_OR_RETURN(const ShownServer shown, Ask(deadline, patient));
  KMS_ASSIGN_OR_RETURN(proven_,
                       MakeChannel(address_, shown.certificate, options_));
  if (!AwaitConnected(*proven_, clock.Now() + wait, /*patient=*/false)) {
    proven_ = nullptr;
    return absl::UnavailableError(absl::StrCat(
        address_,
        ": the server that proved itself is not the one that answers now"));
  }
  return proven_;
}

absl::StatusOr<std::vector<std::shared_ptr<Route>>> MakeRoutes(
    const ConnectionOptions& options,
    const std::shared_ptr<const ServerRequirement>& requirement) {
  std::vector<std::shared_ptr<Route>> routes;
  if (requirement == nullptr) {
    KMS_ASSIGN_OR_RETURN(const auto channels, MakeChannels(options));
    for (const auto& channel : channels) {
      routes.push_back(std::make_shared<PlainRoute>(channel));
    }
    return routes;
  }
  KMS_ASSIGN_OR_RETURN(const std::string trusted, ReadTrusted(options));
  for (const std::string& address : options.addresses) {
    routes.push_back(
        std::make_shared<ProvenRoute>(address, trusted, options, requirement));
  }
  return routes;
}

}  // namespace kms::client
