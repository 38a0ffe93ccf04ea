// What a firmware event log may lie about. Each row is a log that leads to its
// registers but for the named way, and has one code; or is accepted, and what
// it lies about is not in the Claims.
#include "policy/event_log/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/limits.h"
#include "policy/event_log/log_writer.h"
#include "policy/event_log/match.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

using Signed = std::map<uint32_t, std::string>;

constexpr uint32_t kEvEfiAction = 0x80000007;
constexpr uint32_t kEvPlatformConfigFlags = 0x0000000a;
const std::string kSeparator(4, '\0');
const std::string kCommandLine = "/vmlinuz-6.1 root=/dev/vda1 ro";

std::string GlobalGuid() { return *Unhex("61dfe48bca93d211aa0d00e098032b8c"); }
std::string SecureBoot(char value) {
  return VariableData(GlobalGuid(), "SecureBoot", std::string(1, value));
}
std::string Tagged(uint32_t tag, absl::string_view text) {
  return ByteWriter()
      .U32Le(tag)
      .U32Le(static_cast<uint32_t>(text.size()))
      .Bytes(text)
      .Take();
}

// One event of a log under construction; rows change lists of them.
struct Line {
  uint32_t index;
  uint32_t type;
  std::string hashed;
  std::string data;
};
using Lines = std::vector<Line>;

Line Plain(uint32_t index, uint32_t type, const std::string& data) {
  return {index, type, data, data};
}

// A TPM's log: Secure Boot, shim and a kernel, GRUB's commands.
Lines GrubBoot() {
  Lines lines = {
      Plain(7, kEvEfiVariableDriverConfig, SecureBoot(1)),
      Plain(7, kEvEfiVariableDriverConfig,
            VariableData(GlobalGuid(), "PK", "a key")),
      Plain(4, kEvEfiAction, "Calling EFI Application from Boot Option"),
  };
  for (uint32_t pcr = 0; pcr < 8; ++pcr) {
    lines.push_back(Plain(pcr, kEvSeparator, kSeparator));
  }
  lines.push_back({4, kEvEfiBootServicesApplication, "MZ shim", "a path"});
  lines.push_back({9, kEvIpl, "a file", "/grub.cfg"});
  lines.push_back({8, kEvIpl, "set timeout=0", "grub_cmd: set timeout=0"});
  lines.push_back(
      {8, kEvIpl, "linux " + kCommandLine, "grub_cmd: linux " + kCommandLine});
  lines.push_back({4, kEvEfiBootServicesApplication, "MZ kernel", "a path"});
  lines.push_back(
      {8, kEvIpl, kCommandLine, "kernel_cmdline: " + kCommandLine + '\0'});
  return lines;
}

// A TPM's log of a unified kernel image.
Lines UkiBoot() {
  Lines lines = {Plain(7, kEvEfiVariableDriverConfig, SecureBoot(0))};
  for (uint32_t pcr = 0; pcr < 8; ++pcr) {
    lines.push_back(Plain(pcr, kEvSeparator, kSeparator));
  }
  lines.push_back({4, kEvEfiBootServicesApplication, "MZ uki", "a path"});
  for (const std::string section : {".linux", ".cmdline", ".initrd"}) {
    lines.push_back({11, kEvIpl, section + '\0', Utf16Data(section)});
    lines.push_back({11, kEvIpl, "content of " + section, Utf16Data(section)});
  }
  return lines;
}

// A TD's log of a kernel that its firmware started directly.
Lines TdBoot() {
  return {
      Plain(1, kEvEfiVariableDriverConfig, SecureBoot(1)),
      Plain(1, kEvSeparator, kSeparator),
      {1, kEvPlatformConfigFlags, "tables from the host", "ACPI DATA"},
      {2, kEvEfiBootServicesApplication, "MZ kernel", "a path"},
      Plain(2, kEvEfiAction, "Exit Boot Services Invocation"),
      {3, kEvEventTag, "options", Tagged(0x8f3b22ed, "LoadOptions")},
      {3, kEvEventTag, "initrd", Tagged(0x8f3b22ec, "Linux initrd")},
  };
}

std::string Write(const Lines& lines) {
  LogWriter writer({Algorithm::kSha256, Algorithm::kSha384});
  for (const Line& line : lines) {
    if (line.type == kEvNoAction) {
      writer.AddNoAction(line.index, line.data);
    } else {
      writer.Add(line.index, line.type, line.hashed, line.data);
    }
  }
  return writer.bytes();
}

// What hardware signs of a machine that measured `lines`: all its registers.
Signed SignedBy(const Lines& lines, Format format, uint8_t locality = 0) {
  Signed registers;
  const uint32_t count = format == Format::kTcg ? 24 : 4;
  for (uint32_t reg = 0; reg < count; ++reg) {
    registers[reg] = std::string(48, '\0');
  }
  registers[0].back() = static_cast<char>(locality);
  for (const Line& line : lines) {
    if (line.type == kEvNoAction) continue;
    std::string& value = registers[line.index - LoggedIndex(format, 0)];
    value =
        crypto::Sha384(AsBytes(value + crypto::Sha384(AsBytes(line.hashed))));
  }
  return registers;
}

absl::StatusOr<v1::EventLogClaims> Match(const std::string& bytes,
                                         Format format,
                                         const Signed& registers) {
  const auto log = Parse(AsBytes(bytes));
  if (!log.ok()) return log.status();
  return MatchRegisters(*log, crypto::Hash::kSha384, format, registers);
}

// `lie` sent where `truth` was measured.
absl::StatusOr<v1::EventLogClaims> Lie(const Lines& truth, const Lines& lie,
                                       Format format = Format::kTcg) {
  return Match(Write(lie), format, SignedBy(truth, format));
}
v1::RefusalCode CodeOfLie(const Lines& truth, const Lines& lie,
                          Format format = Format::kTcg) {
  return RefusalOf(Lie(truth, lie, format).status());
}
// Measured and sent as it is.
absl::StatusOr<v1::EventLogClaims> Honest(const Lines& lines,
                                          Format format = Format::kTcg) {
  return Lie(lines, lines, format);
}

Lines Without(Lines lines, size_t i) {
  lines.erase(lines.begin() + static_cast<ptrdiff_t>(i));
  return lines;
}
Lines With(Lines lines, Line line) {
  lines.push_back(std::move(line));
  return lines;
}
size_t IndexOf(const Lines& lines, const std::string& hashed) {
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].hashed == hashed) return i;
  }
  ADD_FAILURE() << "no such line";
  return 0;
}

// ---------------------------------------------------------------------------
// The honest logs that the rows are changed from

TEST(EventLogTest, HonestLogsGiveTheirClaims) {
  const auto grub = Honest(GrubBoot());
  ASSERT_TRUE(grub.ok()) << grub.status();
  EXPECT_EQ(grub->kernel_command_line(), kCommandLine);
  EXPECT_TRUE(grub->has_secure_boot());
  EXPECT_TRUE(grub->secure_boot());
  EXPECT_EQ(grub->registers_size(), 10);
  ASSERT_EQ(grub->boot_applications().digests_size(), 2);
  EXPECT_EQ(grub->boot_applications().digests(0),
            crypto::Sha384(AsBytes("MZ shim")));
  EXPECT_EQ(grub->boot_applications().digests(1),
            crypto::Sha384(AsBytes("MZ kernel")));
  EXPECT_TRUE(grub->initrd().empty());

  const auto uki = Honest(UkiBoot());
  ASSERT_TRUE(uki.ok()) << uki.status();
  EXPECT_TRUE(uki->has_secure_boot());
  EXPECT_FALSE(uki->secure_boot());
  EXPECT_EQ(uki->uki_sections_size(), 3);
  EXPECT_EQ(uki->kernel(), crypto::Sha384(AsBytes("content of .linux")));
  EXPECT_EQ(uki->initrd(), crypto::Sha384(AsBytes("content of .initrd")));
  EXPECT_EQ(uki->boot_phase(), "");

  const auto td = Honest(TdBoot(), Format::kCcel);
  ASSERT_TRUE(td.ok()) << td.status();
  EXPECT_EQ(td->format(), "ccel");
  EXPECT_EQ(td->bank(), "sha384");
  EXPECT_TRUE(td->secure_boot());
  EXPECT_EQ(td->load_options(), crypto::Sha384(AsBytes("options")));
  EXPECT_EQ(td->initrd(), crypto::Sha384(AsBytes("initrd")));
}

TEST(EventLogTest, PaddingOfBothKindsIsNoEvent) {
  const Signed registers = SignedBy(TdBoot(), Format::kCcel);
  for (const char pad : {'\x00', '\xff'}) {
    const std::string padded = Write(TdBoot()) + std::string(1000, pad);
    EXPECT_TRUE(Match(padded, Format::kCcel, registers).ok());
    EXPECT_EQ(RefusalOf(Match(padded + "x", Format::kCcel, registers).status()),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(RefusalOf(Match(Write(TdBoot()) + std::string(1000, 'x'),
                            Format::kCcel, registers)
                          .status()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(RefusalOf(Match(Write(TdBoot()) + std::string(8, '\0') +
                                std::string(8, '\xff'),
                            Format::kCcel, registers)
                          .status()),
            v1::EVIDENCE_MALFORMED);
}

// ---------------------------------------------------------------------------
// D17, E11: digests

TEST(EventLogTest, RefusesWhatDoesNotLeadToTheRegisters) {
  const Lines truth = GrubBoot();
  // An event too few, too many, in another's place, in another register.
  for (size_t i = 0; i < truth.size(); ++i) {
    EXPECT_EQ(CodeOfLie(truth, Without(truth, i)), v1::EVIDENCE_INCONSISTENT);
    Lines moved = truth;
    moved[i].index = moved[i].index == 5 ? 6 : 5;
    EXPECT_EQ(CodeOfLie(truth, moved), v1::EVIDENCE_INCONSISTENT);
  }
  EXPECT_EQ(CodeOfLie(truth, With(truth, Plain(14, kEvIpl, "extra"))),
            v1::EVIDENCE_INCONSISTENT);
  Lines swapped = truth;
  std::swap(swapped[0], swapped[1]);
  EXPECT_EQ(CodeOfLie(truth, swapped), v1::EVIDENCE_INCONSISTENT);
  Lines twice = truth;
  twice.insert(twice.begin(), truth[0]);
  EXPECT_EQ(CodeOfLie(truth, twice), v1::EVIDENCE_INCONSISTENT);
}

TEST(EventLogTest, RefusesALogWithoutTheEventsOfAnExtendedRegister) {
  Lines lie;
  for (const Line& line : GrubBoot()) {
    if (line.index != 8) lie.push_back(line);
  }
  EXPECT_EQ(CodeOfLie(GrubBoot(), lie), v1::EVIDENCE_INCONSISTENT);
  Lines td;
  for (const Line& line : TdBoot()) {
    if (line.index != 3) td.push_back(line);
  }
  EXPECT_EQ(CodeOfLie(TdBoot(), td, Format::kCcel), v1::EVIDENCE_INCONSISTENT);
}

TEST(EventLogTest, EveryTruncationIsRefused) {
  for (const auto& [lines, format] :
       {std::make_pair(GrubBoot(), Format::kTcg),
        std::make_pair(TdBoot(), Format::kCcel)}) {
    const std::string bytes = Write(lines);
    const Signed registers = SignedBy(lines, format);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const v1::RefusalCode code =
          RefusalOf(Match(bytes.substr(0, size), format, registers).status());
      EXPECT_TRUE(code == v1::EVIDENCE_MALFORMED ||
                  code == v1::EVIDENCE_INCONSISTENT)
          << size;
    }
  }
}

TEST(EventLogTest, RefusesABankThatTheLogDoesNotHave) {
  LogWriter writer({Algorithm::kSha1, Algorithm::kSha384});
  writer.Add(14, kEvIpl, "text");
  const auto log = Parse(AsBytes(writer.bytes()));
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(
      RefusalOf(MatchRegisters(*log, crypto::Hash::kSha256, Format::kTcg, {})
                    .status()),
      v1::EVIDENCE_UNSUPPORTED);
}

TEST(EventLogTest, AnotherBanksDigestsDecideNothing) {
  // Right text under SHA-256, which was not what the hardware signed.
  LogWriter writer({Algorithm::kSha256, Algorithm::kSha384});
  const std::string believed = crypto::Sha384(AsBytes("evil"));
  const std::string other = crypto::Sha256(AsBytes("good"));
  writer.Add({.index = 14,
              .type = kEvIpl,
              .digests = {AsBytes(other), AsBytes(believed)},
              .data = AsBytes("good")});
  const auto claims =
      Match(writer.bytes(), Format::kTcg,
            {{14, crypto::Sha384(AsBytes(std::string(48, '\0') + believed))}});
  ASSERT_TRUE(claims.ok()) << claims.status();
  ASSERT_EQ(claims->events_size(), 1);
  EXPECT_EQ(claims->events(0).text(), "");
  EXPECT_EQ(claims->events(0).digest(), believed);
}

TEST(EventLogTest, RefusesRegistersThatThereAreNot) {
  EXPECT_EQ(CodeOfLie(GrubBoot(), With(GrubBoot(), Plain(24, kEvIpl, "x"))),
            v1::EVIDENCE_MALFORMED);
  for (const uint32_t index : {0u, 5u}) {
    EXPECT_EQ(CodeOfLie(TdBoot(), With(TdBoot(), Plain(index, kEvIpl, "x")),
                        Format::kCcel),
              v1::EVIDENCE_MALFORMED);
  }
}

TEST(EventLogTest, ClaimsNothingAboutRegistersThatWereNotSigned) {
  Signed registers = SignedBy(GrubBoot(), Format::kTcg);
  for (const uint32_t reg : {4u, 7u, 8u}) registers.erase(reg);
  const auto claims = Match(Write(GrubBoot()), Format::kTcg, registers);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_FALSE(claims->has_secure_boot());
  EXPECT_EQ(claims->kernel_command_line(), "");
  // No rule may hold of images because nobody signed where they are measured.
  EXPECT_FALSE(claims->has_boot_applications());
  for (const uint32_t reg : {2u, 4u}) {
    Signed without = SignedBy(GrubBoot(), Format::kTcg);
    without.erase(reg);
    const auto partly = Match(Write(GrubBoot()), Format::kTcg, without);
    ASSERT_TRUE(partly.ok()) << partly.status();
    EXPECT_FALSE(partly->has_boot_applications());
  }
  for (const v1::EventClaims& event : claims->events()) {
    EXPECT_NE(event.index(), 7u);
  }
}

// ---------------------------------------------------------------------------
// What software extends after the log was closed

TEST(EventLogTest, LeavesOutRegistersOfRunTime) {
  const Lines uki = UkiBoot();
  for (const uint32_t reg : {10u, 11u, 15u, 16u, 23u}) {
    const Lines truth = With(uki, Plain(reg, kEvIpl, "at run time"));
    const auto claims = Lie(truth, uki);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(
        std::count(claims->registers().begin(), claims->registers().end(), reg),
        0);
    EXPECT_EQ(claims->kernel().empty(), reg == 11);
  }
  const auto td = Lie(With(TdBoot(), Plain(4, kEvIpl, "at run time")), TdBoot(),
                      Format::kCcel);
  ASSERT_TRUE(td.ok()) << td.status();
  EXPECT_EQ(td->registers_size(), 3);
}

TEST(EventLogTest, FollowsThePhasesOfSystemd) {
  const Lines uki = UkiBoot();
  Lines truth = uki;
  for (const std::string phase :
       {"enter-initrd", "leave-initrd", "sysinit", "ready"}) {
    truth.push_back(Plain(11, kEvIpl, phase));
    const auto claims = Lie(truth, uki);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->boot_phase(), phase);
    EXPECT_FALSE(claims->kernel().empty());
  }
  const auto late = Lie(With(uki, Plain(11, kEvIpl, "sysinit")), uki);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late->boot_phase(), "sysinit");
  // They are PCR 11's alone: another that goes on changing has none.
  const Lines ima = With(uki, Plain(10, kEvIpl, "ima"));
  const auto other = Lie(With(ima, Plain(10, kEvIpl, "sysinit")), ima);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->boot_phase(), "");
  const auto disorder = Lie(With(uki, Plain(11, kEvIpl, "ready")), uki);
  ASSERT_TRUE(disorder.ok());
  EXPECT_EQ(disorder->boot_phase(), "");
  EXPECT_TRUE(disorder->kernel().empty());
}

// ---------------------------------------------------------------------------
// D17: right digests, forged text and labels

TEST(EventLogTest, ForgedTextIsNotClaimed) {
  Lines lie = GrubBoot();
  lie[IndexOf(lie, "set timeout=0")].data = "grub_cmd: set timeout=9";
  const auto claims = Lie(GrubBoot(), lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  for (const v1::EventClaims& event : claims->events()) {
    EXPECT_EQ(event.text().find("timeout"), std::string::npos);
  }
  // Nor is the command line any more: it could be the unread event.
  EXPECT_EQ(claims->kernel_command_line(), "");
}

// What is there beside GRUB's lines must be read, or be a separator.
TEST(EventLogTest, ReadsAllOfPcr8OrNone) {
  const auto line = [](const std::string& beside) {
    return Honest(With(GrubBoot(), Plain(8, kEvSeparator, beside)))
        ->kernel_command_line();
  };
  EXPECT_EQ(line(kSeparator), kCommandLine);
  EXPECT_EQ(line("text"), kCommandLine);
  EXPECT_EQ(line(std::string("\x01\x00", 2)), "");
  EXPECT_EQ(line(""), "");
}

TEST(EventLogTest, ForgedCommandLineIsNotClaimed) {
  const std::string evil = "/vmlinuz-6.1 root=/dev/evil";
  Lines truth = GrubBoot();
  Line& line = truth.back();
  line.hashed = evil;
  line.data = "kernel_cmdline: " + evil;
  Lines lie = truth;
  lie.back().data = "kernel_cmdline: " + kCommandLine;
  const auto claims = Lie(truth, lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->kernel_command_line(), "");
}

// Whoever writes GRUB's script can have it measure the line that he wishes it
// were, as a command that fails.
TEST(EventLogTest, RelabelledCommandIsNoCommandLine) {
  const std::string evil = "/vmlinuz-6.1 root=/dev/evil";
  Lines truth = GrubBoot();
  truth.back() = {8, kEvIpl, evil, "kernel_cmdline: " + evil};
  const size_t bait = IndexOf(truth, "set timeout=0");
  truth[bait] = {8, kEvIpl, kCommandLine, "grub_cmd: " + kCommandLine};
  Lines lie = truth;
  lie[bait].data = "kernel_cmdline: " + kCommandLine;
  for (const std::string& hidden :
       {"grub_cmd: " + evil, "kernel_cmdline: " + evil, std::string("a file"),
        evil}) {
    lie.back().data = hidden;
    const auto claims = Lie(truth, lie);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->kernel_command_line(), "");
  }
}

// GRUB also loads from a device, and from blocks that are no file at all.
TEST(EventLogTest, ACommandLineNeedNotStartWithAPath) {
  for (const std::string evil :
       {"(hd0)10+2000 root=/dev/evil", "10+2000 root=/dev/evil"}) {
    Lines truth = GrubBoot();
    truth.back() = {8, kEvIpl, evil, "kernel_cmdline: " + evil};
    const size_t bait = IndexOf(truth, "set timeout=0");
    truth[bait] = {8, kEvIpl, kCommandLine, "grub_cmd: " + kCommandLine};
    Lines lie = truth;
    lie[bait].data = "kernel_cmdline: " + kCommandLine;
    lie.back().data = "grub_cmd: " + evil;
    const auto claims = Lie(truth, lie);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->kernel_command_line(), "");
  }
}

TEST(EventLogTest, ATdsCommandLineCanHideAmongItsFiles) {
  Lines lines = TdBoot();
  lines.push_back({3, kEvIpl, kCommandLine, "kernel_cmdline: " + kCommandLine});
  const auto claims = Honest(lines, Format::kCcel);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->kernel_command_line(), "");
  EXPECT_EQ(claims->events(7).text(), kCommandLine);
  // With a third event, nobody knows which of them were the stub's.
  EXPECT_TRUE(claims->initrd().empty());
  EXPECT_TRUE(claims->load_options().empty());
}

TEST(EventLogTest, TheStubsTagsCountOnlyWithoutABootLoader) {
  Lines lines = GrubBoot();
  lines.erase(lines.begin() + static_cast<ptrdiff_t>(IndexOf(lines, "a file")));
  lines.push_back({9, kEvEventTag, "o", Tagged(0x8f3b22ed, "LoadOptions")});
  lines.push_back({9, kEvEventTag, "i", Tagged(0x8f3b22ec, "Linux initrd")});
  const auto grub = Honest(lines);
  ASSERT_TRUE(grub.ok()) << grub.status();
  EXPECT_TRUE(grub->initrd().empty());

  Lines direct;
  for (const Line& line : lines) {
    if (line.index != 8) direct.push_back(line);
  }
  const auto claims = Honest(direct);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->initrd(), crypto::Sha384(AsBytes("i")));
  // Where PCR 8 was not signed, GRUB may have been there.
  Signed registers = SignedBy(direct, Format::kTcg);
  registers.erase(8);
  const auto unsaid = Match(Write(direct), Format::kTcg, registers);
  ASSERT_TRUE(unsaid.ok()) << unsaid.status();
  EXPECT_TRUE(unsaid->initrd().empty());

  // One event there is the command line only if it says so, as what it is.
  Lines other = direct;
  other.pop_back();
  EXPECT_FALSE(Honest(other)->load_options().empty());
  other.back().type = kEvIpl;
  EXPECT_TRUE(Honest(other)->load_options().empty());
  other.back() = {9, kEvEventTag, "i", Tagged(0x8f3b22ec, "Linux initrd")};
  EXPECT_TRUE(Honest(other)->load_options().empty());
  // Nor is it anything beside an event that is no initrd.
  other = direct;
  other.back().type = kEvIpl;
  EXPECT_TRUE(Honest(other)->load_options().empty());
  EXPECT_TRUE(Honest(other)->initrd().empty());

  Lines swapped = direct;
  std::swap(swapped[swapped.size() - 1].data, swapped[swapped.size() - 2].data);
  const auto lie = Lie(direct, swapped);
  ASSERT_TRUE(lie.ok()) << lie.status();
  EXPECT_TRUE(lie->initrd().empty());
  EXPECT_TRUE(lie->load_options().empty());
}

TEST(EventLogTest, AnImageCannotHideBehindAnotherType) {
  for (const uint32_t type :
       {kEvEfiAction, kEvIpl, kEvSeparator, 0x80000006u}) {
    Lines lie = GrubBoot();
    lie[IndexOf(lie, "MZ shim")].type = type;
    const auto claims = Lie(GrubBoot(), lie);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->boot_applications().digests_size(), 2);
  }
  // Nor by carrying all of itself, so that its data is what was measured.
  for (const std::string& image :
       {std::string("MZ\0\0image", 9), Utf16Data("MZ made to be UTF-16")}) {
    Lines truth = GrubBoot();
    truth[IndexOf(truth, "MZ shim")].hashed = image;
    Lines lie = truth;
    lie[IndexOf(lie, image)].data = image;
    lie[IndexOf(lie, image)].type = kEvEfiAction;
    const auto claims = Lie(truth, lie);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->boot_applications().digests_size(), 2);
  }
}

// What an image is measured by is the hash of its parts without its signature,
// so a host can put those where a rule looks for a variable's data, under a
// GUID that starts as a partition table does.
TEST(EventLogTest, AnImageCannotHideInAVariableAsAPartitionTable) {
  const std::string image("MZ\0\0image", 9);
  Lines truth = GrubBoot();
  truth[IndexOf(truth, "MZ shim")].hashed = image;
  Lines lie = truth;
  Line& hidden = lie[IndexOf(lie, image)];
  hidden.type = kEvEfiVariableBoot;
  hidden.data = VariableData("EFI PARTxxxxxxxx", "Boot0001", image);
  const auto claims = Lie(truth, lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->boot_applications().digests_size(), 2);
  // A table that was measured whole is no image.
  const auto table = Honest(
      With(GrubBoot(), Plain(4, 0x80000006, std::string("EFI PART\0", 9))));
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->boot_applications().digests_size(), 2);
}

TEST(EventLogTest, ForgedSectionNamesAreNotClaimed) {
  const Lines truth = UkiBoot();
  Lines lie = truth;
  // The content of .linux given out as that of .initrd, and so on.
  for (Line& line : lie) {
    if (line.index == 11) line.data = Utf16Data(".initrd");
  }
  const auto claims = Lie(truth, lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->uki_sections_size(), 0);
  EXPECT_TRUE(claims->kernel().empty());
  EXPECT_TRUE(claims->initrd().empty());

  // Someone measured before the stub did.
  Lines late = truth;
  late.insert(late.begin(), {11, kEvIpl, "before", "before"});
  const auto after = Honest(late);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->uki_sections_size(), 0);

  // One section twice.
  Lines twice = truth;
  twice.push_back(
      {11, kEvIpl, std::string(".linux\0", 7), Utf16Data(".linux")});
  twice.push_back({11, kEvIpl, "another", Utf16Data(".linux")});
  const auto unclear = Honest(twice);
  ASSERT_TRUE(unclear.ok()) << unclear.status();
  EXPECT_TRUE(unclear->kernel().empty());
}

TEST(EventLogTest, AVariablesNameCountsOnlyWhereItWasMeasured) {
  const std::string data = VariableData(GlobalGuid(), "Boot0001", "content");
  Lines lines = GrubBoot();
  lines.insert(lines.begin(), {1, kEvEfiVariableBoot, "content", data});
  const auto claims = Honest(lines);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->events(0).text(), "");
  EXPECT_EQ(claims->events(0).value(), "content");
  // Its data alone is never what a driver configuration variable measures.
  lines[0].type = kEvEfiVariableDriverConfig;
  EXPECT_EQ(Honest(lines)->events(0).value(), "");
  // All of it is.
  lines[0].hashed = data;
  EXPECT_EQ(Honest(lines)->events(0).text(),
            "Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c");
}

// ---------------------------------------------------------------------------
// E11: Secure Boot and separators

TEST(EventLogTest, SecureBootCountsOnlyAsFirmwareMeasuredIt) {
  const Lines truth = GrubBoot();
  const auto off = [](Lines lines) {
    lines[0] = Plain(7, kEvEfiVariableDriverConfig, SecureBoot(0));
    return lines;
  };
  // The value changed in the data.
  Lines lie = off(truth);
  lie[0].data = SecureBoot(1);
  auto claims = Lie(off(truth), lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_FALSE(claims->has_secure_boot());

  // Malware extends "on" once the machine is its own, and hides the first.
  const Lines extended =
      With(off(truth), Plain(7, kEvEfiVariableDriverConfig, SecureBoot(1)));
  lie = extended;
  lie[0].data = "nothing";
  claims = Lie(extended, lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_FALSE(claims->has_secure_boot());

  // It extends a separator too, and calls firmware's own something else.
  const Lines again = With(extended, Plain(7, kEvSeparator, kSeparator));
  lie = again;
  lie[0].data = "nothing";
  for (Line& line : lie) {
    if (line.index == 7 && line.type == kEvSeparator) line.type = kEvIpl;
  }
  lie.back().type = kEvSeparator;
  claims = Lie(again, lie);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_FALSE(claims->has_secure_boot());

  // Another type, another vendor's variable, another register.
  for (const uint32_t type : {kEvEfiVariableAuthority, kEvIpl}) {
    lie = truth;
    lie[0].type = type;
    claims = Lie(truth, lie);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->has_secure_boot());
  }
  Lines other = truth;
  other[0] = Plain(7, kEvEfiVariableDriverConfig,
                   VariableData(std::string(16, 'x'), "SecureBoot", "\x01"));
  EXPECT_FALSE(Honest(other)->has_secure_boot());
  other = truth;
  other[0].index = 1;
  EXPECT_FALSE(Honest(other)->has_secure_boot());
  other = truth;
  other[0] = Plain(7, kEvEfiVariableDriverConfig, SecureBoot(2));
  EXPECT_FALSE(Honest(other)->has_secure_boot());
  // Nor where a file has the bytes of one that does.
  other.insert(other.begin(), Plain(7, kEvPlatformConfigFlags, SecureBoot(1)));
  EXPECT_FALSE(Honest(other)->has_secure_boot());
  // Another's variable of the same name is none of firmware's.
  other = truth;
  other.insert(other.begin(),
               Plain(7, kEvEfiVariableDriverConfig,
                     VariableData(std::string(16, 'x'), "SecureBoot", "\x01")));
  ASSERT_TRUE(Honest(other).ok());
  EXPECT_TRUE(Honest(other)->has_secure_boot());
}

// A host chooses files that a TD's firmware measures, and may put the variable
// into one. Firmware's own does not go away by being called something else.
TEST(EventLogTest, AHostsFileIsNotSecureBoot) {
  Lines truth = TdBoot();
  for (const std::string& own :
       {SecureBoot(0), SecureBoot(1),
        VariableData(GlobalGuid(), "SecureBoot", "")}) {
    truth[0] = Plain(1, kEvEfiVariableDriverConfig, own);
    Lines measured = truth;
    measured.insert(measured.begin(),
                    {1, kEvPlatformConfigFlags, SecureBoot(1), "a file"});
    Lines lie = measured;
    lie[0] = Plain(1, kEvEfiVariableDriverConfig, SecureBoot(1));
    lie[1].type = kEvPlatformConfigFlags;
    lie[1].data = "a file";
    const auto claims = Lie(measured, lie, Format::kCcel);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->has_secure_boot());
  }
}

TEST(EventLogTest, RefusesSecureBootTwice) {
  Lines lines = GrubBoot();
  lines.insert(lines.begin(), lines[0]);
  EXPECT_EQ(CodeOfLie(lines, lines), v1::EVIDENCE_INCONSISTENT);
  const Lines late =
      With(GrubBoot(), Plain(7, kEvEfiVariableDriverConfig, SecureBoot(0)));
  EXPECT_EQ(CodeOfLie(late, late), v1::EVIDENCE_INCONSISTENT);
}

TEST(EventLogTest, RefusesFirmwaresPcrsWithoutASeparator) {
  const Lines lines = GrubBoot();
  for (const uint32_t pcr : {4u, 7u}) {
    Lines without;
    for (const Line& line : lines) {
      if (line.index != pcr || line.type != kEvSeparator) {
        without.push_back(line);
      }
    }
    EXPECT_EQ(CodeOfLie(without, without), v1::EVIDENCE_INCONSISTENT);
  }
  // An error's separator is none.
  Lines error = lines;
  for (Line& line : error) {
    if (line.index == 4 && line.type == kEvSeparator) {
      line.hashed = line.data = std::string("\x01\0\0\0", 4);
    }
  }
  EXPECT_EQ(CodeOfLie(error, error), v1::EVIDENCE_INCONSISTENT);
  Lines ones = lines;
  for (Line& line : ones) {
    if (line.type == kEvSeparator) line.hashed = std::string(4, '\xff');
  }
  EXPECT_TRUE(Honest(ones).ok());
  // A TD's RTMR1 has none in practice; its Secure Boot is not believed
  // without one.
  const auto td = Honest(Without(TdBoot(), 1), Format::kCcel);
  ASSERT_TRUE(td.ok()) << td.status();
  EXPECT_FALSE(td->has_secure_boot());
}

// ---------------------------------------------------------------------------
// E11: EV_NO_ACTION

TEST(EventLogTest, NoActionIsNotMeasured) {
  Lines lines = GrubBoot();
  lines.insert(lines.begin(), {7, kEvNoAction, "", SecureBoot(1)});
  lines.insert(lines.begin(), {0xffffffff, kEvNoAction, "", "anything"});
  const auto claims = Honest(lines);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->event_count(), GrubBoot().size());
  // An event that was measured cannot become one that was not, or the other
  // way round.
  Lines lie = GrubBoot();
  lie[0].type = kEvNoAction;
  EXPECT_EQ(CodeOfLie(GrubBoot(), lie), v1::EVIDENCE_INCONSISTENT);
}

TEST(EventLogTest, StartupLocalityIsPcr0sInitialValue) {
  for (const uint8_t locality : std::initializer_list<uint8_t>{0, 3, 4}) {
    Lines lines = GrubBoot();
    lines.insert(lines.begin(),
                 {0, kEvNoAction, "", StartupLocalityData(locality)});
    const Signed registers = SignedBy(lines, Format::kTcg, locality);
    EXPECT_TRUE(Match(Write(lines), Format::kTcg, registers).ok());
    const Signed others =
        SignedBy(lines, Format::kTcg, static_cast<uint8_t>(locality ^ 3));
    EXPECT_EQ(RefusalOf(Match(Write(lines), Format::kTcg, others).status()),
              v1::EVIDENCE_INCONSISTENT);
  }
}

// A register in which nothing but its initial value was ever stated has no
// separator to miss.
TEST(EventLogTest, AcceptsARegisterThatNothingWasMeasuredTo) {
  Lines lines = {{0, kEvNoAction, "", StartupLocalityData(3)}};
  for (const Line& line : GrubBoot()) {
    if (line.index != 0) lines.push_back(line);
  }
  const auto claims =
      Match(Write(lines), Format::kTcg, SignedBy(lines, Format::kTcg, 3));
  EXPECT_TRUE(claims.ok()) << claims.status();
}

TEST(EventLogTest, RefusesTricksWithStartupLocality) {
  const Line said = {0, kEvNoAction, "", StartupLocalityData(3)};
  const auto code = [](Lines lines, size_t at, Line line) {
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(at), std::move(line));
    return CodeOfLie(lines, lines);
  };
  Lines once = GrubBoot();
  once.insert(once.begin(), said);
  EXPECT_EQ(code(once, 0, said), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(code(GrubBoot(), GrubBoot().size(), said), v1::EVIDENCE_MALFORMED);
  for (const uint8_t locality : std::initializer_list<uint8_t>{1, 2, 5, 255}) {
    EXPECT_EQ(code(GrubBoot(), 0,
                   {0, kEvNoAction, "", StartupLocalityData(locality)}),
              v1::EVIDENCE_MALFORMED);
  }
  Line elsewhere = said;
  elsewhere.index = 7;
  EXPECT_EQ(code(GrubBoot(), 0, elsewhere), v1::EVIDENCE_MALFORMED);
  Line longer = said;
  longer.data += '\0';
  EXPECT_EQ(code(GrubBoot(), 0, longer), v1::EVIDENCE_MALFORMED);
  Lines td = TdBoot();
  td.insert(td.begin(), said);
  EXPECT_EQ(CodeOfLie(TdBoot(), td, Format::kCcel), v1::EVIDENCE_MALFORMED);
}

// ---------------------------------------------------------------------------
// A5, A6: sizes and counts that the sender chose

std::string Patched(std::string bytes, size_t at, uint32_t value) {
  return bytes.replace(at, 4, ByteWriter().U32Le(value).Take());
}

TEST(EventLogTest, RefusesHugeCountsAndSizes) {
  const std::string bytes = Write(GrubBoot());
  constexpr size_t kHeaderSize = 28, kAlgorithmCount = 32 + 24;
  constexpr size_t kFirstEvent = 32 + 37;
  constexpr size_t kDigestCount = kFirstEvent + 8;
  constexpr size_t kDataSize = kFirstEvent + 12 + 2 + 32 + 2 + 48;
  for (const size_t at :
       {kHeaderSize, kAlgorithmCount, kDigestCount, kDataSize}) {
    for (const uint32_t value : {0xffffffffu, 0x7fffffffu, 0x10000000u}) {
      EXPECT_EQ(RefusalOf(Parse(AsBytes(Patched(bytes, at, value))).status()),
                v1::EVIDENCE_MALFORMED)
          << at;
    }
  }
  EXPECT_EQ(
      RefusalOf(Parse(AsBytes(Patched(bytes, kAlgorithmCount, 0))).status()),
      v1::EVIDENCE_MALFORMED);
}

TEST(EventLogTest, RefusesTooManyEventsAndBytes) {
  LogWriter writer({Algorithm::kSha256});
  for (size_t i = 0; i < kEventsMax; ++i) writer.Add(14, kEvIpl, "x");
  EXPECT_TRUE(Parse(AsBytes(writer.bytes())).ok());
  writer.Add(14, kEvIpl, "x");
  EXPECT_EQ(RefusalOf(Parse(AsBytes(writer.bytes())).status()),
            v1::EVIDENCE_MALFORMED);
  const std::string padded = Write(TdBoot()) + std::string(kLogBytesMax, '\0');
  EXPECT_TRUE(Parse(AsBytes(padded.substr(0, kLogBytesMax))).ok());
  EXPECT_EQ(
      RefusalOf(Parse(AsBytes(padded.substr(0, kLogBytesMax + 1))).status()),
      v1::EVIDENCE_MALFORMED);
}

TEST(EventLogTest, ClaimsAreBoundedWhateverTheLog) {
  Lines lines;
  for (size_t i = 0; i < kEventsMax; ++i) {
    lines.push_back(Plain(14, kEvIpl, std::string(100, 'a')));
  }
  lines[0] = Plain(14, kEvIpl, std::string(kClaimedTextBytesMax + 1, 'a'));
  const auto claims = Honest(lines);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->event_count(), kEventsMax);
  EXPECT_EQ(static_cast<size_t>(claims->events_size()), kClaimedEventsMax);
  EXPECT_EQ(claims->events(0).text(), "");
}

// ---------------------------------------------------------------------------
// Every bit

bool IsAbsentOr(const std::string& have, const std::string& want) {
  return have.empty() || have == want;
}

// What `have`, of a changed log, claims is a part of what the original said.
void ExpectNothingNew(const v1::EventLogClaims& have,
                      const v1::EventLogClaims& want) {
  EXPECT_TRUE(!have.has_secure_boot() ||
              have.secure_boot() == want.secure_boot());
  EXPECT_TRUE(
      IsAbsentOr(have.kernel_command_line(), want.kernel_command_line()));
  EXPECT_TRUE(IsAbsentOr(have.kernel(), want.kernel()));
  EXPECT_TRUE(IsAbsentOr(have.initrd(), want.initrd()));
  EXPECT_TRUE(IsAbsentOr(have.load_options(), want.load_options()));
  for (const auto& [name, digest] : have.uki_sections()) {
    EXPECT_EQ(digest, want.uki_sections().at(name));
  }
  for (const std::string& image : want.boot_applications().digests()) {
    EXPECT_NE(std::find(have.boot_applications().digests().begin(),
                        have.boot_applications().digests().end(), image),
              have.boot_applications().digests().end());
  }
  // In order, but for those of PCR 11, which may be left out.
  int at = 0;
  for (const v1::EventClaims& event : have.events()) {
    while (at < want.events_size() &&
           (want.events(at).digest() != event.digest() ||
            want.events(at).index() != event.index())) {
      EXPECT_EQ(want.events(at).index(), 11u);
      ++at;
    }
    ASSERT_LT(at, want.events_size());
    EXPECT_TRUE(IsAbsentOr(event.text(), want.events(at).text()));
    EXPECT_TRUE(IsAbsentOr(event.value(), want.events(at).value()));
    ++at;
  }
}

// Survivors are the bytes that nobody signs: header, types, data, the digests
// of another bank; and PCR 11, which goes on at run time. They can take claims
// away.
TEST(EventLogTest, NoFlippedBitAddsOrChangesAClaim) {
  for (const auto& [lines, format] :
       {std::make_pair(GrubBoot(), Format::kTcg),
        std::make_pair(UkiBoot(), Format::kTcg),
        std::make_pair(TdBoot(), Format::kCcel)}) {
    const std::string bytes = Write(lines);
    const Signed registers = SignedBy(lines, format);
    const auto want = Match(bytes, format, registers);
    ASSERT_TRUE(want.ok());
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      const auto have = Match(flipped, format, registers);
      if (have.ok()) {
        ExpectNothingNew(*have, *want);
        continue;
      }
      const v1::RefusalCode code = RefusalOf(have.status());
      EXPECT_TRUE(code == v1::EVIDENCE_MALFORMED ||
                  code == v1::EVIDENCE_INCONSISTENT ||
                  code == v1::EVIDENCE_UNSUPPORTED)
          << bit;
    }
  }
}

}  // namespace
}  // namespace kms::event_log
