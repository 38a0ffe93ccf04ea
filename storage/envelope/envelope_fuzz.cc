// The envelope header: no input crashes, none that this key did not seal opens,
// and the code is one of the documented two.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "storage/envelope/envelope.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::storage::Envelope;
  using kms::storage::KeyKind;
  using kms::storage::Keyring;
  static const Envelope* const envelope =
      Envelope::Create(std::make_shared<const Keyring>(*Keyring::Generate()))
          ->release();
  const auto version = kms::storage::EnvelopeKeyVersion({data, size});
  const auto opened = envelope->Open(KeyKind::kStorage, {data, size}, {});
  if (opened.ok()) std::abort();
  const absl::StatusCode want = version.ok() && *version > 1
                                    ? absl::StatusCode::kFailedPrecondition
                                    : absl::StatusCode::kDataLoss;
  if (opened.status().code() != want) std::abort();
  return 0;
}
