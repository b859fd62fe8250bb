// A PostgreSQL server for tests that speaks just enough for the probe, and falls silent or ends its
// sessions where a test says so: what a real one cannot be made to do at a given moment.
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/read.hpp>

#include "probes/spec.hpp"
#include "tests/unit/probes/net_support.hpp"

namespace pointsman::testing {

class PgPeer {
 public:
  /// What happens to a session that is asked for the facts.
  enum class Ends { never, before_the_answer, after_the_answer };

  bool silent_login = false;  ///< it accepts, and says nothing
  bool half_login = false;    ///< it asks for a password, and says nothing more
  bool silent_own_query = false, failing_own_query = false;
  int silent_sessions = 0;  ///< those up to this number answer no question
  Ends ends = Ends::never;

  explicit PgPeer(asio::io_context& loop)
      : server_(loop, [this](Tcp::socket socket) { return serve(*this, std::move(socket)); }) {}

  int sessions() const { return server_.accepted(); }
  PostgresSpec spec() const {
    PostgresSpec spec;
    spec.conninfo = Secret("host=127.0.0.1 user=u password=p dbname=d sslmode=disable port=" +
                           std::to_string(server_.port()));
    return spec;
  }
  /// At once, without the loop; returns when the client's kernel has it.
  void say_in_last_session(const std::string& bytes) {
    Tcp::socket& socket = *open_.back();
    asio::write(socket, asio::buffer(bytes));
    int unacknowledged = 1;
    for (int n = 0; n < 1000 && unacknowledged != 0; ++n) {
      REQUIRE(::ioctl(socket.native_handle(), SIOCOUTQ, &unacknowledged) == 0);
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    REQUIRE(unacknowledged == 0);
  }

  static std::string fatal(std::string_view sqlstate) {
    return error("FATAL", sqlstate, "ProcessInterrupts");
  }

 private:
  static std::string number(std::size_t value, int bytes) {
    std::string text;
    for (int n = bytes - 1; n >= 0; --n) text += static_cast<char>((value >> (8 * n)) & 0xFF);
    return text;
  }
  static std::string zero_ended(std::string_view text) { return std::string(text) + '\0'; }
  static std::string message(char type, const std::string& body) {
    return type + number(body.size() + 4, 4) + body;
  }
  static std::string ready() { return message('Z', "I"); }
  static std::string error(std::string_view severity, std::string_view sqlstate,
                           std::string_view source) {
    return message('E', 'S' + zero_ended(severity) + 'V' + zero_ended(severity) + 'C' +
                            zero_ended(sqlstate) + 'M' + zero_ended("no more") + 'F' +
                            zero_ended("postgres.c") + 'L' + zero_ended("1") + 'R' +
                            zero_ended(source) + '\0');
  }
  static std::string row(const std::vector<std::pair<std::string, std::string>>& cells) {
    std::string columns = number(cells.size(), 2), values = columns;
    for (const auto& [name, value] : cells) {
      // No table, type text, of any length.
      columns += zero_ended(name) + number(0, 6) + number(25, 4) + number(0xFFFF, 2) +
                 number(0xFFFFFFFF, 4) + number(0, 2);
      values += number(value.size(), 4) + value;
    }
    return message('T', columns) + message('D', values) + message('C', zero_ended("SELECT 1")) +
           ready();
  }

  /// nothing: silence.
  std::optional<std::string> answer_to(const std::string& question, int session) const {
    if (session <= silent_sessions) return std::nullopt;
    if (question.find("system_identifier") != std::string::npos) return row({{"system_id", "7"}});
    if (question.find("pg_is_in_recovery") != std::string::npos) {
      if (ends == Ends::before_the_answer) return fatal("57P01");
      return row({{"standby", "f"}, {"written", "0/5000000"}, {"timeline", "00000001"}}) +
             (ends == Ends::after_the_answer ? fatal("57P01") : std::string());
    }
    if (silent_own_query) return std::nullopt;
    if (failing_own_query) return error("ERROR", "42P01", "parserOpenTable") + ready();
    return row({{"x", "1"}});
  }

  static asio::awaitable<void> stay_silent(Tcp::socket& socket) {
    std::string ignored(1024, '\0');
    while (true) {
      const auto [ec, n] = co_await socket.async_read_some(asio::buffer(ignored), as_result);
      if (ec) co_return;
    }
  }
  /// The rest of a message, whose length comes first; empty when the peer is gone.
  static asio::awaitable<std::string> body_of(Tcp::socket& socket) {
    unsigned char head[4];
    const auto [ec, n] = co_await asio::async_read(socket, asio::buffer(head), as_result);
    if (ec) co_return std::string();
    const std::size_t length = (std::size_t{head[2]} << 8) + head[3];
    std::string body(length - 4, '\0');
    const auto [lost, m] = co_await asio::async_read(socket, asio::buffer(body), as_result);
    co_return lost ? std::string() : body;
  }

  static asio::awaitable<void> serve(PgPeer& self, Tcp::socket accepted) {
    const auto socket = std::make_shared<Tcp::socket>(std::move(accepted));
    const int session = self.sessions();
    self.open_.push_back(socket);
    const std::string startup = co_await body_of(*socket);
    if (self.silent_login) {
      co_await stay_silent(*socket);
      co_return;
    }
    std::string text = message('R', number(self.half_login ? 3 : 0, 4));
    if (!self.half_login) {
      text += message('S', zero_ended("server_version") + zero_ended("15.20")) + ready();
    }
    co_await asio::async_write(*socket, asio::buffer(text), as_result);
    if (self.half_login) {
      co_await stay_silent(*socket);
      co_return;
    }
    while (true) {
      char type = 0;
      const auto [ec, n] = co_await asio::async_read(*socket, asio::buffer(&type, 1), as_result);
      if (ec || type != 'Q') co_return socket->close();
      const std::string question = co_await body_of(*socket);
      const auto answer = self.answer_to(question, session);
      if (!answer) {
        co_await stay_silent(*socket);
        co_return;
      }
      text = *answer;
      co_await asio::async_write(*socket, asio::buffer(text), as_result);
      if (self.ends != Ends::never) co_return socket->close();
    }
  }

  std::vector<std::shared_ptr<Tcp::socket>> open_;
  RawServer server_;
};

}  // namespace pointsman::testing
