// Runs probers as daemon/runtime does: terminal cancellation at the deadline, and the run must then
// end.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman::test {

struct Loop {
  asio::io_context io{1};
  Resolver resolver{io.get_executor()};
  TlsContexts tls;

  ProberServices services() { return {io.get_executor(), resolver, tls}; }
};

struct Run {
  std::optional<Finding> finding;
  std::chrono::nanoseconds took{};
  std::vector<std::string> steps;
};

/// A run under way: the deadline's timer, and where the finding will be. Keep it until it has one.
class Started {
 public:
  Started(Loop& loop, Prober& prober, std::chrono::nanoseconds timeout)
      : timer_(loop.io, timeout), begun_(mono_now()) {
    context_.deadline = begun_ + timeout;
    context_.trace = [this](std::string_view step) { run_.steps.emplace_back(step); };
    asio::co_spawn(loop.io, prober.async_run(context_),
                   asio::bind_cancellation_slot(cancel_.slot(),
                                                [this](std::exception_ptr error, Finding finding) {
                                                  if (error) std::rethrow_exception(error);
                                                  run_.took = mono_now() - begun_;
                                                  run_.finding = std::move(finding);
                                                  timer_.cancel();
                                                }));
    timer_.async_wait([this](error_code ec) {
      if (!ec) cancel_.emit(asio::cancellation_type::terminal);
    });
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;

  const Run& run() const { return run_; }

 private:
  asio::cancellation_signal cancel_;
  asio::steady_timer timer_;
  MonoTime begun_;
  RunContext context_;
  Run run_;
};

/// One run, to its end.
inline Run run_once(Loop& loop, Prober& prober, std::chrono::nanoseconds timeout) {
  Started started(loop, prober, timeout);
  loop.io.restart();
  while (!started.run().finding && loop.io.run_one() > 0) {
  }
  return started.run();
}

/// A folder of our own that is gone afterwards.
class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/pointsman-local-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TempFolder() {
    const std::string command = "rm -rf --one-file-system " + path_;
    if (std::system(command.c_str()) != 0) std::perror(path_.c_str());
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace pointsman::test
