// Whole files at once, on all cores, in constant memory: encrypt, decrypt and
// verify. Each can be killed at any time and run again; encrypt and decrypt
// then go on from what is there, after checking every byte of it.
// Source: format.h. Thread-safe: free functions.
#ifndef KMS_WEIGHTS_TRANSFER_H_
#define KMS_WEIGHTS_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/secret.h"
#include "kms/weights/format.h"
#include "kms/weights/reader.h"

namespace kms::weights {

struct TransferOptions {
  unsigned threads = 0;    // 0: one for each processor.
  bool overwrite = false;  // The output, if there is one.
  // Called by many threads at once, after each segment, with its size.
  std::function<void(uint64_t bytes)> progress;
};

struct Transferred {
  Header header;
  std::string artifact_digest;  // 32 bytes.
  uint64_t segments_kept = 0;   // By an earlier run that was ended.
};

struct EncryptOptions : TransferOptions {
  std::function<void(uint64_t size)> begin;  // Called once, before the work.
  uint8_t segment_log2 = 0;  // 0: SegmentLog2For the file's size.
  // Called once, when the output is whole and on the disk but has not got its
  // name; a failure is Encrypt's, and then it never gets it.
  std::function<absl::Status(const Transferred&)> before_commit;
  // The data key is lost when this run ends, so that no other could go on: a
  // failure leaves nothing.
  bool one_time_key = false;
};

// All of these: kInvalidArgument: a file is not a regular one, or the data key
// or an option is out of bounds. PartialFile's codes for the output.
// kResourceExhausted: no space, no memory; nothing stands under the output's
// name. Others: errno's.

// Encrypts `input` under `data_key`, called `key`, to `output` (0644 under the
// umask). kAborted: the input changed meanwhile.
absl::StatusOr<Transferred> Encrypt(const std::string& input,
                                    const std::string& output,
                                    const Secret& data_key, const KeyName& key,
                                    const EncryptOptions& options);

// Decrypts the file of `reader` to `output` (0600). kUnauthenticated: the file
// is damaged; no plaintext remains, not even in a partial file.
absl::StatusOr<Transferred> Decrypt(const Reader& reader,
                                    const std::string& output,
                                    const TransferOptions& options);

// Compares every segment with its digest. That says as much as the artifact
// digest is worth to the caller. kUnauthenticated: it is not the file's.
absl::Status VerifyDigests(const UnverifiedFile& file,
                           const TransferOptions& options);

// The same, and authenticates every segment.
absl::Status Verify(const Reader& reader, const TransferOptions& options);

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_TRANSFER_H_
