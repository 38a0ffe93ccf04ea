#include "tools/simtee/gpu_commands.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"
#include "policy/bundle/bundle.h"
#include "policy/nvidia/report.h"
#include "tools/simtee/gpu.h"

namespace kms::simtee {
namespace {

namespace fs = std::filesystem;

struct ReportOptions {
  std::string dir, out, nonce;
  bool no_manifests = false;
};

absl::Status MakeFolder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(folder, ": cannot make"));
}

absl::Status WriteFile(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path.string(), ": cannot write"));
}

absl::Status Init(const std::string& dir, const GpuOptions& base) {
  KMS_RETURN_IF_ERROR(MakeFolder(dir));
  std::error_code error;
  fs::permissions(dir, fs::perms::owner_all, error);
  if (fs::exists(fs::path(dir) / "gpu_chain.pem", error)) {
    return absl::OkStatus();  // Made before: keep its roots.
  }
  GpuOptions options = base;
  // A day back, for verifiers whose clock is behind.
  options.not_before =
      absl::FromUnixSeconds(absl::ToUnixSeconds(SystemClock().Now())) -
      absl::Hours(24);
  options.not_after = options.not_before + absl::Hours(24 * 365 * 7);
  return SimulatedGpu::Create(options).Save(dir);
}

absl::Status Report(const ReportOptions& options) {
  KMS_ASSIGN_OR_RETURN(const SimulatedGpu gpu, SimulatedGpu::Load(options.dir));
  KMS_ASSIGN_OR_RETURN(const std::string nonce, Unhex(options.nonce));
  if (nonce.size() != nvidia::kNonceBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--nonce: ", nonce.size(), " bytes, want ", nvidia::kNonceBytes));
  }
  KMS_RETURN_IF_ERROR(MakeFolder(options.out));
  const v1::Evidence evidence = gpu.Attest(AsBytes(nonce));
  policy::BundlePiece piece;
  piece.type = evidence.type();
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (options.no_manifests &&
        (file.role() == "rim_driver" || file.role() == "rim_vbios")) {
      continue;
    }
    KMS_RETURN_IF_ERROR(
        WriteFile(fs::path(options.out) / file.role(), file.content()));
    piece.files.push_back({file.role(), file.role()});
  }
  policy::BundleIndex index;
  index.evidence.push_back(piece);
  return WriteFile(fs::path(options.out) / "bundle.json",
                   BundleIndexToJson(index));
}

}  // namespace

void AddGpuCommands(CLI::App& app,
                    const std::function<void(const absl::Status&)>& finish) {
  auto dir = std::make_shared<std::string>();
  auto gpu = std::make_shared<GpuOptions>();
  CLI::App* init =
      app.add_subcommand("gpu-init", "Make an NVIDIA GPU or NVSwitch");
  init->add_option("--dir", *dir, "Its folder")->required();
  init->add_option("--chip", gpu->chip, "GH100, GB100, or LS10 for a switch")
      ->check(CLI::IsMember({"GH100", "GB100", "LS10"}));
  init->add_option("--driver", gpu->driver_version, "As in 550.90.07");
  init->add_option("--vbios", gpu->vbios_version, "As in 96.00.9F.00.01");
  init->add_flag("--debug", gpu->debug, "A debug device, with --chip GB100");
  init->callback([dir, gpu, finish] { finish(Init(*dir, *gpu)); });

  auto report = std::make_shared<ReportOptions>();
  CLI::App* report_command = app.add_subcommand(
      "gpu-report", "Write an evidence bundle with a GPU's report");
  report_command->add_option("--dir", report->dir, "The device")->required();
  report_command->add_option("--out", report->out, "The bundle's folder")
      ->required();
  report_command->add_option("--nonce", report->nonce, "32 bytes in hex")
      ->required();
  report_command->add_flag("--no-manifests", report->no_manifests,
                           "Without the manifests of driver and VBIOS");
  report_command->callback([report, finish] { finish(Report(*report)); });
}

}  // namespace kms::simtee
