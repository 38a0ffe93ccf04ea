// simtee: a simulated TEE for trials without hardware.
//
//   simtee init   --dir D [--product genoa] [--vlek]
//   simtee report --dir D --report-data HEX --out DIR [--debug] ...
//
//   simtee tdx-init  --dir D [--sgx]
//   simtee tdx-quote --dir D --report-data HEX --out DIR [--debug] ...
//
//   simtee gpu-init   --dir D [--chip GH100]
//   simtee gpu-report --dir D --nonce HEX --out DIR
//
// `init` makes a machine; D/simulated-snp-ark.pem is the anchor to configure.
// `report` writes an evidence bundle into DIR. The others do the same for
// Intel, with D/simulated-tdx-root.pem or D/simulated-sgx-root.pem, and for
// NVIDIA, with D/simulated-gpu-root.pem and D/simulated-gpu-rim-root.pem.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"
#include "policy/bundle/bundle.h"
#include "tools/simtee/gpu_commands.h"
#include "tools/simtee/snp.h"
#include "tools/simtee/tdx_commands.h"

namespace {

namespace fs = std::filesystem;
using kms::sev_snp::Product;
using kms::simtee::SimulatedSnp;

struct InitOptions {
  std::string dir;
  std::string product = "genoa";
  bool vlek = false;
  int rsa_bits = 4096;
};

struct ReportOptions {
  std::string dir, out, report_data, measurement, host_data;
  kms::simtee::SnpGuest guest;
  bool debug = false;
};

absl::Status WriteFile(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path.string(), ": cannot write"));
}

absl::Status Init(const InitOptions& options) {
  std::error_code error;
  fs::create_directories(options.dir, error);
  fs::permissions(options.dir, fs::perms::owner_all, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.dir, ": cannot make"));
  }
  if (fs::exists(fs::path(options.dir) / "leaf_key.der", error)) {
    return absl::OkStatus();  // Made before: keep its root.
  }
  kms::simtee::SnpOptions snp;
  snp.product = options.product == "milan"   ? Product::kMilan
                : options.product == "turin" ? Product::kTurin
                                             : Product::kGenoa;
  snp.kind = options.vlek ? kms::sev_snp::SigningKey::kVlek
                          : kms::sev_snp::SigningKey::kVcek;
  snp.rsa_bits = options.rsa_bits;
  // A day back, for verifiers whose clock is behind.
  snp.not_before =
      absl::FromUnixSeconds(absl::ToUnixSeconds(kms::SystemClock().Now())) -
      absl::Hours(24);
  snp.not_after = snp.not_before + absl::Hours(24 * 365 * 7);
  return SimulatedSnp::Create(snp).Save(options.dir);
}

// `hex` into `out`; its length must be `size` bytes. Empty leaves `out` alone.
absl::Status ReadHex(const char* flag, const std::string& hex, size_t size,
                     std::string* out) {
  if (hex.empty()) return absl::OkStatus();
  KMS_ASSIGN_OR_RETURN(*out, kms::Unhex(hex));
  if (out->size() == size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": ", out->size(), " bytes, want ", size));
}

absl::Status Report(ReportOptions options) {
  KMS_ASSIGN_OR_RETURN(const SimulatedSnp snp, SimulatedSnp::Load(options.dir));
  std::string report_data;
  KMS_RETURN_IF_ERROR(
      ReadHex("--report-data", options.report_data, 64, &report_data));
  KMS_RETURN_IF_ERROR(ReadHex("--measurement", options.measurement, 48,
                              &options.guest.measurement));
  KMS_RETURN_IF_ERROR(
      ReadHex("--host-data", options.host_data, 32, &options.guest.host_data));
  if (options.debug) options.guest.policy |= kms::sev_snp::kPolicyDebug;
  std::error_code error;
  fs::create_directories(options.out, error);
  const fs::path out(options.out);
  const std::string leaf = snp.vlek() ? "vlek" : "vcek";
  const std::string report =
      snp.Sign(snp.MakeReport(kms::AsBytes(report_data), options.guest));
  KMS_RETURN_IF_ERROR(WriteFile(out / "report.bin", report));
  KMS_RETURN_IF_ERROR(WriteFile(out / (leaf + ".der"), snp.leaf().der()));
  KMS_RETURN_IF_ERROR(WriteFile(out / "cert_chain.pem", snp.CertChainPem()));
  kms::policy::BundleIndex index;
  index.evidence.push_back({.type = kms::v1::SEV_SNP,
                            .files = {{"evidence", "report.bin"},
                                      {leaf, leaf + ".der"},
                                      {"cert_chain", "cert_chain.pem"}}});
  return WriteFile(out / "bundle.json", BundleIndexToJson(index));
}

int Finish(const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "simtee: %s\n", std::string(status.message()).c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("simtee: a simulated TEE, for trials without hardware");
  app.require_subcommand(1);
  int exit_code = 0;

  InitOptions init;
  CLI::App* init_command = app.add_subcommand("init", "Make a machine");
  init_command->add_option("--dir", init.dir, "Its folder")->required();
  init_command->add_option("--product", init.product, "milan, genoa or turin")
      ->check(CLI::IsMember({"milan", "genoa", "turin"}));
  init_command->add_flag("--vlek", init.vlek, "Sign with a VLEK");
  init_command->add_option("--rsa-bits", init.rsa_bits, "AMD uses 4096")
      ->check(CLI::Range(2048, 4096));
  init_command->callback([&] { exit_code = Finish(Init(init)); });

  ReportOptions report;
  CLI::App* report_command =
      app.add_subcommand("report", "Write an evidence bundle");
  report_command->add_option("--dir", report.dir, "The machine")->required();
  report_command->add_option("--out", report.out, "The bundle's folder")
      ->required();
  report_command
      ->add_option("--report-data", report.report_data, "64 bytes in hex")
      ->required();
  report_command->add_option("--measurement", report.measurement,
                             "48 bytes in hex");
  report_command->add_option("--host-data", report.host_data,
                             "32 bytes in hex");
  report_command->add_option("--report-version", report.guest.version)
      ->check(CLI::Range(2, 5));
  report_command->add_option("--guest-svn", report.guest.guest_svn);
  report_command->add_option("--vmpl", report.guest.vmpl)
      ->check(CLI::Range(0, 3));
  report_command->add_option("--policy", report.guest.policy,
                             "The raw guest policy");
  report_command->add_flag("--debug", report.debug, "Set the debug bit");
  report_command->callback([&] { exit_code = Finish(Report(report)); });

  const auto finish = [&](const absl::Status& status) {
    exit_code = Finish(status);
  };
  kms::simtee::AddTdxCommands(app, finish);
  kms::simtee::AddGpuCommands(app, finish);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
