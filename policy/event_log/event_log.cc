#include "policy/event_log/event_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/limits.h"

namespace kms::event_log {
namespace {

constexpr size_t kSha1Bytes = 20;
constexpr uint16_t kSha1 = static_cast<uint16_t>(Algorithm::kSha1);
// PFP, TCG_EfiSpecIDEvent.signature and TCG_EfiStartupLocalityEvent.Signature:
// 16 bytes, the terminating zero included.
constexpr absl::string_view kHeaderSignature("Spec ID Event03\0", 16);
constexpr absl::string_view kLocalitySignature("StartupLocality\0", 16);

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("event log: ", fault));
}

bool StartsWith(BytesView bytes, absl::string_view prefix) {
  return bytes.size() >= prefix.size() &&
         AsStringView(bytes.first(prefix.size())) == prefix;
}

// Bytes in a digest of `algorithm`, 0 for one that Algorithm does not name.
size_t DigestBytes(uint16_t algorithm) {
  switch (static_cast<Algorithm>(algorithm)) {
    case Algorithm::kSha1:
      return kSha1Bytes;
    case Algorithm::kSha256:
      return 32;
    case Algorithm::kSha384:
      return 48;
    case Algorithm::kSha512:
      return 64;
  }
  return 0;
}

// An event of the plain form; the reader fails at the first byte that lacks.
Event ReadPlain(ByteReader& reader) {
  Event event;
  event.index = reader.U32Le();
  event.type = reader.U32Le();
  event.digests.push_back(reader.Bytes(kSha1Bytes));
  event.data = reader.Bytes(reader.U32Le());
  return event;
}

absl::StatusOr<std::vector<Bank>> ParseHeader(const Event& header) {
  if (!AllZero(header.digests[0])) {
    return Malformed("header: its digest is not zero");
  }
  ByteReader reader(header.data);
  reader.Bytes(kHeaderSignature.size());
  reader.U32Le();  // Platform class: client or server.
  reader.U8();     // Minor version and errata say nothing of the form.
  const uint8_t major = reader.U8();
  reader.U8();
  const uint8_t uintn_words = reader.U8();
  const uint32_t count = reader.U32Le();
  if (reader.failed()) return Malformed("header: too short");
  if (major != 2) {
    return Refuse(
        v1::EVIDENCE_UNSUPPORTED,
        absl::StrCat("event log: specification version ", major, ", want 2"));
  }
  if (uintn_words != 1 && uintn_words != 2) {
    return Malformed("header: unknown size of UINTN");
  }
  // The count is the sender's: checked before anything is made of it.
  if (count == 0 || count > kAlgorithmsMax) {
    return Malformed(absl::StrCat("header: ", count, " algorithms, want 1 to ",
                                  kAlgorithmsMax));
  }
  std::vector<Bank> banks;
  for (uint32_t i = 0; i < count; ++i) {
    Bank bank;
    bank.algorithm = reader.U16Le();
    bank.digest_bytes = reader.U16Le();
    const size_t want = DigestBytes(bank.algorithm);
    if (want != 0 && bank.digest_bytes != want) {
      return Malformed("header: a digest size is not its algorithm's");
    }
    if (bank.digest_bytes == 0 || bank.digest_bytes > kDigestBytesMax) {
      return Malformed("header: a digest size is out of range");
    }
    for (const Bank& other : banks) {
      if (other.algorithm == bank.algorithm) {
        return Malformed("header: an algorithm occurs twice");
      }
    }
    banks.push_back(bank);
  }
  reader.Bytes(reader.U8());  // Vendor information.
  if (!reader.Finish("").ok()) {
    return Malformed("header: does not fill its event");
  }
  return banks;
}

absl::StatusOr<Event> ReadAgile(ByteReader& reader,
                                const std::vector<Bank>& banks) {
  Event event;
  event.index = reader.U32Le();
  event.type = reader.U32Le();
  // PFP, TCG_PCR_EVENT2: every active bank has its digest in every event.
  const uint32_t count = reader.U32Le();
  if (reader.failed() || count != banks.size()) {
    return Malformed("an event has not one digest for each bank");
  }
  event.digests.resize(banks.size());
  for (uint32_t i = 0; i < count; ++i) {
    const uint16_t algorithm = reader.U16Le();
    const auto bank = std::find_if(
        banks.begin(), banks.end(),
        [algorithm](const Bank& b) { return b.algorithm == algorithm; });
    if (bank == banks.end()) {
      return Malformed("an event has a digest of an unknown bank");
    }
    BytesView& digest =
        event.digests[static_cast<size_t>(bank - banks.begin())];
    if (!digest.empty()) return Malformed("an event has a digest twice");
    digest = reader.Bytes(bank->digest_bytes);
  }
  event.data = reader.Bytes(reader.U32Le());
  return event;
}

// PFP, "Startup Locality Event": in PCR 0, before anything is extended there.
absl::Status NoteLocality(const Event& event, bool pcr0_extended,
                          EventLog& log) {
  if (event.index != 0 || event.data.size() != kLocalitySignature.size() + 1) {
    return Malformed("startup locality: wrong register or size");
  }
  const uint8_t locality = event.data.back();
  if (locality != 0 && locality != 3 && locality != 4) {
    return Malformed("startup locality: not 0, 3 or 4");
  }
  if (log.startup_locality.has_value() || pcr0_extended) {
    return Malformed("startup locality: stated twice or too late");
  }
  log.startup_locality = locality;
  return absl::OkStatus();
}

// Firmware hands over the whole area that it set aside. An event may have such
// bytes too, so this is asked only where one may begin.
bool IsPadding(BytesView rest) {
  if (rest.front() != 0x00 && rest.front() != 0xff) return false;
  return std::memcmp(rest.data(), rest.data() + 1, rest.size() - 1) == 0;
}

}  // namespace

std::optional<size_t> EventLog::FindBank(Algorithm algorithm) const {
  for (size_t i = 0; i < banks.size(); ++i) {
    if (banks[i].algorithm == static_cast<uint16_t>(algorithm)) return i;
  }
  return std::nullopt;
}

absl::string_view AlgorithmName(uint16_t algorithm) {
  switch (static_cast<Algorithm>(algorithm)) {
    case Algorithm::kSha1:
      return "sha1";
    case Algorithm::kSha256:
      return "sha256";
    case Algorithm::kSha384:
      return "sha384";
    case Algorithm::kSha512:
      return "sha512";
  }
  return "";
}

absl::StatusOr<EventLog> Parse(BytesView bytes) {
  if (bytes.size() > kLogBytesMax) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want at most ", kLogBytesMax));
  }
  EventLog log;
  log.banks = {{kSha1, kSha1Bytes}};
  ByteReader reader(bytes);
  {
    ByteReader first(bytes);
    const Event header = ReadPlain(first);
    if (first.failed()) return Malformed("no event");
    if (header.type == kEvNoAction &&
        StartsWith(header.data, kHeaderSignature)) {
      KMS_ASSIGN_OR_RETURN(log.banks, ParseHeader(header));
      log.crypto_agile = true;
      reader = first;
    }
  }
  bool pcr0_extended = false;
  while (reader.remaining() > 0 && !IsPadding(bytes.last(reader.remaining()))) {
    if (log.events.size() == kEventsMax) {
      return Malformed(absl::StrCat("more than ", kEventsMax, " events"));
    }
    Event event;
    if (log.crypto_agile) {
      KMS_ASSIGN_OR_RETURN(event, ReadAgile(reader, log.banks));
    } else {
      event = ReadPlain(reader);
    }
    if (reader.failed()) return Malformed("an event reaches past the end");
    if (event.type != kEvNoAction) {
      pcr0_extended = pcr0_extended || event.index == 0;
    } else if (StartsWith(event.data, kLocalitySignature)) {
      KMS_RETURN_IF_ERROR(NoteLocality(event, pcr0_extended, log));
    }
    log.events.push_back(std::move(event));
  }
  if (!log.crypto_agile && log.events.empty()) return Malformed("no event");
  return log;
}

}  // namespace kms::event_log
