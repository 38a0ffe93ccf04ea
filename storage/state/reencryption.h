// Encrypts rows anew after the storage key was rotated: those under an older
// version than the one that new rows get, a slice at a time, in key order,
// beside whatever Apply writes.
//
// A row's value stays what it is, so neither the row sum nor a digest moves,
// and other instances do not see it. It may be cut short anywhere: a pass that
// begins again finds rows done already by the version that they name, and
// opens only the others.
//
// Not here: key material has an envelope of its own within its row, under the
// version of its time; it changes by a command only.
// Source: architecture.md, "At rest".
// Thread-compatible; used by the thread that applies, for nobody else may write
// a row.
#ifndef STORAGE_STATE_REENCRYPTION_H_
#define STORAGE_STATE_REENCRYPTION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"

namespace kms::storage {

class Reencryption {
 public:
  // Both outlive it.
  Reencryption(Engine& engine, const Envelope& envelope)
      : engine_(engine), envelope_(envelope) {}

  // Whether rows may stand under an older version than the primary one.
  bool wanted() const;

  // Looks at the next `rows` rows. REQUIRES: wanted(), rows > 0.
  // kDataLoss: one does not authenticate as itself. Others: the engine's.
  absl::Status Step(size_t rows);

 private:
  uint32_t Primary() const;

  Engine& engine_;
  const Envelope& envelope_;
  uint32_t done_ = 1;  // No row stands under an older version; the first is 1.
  uint32_t pass_ = 0;  // To this version, of a pass that has begun; 0: none.
  std::string after_;  // The last row key that the pass has seen.
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_REENCRYPTION_H_
