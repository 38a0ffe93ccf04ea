// An Attester that is a program: a vendor's tool, a script around one, or a
// simulator. It is run as
//
//   PROGRAM REPORT_DATA_HEX OUT_DIR GPU_NONCE_HEX
//
// and writes an evidence bundle (bundle.json and the files that it names) into
// OUT_DIR, a fresh folder that only this user may enter. A CPU TEE signs the
// report data, a TPM its first 32 bytes, each GPU the nonce. Exit code 0 means
// that the bundle is there.
#ifndef KMS_ATTESTER_COMMAND_ATTESTER_H_
#define KMS_ATTESTER_COMMAND_ATTESTER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/attester/attester.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::attester {

class CommandAttester : public Attester {
 public:
  // `program`: an absolute path. `scratch`: the folder to make OUT_DIR in.
  CommandAttester(std::string program, absl::Duration timeout,
                  std::string scratch)
      : program_(std::move(program)),
        timeout_(timeout),
        scratch_(std::move(scratch)) {}

  absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) override;

 private:
  const std::string program_;
  const absl::Duration timeout_;
  const std::string scratch_;
};

// The first of /run, /dev/shm and /tmp that this user may write to: memory
// where there is some. Evidence is no secret, only short-lived.
std::string DefaultScratch();

}  // namespace kms::attester

#endif  // KMS_ATTESTER_COMMAND_ATTESTER_H_
