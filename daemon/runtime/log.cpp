#include "daemon/runtime/log.hpp"

#include <cstdlib>
#include <memory>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace pointsman {
namespace {

/// "<4>" and so on: sd-daemon(3).
class PriorityFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string_view prefix = "<6>";
    if (message.level == spdlog::level::warn) prefix = "<4>";
    if (message.level >= spdlog::level::err) prefix = "<3>";
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PriorityFlag>();
  }
};

spdlog::string_view_t view(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

void start_log() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  if (std::getenv("JOURNAL_STREAM") != nullptr) {  // NOLINT(concurrency-mt-unsafe): before threads
    formatter->add_flag<PriorityFlag>('*').set_pattern("%*%v");
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v");
  }
  sink->set_formatter(std::move(formatter));
  auto logger = std::make_shared<spdlog::logger>("pointsman", std::move(sink));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void log_info(std::string_view text) {
  spdlog::info(view(text));
}
void log_warn(std::string_view text) {
  spdlog::warn(view(text));
}
void log_error(std::string_view text) {
  spdlog::error(view(text));
}

void log_record(const Record& record) {
  std::string line(to_text(record.kind));
  line += " " + record.subject + ": " + record.text;
  const bool with_evidence =
      record.kind == RecordKind::decision || record.kind == RecordKind::denied ||
      record.kind == RecordKind::distrust || record.kind == RecordKind::probe_state;
  if (with_evidence) {
    for (const auto& [name, value] : record.details) line += " [" + name + ": " + value + "]";
  }
  switch (record.kind) {
    case RecordKind::decision:
    case RecordKind::denied:
    case RecordKind::distrust:
    case RecordKind::serving:
    case RecordKind::diagnosis:
      return log_warn(line);
    default:
      return log_info(line);
  }
}

}  // namespace pointsman
