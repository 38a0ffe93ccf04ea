#include "kms/attester/make_attester.h"

#include "kms/attester/command_attester.h"
#include "kms/attester/tsm_attester.h"

namespace kms::attester {
namespace {

constexpr absl::string_view kSnp = "sev-snp";
constexpr absl::string_view kTdx = "tdx";

}  // namespace

bool IsBuiltIn(absl::string_view name) { return name == kSnp || name == kTdx; }

std::unique_ptr<Attester> MakeAttester(const AttesterOptions& options) {
  if (!options.command.empty()) {
    return std::make_unique<CommandAttester>(options.command, options.timeout,
                                             DefaultScratch());
  }
  if (options.built_in.empty()) return nullptr;
  return std::make_unique<TsmAttester>(
      options.built_in == kTdx ? v1::TDX : v1::SEV_SNP, std::string(kTsmRoot),
      std::string(kCcelPath), &TsmAttester::MakeKernelFolder);
}

}  // namespace kms::attester
