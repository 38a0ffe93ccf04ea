#include "policy/event_log/replay.h"

#include "kms/crypto/digest.h"
#include "kms/crypto/sha1.h"
#include "policy/event_log/event_types.h"

namespace kms::event_log {

bool CanReplay(const Bank& bank) {
  return !AlgorithmName(bank.algorithm).empty();
}

std::string DigestOf(Algorithm algorithm, BytesView data) {
  switch (algorithm) {
    case Algorithm::kSha1:
      break;
    case Algorithm::kSha256:
      return crypto::Sha256(data);
    case Algorithm::kSha384:
      return crypto::Sha384(data);
    case Algorithm::kSha512:
      return crypto::Sha512(data);
  }
  return crypto::Sha1ForDisplay(data);
}

std::string Extend(Algorithm algorithm, BytesView old_value, BytesView digest) {
  std::string both = ToString(old_value);
  both.append(AsStringView(digest).data(), digest.size());
  return DigestOf(algorithm, AsBytes(both));
}

std::string InitialValue(const EventLog& log, uint32_t reg, size_t bytes) {
  std::string value(bytes, '\0');
  if (reg == 0 && log.startup_locality.has_value()) {
    value.back() = static_cast<char>(*log.startup_locality);
  }
  return value;
}

Registers Replay(const EventLog& log, size_t bank) {
  const auto algorithm = static_cast<Algorithm>(log.banks[bank].algorithm);
  const size_t bytes = log.banks[bank].digest_bytes;
  Registers registers;
  if (log.startup_locality.has_value()) {
    registers[0] = InitialValue(log, 0, bytes);
  }
  for (const Event& event : log.events) {
    if (event.type == kEvNoAction) continue;
    std::string& value =
        registers
            .try_emplace(event.index, InitialValue(log, event.index, bytes))
            .first->second;
    value = Extend(algorithm, AsBytes(value), event.digests[bank]);
  }
  return registers;
}

}  // namespace kms::event_log
