// Keeps Evidence, encrypted, by its digest and for a configured time, so that
// an auditor can repeat an appraisal from the log's leaf, the Evidence and the
// state that the leaf names (review.md 12). It stands outside the shared log:
// each instance keeps what it judged itself, and losing it loses no key.
//
// row    := "e" digest[32]               -> envelope of: expires, evidence
//         | "x" expires[8] digest[32]    -> one zero byte
// expires := uint64be                    ; microseconds since 1970 UTC
// Its engine is its own: when that fails, Put refuses and everything else of
// the instance goes on.
// Thread-safe.
#ifndef STORAGE_ARCHIVE_EVIDENCE_ARCHIVE_H_
#define STORAGE_ARCHIVE_EVIDENCE_ARCHIVE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"

namespace kms::storage {

// Put refuses while less than this is free: twice what the local log wants, so
// that a flood of Evidence never takes the room of what holds keys.
inline constexpr uint64_t kArchiveFreeBytesMin = uint64_t{128} << 20;

class EvidenceArchive {
 public:
  // Keeps each piece for `retention`. `engine` outlives the archive; null
  // where it could not be opened.
  EvidenceArchive(Engine* engine, std::shared_ptr<const Envelope> envelope,
                  absl::Duration retention)
      : engine_(engine),
        envelope_(std::move(envelope)),
        retention_(retention) {}

  // Keeps `evidence` under `digest` (32 bytes, its SHA-256). Not synced: a
  // crash may lose the last seconds of Evidence, never a release.
  // kUnavailable: the engine has failed. LIMIT_REACHED: the disk is full.
  absl::Status Put(BytesView digest, BytesView evidence, absl::Time now);

  // kNotFound: never seen here, or pruned. kDataLoss: it does not open.
  absl::StatusOr<std::string> Get(BytesView digest) const;

  // Deletes at most `limit` pieces that expired before `now`, and those of them
  // that do not open any more; returns how many.
  absl::StatusOr<size_t> Prune(absl::Time now, size_t limit);

  // kUnavailable: nothing can be kept any more, until the instance is opened
  // again.
  absl::Status health() const;

 private:
  Engine* const engine_;
  const std::shared_ptr<const Envelope> envelope_;
  const absl::Duration retention_;
};

}  // namespace kms::storage

#endif  // STORAGE_ARCHIVE_EVIDENCE_ARCHIVE_H_
