// One client's connection: reads requests, answers them in order, and ends in time.
//
// A small state machine driven by Asio's handlers, not a coroutine: between two requests it costs
// its read buffer and no frame. Requests that are complete are all answered before the next read;
// their answers leave with one send. At most one read and one write wait are under way. Every phase
// has a deadline, which ConnectionSet::sweep looks at; none has a timer of its own. What the peer
// does wrong ends its connection and nothing else. Once asked for events it only sends (streaming);
// while an answer is being made elsewhere it reads nothing (deciding). On the loop's thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "daemon/http/request.hpp"
#include "daemon/http/response.hpp"
#include "daemon/http/settings.hpp"
#include "probes/asio.hpp"

namespace pointsman {

class ConnectionSet;
struct ServerState;

class Connection : public boost::intrusive_ref_counter<Connection, boost::thread_unsafe_counter>,
                   public boost::intrusive::list_base_hook<> {
 public:
  using Ref = boost::intrusive_ptr<Connection>;

  /// Takes `descriptor`, an accepted socket that does not block, and becomes a member of `set`.
  static Ref open(std::shared_ptr<ServerState> server, ConnectionSet& set, int descriptor);
  ~Connection();

  /// Reads and answers. A client that sent its request with its connection is answered before this
  /// returns, without the reactor having heard of it.
  void serve_requests();
  /// Sends this, whatever the client says, and ends.
  void say_and_end(std::string_view line);

  /// Sends events that are new, or a heartbeat when it is time; when the socket has no room, later.
  void look_for_events(MonoTime now);

  /// No further request: ends now when nothing is under way, else after the answer.
  void finish();
  /// Ends now, whatever is under way. The set lets go of it.
  void close();

  bool overdue(MonoTime now) const { return deadline_ <= now; }
  /// A deadline has passed: 408 where a request was begun, else just the end.
  void on_deadline(MonoTime now);
  /// When it last sent or took a byte.
  MonoTime active() const { return active_; }

 private:
  enum class Phase { waiting, header, body, deciding, writing, streaming, lingering, closed };
  enum class Flushed { all, blocked, failed };
  using Socket =
      asio::basic_stream_socket<asio::generic::stream_protocol, asio::io_context::executor_type>;

  /// A listener to events: where it has come to, when it last got a byte, what it said meanwhile.
  struct Stream {
    std::uint64_t after = 0;
    MonoTime sent{};
    std::size_t heard = 0;
  };
  /// A request whose answer is being made; no other is read meanwhile.
  struct Pending {
    After after = After::keep;
    bool head_only = false;
  };

  Connection(std::shared_ptr<ServerState> server, ConnectionSet& set, int descriptor);

  void enter(Phase phase, MonoTime deadline);
  bool watch_socket();
  void wait_to_read();
  void wait_to_write();
  void on_read(const error_code& error, std::size_t count);
  void on_bytes();
  void serve(MonoTime now);
  void after_writing(MonoTime now);
  /// Answers what is complete in the buffer. True: stopped because enough waits to be sent.
  bool answer_requests(MonoTime now);
  /// One step of the parser. True: a request is complete.
  bool parse(MonoTime now);
  bool begin_request(MonoTime now);
  bool is_too_short() const;
  void answer_one(MonoTime now);
  void give(const Answer& answer, After after, bool head_only);
  void begin_stream(const Answer& answer, bool head_only, MonoTime now);
  void send_events(MonoTime now);
  bool append_news(MonoTime now);
  void wait_for_answer(const Answer& answer, Pending pending, MonoTime now);
  void on_answer(const Answer& answer);
  void end_with_status(int status, std::string_view text, MonoTime now);
  void refuse(int status, std::string_view text);
  ssize_t send_some();
  Flushed flush(MonoTime now);
  bool flush_or_wait(MonoTime now);
  bool has_output() const { return out_sent_ < out_.size() || body_ != nullptr; }
  void end(MonoTime now);

  std::shared_ptr<ServerState> server_;
  ConnectionSet& set_;
  Socket socket_;  ///< open once the reactor watches the descriptor
  int descriptor_;
  Phase phase_ = Phase::waiting;
  bool reading_ = false;    ///< a read is under way
  bool ending_ = false;     ///< no further request after what is in out_
  bool linger_ = false;     ///< read on before closing, or the answer may be lost
  bool finishing_ = false;  ///< the answer after this one tells the client to go
  MonoTime deadline_{}, active_{};

  std::optional<Stream> stream_;
  std::optional<Pending> pending_;
  std::optional<RequestParser> parser_;
  Request request_;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::shared_ptr<const std::string> body_;  ///< a large one, sent after out_ without a copy
  std::size_t body_sent_ = 0;
  std::size_t in_begin_ = 0, in_end_ = 0;
  std::array<char, http_header_bytes> in_;  // NOLINT: filled by reads only
};

}  // namespace pointsman
