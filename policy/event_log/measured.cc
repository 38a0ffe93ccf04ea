#include "policy/event_log/measured.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

struct Prefix {
  absl::string_view text;
  bool command_line;
};
// GRUB 2.04 and later, grub-core/commands/tpm.c; the last two are those of
// Red Hat's before it.
constexpr Prefix kGrubPrefixes[] = {
    {"grub_cmd: ", false},          {"kernel_cmdline: ", true},
    {"module_cmdline: ", false},    {"grub_cmd ", false},
    {"grub_kernel_cmdline ", true},
};

// UTF-16 only with its terminating zero: half of all binary data would pass for
// text otherwise.
std::string TextOf(BytesView bytes) {
  if (auto text = Utf8Text(bytes); text.has_value()) return *std::move(text);
  if (bytes.size() < 2 || bytes[bytes.size() - 1] != 0 ||
      bytes[bytes.size() - 2] != 0) {
    return "";
  }
  return Utf16Text(bytes).value_or("");
}

bool IsVariable(uint32_t type) {
  return type == kEvEfiVariableDriverConfig || type == kEvEfiVariableBoot ||
         type == kEvEfiVariableBoot2 || type == kEvEfiVariableAuthority;
}

// The rules of one event, tried against its digest.
class Rules {
 public:
  Rules(const Event& event, Algorithm algorithm, size_t bank)
      : event_(event), algorithm_(algorithm), digest_(event.digests[bank]) {}

  std::optional<Measured> Find() const {
    if (IsVariable(event_.type)) return Variable();
    if (Hashed(event_.data)) return Measured{.text = TextOf(event_.data)};
    if (event_.type == kEvIpl) return Ipl();
    if (event_.type == kEvEventTag) return Tagged();
    return std::nullopt;
  }

 private:
  bool Hashed(BytesView bytes) const {
    return AsBytes(DigestOf(algorithm_, bytes)) == digest_;
  }

  std::optional<Measured> Variable() const {
    std::optional<UefiVariable> variable = ParseUefiVariable(event_.data);
    if (Hashed(event_.data)) {
      if (!variable.has_value()) return Measured{};
      Measured measured;
      measured.text = absl::StrCat(variable->name, "-", variable->guid);
      measured.value = variable->data;
      measured.variable = std::move(variable);
      return measured;
    }
    if (event_.type == kEvEfiVariableBoot && variable.has_value() &&
        Hashed(variable->data)) {
      Measured measured;
      measured.text = LoadOptionDescription(variable->data).value_or("");
      measured.value = variable->data;
      return measured;
    }
    return std::nullopt;
  }

  std::optional<Measured> Ipl() const {
    for (const Prefix& prefix : kGrubPrefixes) {
      const size_t size = prefix.text.size();
      if (event_.data.size() <= size ||
          AsStringView(event_.data.first(size)) != prefix.text) {
        continue;
      }
      const BytesView whole = event_.data.subspan(size);
      BytesView text = whole;
      if (text.back() == 0) text.remove_suffix(1);
      if (Hashed(text) || Hashed(whole)) {
        return Measured{.text = TextOf(text),
                        .says_command_line = prefix.command_line};
      }
    }
    const std::optional<std::string> name = Utf16Text(event_.data);
    if (name.has_value() && Hashed(AsBytes(*name + '\0'))) {
      return Measured{.text = *name};
    }
    return std::nullopt;
  }

  std::optional<Measured> Tagged() const {
    ByteReader reader(event_.data);
    reader.U32Le();  // The tag is not measured.
    const BytesView data = reader.Bytes(reader.U32Le());
    if (!reader.Finish("").ok() || !Hashed(data)) return std::nullopt;
    return Measured{.text = TextOf(data)};
  }

  const Event& event_;
  const Algorithm algorithm_;
  const BytesView digest_;
};

}  // namespace

std::optional<Measured> FindMeasured(const Event& event, Algorithm algorithm,
                                     size_t bank) {
  return Rules(event, algorithm, bank).Find();
}

std::string UnmeasuredLabel(const Event& event) {
  if (IsVariable(event.type)) {
    const auto variable = ParseUefiVariable(event.data);
    return variable.has_value()
               ? absl::StrCat(variable->name, "-", variable->guid)
               : "";
  }
  if (event.type == kEvEventTag && event.data.size() > 8) {
    return TextOf(event.data.subspan(8));
  }
  return TextOf(event.data);
}

}  // namespace kms::event_log
