#include "tools/kmsctl/collateral.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "policy/collateral/limits.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/collateral.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/collateral_verify.h"

namespace kms::kmsctl {
namespace {

using Collaterals = v1::CollateralService::StubInterface;
using Rows = std::vector<std::vector<std::string>>;

struct Options {
  std::string kind;
  std::vector<std::string> files;
  std::string role;
  std::string subject;
};

// Decimal where it fits in 64 bits, else hex.
std::string NumberText(const std::string& number) {
  if (number.empty()) return "-";
  if (number.size() > sizeof(uint64_t)) return absl::StrCat("0x", Hex(number));
  uint64_t value = 0;
  for (const char c : number) value = value << 8 | static_cast<uint8_t>(c);
  return absl::StrCat(value);
}

std::string DaysText(absl::Duration duration) {
  const int64_t hours = absl::ToInt64Hours(duration);
  if (hours < 48 && hours > -48) return absl::StrCat(hours, "h");
  return absl::StrCat(hours / 24, "d");
}

void AddRow(const v1::Collateral& item, Rows& rows) {
  rows.push_back({item.role(), item.subject(), item.title(),
                  NumberText(item.number()), TimeText(item.issued_us()),
                  TimeText(item.next_update_us()),
                  item.principal().empty() ? "(mirror)" : item.principal()});
}

Rows Headings() {
  return {
      {"ROLE", "SUBJECT", "TITLE", "NUMBER", "ISSUED", "NEXT UPDATE", "BY"}};
}

absl::Status Import(Context& context, const Options& options) {
  v1::ImportCollateralRequest request;
  request.set_kind(options.kind);
  for (const std::string& path : options.files) {
    KMS_ASSIGN_OR_RETURN(
        *request.add_files(),
        client::ReadFile(path, policy::kCollateralFileBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(
      const v1::ImportCollateralResponse response,
      (context.Call<v1::CollateralService, v1::ImportCollateralResponse>(
          &Collaterals::ImportCollateral, request)));
  Rows rows = Headings();
  for (const v1::Collateral& item : response.stored()) AddRow(item, rows);
  context.PrintTable(rows, ProtoToJson(response));
  return absl::OkStatus();
}

absl::StatusOr<v1::ListCollateralResponse> All(Context& context) {
  return context.Call<v1::CollateralService, v1::ListCollateralResponse>(
      &Collaterals::ListCollateral, v1::ListCollateralRequest());
}

absl::Status List(Context& context) {
  KMS_ASSIGN_OR_RETURN(const v1::ListCollateralResponse all, All(context));
  Rows rows = Headings();
  for (const v1::Collateral& item : all.collateral()) AddRow(item, rows);
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

// "ok", or what refuses it, or soon will.
std::string StateOf(const v1::Collateral& item, int64_t now_us) {
  constexpr int64_t kSoonUs = int64_t{7} * 24 * 3600 * 1'000'000;
  if (item.next_update_us() != 0 && now_us > item.next_update_us()) {
    return "past its next update";
  }
  if (item.max_age_until_us() != 0 && now_us > item.max_age_until_us()) {
    return "over the maximum age";
  }
  const bool soon = (item.next_update_us() != 0 &&
                     now_us + kSoonUs > item.next_update_us()) ||
                    (item.max_age_until_us() != 0 &&
                     now_us + kSoonUs > item.max_age_until_us());
  return soon ? "due within a week" : "ok";
}

absl::Status Age(Context& context) {
  KMS_ASSIGN_OR_RETURN(const v1::ListCollateralResponse all, All(context));
  const absl::Time now = SystemClock().Now();
  Rows rows = {{"ROLE", "SUBJECT", "TITLE", "AGE", "NEXT UPDATE IN", "STATE"}};
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const v1::Collateral& item : all.collateral()) {
    const std::string state = StateOf(item, absl::ToUnixMicros(now));
    const auto since = [&](int64_t us) {
      return now - absl::FromUnixMicros(us);
    };
    rows.push_back(
        {item.role(), item.subject(), item.title(),
         item.issued_us() == 0 ? "-" : DaysText(since(item.issued_us())),
         item.next_update_us() == 0 ? "-"
                                    : DaysText(-since(item.next_update_us())),
         state});
    json.push_back(
        {{"role", item.role()},
         {"subject", item.subject()},
         {"age_seconds", item.issued_us() == 0
                             ? 0
                             : absl::ToInt64Seconds(since(item.issued_us()))},
         {"state", state}});
  }
  context.PrintTable(rows, {{"collateral", json}});
  return absl::OkStatus();
}

absl::Status Get(Context& context, const Options& options) {
  v1::GetCollateralRequest request;
  request.set_role(options.role);
  request.set_subject(options.subject);
  KMS_ASSIGN_OR_RETURN(const v1::Collateral item,
                       (context.Call<v1::CollateralService, v1::Collateral>(
                           &Collaterals::GetCollateral, request)));
  if (context.json()) {
    context.Print(item);
  } else {
    context.out() << item.content();  // As stored, for a file.
  }
  return absl::OkStatus();
}

absl::Status Remove(Context& context, const Options& options) {
  v1::RemoveCollateralRequest request;
  request.set_role(options.role);
  request.set_subject(options.subject);
  return context
      .Call<v1::CollateralService, v1::RemoveCollateralResponse>(
          &Collaterals::RemoveCollateral, request)
      .status();
}

void AddNameOptions(CLI::App& command, Options& options) {
  command.add_option("role", options.role, "say crl, as list shows it")
      ->required();
  command.add_option("subject", options.subject, "as list shows it")
      ->required();
}

}  // namespace

absl::StatusOr<std::string> CollateralAtAGlance(Context& context) {
  KMS_ASSIGN_OR_RETURN(const v1::ListCollateralResponse all, All(context));
  const int64_t now_us = absl::ToUnixMicros(SystemClock().Now());
  std::map<std::string, int> files;  // By state.
  for (const v1::Collateral& item : all.collateral()) {
    ++files[StateOf(item, now_us)];
  }
  if (files.empty()) return "none stored";
  return absl::StrJoin(files, ", ", [](std::string* out, const auto& state) {
    absl::StrAppend(out, state.second, " ", state.first);
  });
}

void AddCollateralCommands(CLI::App& app, Context& context) {
  CLI::App* collateral =
      app.add_subcommand("collateral",
                         "Vendors' certificates, CRLs, TCB infos, manifests: "
                         "import, list, verify");
  collateral->require_subcommand(1, 1);

  CLI::App* import = collateral->add_subcommand(
      "import", "Verify files and store them; never an older one");
  auto import_options = std::make_shared<Options>();
  import->add_option("kind", import_options->kind, CollateralKindsText())
      ->required();
  import
      ->add_option("files", import_options->files,
                   "the thing itself, its issuer chain, CRLs; in any order")
      ->required();
  context.OnRun(*import, [&context, import_options] {
    return Import(context, *import_options);
  });

  CLI::App* list = collateral->add_subcommand("list", "List what is stored");
  context.OnRun(*list, [&context] { return List(context); });

  CLI::App* age = collateral->add_subcommand(
      "age", "How old it is, and what is refused for it or soon will be");
  context.OnRun(*age, [&context] { return Age(context); });

  CLI::App* get = collateral->add_subcommand("get", "Print one as stored");
  auto get_options = std::make_shared<Options>();
  AddNameOptions(*get, *get_options);
  context.OnRun(*get,
                [&context, get_options] { return Get(context, *get_options); });

  CLI::App* remove = collateral->add_subcommand(
      "remove", "Remove one: what senders bring counts again");
  auto remove_options = std::make_shared<Options>();
  AddNameOptions(*remove, *remove_options);
  context.OnRun(*remove, [&context, remove_options] {
    return Remove(context, *remove_options);
  });

  AddCollateralVerifyCommand(*collateral, context);
}

}  // namespace kms::kmsctl
