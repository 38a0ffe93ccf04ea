#include "kms/weights/kms_weights.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/secret.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/weights/limits.h"
#include "kms/weights/reader.h"

struct kms_weights {
  kms::weights::Reader reader;
};

namespace {

using kms::weights::Expectation;
using kms::weights::Reader;
using kms::weights::UnverifiedFile;

int CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return KMS_WEIGHTS_OK;
    case absl::StatusCode::kOutOfRange:
      return KMS_WEIGHTS_USAGE;
    case absl::StatusCode::kInvalidArgument:
      return KMS_WEIGHTS_MALFORMED;
    case absl::StatusCode::kFailedPrecondition:
      return KMS_WEIGHTS_OTHER_KEY;
    case absl::StatusCode::kUnauthenticated:
      return KMS_WEIGHTS_NOT_AUTHENTIC;
    default:
      return KMS_WEIGHTS_SYSTEM;
  }
}

int Fail(int code, absl::string_view message, char* error, size_t error_size) {
  if (error != nullptr && error_size > 0) {
    const size_t size = std::min(message.size(), error_size - 1);
    message.copy(error, size);
    error[size] = '\0';
  }
  return code;
}

// Runs `body`; no exception (of an empty heap, say) crosses into C.
template <typename Body>
int Guarded(char* error, size_t error_size, Body body) {
  try {
    return body();
  } catch (const std::exception& e) {
    return Fail(KMS_WEIGHTS_SYSTEM, e.what(), error, error_size);
  }
}

absl::StatusOr<Reader> Open(const char* path, kms::BytesView key,
                            const Expectation& expected) {
  KMS_ASSIGN_OR_RETURN(const kms::Secret data_key,
                       kms::Secret::CopyOf(key, kms::GrantSecretAccess()));
  KMS_ASSIGN_OR_RETURN(UnverifiedFile file, UnverifiedFile::Open(path));
  return Reader::Create(std::move(file), data_key, expected);
}

}  // namespace

int kms_weights_open(const char* path, const uint8_t* key, size_t key_size,
                     const kms_weights_expected* expected, kms_weights** file,
                     char* error, size_t error_size) {
  if (file == nullptr) {
    return Fail(KMS_WEIGHTS_USAGE, "file: null", error, error_size);
  }
  *file = nullptr;
  if (path == nullptr || key == nullptr || expected == nullptr ||
      expected->name_space == nullptr || expected->name == nullptr) {
    return Fail(KMS_WEIGHTS_USAGE, "path, key, expected or a name in it: null",
                error, error_size);
  }
  if (key_size < kms::weights::kDataKeySizeMin ||
      key_size > kms::weights::kDataKeySizeMax) {
    return Fail(KMS_WEIGHTS_USAGE, "key: want 32 to 4096 bytes", error,
                error_size);
  }
  const bool any_version = (expected->any & KMS_WEIGHTS_ANY_VERSION) != 0;
  const bool any_artifact = (expected->any & KMS_WEIGHTS_ANY_ARTIFACT) != 0;
  if (any_version != (expected->version == 0) ||
      any_artifact != (expected->artifact_digest == nullptr) ||
      (expected->any & ~(KMS_WEIGHTS_ANY_VERSION | KMS_WEIGHTS_ANY_ARTIFACT)) !=
          0) {
    return Fail(KMS_WEIGHTS_USAGE,
                "expected: give a version or ANY_VERSION, and an artifact "
                "digest or ANY_ARTIFACT",
                error, error_size);
  }
  return Guarded(error, error_size, [&] {
    Expectation want{.name_space = expected->name_space,
                     .name = expected->name,
                     .version = {},
                     .artifact_digest = {}};
    if (!any_version) want.version = expected->version;
    if (!any_artifact) {
      want.artifact_digest =
          kms::ToString({expected->artifact_digest, KMS_WEIGHTS_DIGEST_SIZE});
    }
    absl::StatusOr<Reader> reader = Open(path, {key, key_size}, want);
    if (!reader.ok()) {
      return Fail(CodeOf(reader.status()), reader.status().message(), error,
                  error_size);
    }
    *file = new kms_weights{*std::move(reader)};
    return int{KMS_WEIGHTS_OK};
  });
}

int kms_weights_get_info(const kms_weights* file, kms_weights_info* info) {
  if (file == nullptr || info == nullptr) return KMS_WEIGHTS_USAGE;
  const kms::weights::Header& header = file->reader.header();
  info->name_space = header.key.name_space.c_str();
  info->name = header.key.name.c_str();
  info->version = header.key.version;
  info->segment_size = uint32_t{1} << header.segment_log2;
  info->size = header.size;
  const std::string& digest = file->reader.artifact_digest();
  std::copy(digest.begin(), digest.end(), info->artifact_digest);
  return KMS_WEIGHTS_OK;
}

int kms_weights_read_at(const kms_weights* file, uint64_t offset, void* buffer,
                        size_t size, char* error, size_t error_size) {
  if (file == nullptr || (buffer == nullptr && size > 0)) {
    return Fail(KMS_WEIGHTS_USAGE, "file or buffer: null", error, error_size);
  }
  const absl::Span<uint8_t> out(static_cast<uint8_t*>(buffer), size);
  const int code = Guarded(error, error_size, [&] {
    const absl::Status status = file->reader.ReadAt(offset, out);
    return status.ok()
               ? int{KMS_WEIGHTS_OK}
               : Fail(CodeOf(status), status.message(), error, error_size);
  });
  if (code != KMS_WEIGHTS_OK) kms::Wipe(out);
  return code;
}

void kms_weights_close(kms_weights* file) { delete file; }
