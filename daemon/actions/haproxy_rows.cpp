#include "daemon/actions/haproxy_rows.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace pointsman {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

std::string_view next_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string first_line(std::string_view text) {
  return std::string(next_line(text));
}

/// Where the columns that we need stand.
struct Columns {
  std::size_t backend, server, addr, port, op_state, admin_state;
  std::size_t last() const {
    return std::max({backend, server, addr, port, op_state, admin_state});
  }
};

std::optional<Columns> find_columns(std::string_view header) {
  auto names = words_of(header);
  if (names.empty() || names.front() != "#") return std::nullopt;
  names.erase(names.begin());
  Columns columns{};
  const auto find = [&](std::string_view name, std::size_t& at) {
    const auto found = std::find(names.begin(), names.end(), name);
    at = static_cast<std::size_t>(found - names.begin());
    return found != names.end();
  };
  const bool all = find("be_name", columns.backend) && find("srv_name", columns.server) &&
                   find("srv_addr", columns.addr) && find("srv_port", columns.port) &&
                   find("srv_op_state", columns.op_state) &&
                   find("srv_admin_state", columns.admin_state);
  if (!all) return std::nullopt;
  return columns;
}

/// The entry that leads to the target already: one that serves rather than one in maintenance.
HaproxySlot* find_kept(const std::vector<HaproxyRow>& rows, std::vector<HaproxySlot>& slots,
                       const HaproxyTarget& target) {
  HaproxySlot* kept = nullptr;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (slots[i].ready || !target.is_at(rows[i].endpoint())) continue;
    if (rows[i].is_ready()) return &slots[i];
    if (kept == nullptr) kept = &slots[i];
  }
  return kept;
}

}  // namespace

Result<std::vector<HaproxyRow>> read_servers_state(std::string_view text) {
  const auto whole = text;
  const auto version = next_line(text);
  const auto columns = find_columns(next_line(text));
  if (!columns || version.empty() ||
      version.find_first_not_of("0123456789") != std::string_view::npos) {
    return Error{fmt::format("HAProxy said: {}", first_line(whole))};
  }
  std::vector<HaproxyRow> rows;
  while (!text.empty()) {
    const auto line = next_line(text);
    if (line.empty() || line.starts_with("#")) continue;
    const auto words = words_of(line);
    HaproxyRow row;
    const bool is_row = words.size() > columns->last() &&
                        read_number(words[columns->port], row.port) &&
                        read_number(words[columns->op_state], row.op_state) &&
                        read_number(words[columns->admin_state], row.admin_state);
    if (!is_row)
      return Error{fmt::format("a line of `show servers state` makes no sense: {}", line)};
    row.backend = words[columns->backend];
    row.server = words[columns->server];
    row.addr = words[columns->addr];
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<HaproxyRow>> find_slots(const std::vector<HaproxyRow>& rows,
                                           const std::string& backend,
                                           const std::vector<std::string>& servers) {
  std::string there;
  for (const auto& row : rows) {
    if (row.backend == backend) there += (there.empty() ? "" : ", ") + row.server;
  }
  std::vector<HaproxyRow> slots;
  for (const auto& server : servers) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const HaproxyRow& row) {
      return row.backend == backend && row.server == server;
    });
    if (found == rows.end()) {
      return Error{fmt::format("HAProxy's backend {} has no server {}; it has: {}", backend, server,
                               there.empty() ? "none" : there)};
    }
    slots.push_back(*found);
  }
  return slots;
}

std::string complaint_about_address(std::string_view answer) {
  const bool was_done =
      answer.starts_with("no need to change the addr") || answer.starts_with("IP changed from");
  // The words about the port follow those about the address.
  const bool is_wrong_port = answer.find("problem converting port") != std::string_view::npos;
  if (was_done && !is_wrong_port) return {};
  return answer.empty() ? "HAProxy said nothing about the address" : first_line(answer);
}

std::string complaint_about_state(std::string_view answer) {
  return first_line(answer);
}

HaproxySlot slot_of(const HaproxyRow& row) {
  return {row.server, row.endpoint(), row.is_ready()};
}

bool HaproxyTarget::is_at(const Endpoint& place) const {
  return place.port == endpoint.port &&
         std::find(addresses.begin(), addresses.end(), place.host) != addresses.end();
}

Result<std::vector<HaproxySlot>> plan_slots(const std::vector<HaproxyRow>& rows,
                                            const std::vector<HaproxyTarget>& targets) {
  if (targets.size() > rows.size()) {
    return Error{fmt::format(
        "{} targets, but `server:` names {} of HAProxy's servers: name as many as there are "
        "candidates",
        targets.size(), rows.size())};
  }
  std::vector<HaproxySlot> slots;
  for (const auto& row : rows) slots.push_back({row.server, row.endpoint(), false});
  std::vector<const HaproxyTarget*> homeless;
  for (const auto& target : targets) {
    HaproxySlot* kept = find_kept(rows, slots, target);
    if (kept != nullptr) kept->ready = true;
    if (kept == nullptr) homeless.push_back(&target);
  }
  for (const bool in_use : {false, true}) {
    for (std::size_t i = 0; i < rows.size() && !homeless.empty(); ++i) {
      if (slots[i].ready || rows[i].is_ready() != in_use) continue;
      const auto& target = *homeless.front();
      slots[i].address = {target.addresses.front(), target.endpoint.port};
      slots[i].ready = true;
      homeless.erase(homeless.begin());
    }
  }
  return slots;
}

}  // namespace pointsman
