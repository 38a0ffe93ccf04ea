// What happened in a run, as one number: the same seed gives the same.
// Thread-compatible.
#ifndef TESTS_SIMULATION_TRACE_H_
#define TESTS_SIMULATION_TRACE_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace kms::simulation {

class Trace {
 public:
  explicit Trace(bool print) : print_(print) {}

  void SetNow(absl::Duration now) { now_ = now; }

  // Nothing random that is not drawn from the seed may be in it: no digest,
  // nonce or sealed byte.
  template <typename... Parts>
  void Add(const Parts&... parts) {
    const std::string line =
        absl::StrCat(absl::ToInt64Microseconds(now_), " ", parts...);
    for (const char c : line) {
      digest_ = (digest_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    }
    if (print_) std::printf("%s\n", line.c_str());
  }

  uint64_t digest() const { return digest_; }

 private:
  const bool print_;
  absl::Duration now_;
  uint64_t digest_ = 0xcbf29ce484222325;  // FNV-1a's.
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_TRACE_H_
