#include "policy/event_log/claims.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/limits.h"
#include "policy/event_log/measured.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

// Which registers play a part. PFP, "PCR Usage"; GHCI maps PCR 1 and 7 to
// RTMR0, 2 to 6 to RTMR1 and 8 to 15 to RTMR2.
struct Roles {
  uint32_t policy;               // Secure Boot.
  std::vector<uint32_t> images;  // EFI images.
  uint32_t strings;              // GRUB's commands.
  uint32_t sections;             // A unified kernel image's.
  uint32_t stub;                 // The EFI stub of Linux.
};
Roles RolesOf(Format format) {
  return format == Format::kTcg ? Roles{.policy = 7,
                                        .images = {2, 4},
                                        .strings = 8,
                                        .sections = 11,
                                        .stub = 9}
                                : Roles{.policy = 0,
                                        .images = {1},
                                        .strings = 2,
                                        .sections = 2,
                                        .stub = 2};
}

// systemd-stub(7): what it measures into PCR 11.
constexpr absl::string_view kSections[] = {
    ".linux",  ".osrel", ".cmdline", ".initrd", ".ucode",
    ".splash", ".dtb",   ".dtbauto", ".hwids",  ".efifw",
    ".uname",  ".sbat",  ".pcrpkey", ".profile"};

// Linux, include/linux/efi.h and efi-stub-helper.c: TCG_PCClientTaggedEvent.
constexpr uint32_t kInitrdTag = 0x8f3b22ec;
constexpr uint32_t kLoadOptionsTag = 0x8f3b22ed;

struct Item {
  const Event* event = nullptr;
  std::optional<Measured> measured;
  bool separator = false;

  bool IsText() const {
    return measured.has_value() && !measured->text.empty();
  }
};
// Events of one register in order.
using Items = std::vector<Item>;

absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT, absl::StrCat("event log: ", fault));
}

bool HasTag(const Event& event, uint32_t tag) {
  ByteReader reader(event.data);
  return event.type == kEvEventTag && reader.U32Le() == tag;
}

bool IsSecureBoot(const UefiVariable& variable) {
  return variable.guid == kEfiGlobalVariable && variable.name == "SecureBoot";
}

// What firmware hashes of SecureBoot (UEFI_VARIABLE_DATA): on, off, and empty.
std::set<std::string> SecureBootDigests(Algorithm algorithm) {
  // kEfiGlobalVariable as it lies in memory, and the lengths of the name, in
  // UTF-16, and of the value.
  constexpr uint8_t kGuid[] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                               0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
  constexpr absl::string_view kName = "SecureBoot";
  std::set<std::string> digests;
  for (const std::string& value :
       {std::string(1, '\1'), std::string(1, '\0'), std::string()}) {
    ByteWriter data;
    data.Bytes(BytesView(kGuid)).U64Le(kName.size()).U64Le(value.size());
    for (const char c : kName) data.U16Le(static_cast<uint8_t>(c));
    digests.insert(DigestOf(algorithm, AsBytes(data.Bytes(value).str())));
  }
  return digests;
}

class ClaimsMaker {
 public:
  ClaimsMaker(const EventLog& log, Algorithm algorithm, size_t bank,
              Format format, const std::set<uint32_t>& matched,
              const std::map<uint32_t, std::string>& signed_registers)
      : log_(log),
        algorithm_(algorithm),
        bank_(bank),
        format_(format),
        roles_(RolesOf(format)),
        signed_registers_(signed_registers) {
    claims_.set_format(format == Format::kTcg ? "tcg2" : "ccel");
    claims_.set_bank(
        std::string(AlgorithmName(static_cast<uint16_t>(algorithm))));
    for (const uint32_t reg : matched) {
      claims_.add_registers(reg);
      registers_[LoggedIndex(format, reg)] = {};
    }
  }

  absl::StatusOr<v1::EventLogClaims> Make() {
    AddEvents();
    KMS_RETURN_IF_ERROR(CheckSeparators());
    KMS_RETURN_IF_ERROR(AddSecureBoot());
    AddImages();
    AddCommandLine();
    AddSections();
    AddStub();
    return std::move(claims_);
  }

 private:
  // Null if the register did not match.
  const Items* Find(uint32_t reg) const {
    const auto found = registers_.find(LoggedIndex(format_, reg));
    return found == registers_.end() ? nullptr : &found->second;
  }
  std::string DigestOfEvent(const Item& item) const {
    return ToString(item.event->digests[bank_]);
  }

  void AddEvents();
  absl::Status CheckSeparators() const;
  absl::Status AddSecureBoot();
  void AddImages();
  void AddCommandLine();
  void AddSections();
  void AddStub();

  const EventLog& log_;
  const Algorithm algorithm_;
  const size_t bank_;
  const Format format_;
  const Roles roles_;
  const std::map<uint32_t, std::string>& signed_registers_;
  std::map<uint32_t, Items> registers_;  // Those that matched, by logged index.
  v1::EventLogClaims claims_;
};

void ClaimsMaker::AddEvents() {
  // PFP, EV_SEPARATOR: both values mean that nothing went wrong.
  const std::string separators[] = {
      DigestOf(algorithm_, AsBytes(std::string(4, '\0'))),
      DigestOf(algorithm_, AsBytes(std::string(4, '\xff')))};
  for (const Event& event : log_.events) {
    const auto found = registers_.find(event.index);
    if (event.type == kEvNoAction || found == registers_.end()) continue;
    Item item{.event = &event,
              .measured = FindMeasured(event, algorithm_, bank_)};
    const absl::string_view digest = AsStringView(event.digests[bank_]);
    item.separator = digest == separators[0] || digest == separators[1];
    claims_.set_event_count(claims_.event_count() + 1);
    if (claims_.event_count() <= kClaimedEventsMax) {
      v1::EventClaims& claim = *claims_.add_events();
      claim.set_index(event.index - LoggedIndex(format_, 0));
      claim.set_type(EventTypeName(event.type));
      claim.set_digest(std::string(digest));
      if (item.IsText() && item.measured->text.size() <= kClaimedTextBytesMax) {
        claim.set_text(item.measured->text);
      }
      if (item.measured.has_value() && item.measured->value.has_value() &&
          item.measured->value->size() <= kClaimedValueBytesMax) {
        claim.set_value(ToString(*item.measured->value));
      }
    }
    found->second.push_back(std::move(item));
  }
}

// PFP, EV_SEPARATOR: firmware draws the line between itself and what it starts
// in every PCR of 0 to 7. RTMR1 has none in practice.
absl::Status ClaimsMaker::CheckSeparators() const {
  if (format_ != Format::kTcg) return absl::OkStatus();
  for (uint32_t reg = 0; reg < 8; ++reg) {
    const Items* const items = Find(reg);
    if (items == nullptr || items->empty()) continue;
    if (std::none_of(items->begin(), items->end(),
                     [](const Item& item) { return item.separator; })) {
      return Inconsistent(absl::StrCat("register ", reg, " has no separator"));
    }
  }
  return absl::OkStatus();
}

// The variable counts where only firmware can have measured it: before the
// first separator of its register, whatever that event is called. Whoever has
// the machine later can extend what he likes, so a second one is a lie or at
// best unclear. And a host has some firmware measure files of its own before,
// whose bytes may be the variable's: an event with its digest counts as a
// second one, whatever it is called.
absl::Status ClaimsMaker::AddSecureBoot() {
  const Items* const items = Find(roles_.policy);
  if (items == nullptr) return absl::OkStatus();
  const auto end =
      std::find_if(items->begin(), items->end(),
                   [](const Item& item) { return item.separator; });
  const std::set<std::string> digests = SecureBootDigests(algorithm_);
  const auto measured = std::count_if(
      items->begin(), items->end(),
      [&](const Item& item) { return digests.count(DigestOfEvent(item)) > 0; });
  int seen = 0;
  for (auto item = items->begin(); item != items->end(); ++item) {
    if (item->event->type != kEvEfiVariableDriverConfig) continue;
    const auto variable = ParseUefiVariable(item->event->data);
    if (!variable.has_value() || !IsSecureBoot(*variable)) continue;
    if (++seen > 1)
      return Inconsistent("the variable SecureBoot is there twice");
    const bool by_firmware =
        end != items->end() && std::distance(item, end) > 0;
    // UEFI 2.10, 3.3: 1 or 0. Empty: firmware without Secure Boot.
    const BytesView value = variable->data;
    const bool sane =
        value.empty() || (value.size() == 1 && value.front() <= 1);
    if (!by_firmware || !sane || !item->measured.has_value()) continue;
    if (measured != 1) continue;
    claims_.set_has_secure_boot(true);
    claims_.set_secure_boot(!value.empty() && value.front() == 1);
  }
  return absl::OkStatus();
}

// All that is not text and no separator: an image must not hide behind another
// type. No image is text in UTF-8, because it has zeros in its headers. Nor is
// one a partition table, which starts with "EFI PART" and not with "MZ"; that
// start must itself have been measured, and of a variable, say, it may not be.
void ClaimsMaker::AddImages() {
  std::vector<const Item*> images;
  for (const uint32_t reg : roles_.images) {
    const Items* const items = Find(reg);
    if (items == nullptr) return;
    for (const Item& item : *items) {
      const BytesView data = item.event->data;
      const bool partitions = data.size() >= 8 &&
                              AsStringView(data.first(8)) == "EFI PART" &&
                              DigestOf(algorithm_, data) == DigestOfEvent(item);
      const bool text = item.IsText() && Utf8Text(item.event->data).has_value();
      if (!item.separator && !text && !partitions) {
        images.push_back(&item);
      }
    }
  }
  // In the log's order, which between two registers is the sender's word.
  std::sort(images.begin(), images.end(),
            [](const Item* a, const Item* b) { return a->event < b->event; });
  v1::BootApplications& applications = *claims_.mutable_boot_applications();
  for (const Item* const image : images) {
    applications.add_digests(DigestOfEvent(*image));
  }
}

// GRUB hashes commands and command lines alike, without the prefix that tells
// them apart, and whoever writes its script can have it hash any line as a
// command. So the line counts only if each event of the register is text that
// we can read, and no other could be a command line: what starts with a file -
// a path, a device "(hd0)", blocks "8+16" of one - is no command of GRUB's.
void ClaimsMaker::AddCommandLine() {
  const Items* const items = Find(roles_.strings);
  if (items == nullptr) return;
  const Item* line = nullptr;
  for (const Item& item : *items) {
    if (item.separator) continue;
    if (!item.IsText()) return;
    const std::string& text = item.measured->text;
    const bool has_file = text.substr(0, text.find(' ')).find_first_of("/(+") !=
                          std::string::npos;
    if (!has_file && !item.measured->says_command_line) continue;
    if (line != nullptr) return;
    line = &item;
  }
  if (line != nullptr && line->measured->says_command_line &&
      line->measured->text.size() <= kClaimedTextBytesMax) {
    claims_.set_kernel_command_line(line->measured->text);
  }
}

// systemd-stub(7): for each section its name, then its content. Pairs count
// from the register's first event on, so that nobody came before.
void ClaimsMaker::AddSections() {
  const Items* const items = Find(roles_.sections);
  if (items == nullptr) return;
  std::map<std::string, std::string> sections;
  for (size_t i = 0; i + 1 < items->size(); i += 2) {
    const Item& name = (*items)[i];
    if (!name.IsText() || name.event->type != kEvIpl ||
        std::find(std::begin(kSections), std::end(kSections),
                  name.measured->text) == std::end(kSections)) {
      break;
    }
    if (!sections.emplace(name.measured->text, DigestOfEvent((*items)[i + 1]))
             .second) {
      return;  // Which of the two was used, this log does not say.
    }
  }
  for (const auto& [name, digest] : sections) {
    (*claims_.mutable_uki_sections())[name] = digest;
    if (name == ".linux") claims_.set_kernel(digest);
    if (name == ".initrd") claims_.set_initrd(digest);
  }
}

// The EFI stub hashes its command line, then its initrd; the tags that tell
// which is which are not measured. So they count only where nothing else was
// measured: GRUB, if it ran, has left many more events, or some in PCR 8.
void ClaimsMaker::AddStub() {
  const Items* const items = Find(roles_.stub);
  if (items == nullptr || items->empty() || items->size() > 2) return;
  if (roles_.strings != roles_.stub) {
    const auto strings = signed_registers_.find(roles_.strings);
    if (strings == signed_registers_.end() ||
        !AllZero(AsBytes(strings->second))) {
      return;
    }
  }
  if (!HasTag(*(*items)[0].event, kLoadOptionsTag)) return;
  if (items->size() == 2) {
    if (!HasTag(*(*items)[1].event, kInitrdTag)) return;
    if (claims_.initrd().empty()) {
      claims_.set_initrd(DigestOfEvent((*items)[1]));
    }
  }
  claims_.set_load_options(DigestOfEvent((*items)[0]));
}

}  // namespace

absl::StatusOr<v1::EventLogClaims> MakeClaims(
    const EventLog& log, Algorithm algorithm, size_t bank, Format format,
    const std::set<uint32_t>& matched,
    const std::map<uint32_t, std::string>& signed_registers) {
  return ClaimsMaker(log, algorithm, bank, format, matched, signed_registers)
      .Make();
}

}  // namespace kms::event_log
