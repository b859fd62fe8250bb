// What HAProxy's runtime API answers, as plain values, and what a switch has to change. Pure.
//
// Columns are read by the header's names, since later versions add some. FACTS section 6 has the
// answers: `set server … addr` says in words what it did, `state` and `shutdown` say nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/names.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

/// A row of `show servers state`.
struct HaproxyRow {
  std::string backend, server, addr;
  std::uint16_t port = 0;
  int op_state = 0;     ///< 0 stopped, 1 starting, 2 running, 3 stopping
  int admin_state = 0;  ///< a set of bits; 4 only says that the configuration has `disabled`

  /// New clients may be sent there: it is neither in maintenance nor draining.
  bool is_ready() const { return (admin_state & ~4) == 0; }
  /// HAProxy's own check lets it serve.
  bool is_up() const { return op_state == 1 || op_state == 2; }
  Endpoint endpoint() const { return {addr, port}; }
  friend bool operator==(const HaproxyRow&, const HaproxyRow&) = default;
};

/// The error is HAProxy's own where the answer is no table ("Can't find backend.").
Result<std::vector<HaproxyRow>> read_servers_state(std::string_view text);

/// The rows of these servers of a backend, in the order of `servers`; the error names who is
/// missing, and who is there.
Result<std::vector<HaproxyRow>> find_slots(const std::vector<HaproxyRow>& rows,
                                           const std::string& backend,
                                           const std::vector<std::string>& servers);

/// Empty where the answer says that it was done (or was so already), else HAProxy's complaint.
std::string complaint_about_address(std::string_view answer);
std::string complaint_about_state(std::string_view answer);

/// What a server entry is to become.
struct HaproxySlot {
  std::string server;
  Endpoint address;
  bool ready = true;
  friend bool operator==(const HaproxySlot&, const HaproxySlot&) = default;
};

HaproxySlot slot_of(const HaproxyRow& row);

/// A target with all the numeric addresses that its name has; the first is what is written.
struct HaproxyTarget {
  Endpoint endpoint;
  std::vector<std::string> addresses;
  bool is_at(const Endpoint& place) const;
};

/// Which server entries are to lead where: targets that have an entry keep it, others take one in
/// maintenance first, then one that nobody wants. Entries left over go into maintenance.
Result<std::vector<HaproxySlot>> plan_slots(const std::vector<HaproxyRow>& rows,
                                            const std::vector<HaproxyTarget>& targets);

}  // namespace pointsman
