#include "policy/sev_snp/cert_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "policy/sev_snp/limits.h"

namespace kms::sev_snp {
namespace {

constexpr size_t kEntryBytes = 24;

struct Slot {
  absl::string_view guid;  // In hex, as its bytes stand in the table.
  std::string CertTable::*member;
};
// The GUIDs' text form, e.g. VCEK 63da758d-e664-4564-adc5-f4b93be8accd, lists
// the bytes in this order (tools and hosts store them so).
constexpr Slot kSlots[] = {
    {"63da758de6644564adc5f4b93be8accd", &CertTable::vcek},
    {"a8074bc2a25a483eaae639c045a0b8a1", &CertTable::vlek},
    {"4ab7b379bbac4fe4a02f05aef327c782", &CertTable::ask},
    {"c0b406a4a803495297433fb6014cd0ae", &CertTable::ark},
    {"92f81bc358114d3d97ffd19f88dc67ea", &CertTable::crl},
};

struct Entry {
  std::string guid;
  uint32_t offset = 0;
  uint32_t length = 0;
};

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("certificate table: ", fault));
}

}  // namespace

absl::StatusOr<CertTable> ParseCertTable(BytesView bytes) {
  if (bytes.size() > kCertTableBytesMax) {
    return Malformed(absl::StrCat(bytes.size(), " bytes, want at most ",
                                  kCertTableBytesMax));
  }
  ByteReader reader(bytes);
  std::vector<Entry> entries;
  size_t header = 0;
  while (true) {
    Entry entry;
    entry.guid = Hex(reader.Bytes(16));
    entry.offset = reader.U32Le();
    entry.length = reader.U32Le();
    header += kEntryBytes;
    if (reader.failed()) return Malformed("no entry of zeros ends the list");
    if (entry.guid.find_first_not_of('0') == std::string::npos) {
      if (entry.offset != 0 || entry.length != 0) {
        return Malformed("the last entry is not all zeros");
      }
      break;
    }
    if (entries.size() == kCertTableEntriesMax) {
      return Malformed(
          absl::StrCat("more than ", kCertTableEntriesMax, " entries"));
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.offset < b.offset; });
  CertTable table;
  size_t end = header;  // Of the header or of the entry before.
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (entry.length == 0) return Malformed("an entry is empty");
    if (entry.offset < end) return Malformed("entries overlap");
    if (entry.offset > bytes.size() ||
        entry.length > bytes.size() - entry.offset) {
      return Malformed("an entry reaches past the end");
    }
    end = entry.offset + entry.length;
    for (size_t j = 0; j < i; ++j) {
      if (entries[j].guid == entry.guid)
        return Malformed("a GUID occurs twice");
    }
    for (const Slot& slot : kSlots) {
      if (slot.guid == entry.guid) {
        table.*slot.member =
            ToString(bytes.subspan(entry.offset, entry.length));
      }
    }
  }
  return table;
}

std::string SerializeCertTable(const CertTable& table) {
  size_t count = 1;  // The entry of zeros.
  for (const Slot& slot : kSlots) {
    if (!(table.*slot.member).empty()) ++count;
  }
  ByteWriter header;
  std::string data;
  for (const Slot& slot : kSlots) {
    const std::string& content = table.*slot.member;
    if (content.empty()) continue;
    header.Bytes(*Unhex(slot.guid));
    header.U32Le(static_cast<uint32_t>(count * kEntryBytes + data.size()));
    header.U32Le(static_cast<uint32_t>(content.size()));
    data += content;
  }
  header.Bytes(std::string(kEntryBytes, '\0'));
  return header.Take() + data;
}

}  // namespace kms::sev_snp
