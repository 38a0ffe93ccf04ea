#include "kms/attester/tsm_attester.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/file.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"

namespace kms::attester {
namespace {

// The kernel's own bounds: TSM_INBLOB_MAX, TSM_OUTBLOB_MAX, and for the
// certificate table the largest that Linux asks the host for.
constexpr size_t kReportDataBytes = 64;
constexpr size_t kOutblobBytesMax = 32 * 1024;
constexpr size_t kAuxblobBytesMax = 64 * 1024;
constexpr size_t kEventLogBytesMax = 1024 * 1024;  // A file of Evidence.
constexpr size_t kWordBytesMax = 256;

// In one write, as configfs demands, to an attribute that must be there.
absl::Status WriteAttribute(const std::string& path, BytesView bytes) {
  const Fd attribute(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!attribute.valid()) return ErrnoError("open", path);
  const ssize_t put = write(attribute.get(), bytes.data(), bytes.size());
  if (put < 0) return ErrnoError("write", path);
  if (static_cast<size_t>(put) != bytes.size()) {
    return absl::InternalError(absl::StrCat(path, ": short write"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWord(const std::string& path) {
  KMS_ASSIGN_OR_RETURN(const std::string line, ReadFile(path, kWordBytesMax));
  return std::string(absl::StripSuffix(line, "\n"));
}

}  // namespace

absl::Status TsmAttester::MakeKernelFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) return ErrnoError("mkdir", path);
  return absl::OkStatus();
}

absl::StatusOr<v1::EvidenceBundle> TsmAttester::Attest(BytesView report_data) {
  if (report_data.size() != kReportDataBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("report data: ", report_data.size(), " bytes, want 64"));
  }
  const std::string folder =
      absl::StrCat(root_, "/kms-attester-", Hex(crypto::RandomString(8)));
  KMS_RETURN_IF_ERROR(make_folder_(folder));
  const auto remove_folder =
      absl::MakeCleanup([&folder] { rmdir(folder.c_str()); });

  KMS_ASSIGN_OR_RETURN(const std::string provider,
                       ReadWord(folder + "/provider"));
  const absl::string_view want = type_ == v1::TDX ? "tdx_guest" : "sev_guest";
  if (provider != want) {
    return absl::FailedPreconditionError(
        absl::StrCat("tsm report: the provider is not ", want));
  }
  KMS_RETURN_IF_ERROR(WriteAttribute(folder + "/inblob", report_data));
  KMS_ASSIGN_OR_RETURN(std::string report,
                       ReadFile(folder + "/outblob", kOutblobBytesMax));
  // Optional: a host that has no table leaves it empty, a firmware may have no
  // log.
  const absl::StatusOr<std::string> more =
      type_ == v1::TDX ? ReadFile(event_log_, kEventLogBytesMax)
                       : ReadFile(folder + "/auxblob", kAuxblobBytesMax);
  // "The value in this attribute increments each time @inblob or any option is
  // written": more than our one write means that the report is somebody's.
  KMS_ASSIGN_OR_RETURN(const std::string generation,
                       ReadWord(folder + "/generation"));
  if (generation != "1") {
    return absl::AbortedError("tsm report: written to by somebody else");
  }

  v1::EvidenceBundle bundle;
  v1::Evidence& evidence = *bundle.add_evidence();
  evidence.set_type(type_);
  v1::EvidenceFile& file = *evidence.add_files();
  file.set_role("evidence");
  file.set_content(std::move(report));
  if (more.ok() && !more->empty()) {
    v1::EvidenceFile& second = *evidence.add_files();
    second.set_role(type_ == v1::TDX ? "event_log" : "cert_table");
    second.set_content(*more);
  }
  return bundle;
}

}  // namespace kms::attester
