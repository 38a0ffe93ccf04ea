// Short forms for absl::Status plumbing.
#ifndef KMS_BASE_STATUS_H_
#define KMS_BASE_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function if `expr` (an absl::Status) is not OK.
#define KMS_RETURN_IF_ERROR(expr)              \
  do {                                         \
    absl::Status kms_status_ = (expr);         \
    if (!kms_status_.ok()) return kms_status_; \
  } while (false)

// Declares or assigns `lhs` from a StatusOr, or returns its error:
//   KMS_ASSIGN_OR_RETURN(const Report report, ParseReport(bytes));
#define KMS_ASSIGN_OR_RETURN(lhs, expr) \
  KMS_ASSIGN_OR_RETURN_(KMS_CONCAT_(kms_or_, __LINE__), lhs, expr)
#define KMS_ASSIGN_OR_RETURN_(tmp, lhs, expr)    \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)
#define KMS_CONCAT_(a, b) KMS_CONCAT2_(a, b)
#define KMS_CONCAT2_(a, b) a##b

#endif  // KMS_BASE_STATUS_H_
