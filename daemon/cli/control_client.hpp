// One request to a daemon over its control socket (HTTP/1.1 on a unix socket), with a deadline over
// the whole of it; of a stream over each silence. Blocks; for the command line's process only.
// Limits: 5 s (30 s for what changes something), 16 MiB of answer.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "policies/model/result.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

struct ControlAnswer {
  int status = 0;
  std::string body;
};

class ControlClient {
 public:
  static constexpr Duration patience = std::chrono::seconds{5};
  /// `reload` reads files and resolves secrets before it answers, `notify test` waits for others.
  /// Longer than the daemon gives itself (30 s), so that its own words are heard.
  static constexpr Duration long_patience = std::chrono::seconds{35};
  /// Three of the daemon's heartbeats.
  static constexpr Duration silence = std::chrono::seconds{45};

  explicit ControlClient(std::string socket, Duration get_patience = patience)
      : socket_(std::move(socket)), get_patience_(get_patience) {}

  Result<ControlAnswer> get(const std::string& target) const;
  /// `body` is JSON; none when empty.
  Result<ControlAnswer> post(const std::string& target, const std::string& body = {}) const;
  /// Gives each piece of an answer without an end to `take` until that says false. Never ok: says
  /// why it ended.
  Status stream(const std::string& target,
                const std::function<bool(std::string_view piece)>& take) const;
  const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  Duration get_patience_;
};

/// As a part of a path: everything but letters, digits and "-._~" is written %XX.
std::string percent_encoded(const std::string& text);

}  // namespace pointsman
