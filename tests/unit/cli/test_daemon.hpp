// A daemon of a few lines for the tests of the command line, and the command line with what it is
// in the middle of. tests/e2e asks the real daemon.
#pragma once

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "daemon/cli/cli.hpp"
#include "probes/clock.hpp"

namespace pointsman::test {

struct Reply {
  int status = 200;
  std::string body;
  bool stream = false;  ///< without a length: it ends with the connection
};

/// Answers each connection with what is set for "GET /path", then closes it. What is in `first` for
/// it is used up before.
class TestDaemon {
 public:
  std::string folder, socket;
  std::map<std::string, Reply> replies;
  std::map<std::string, std::deque<Reply>> first;
  std::vector<std::string> asked;
  std::vector<std::string> bodies;  ///< of those that had one
  std::atomic<bool> silent{false};  ///< takes connections, reads nothing, says nothing

  TestDaemon() {
    std::string name = (std::filesystem::temp_directory_path() / "cli-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    socket = folder + "/control.sock";
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.c_str(), socket.size());
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~TestDaemon() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    if (held_ >= 0) ::close(held_);
    std::filesystem::remove_all(folder);
  }

 private:
  Reply reply_to(const std::string& key) {
    auto& queue = first[key];
    if (!queue.empty()) {
      const Reply reply = queue.front();
      queue.pop_front();
      return reply;
    }
    const auto found = replies.find(key);
    return found == replies.end() ? Reply{404, R"({"error":"there is nothing here"})"}
                                  : found->second;
  }

  void serve() {
    while (!stop_) {
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) continue;
      if (silent) {
        held_ = peer;
        continue;
      }
      std::string request;
      char part[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const auto got = ::read(peer, part, sizeof part);
        if (got <= 0) break;
        request.append(part, static_cast<std::size_t>(got));
      }
      const auto head_end = request.find("\r\n\r\n") + 4;
      const auto length = request.find("Content-Length: ");
      if (length != std::string::npos) {
        const auto wanted = std::stoul(request.substr(length + 16));
        while (request.size() < head_end + wanted) {
          const auto got = ::read(peer, part, sizeof part);
          if (got <= 0) break;
          request.append(part, static_cast<std::size_t>(got));
        }
        if (wanted > 0) bodies.push_back(request.substr(head_end));
      }
      const auto key = request.substr(0, request.find(" HTTP/"));
      asked.push_back(key);
      const Reply reply = reply_to(key);
      const auto text = fmt::format(
          "HTTP/1.1 {} X\r\nContent-Type: application/json\r\n{}Connection: close\r\n\r\n{}",
          reply.status,
          reply.stream ? "" : fmt::format("Content-Length: {}\r\n", reply.body.size()), reply.body);
      (void)!::write(peer, text.data(), text.size());
      ::close(peer);
    }
  }

  int listener_ = -1;
  int held_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Command {
  CliHooks hooks;
  std::map<std::string, std::string> environment;
  int pictures = 1;
  bool terminal = false;
  int slept = 0;
  std::function<int()> interrupts = [] { return 0; };
  std::string out, err;
  std::vector<std::string> called;

  Command() {
    hooks.version = "1.2.3";
    hooks.commit = "abc1234";
    hooks.run = [this](const RunOptions& given) {
      called.push_back("run " + given.config);
      return 0;
    };
    hooks.check = [this](const CheckOptions& given) {
      called.push_back(fmt::format("check {} {} {}{}", given.file, given.json, given.strict,
                                   given.live ? " live" : ""));
      return exit_code::configuration;
    };
    hooks.probe = [this](const ProbeOptions& given) {
      called.push_back(
          fmt::format("probe {} {} {} {}", given.name, given.config, given.verbose, given.json));
      return exit_code::unhealthy;
    };
    hooks.simulate = [this](const SimulateOptions& given) {
      std::string line = "simulate " + given.config;
      for (const std::string& scenario : given.scenarios) line += " " + scenario;
      line += fmt::format(" {} {} {}", given.history, given.since, given.json);
      called.push_back(std::move(line));
      return exit_code::fine;
    };
  }

  int operator()(const std::vector<std::string>& arguments) {
    char *out_text = nullptr, *err_text = nullptr;
    std::size_t out_size = 0, err_size = 0;
    Surroundings around;
    around.out = ::open_memstream(&out_text, &out_size);
    around.err = ::open_memstream(&err_text, &err_size);
    around.terminal = terminal;
    around.columns = 100;
    around.environment = [this](const char* name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end()) return std::nullopt;
      return found->second;
    };
    around.now = wall_now;
    around.pause = [this] { return --pictures > 0; };
    around.sleep = [this](Duration) { ++slept; };
    around.interrupts = interrupts;
    const int code = run_cli(arguments, hooks, around);
    std::fclose(around.out);
    std::fclose(around.err);
    out.assign(out_text, out_size);
    err.assign(err_text, err_size);
    ::free(out_text);
    ::free(err_text);
    return code;
  }
};

}  // namespace pointsman::test
