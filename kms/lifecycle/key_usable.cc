#include "kms/lifecycle/key_usable.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"

namespace kms::lifecycle {

absl::Status CheckUsable(const ::storage::v1::KeyRecord& key,
                         uint32_t version) {
  if (version == 0) {
    return Refuse(v1::VERSION_DESTROYED,
                  "key: its primary version is destroyed; an administrator "
                  "must rotate it");
  }
  for (const ::storage::v1::KeyVersionInfo& info : key.versions()) {
    if (info.version() != version) continue;
    switch (info.state()) {
      case ::storage::v1::ENABLED:
        if (version >= key.minimum_version()) return absl::OkStatus();
        return Refuse(v1::VERSION_BELOW_MINIMUM,
                      absl::StrCat("key version ", version,
                                   ": not usable any more, the minimum is ",
                                   key.minimum_version()));
      case ::storage::v1::DISABLED:
        return Refuse(v1::VERSION_DISABLED,
                      absl::StrCat("key version ", version,
                                   ": disabled; an administrator must enable "
                                   "it"));
      default:
        return Refuse(v1::VERSION_DESTROYED,
                      absl::StrCat("key version ", version, ": destroyed"));
    }
  }
  return Refuse(v1::NOT_FOUND,
                absl::StrCat("key version ", version, ": no such version"));
}

}  // namespace kms::lifecycle
