#include "kms/server/status_handler.h"

#include <memory>

#include "absl/status/status.h"
#include "kms/base/refusal.h"
#include "kms/seal/seal_handlers.h"
#include "storage/replica/replica.h"
#include "storage/state/state_view.h"

namespace kms::server {
namespace {

// Or is not meant to.
bool KeepsEvidence(const Instance& instance) {
  return instance.evidence_archive == nullptr ||
         instance.evidence_archive->health().ok();
}

}  // namespace

v1::Status StatusHandler::GetStatus() const {
  const seal::SealState seal = unsealer_.state();
  v1::Status status;
  *status.mutable_seal() = seal::SealStatusOf(seal);
  status.set_version(kVersion);
  status.set_cluster_id(seal.cluster_id);
  status.set_identity_public_key(seal.identity_public_key);
  status.set_instance_id(seal.instance_id);
  for (const std::string& warning : warnings_) status.add_warnings(warning);

  const auto instance = holder_.Get();
  if (!instance.ok()) {
    status.set_problem(seal.initialized ? "sealed" : "not initialized");
    return status;
  }
  const storage::Replica& replica = *(*instance)->replica;
  const auto header = replica.View()->header();
  status.set_epoch(header.epoch());
  status.set_index(header.index());
  status.set_digest(header.digest());
  status.set_tree_size(header.tree_size());
  status.set_log_time_us(header.log_time_us());
  status.set_feature_level(header.feature_level());
  status.set_appraisal_generation(header.appraisal_generation());
  const absl::Status health = replica.health();
  status.set_serving(health.ok());
  // The exact fault may name paths; the log has it.
  if (!health.ok()) {
    status.set_problem(RefusalName(RefusalOf(health)));
  } else if (!KeepsEvidence(**instance)) {
    status.set_serving(false);
    status.set_problem("evidence archive failed: releases are refused");
  }
  return status;
}

bool StatusHandler::Serving() const {
  const auto instance = holder_.Get();
  return instance.ok() && (*instance)->replica->health().ok() &&
         KeepsEvidence(**instance);
}

}  // namespace kms::server
