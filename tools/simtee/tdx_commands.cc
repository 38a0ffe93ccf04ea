#include "tools/simtee/tdx_commands.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"
#include "policy/bundle/bundle.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/log_writer.h"
#include "policy/event_log/replay.h"
#include "tools/simtee/tdx.h"

namespace kms::simtee {
namespace {

namespace fs = std::filesystem;

struct InitOptions {
  std::string dir;
  bool sgx = false;
  bool processor_ca = false;
};

struct QuoteOptions {
  std::string dir, out, report_data, mrtd, mrenclave;
  TdxGuest guest;
  bool td10 = false;
  bool debug = false;
  bool event_log = false;
};

absl::Status MakeFolder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(folder, ": cannot make"));
}

absl::Status Init(const InitOptions& options) {
  KMS_RETURN_IF_ERROR(MakeFolder(options.dir));
  std::error_code error;
  fs::permissions(options.dir, fs::perms::owner_all, error);
  if (fs::exists(fs::path(options.dir) / "attestation_key.der", error)) {
    return absl::OkStatus();  // Made before: keep its root.
  }
  TdxOptions tdx;
  tdx.tee = options.sgx ? dcap::TeeKind::kSgx : dcap::TeeKind::kTdx;
  tdx.platform_ca = !options.processor_ca;
  // A day back, for verifiers whose clock is behind.
  tdx.not_before =
      absl::FromUnixSeconds(absl::ToUnixSeconds(SystemClock().Now())) -
      absl::Hours(24);
  tdx.not_after = tdx.not_before + absl::Hours(24 * 365 * 7);
  return SimulatedTdx::Create(tdx).Save(options.dir);
}

// `hex` into `out`, of `size` bytes. Empty leaves `out` alone.
absl::Status ReadHex(const char* flag, const std::string& hex, size_t size,
                     std::string* out) {
  if (hex.empty()) return absl::OkStatus();
  KMS_ASSIGN_OR_RETURN(*out, Unhex(hex));
  if (out->size() == size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": ", out->size(), " bytes, want ", size));
}

// The CCEL of a boot with Secure Boot and one image, which is the kernel. Gives
// `guest` the registers that it leads to.
absl::StatusOr<std::string> Boot(TdxGuest& guest) {
  using event_log::Algorithm;
  // EFI_GLOBAL_VARIABLE, as it lies in memory.
  KMS_ASSIGN_OR_RETURN(const std::string guid,
                       Unhex("61dfe48bca93d211aa0d00e098032b8c"));
  event_log::LogWriter log({Algorithm::kSha384});
  // Registers count from 1 here.
  log.Add(1, event_log::kEvEfiVariableDriverConfig,
          event_log::VariableData(guid, "SecureBoot", "\1"));
  log.Add(1, event_log::kEvSeparator, std::string(4, '\0'));
  log.Add(2, event_log::kEvEfiBootServicesApplication, "MZ simulated kernel",
          "a path");
  KMS_ASSIGN_OR_RETURN(const event_log::EventLog parsed,
                       event_log::Parse(AsBytes(log.bytes())));
  const event_log::Registers registers = event_log::Replay(parsed, 0);
  for (uint32_t i = 0; i < guest.rtmr.size(); ++i) {
    const auto found = registers.find(i + 1);
    guest.rtmr[i] =
        found == registers.end() ? std::string(48, '\0') : found->second;
  }
  return log.bytes();
}

absl::Status WriteBundle(const v1::Evidence& evidence,
                         const std::string& folder) {
  KMS_RETURN_IF_ERROR(MakeFolder(folder));
  policy::BundlePiece piece;
  piece.type = evidence.type();
  for (const v1::EvidenceFile& file : evidence.files()) {
    const fs::path path = fs::path(folder) / file.role();
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream << file.content();
    stream.close();
    if (!stream) {
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), ": cannot write"));
    }
    piece.files.push_back({file.role(), file.role()});
  }
  policy::BundleIndex index;
  index.evidence.push_back(piece);
  std::ofstream stream(fs::path(folder) / "bundle.json");
  stream << BundleIndexToJson(index);
  stream.close();
  if (stream) return absl::OkStatus();
  return absl::InvalidArgumentError("bundle.json: cannot write");
}

absl::Status Quote(QuoteOptions options) {
  KMS_ASSIGN_OR_RETURN(const SimulatedTdx machine,
                       SimulatedTdx::Load(options.dir));
  std::string report_data;
  KMS_RETURN_IF_ERROR(
      ReadHex("--report-data", options.report_data, 64, &report_data));
  if (machine.tee() == dcap::TeeKind::kSgx) {
    SgxEnclave enclave;
    KMS_RETURN_IF_ERROR(
        ReadHex("--mrenclave", options.mrenclave, 32, &enclave.mrenclave));
    if (options.debug) enclave.attributes |= dcap::kSgxDebug;
    return WriteBundle(machine.AttestSgx(AsBytes(report_data), enclave),
                       options.out);
  }
  KMS_RETURN_IF_ERROR(ReadHex("--mrtd", options.mrtd, 48, &options.guest.mrtd));
  options.guest.is_15 = !options.td10;
  if (options.debug) options.guest.attributes |= dcap::kTdDebug;
  std::string log;
  if (options.event_log) {
    KMS_ASSIGN_OR_RETURN(log, Boot(options.guest));
  }
  v1::Evidence evidence = machine.Attest(AsBytes(report_data), options.guest);
  if (options.event_log) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role("event_log");
    file->set_content(log);
  }
  return WriteBundle(evidence, options.out);
}

}  // namespace

void AddTdxCommands(CLI::App& app,
                    const std::function<void(const absl::Status&)>& finish) {
  auto init = std::make_shared<InitOptions>();
  CLI::App* init_command =
      app.add_subcommand("tdx-init", "Make a TDX or SGX machine");
  init_command->add_option("--dir", init->dir, "Its folder")->required();
  init_command->add_flag("--sgx", init->sgx, "Quote enclaves, not TDs");
  init_command->add_flag("--processor-ca", init->processor_ca,
                         "One package: its PCK is of the processor CA");
  init_command->callback([init, finish] { finish(Init(*init)); });

  auto quote = std::make_shared<QuoteOptions>();
  CLI::App* quote_command =
      app.add_subcommand("tdx-quote", "Write an evidence bundle with a quote");
  quote_command->add_option("--dir", quote->dir, "The machine")->required();
  quote_command->add_option("--out", quote->out, "The bundle's folder")
      ->required();
  quote_command
      ->add_option("--report-data", quote->report_data, "64 bytes in hex")
      ->required();
  quote_command->add_option("--mrtd", quote->mrtd, "48 bytes in hex");
  quote_command->add_option("--mrenclave", quote->mrenclave,
                            "32 bytes in hex, of an SGX machine");
  quote_command->add_option("--quote-version", quote->guest.version)
      ->check(CLI::Range(4, 5));
  quote_command->add_flag("--td10", quote->td10, "A TD 1.0 report");
  quote_command->add_flag("--event-log", quote->event_log,
                          "With its firmware's log");
  quote_command->add_flag("--debug", quote->debug, "A debug TD or enclave");
  quote_command->callback([quote, finish] { finish(Quote(*quote)); });
}

}  // namespace kms::simtee
