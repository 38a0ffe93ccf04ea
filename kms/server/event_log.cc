#include "kms/server/event_log.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace kms::server {
namespace {

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

void AppendString(std::string& out, absl::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  out.push_back('"');
}

void AppendField(std::string& out, absl::string_view name,
                 absl::string_view value) {
  if (out.size() > 1) out.push_back(',');
  AppendString(out, name);
  out.push_back(':');
  AppendString(out, value);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLog>> EventLog::Open(
    LogLevel level, const std::string& file, const Clock& clock) {
  try {
    spdlog::sink_ptr sink;
    if (file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    }
    auto logger = std::make_shared<spdlog::logger>("kmsd", std::move(sink));
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);  // Levels are judged here.
    logger->flush_on(spdlog::level::trace);
    return std::unique_ptr<EventLog>(
        new EventLog(level, clock, std::move(logger)));
  } catch (const spdlog::spdlog_ex&) {
    return absl::UnavailableError(
        absl::StrCat(file, ": the log file cannot be opened"));
  }
}

EventLog::EventLog(LogLevel level, const Clock& clock,
                   std::shared_ptr<spdlog::logger> logger)
    : level_(level), clock_(clock), logger_(std::move(logger)) {}

EventLog::~EventLog() = default;

void EventLog::Write(LogLevel level, absl::string_view event,
                     std::initializer_list<Field> fields) const {
  if (level < level_) return;
  std::string line = "{";
  AppendField(line, "time",
              absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", clock_.Now(),
                               absl::UTCTimeZone()));
  AppendField(line, "level", LevelName(level));
  AppendField(line, "event", event);
  for (const Field& field : fields) {
    AppendField(line, field.first, field.second);
  }
  line.push_back('}');
  // One call a line: spdlog's sink keeps lines of several threads apart.
  logger_->log(spdlog::level::info,
               spdlog::string_view_t(line.data(), line.size()));
}

void EventLog::Flush() const { logger_->flush(); }

}  // namespace kms::server
