// Opens listening sockets, and says in one sentence what to do when one can not be opened.
//
// Only system calls; knows nothing of HTTP. The descriptors do not block and are closed on exec.
#pragma once

#include <string>

#include "policies/model/names.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

/// Waiting connections that the kernel keeps for us (it takes the lower of this and somaxconn).
inline constexpr int listen_backlog = 4096;

/// `host` is a numeric address. "::" takes IPv4 clients too. `key` names the setting in errors.
Result<int> open_tcp_listener(const Endpoint& endpoint, const std::string& key);

/// Owner and group only (0660). Takes the place of a socket file on which nobody answers.
Result<int> open_unix_listener(const std::string& path);

/// Where it listens, also when port 0 was asked for.
Endpoint local_endpoint(int descriptor);

}  // namespace pointsman
