// The program's log: one JSON object a line, on standard error or in a file.
// It is for operators; what auditors rely on is the Merkle log.
//
// What may be logged: rpc names, codes, network addresses, principals,
// durations, positions, and words of our own. Never request bytes, names of
// keys or policies, or anything secret.
// Thread-safe.
#ifndef KMS_SERVER_EVENT_LOG_H_
#define KMS_SERVER_EVENT_LOG_H_

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/clock.h"
#include "kms/server/config.h"

namespace spdlog {
class logger;
}  // namespace spdlog

namespace kms::server {

class EventLog {
 public:
  using Field = std::pair<absl::string_view, std::string>;

  // `file`: empty for standard error; opened for appending, mode 0600 by the
  // process's umask. `clock` outlives the log.
  // kUnavailable: the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<EventLog>> Open(LogLevel level,
                                                        const std::string& file,
                                                        const Clock& clock);
  ~EventLog();

  // {"time":"2026-01-02T03:04:05.678901Z","level":"info","event":"...",
  // fields...}. Values are escaped, and bytes that are not printable ASCII
  // become "?".
  void Write(LogLevel level, absl::string_view event,
             std::initializer_list<Field> fields) const;

  // Everything written so far has left the process.
  void Flush() const;

 private:
  EventLog(LogLevel level, const Clock& clock,
           std::shared_ptr<spdlog::logger> logger);

  const LogLevel level_;
  const Clock& clock_;
  const std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_EVENT_LOG_H_
