#include "daemon/actions/console_rows.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include <fmt/format.h>

namespace pointsman {
namespace {

std::string text(const PgRows& rows, std::size_t row, std::string_view column) {
  const auto* value = rows.get(row, column);
  return value != nullptr ? *value : std::string{};
}

template <class Number>
Number number(const PgRows& rows, std::size_t row, std::string_view column) {
  Number result = 0;
  if (const auto* value = rows.get(row, column)) {
    std::from_chars(value->data(), value->data() + value->size(), result);
  }
  return result;
}

/// "2026-11-24 20:33:40 UTC" in seconds. All times of one answer have one zone: only differences
/// count.
std::optional<std::int64_t> read_time(std::string_view text) {
  if (text.size() < 19) return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t size) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year{part(0, 4)},
                                        std::chrono::month{static_cast<unsigned>(part(5, 2))},
                                        std::chrono::day{static_cast<unsigned>(part(8, 2))}};
  if (!day.ok() || part(11, 2) < 0 || part(14, 2) < 0 || part(17, 2) < 0) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24 + part(11, 2)) * 60 + part(14, 2)) * 60 + part(17, 2);
}

bool flag(const PgRows& rows, std::size_t row, std::string_view column) {
  return number<int>(rows, row, column) != 0;
}

}  // namespace

std::vector<DatabaseRow> read_databases(const PgRows& rows) {
  std::vector<DatabaseRow> databases;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    DatabaseRow row;
    row.name = text(rows, i, "name");
    row.host = text(rows, i, "host");
    row.dbname = text(rows, i, "database");
    row.force_user = text(rows, i, "force_user");
    row.port = number<std::uint16_t>(rows, i, "port");
    row.pool_size = number<int>(rows, i, "pool_size");
    row.max_connections = number<int>(rows, i, "max_connections");
    row.current_connections = number<int>(rows, i, "current_connections");
    row.paused = flag(rows, i, "paused");
    row.disabled = flag(rows, i, "disabled");
    databases.push_back(std::move(row));
  }
  return databases;
}

std::vector<ServerRow> read_servers(const PgRows& rows, std::string_view database) {
  std::vector<ServerRow> servers;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (text(rows, i, "database") != database) continue;
    ServerRow row;
    row.database = database;
    row.user = text(rows, i, "user");
    row.state = text(rows, i, "state");
    row.addr = text(rows, i, "addr");
    row.ptr = text(rows, i, "ptr");
    row.link = text(rows, i, "link");
    row.port = number<std::uint16_t>(rows, i, "port");
    row.remote_pid = number<int>(rows, i, "remote_pid");
    row.close_needed = flag(rows, i, "close_needed");
    servers.push_back(std::move(row));
  }
  return servers;
}

std::vector<PoolRow> read_pools(const PgRows& rows, std::string_view database) {
  std::vector<PoolRow> pools;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (text(rows, i, "database") != database) continue;
    PoolRow row;
    row.database = database;
    row.user = text(rows, i, "user");
    row.pool_mode = text(rows, i, "pool_mode");
    row.cl_active = number<int>(rows, i, "cl_active");
    row.cl_waiting = number<int>(rows, i, "cl_waiting");
    row.sv_active = number<int>(rows, i, "sv_active");
    row.sv_idle = number<int>(rows, i, "sv_idle") + number<int>(rows, i, "sv_used");
    row.maxwait = std::chrono::seconds{number<int>(rows, i, "maxwait")} +
                  std::chrono::microseconds{number<int>(rows, i, "maxwait_us")};
    pools.push_back(std::move(row));
  }
  return pools;
}

std::vector<ClientRow> read_clients(const PgRows& rows) {
  std::vector<ClientRow> clients;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    ClientRow row;
    row.id = text(rows, i, "id");
    row.ptr = text(rows, i, "ptr");
    row.link = text(rows, i, "link");
    row.database = text(rows, i, "database");
    row.user = text(rows, i, "user");
    row.addr = text(rows, i, "addr");
    row.application_name = text(rows, i, "application_name");
    row.request_time = text(rows, i, "request_time");
    row.port = number<std::uint16_t>(rows, i, "port");
    clients.push_back(std::move(row));
  }
  return clients;
}

std::optional<std::string> read_setting(const PgRows& rows, std::string_view key) {
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (text(rows, i, "key") == key) return text(rows, i, "value");
  }
  return std::nullopt;
}

const DatabaseRow* find_database(const std::vector<DatabaseRow>& rows, std::string_view name) {
  for (const auto& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::vector<Endpoint> endpoints_of(const DatabaseRow& row) {
  std::vector<Endpoint> endpoints;
  std::string_view list = row.host;
  do {
    const auto comma = list.find(',');
    endpoints.push_back({std::string(list.substr(0, comma)), row.port});
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  } while (!list.empty());
  return endpoints;
}

const Place* find_place(const std::vector<Place>& places, std::string_view addr,
                        std::uint16_t port) {
  for (const auto& place : places) {
    const auto& known = place.addresses;
    if (place.endpoint.port == port && std::find(known.begin(), known.end(), addr) != known.end()) {
      return &place;
    }
  }
  return nullptr;
}

ServersView view_servers(const std::vector<ServerRow>& servers, const std::vector<Place>& places,
                         int pool_size) {
  ServersView view;
  view.seen.assign(places.size(), false);
  std::map<std::string, int> stuck_of_user;
  for (const auto& server : servers) {
    const auto* place = find_place(places, server.addr, server.port);
    if (place == nullptr) {
      view.foreign.push_back(server);
      if (server.closes_by_itself()) continue;
      view.stuck.push_back(server);
      if (++stuck_of_user[server.user] >= pool_size && pool_size > 0) view.is_exhausted = true;
    } else if (server.is_ready() && !server.close_needed) {
      ++view.fresh;
      view.seen[static_cast<std::size_t>(place - places.data())] = true;
    }
  }
  return view;
}

bool has_session_pooling(const std::vector<PoolRow>& pools) {
  return std::any_of(pools.begin(), pools.end(),
                     [](const PoolRow& pool) { return pool.pool_mode == "session"; });
}

bool is_settled(const std::vector<PoolRow>& pools, const std::vector<ServerRow>& servers) {
  return std::all_of(pools.begin(), pools.end(), [&](const PoolRow& pool) {
    return std::any_of(servers.begin(), servers.end(), [&](const ServerRow& server) {
      return server.user == pool.user && server.is_ready() && !server.close_needed;
    });
  });
}

std::vector<std::string> find_owner_ids(const std::vector<ClientRow>& clients,
                                        const std::vector<ServerRow>& servers) {
  std::vector<std::string> ids;
  for (const auto& server : servers) {
    const auto owner = std::find_if(clients.begin(), clients.end(), [&](const ClientRow& client) {
      return !server.link.empty() && client.ptr == server.link;
    });
    const bool has_id = owner != clients.end() && !owner->id.empty() &&
                        owner->id.find_first_not_of("0123456789") == std::string::npos;
    if (!has_id) return {};
    ids.push_back(owner->id);
  }
  return ids;
}

std::string describe_holders(const std::vector<ServerRow>& servers,
                             const std::vector<ClientRow>& clients) {
  std::optional<std::int64_t> now, oldest_at;
  const ClientRow* oldest = nullptr;
  int holders = 0;
  for (const auto& client : clients) {
    const auto at = read_time(client.request_time);
    if (at) now = std::max(now.value_or(*at), *at);
    const bool is_holder = !client.link.empty() && std::any_of(servers.begin(), servers.end(),
                                                               [&](const ServerRow& server) {
                                                                 return server.ptr == client.link;
                                                               });
    if (!is_holder) continue;
    ++holders;
    if (oldest != nullptr && (!at || (oldest_at && *oldest_at <= *at))) continue;
    oldest = &client;
    oldest_at = at;
  }
  if (oldest == nullptr) {
    return servers.empty() ? "no client is seen to keep it"
                           : fmt::format("{} server connections in state {}", servers.size(),
                                         servers.front().state);
  }
  const auto where = oldest->addr == "unix" ? std::string("over the unix socket")
                                            : to_text(Endpoint{oldest->addr, oldest->port});
  std::string text = fmt::format("client {} (user {}", where, oldest->user);
  if (!oldest->application_name.empty()) {
    text += fmt::format(", application {}", oldest->application_name);
  }
  if (oldest_at) text += fmt::format("; its last query began {} s ago", *now - *oldest_at);
  text += ")";
  if (holders > 1) text += fmt::format(" and {} more", holders - 1);
  return text;
}

bool is_full(const std::vector<PoolRow>& pools, const DatabaseRow& database,
             std::string_view user) {
  int busy = 0;
  bool pool_is_full = false, waits = false;
  for (const auto& pool : pools) {
    busy += pool.sv_active;
    if (pool.user != user) continue;
    waits = pool.cl_waiting > 0;
    pool_is_full = pool.sv_active >= database.pool_size;
  }
  return waits &&
         (pool_is_full || (database.max_connections > 0 && busy >= database.max_connections));
}

}  // namespace pointsman
