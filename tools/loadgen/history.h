// Releases while instances fail: each client has all addresses, keeps to the
// one that answered last, and asks the next one the same request when that does
// not answer. What became of each release is one line of JSON, so that whoever
// made the faults can compare it with the audit log (tools/cluster/chaos).
// Not thread-safe.
#ifndef TOOLS_LOADGEN_HISTORY_H_
#define TOOLS_LOADGEN_HISTORY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/loadgen/workload.h"
#include "tools/simtee/snp.h"

namespace kms::loadgen {

struct HistoryOptions {
  std::vector<std::string> addresses;  // At least one.
  std::string ca;                      // PEM.
  std::string key;                     // The key's name.
  int clients = 1;
  absl::Duration duration;
  absl::Duration call_timeout;
  absl::Duration pause;  // Of each client, between two releases.
};

// Runs the clients and writes to standard output, a line a release:
//   {"start_us","end_us"  Unix time
//    "code"      OK (receipt and key verified), or why not
//    "known"     false: it may stand in the log all the same
//    "client","instance"  numbers from 0: whose, and where it asked last
//    "key_id","version","leaf","transcript"   only with OK
//    "duel"}     a second code: every eighth release is sent twice at once,
//                to two instances, with one challenge for two recipients. Two
//                times OK is a broken promise.
// A release that fails is no error; not being able to write is.
absl::Status RecordHistory(const HistoryOptions& options,
                           const simtee::SimulatedSnp& attester,
                           const Pins& pins);

}  // namespace kms::loadgen

#endif  // TOOLS_LOADGEN_HISTORY_H_
