// Real firmware logs of the shared set: each must replay to the registers that
// its MANIFEST.json states, and those that came with a quote to the registers
// that hardware signed.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/match.h"
#include "policy/event_log/measured.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

using nlohmann::json;
using Signed = std::map<uint32_t, std::string>;

std::optional<json> ReadJson(const std::string& name) {
  const auto text = ReadShared(name);
  if (!text.has_value()) return std::nullopt;
  return json::parse(*text);
}

// {"sha384": {"1": "<hex>"}}, as MANIFEST.json has it.
json ReplayAll(const EventLog& log) {
  json banks = json::object();
  for (size_t i = 0; i < log.banks.size(); ++i) {
    json& registers = banks[std::string(AlgorithmName(log.banks[i].algorithm))];
    registers = json::object();
    for (const auto& [reg, value] : Replay(log, i)) {
      registers[std::to_string(reg)] = Hex(value);
    }
  }
  return banks;
}

// As hardware would have signed them, had it been there.
Signed SignedBy(const EventLog& log, size_t bank, Format format) {
  Signed registers;
  for (const auto& [reg, value] : Replay(log, bank)) {
    registers[reg - LoggedIndex(format, 0)] = value;
  }
  return registers;
}

TEST(RealLogsTest, EachReplaysToItsRegisters) {
  const auto manifest = ReadJson("evidence/MANIFEST.json");
  if (!manifest.has_value()) return;
  int cases = 0;
  for (const json& item : (*manifest)["cases"]) {
    if (item["tee"] != "eventlog") continue;
    const std::string id = item["id"];
    SCOPED_TRACE(id);
    const auto bytes = ReadShared("evidence/" + id + "/event_log.bin");
    ASSERT_TRUE(bytes.has_value());
    const auto log = Parse(AsBytes(*bytes));
    ASSERT_TRUE(log.ok()) << log.status();
    const json& values = item["values"];
    EXPECT_EQ(ReplayAll(*log), values["registers"]);
    if (values.contains("source_test_registers")) {
      for (const auto& [bank, registers] :
           values["source_test_registers"].items()) {
        for (const auto& [reg, value] : registers.items()) {
          const json& ours = values["registers"][bank];
          EXPECT_EQ(ours.value(reg, std::string(96, '0')), value);
        }
      }
    }
    EXPECT_EQ(log->crypto_agile, values["crypto_agile"]);
    EXPECT_EQ(log->events.size(), values["events"]);
    json banks = json::array();
    for (const Bank& bank : log->banks) {
      banks.push_back(std::string(AlgorithmName(bank.algorithm)));
    }
    EXPECT_EQ(banks, values["digest_algs"]);
    EXPECT_EQ(log->startup_locality.has_value() ? json(*log->startup_locality)
                                                : json(nullptr),
              values["startup_locality"]);
    ++cases;
  }
  EXPECT_EQ(cases, 13);
}

TEST(RealLogsTest, EachLeadsToClaimsAboutTheRegistersItReplaysTo) {
  const auto manifest = ReadJson("evidence/MANIFEST.json");
  if (!manifest.has_value()) return;
  for (const json& item : (*manifest)["cases"]) {
    if (item["tee"] != "eventlog") continue;
    const std::string id = item["id"];
    SCOPED_TRACE(id);
    const auto bytes = ReadShared("evidence/" + id + "/event_log.bin");
    const auto log = Parse(AsBytes(*bytes));
    ASSERT_TRUE(log.ok());
    const Format format =
        absl::StrContains(id, "ccel") ? Format::kCcel : Format::kTcg;
    const bool sha384 = log->FindBank(Algorithm::kSha384).has_value();
    const auto bank =
        log->FindBank(sha384 ? Algorithm::kSha384 : Algorithm::kSha256);
    const auto hash = sha384 ? crypto::Hash::kSha384 : crypto::Hash::kSha256;
    if (!bank.has_value()) {
      EXPECT_EQ(RefusalOf(MatchRegisters(*log, hash, format, {}).status()),
                v1::EVIDENCE_UNSUPPORTED);
      continue;
    }
    const Signed registers = SignedBy(*log, *bank, format);
    const auto claims = MatchRegisters(*log, hash, format, registers);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(static_cast<size_t>(claims->registers_size()), registers.size());
    EXPECT_TRUE(claims->has_secure_boot());
  }
}

// The source's own parser marks the events whose data is what was hashed.
TEST(RealLogsTest, TextRulesAgreeWithTheSourcesParser) {
  int events = 0;
  for (const std::string id : {"ccel-grub", "ccel-ovmf"}) {
    SCOPED_TRACE(id);
    const std::string folder = "evidence/eventlog/" + id;
    const auto want = ReadJson(folder + "/parsed_by_source.json");
    const auto bytes = ReadShared(folder + "/event_log.bin");
    if (!want.has_value() || !bytes.has_value()) return;
    const auto log = Parse(AsBytes(*bytes));
    ASSERT_TRUE(log.ok());
    const json& theirs = (*want)["uefi_event_logs"];
    ASSERT_EQ(theirs.size(), log->events.size());
    for (size_t i = 0; i < theirs.size(); ++i) {
      const Event& event = log->events[i];
      EXPECT_EQ(EventTypeName(event.type), theirs[i]["type_name"]);
      EXPECT_EQ(event.index, theirs[i]["index"]);
      EXPECT_EQ(Hex(event.digests[0]), theirs[i]["digests"][0]["digest"]);
      const auto measured = FindMeasured(event, Algorithm::kSha384, 0);
      // It does not know that boot variables are hashed without their name.
      if (event.type != kEvEfiVariableBoot) {
        EXPECT_EQ(measured.has_value(), theirs[i]["digest_matches_event"]);
      }
      const json& details = theirs[i]["details"];
      if (measured.has_value() && measured->variable.has_value()) {
        EXPECT_EQ(measured->variable->name, details["unicode_name"]);
        EXPECT_EQ(measured->variable->data.size(),
                  details["variable_data_length"]);
      } else if (measured.has_value() && details.contains("string")) {
        EXPECT_EQ(measured->text, details["string"]);
      }
      ++events;
    }
  }
  EXPECT_EQ(events, 57);
}

absl::StatusOr<v1::EventLogClaims> MatchCcel(const std::string& id) {
  const auto manifest = ReadJson("evidence/MANIFEST.json");
  const auto bytes = ReadShared("evidence/" + id + "/ccel.bin");
  if (!bytes.has_value()) return absl::NotFoundError(id);
  Signed rtmrs;
  for (const json& item : (*manifest)["cases"]) {
    if (item["id"] != id) continue;
    for (uint32_t i = 0; i < 4; ++i) {
      rtmrs[i] = *Unhex(
          item["values"]["body"][absl::StrCat("rtmr", i)].get<std::string>());
    }
  }
  const auto log = Parse(AsBytes(*bytes));
  if (!log.ok()) return log.status();
  return MatchRegisters(*log, crypto::Hash::kSha384, Format::kCcel, rtmrs);
}

TEST(RealLogsTest, CcelOfADirectBootLeadsToItsQuote) {
  if (!ReadShared("evidence/MANIFEST.json").has_value()) return;
  const auto claims = MatchCcel("tdx/v4-live-with-ccel");
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->format(), "ccel");
  EXPECT_EQ(claims->bank(), "sha384");
  EXPECT_EQ(claims->registers_size(), 3);  // Nothing was measured into RTMR3.
  EXPECT_EQ(claims->event_count(), 20);
  EXPECT_EQ(claims->events_size(), 20);
  EXPECT_TRUE(claims->has_secure_boot());
  EXPECT_FALSE(claims->secure_boot());  // Measured as empty.
  EXPECT_EQ(claims->boot_applications().digests_size(), 1);
  EXPECT_EQ(claims->load_options().size(), 48u);
  EXPECT_EQ(claims->initrd().size(), 48u);
  EXPECT_EQ(claims->kernel_command_line(), "");
}

TEST(RealLogsTest, CcelOfAGrubBootLeadsToItsQuote) {
  if (!ReadShared("evidence/MANIFEST.json").has_value()) return;
  const auto claims = MatchCcel("tdx/v4-gcp-cos113-ccel");
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_TRUE(claims->has_secure_boot());
  EXPECT_FALSE(claims->secure_boot());
  EXPECT_EQ(claims->boot_applications().digests_size(), 2);
  // RTMR2 also has digests of files, among which a line could hide.
  EXPECT_EQ(claims->kernel_command_line(), "");
  EXPECT_TRUE(claims->initrd().empty());
  int lines = 0;
  for (const v1::EventClaims& event : claims->events()) {
    if (absl::StartsWith(event.text(), "/syslinux/vmlinuz.A init=")) ++lines;
  }
  EXPECT_EQ(lines, 1);
}

TEST(RealLogsTest, TcgLogLeadsToThePcrsThatATpmQuoted) {
  const auto pcrs = ReadJson("evidence/tpm/gce-cos85-nonce/pcrs_sha256.json");
  const auto bytes = ReadShared("evidence/tpm/gce-cos85-nonce/event_log.bin");
  if (!pcrs.has_value() || !bytes.has_value()) return;
  Signed registers;
  for (const auto& [reg, value] : (*pcrs)["pcrs"].items()) {
    registers[static_cast<uint32_t>(std::stoul(reg))] =
        *Unhex(value.get<std::string>());
  }
  ASSERT_EQ(registers.size(), 24u);
  const auto log = Parse(AsBytes(*bytes));
  ASSERT_TRUE(log.ok());
  const auto claims =
      MatchRegisters(*log, crypto::Hash::kSha256, Format::kTcg, registers);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->format(), "tcg2");
  // PCR 10 and 17 to 22 were extended outside of this log.
  EXPECT_EQ(claims->registers_size(), 10);
  EXPECT_TRUE(claims->secure_boot());
  EXPECT_TRUE(absl::StartsWith(claims->kernel_command_line(),
                               "/syslinux/vmlinuz.A init="));
  EXPECT_EQ(claims->boot_applications().digests_size(), 3);
}

v1::EventLogClaims ClaimsOf(const std::string& id) {
  const auto bytes = ReadShared("evidence/eventlog/" + id + "/event_log.bin");
  if (!bytes.has_value()) return {};
  const auto log = Parse(AsBytes(*bytes));
  if (!log.ok()) return {};
  const size_t bank = *log->FindBank(Algorithm::kSha256);
  const auto claims = MatchRegisters(*log, crypto::Hash::kSha256, Format::kTcg,
                                     SignedBy(*log, bank, Format::kTcg));
  return claims.value_or(v1::EventLogClaims());
}

TEST(RealLogsTest, BelievesTheCommandLinesOfGrubs) {
  if (!ReadShared("evidence/MANIFEST.json").has_value()) return;
  EXPECT_TRUE(
      absl::StartsWith(ClaimsOf("ubuntu-2404-amd-sevsnp").kernel_command_line(),
                       "/vmlinuz-6.8.0-1010-gcp root=PARTUUID="));
  EXPECT_TRUE(absl::StartsWith(ClaimsOf("rhel8-uefi").kernel_command_line(),
                               "(hd0,gpt2)/boot/vmlinuz-4.18.0"));
  EXPECT_TRUE(
      absl::StartsWith(ClaimsOf("cos-101-amd-sev").kernel_command_line(),
                       "/syslinux/vmlinuz.A init="));
}

TEST(RealLogsTest, BelievesTheSectionsOfAUnifiedKernelImage) {
  if (!ReadShared("evidence/MANIFEST.json").has_value()) return;
  const v1::EventLogClaims claims = ClaimsOf("dstack-gcp-tpm");
  EXPECT_EQ(claims.uki_sections_size(), 6);
  EXPECT_EQ(claims.kernel(), claims.uki_sections().at(".linux"));
  EXPECT_EQ(claims.initrd(), claims.uki_sections().at(".initrd"));
  EXPECT_EQ(claims.uki_sections().count(".cmdline"), 1u);
  EXPECT_EQ(claims.boot_applications().digests_size(), 2);
}

}  // namespace
}  // namespace kms::event_log
