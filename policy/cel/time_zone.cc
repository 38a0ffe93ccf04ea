#include "policy/cel/time_zone.h"

#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace kms::cel {
namespace {

constexpr absl::string_view kDatabase = "/usr/share/zoneinfo/";

// Longer than every name in the database.
constexpr size_t kNameBytesMax = 48;

std::optional<int> TwoDigits(absl::string_view text) {
  if (!absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
      !absl::ascii_isdigit(static_cast<unsigned char>(text[1]))) {
    return std::nullopt;
  }
  return (text[0] - '0') * 10 + (text[1] - '0');
}

std::optional<absl::TimeZone> FixedZone(absl::string_view name) {
  const bool negative = !name.empty() && name[0] == '-';
  if (negative || (!name.empty() && name[0] == '+')) name.remove_prefix(1);
  if (name.size() != 5 || name[2] != ':') return std::nullopt;
  const auto hours = TwoDigits(name.substr(0, 2));
  const auto minutes = TwoDigits(name.substr(3, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int seconds = (*hours * 60 + *minutes) * 60;
  return absl::FixedTimeZone(negative ? -seconds : seconds);
}

// Letters, digits and "_+-", in parts that begin with a letter: no way out of
// the database, and none of abseil's special names ("localtime", "file:").
// Zones with leap seconds ("right/") abseil does not read.
bool IsZoneName(absl::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name == "localtime" ||
      absl::StartsWith(name, "right/") || absl::StartsWith(name, "posix/")) {
    return false;
  }
  bool first = true;
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (first && !absl::ascii_isalpha(u)) return false;
    if (!absl::ascii_isalnum(u) && c != '_' && c != '+' && c != '-' &&
        c != '/') {
      return false;
    }
    first = c == '/';
  }
  return !first;
}

// abseil keeps every name that it is asked for, for good: it is only asked for
// names that the database has.
class Zones {
 public:
  std::optional<absl::TimeZone> Find(const std::string& name)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::ReaderMutexLock lock(&mutex_);
      const auto found = zones_.find(name);
      if (found != zones_.end()) return found->second;
    }
    struct stat file;
    if (std::getenv("TZDIR") != nullptr ||
        stat(absl::StrCat(kDatabase, name).c_str(), &file) != 0 ||
        !S_ISREG(file.st_mode)) {
      return std::nullopt;
    }
    absl::TimeZone zone;
    if (!absl::LoadTimeZone(name, &zone)) return std::nullopt;
    absl::MutexLock lock(&mutex_);
    zones_.emplace(name, zone);
    return zone;
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, absl::TimeZone> zones_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

bool FindTimeZone(absl::string_view name, absl::TimeZone* out) {
  static Zones& zones = *new Zones();
  std::optional<absl::TimeZone> zone;
  if (name == "UTC" || name == "GMT" || name == "Z") {
    zone = absl::UTCTimeZone();
  } else if (const auto fixed = FixedZone(name)) {
    zone = fixed;
  } else if (IsZoneName(name)) {
    zone = zones.Find(std::string(name));
  }
  if (!zone.has_value()) return false;
  *out = *zone;
  return true;
}

}  // namespace kms::cel
