#include "storage/log/etcd/keys.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"

namespace kms::storage {
namespace {

constexpr size_t kHex16 = 16;
constexpr size_t kHexInstance = 2 * InstanceId::kSize;

// Lowercase only: one key for each id.
std::optional<std::string> ParseHex(absl::string_view text) {
  const auto bytes = Unhex(text);
  if (!bytes.ok() || Hex(*bytes) != text) return std::nullopt;
  return *bytes;
}

}  // namespace

EtcdKeys::EtcdKeys(absl::string_view prefix, uint64_t epoch)
    : epoch_(epoch),
      epoch_key_(Epoch(prefix)),
      epoch_prefix_(absl::StrCat(prefix, "/", EncodeHex16(epoch), "/")),
      batch_prefix_(absl::StrCat(epoch_prefix_, "batch/")),
      tail_(absl::StrCat(epoch_prefix_, "tail")),
      trimmed_(absl::StrCat(epoch_prefix_, "trimmed")) {}

std::string EtcdKeys::Epoch(absl::string_view prefix) {
  return absl::StrCat(prefix, "/epoch");
}

std::string EtcdKeys::Batch(const BatchId& id) const {
  return absl::StrCat(batch_prefix_, Hex(BytesView(id.instance.bytes)), "-",
                      EncodeHex16(id.incarnation), "-",
                      EncodeHex16(id.sequence));
}

std::optional<BatchId> EtcdKeys::ParseBatch(absl::string_view key) const {
  if (!absl::ConsumePrefix(&key, batch_prefix_) ||
      key.size() != kHexInstance + 2 * (1 + kHex16) ||
      key[kHexInstance] != '-' || key[kHexInstance + 1 + kHex16] != '-') {
    return std::nullopt;
  }
  const auto instance = ParseHex(key.substr(0, kHexInstance));
  const auto incarnation = ParseHex16(key.substr(kHexInstance + 1, kHex16));
  const auto sequence = ParseHex16(key.substr(kHexInstance + 2 + kHex16));
  if (!instance.has_value() || !incarnation.has_value() ||
      !sequence.has_value()) {
    return std::nullopt;
  }
  BatchId id;
  std::copy(instance->begin(), instance->end(), id.instance.bytes.begin());
  id.incarnation = *incarnation;
  id.sequence = *sequence;
  return id;
}

std::string RangeEnd(absl::string_view prefix) {
  std::string end(prefix);
  end.back() = static_cast<char>(end.back() + 1);
  return end;
}

std::string EncodeHex16(uint64_t number) {
  return Hex(ByteWriter().U64Be(number).str());
}

std::optional<uint64_t> ParseHex16(absl::string_view text) {
  if (text.size() != kHex16) return std::nullopt;
  const auto bytes = ParseHex(text);
  if (!bytes.has_value()) return std::nullopt;
  return ByteReader(AsBytes(*bytes)).U64Be();
}

}  // namespace kms::storage
