// One request to a daemon over its control socket (HTTP/1.1 on a unix socket), with a deadline over
// the whole of it. Blocks; for the command line's process only. Limits: 5 s, 16 MiB of answer.
#pragma once

#include <string>

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
  /// `reload` reads files and resolves secrets before it answers.
  static constexpr Duration long_patience = std::chrono::seconds{30};

  explicit ControlClient(std::string socket, Duration get_patience = patience)
      : socket_(std::move(socket)), get_patience_(get_patience) {}

  Result<ControlAnswer> get(const std::string& target) const;
  Result<ControlAnswer> post(const std::string& target) const;
  const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  Duration get_patience_;
};

/// As a part of a path: everything but letters, digits and "-._~" is written %XX.
std::string percent_encoded(const std::string& text);

}  // namespace pointsman
