// HAProxy's runtime API: one connection for each command, as its socket wants it.
//
// Sends "COMMAND\n" and reads until HAProxy closes. There is no status code: what an answer means
// is read from its words (haproxy_rows.hpp). Only that nobody could be asked, or not with our
// rights, is an error here; it names what to do. Never kept open, so that a reload of HAProxy needs
// no care. Every call ends at its deadline. At most `max_answer` bytes are read. Loop's thread.
#pragma once

#include <string>

#include "policies/model/time.hpp"
#include "probes/asio.hpp"

namespace pointsman {

struct HaproxyAnswer {
  std::string error;  ///< empty when HAProxy answered and took the command
  std::string text;   ///< without the empty line at its end
  /// With an error: HAProxy may have done it all the same.
  bool was_sent = false;
};

class HaproxySocket {
 public:
  static constexpr std::size_t max_answer = 1 << 20;

  HaproxySocket(asio::any_io_executor executor, std::string path);

  const std::string& path() const { return path_; }
  /// The caller must have called throw_if_cancelled(false). The socket must outlive the call.
  asio::awaitable<HaproxyAnswer> async_ask(std::string command, MonoTime deadline);

 private:
  asio::awaitable<HaproxyAnswer> async_talk(std::string command);
  std::string why_not_connected(int error) const;

  asio::any_io_executor executor_;
  std::string path_;
};

}  // namespace pointsman
