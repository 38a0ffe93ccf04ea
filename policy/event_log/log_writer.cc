#include "policy/event_log/log_writer.h"

#include <utility>

#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

size_t DigestBytes(Algorithm algorithm) {
  return DigestOf(algorithm, {}).size();
}

}  // namespace

std::string StartupLocalityData(uint8_t locality) {
  return ByteWriter()
      .Bytes(absl::string_view("StartupLocality\0", 16))
      .U8(locality)
      .Take();
}

std::string VariableData(absl::string_view guid, absl::string_view name,
                         absl::string_view data) {
  std::string wide = Utf16Data(name);
  wide.resize(wide.size() - 2);
  return ByteWriter()
      .Bytes(guid)
      .U64Le(name.size())
      .U64Le(data.size())
      .Bytes(wide)
      .Bytes(data)
      .Take();
}

std::string Utf16Data(absl::string_view text) {
  ByteWriter wide;
  for (const char c : text) wide.U16Le(static_cast<uint8_t>(c));
  return wide.U16Le(0).Take();
}

LogWriter::LogWriter(std::vector<Algorithm> algorithms)
    : algorithms_(std::move(algorithms)) {
  ByteWriter header;
  header.Bytes(absl::string_view("Spec ID Event03\0", 16))
      .U32Le(0)  // Client platform; version 2.0 without errata; 64 bits.
      .U8(0)
      .U8(2)
      .U8(0)
      .U8(2)
      .U32Le(static_cast<uint32_t>(algorithms_.size()));
  for (const Algorithm algorithm : algorithms_) {
    header.U16Le(static_cast<uint16_t>(algorithm))
        .U16Le(static_cast<uint16_t>(DigestBytes(algorithm)));
  }
  header.U8(0);  // No vendor information.
  bytes_ = ByteWriter()
               .U32Le(0)
               .U32Le(kEvNoAction)
               .Bytes(std::string(20, '\0'))
               .U32Le(static_cast<uint32_t>(header.str().size()))
               .Bytes(header.str())
               .Take();
}

LogWriter& LogWriter::Add(uint32_t index, uint32_t type,
                          absl::string_view hashed, absl::string_view data) {
  std::vector<std::string> digests;
  Event event{.index = index, .type = type, .data = AsBytes(data)};
  for (const Algorithm algorithm : algorithms_) {
    digests.push_back(DigestOf(algorithm, AsBytes(hashed)));
  }
  for (const std::string& digest : digests) {
    event.digests.push_back(AsBytes(digest));
  }
  return Add(event);
}

LogWriter& LogWriter::AddNoAction(uint32_t index, absl::string_view data) {
  const std::string zeros(64, '\0');
  Event event{.index = index, .type = kEvNoAction, .data = AsBytes(data)};
  for (const Algorithm algorithm : algorithms_) {
    event.digests.push_back(AsBytes(zeros).first(DigestBytes(algorithm)));
  }
  return Add(event);
}

LogWriter& LogWriter::Add(const Event& event) {
  ByteWriter writer;
  writer.U32Le(event.index)
      .U32Le(event.type)
      .U32Le(static_cast<uint32_t>(algorithms_.size()));
  for (size_t i = 0; i < algorithms_.size(); ++i) {
    writer.U16Le(static_cast<uint16_t>(algorithms_[i])).Bytes(event.digests[i]);
  }
  writer.U32Le(static_cast<uint32_t>(event.data.size())).Bytes(event.data);
  bytes_ += writer.str();
  return *this;
}

}  // namespace kms::event_log
