#include "daemon/actions/console_rows.hpp"

#include <algorithm>
#include <charconv>
#include <map>

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
    row.cl_waiting = number<int>(rows, i, "cl_waiting");
    row.sv_active = number<int>(rows, i, "sv_active");
    pools.push_back(std::move(row));
  }
  return pools;
}

std::vector<ClientRow> read_clients(const PgRows& rows) {
  std::vector<ClientRow> clients;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    clients.push_back({text(rows, i, "id"), text(rows, i, "ptr"), text(rows, i, "link")});
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
