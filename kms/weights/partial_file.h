// An output that appears under its name whole or not at all: it is written as
// NAME.kms-partial, synced, and renamed. What a killed writer left there is
// kept for the next one, who must not believe a byte of it unchecked.
// Thread-compatible; file() may be used by many threads.
#ifndef KMS_WEIGHTS_PARTIAL_FILE_H_
#define KMS_WEIGHTS_PARTIAL_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/weights/file.h"

namespace kms::weights {

class PartialFile {
 public:
  // Opens or makes the partial file of `path`, for this process alone; it can
  // be read by this user only until Commit.
  // kAlreadyExists: `path` exists, and not `overwrite`.
  // kInvalidArgument: `path` or the partial file exists and is not a regular
  // file of this user. kUnavailable: another process is writing it.
  // Others: the system's error.
  static absl::StatusOr<PartialFile> Open(const std::string& path,
                                          bool overwrite);
  PartialFile(PartialFile&&) = default;
  PartialFile& operator=(PartialFile&&) = default;
  ~PartialFile();

  // From here on an end without Commit leaves nothing: no other run could go
  // on from it.
  void DoNotKeep() { keep_ = false; }

  const File& file() const { return file_; }
  // Something was left by an earlier writer.
  bool resumed() const { return resumed_; }

  // Forgets what was left.
  absl::Status Clear();

  // Gives the file `size` bytes, and their disk space where the file system can
  // do that. kResourceExhausted: there is none; a file that was not resumed is
  // removed.
  absl::Status Reserve(uint64_t size);

  // Sets `mode` under the umask, and syncs: what can fail before Commit.
  absl::Status Finish(mode_t mode);

  // Gives the file its name, durably. REQUIRES: Finish succeeded.
  // kAlreadyExists: somebody else made `path` meanwhile, and not `overwrite`.
  absl::Status Commit();

  // Removes the partial file, if it has not got its name: what is in it cannot
  // become right.
  void Remove();

  // `status` of a write, with what to do about a full disk.
  absl::Status Explain(const absl::Status& status) const;

 private:
  PartialFile(File file, File folder, std::string path, std::string name,
              bool overwrite, bool resumed);

  File file_;
  File folder_;
  std::string path_;
  std::string name_;  // Within the folder.
  bool overwrite_;
  bool resumed_;
  bool keep_ = true;
  bool named_ = false;
};

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_PARTIAL_FILE_H_
