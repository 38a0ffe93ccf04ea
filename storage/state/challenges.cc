// Single use of challenges: the spent set.
// Source: architecture.md, "The release, step by step"; review.md 15, 38.
#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {

bool WellFormed(const ChallengeUse& use, int64_t proposer_clock_us) {
  return use.hash.size() == kSha256Bytes &&
         use.transcript_digest.size() == kTranscriptBytes &&
         use.expires_us > 0 &&
         // Else its spent row would stay for as long as it says.
         use.expires_us <= proposer_clock_us + kChallengeLifetimeUsMax;
}

Effect CheckChallenge(
    const ApplyContext& context, const ChallengeUse& use,
    const std::optional<::storage::v1::SpentChallengeRecord>& spent) {
  if (context.log_time_us() > use.expires_us) {
    return Refused(v1::CHALLENGE_EXPIRED, "challenge: expired by log time");
  }
  if (spent.has_value() &&
      spent->transcript_digest() != use.transcript_digest) {
    return Refused(v1::CHALLENGE_SPENT, "challenge: spent by another request");
  }
  if (!spent.has_value() &&
      context.header.spent_challenges() >= kSpentChallengesMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("challenge: ", kSpentChallengesMax,
                                " are spent and not yet expired"));
  }
  return Effect();
}

absl::Status SpendChallenge(ApplyContext& context, const std::string& hash,
                            const ::storage::v1::SpentChallengeRecord& spent) {
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(SpentRow(hash), spent));
  KMS_RETURN_IF_ERROR(
      context.rows.Put(SpentExpiryRow(spent.expires_us(), hash), ""));
  context.header.set_spent_challenges(context.header.spent_challenges() + 1);
  return absl::OkStatus();
}

}  // namespace kms::storage
