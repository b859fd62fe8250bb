#include "daemon/http/connection.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "daemon/http/event_text.hpp"
#include "daemon/http/server_state.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

namespace http = beast::http;

/// Larger bodies are sent from where they are instead of being copied behind the head.
constexpr std::size_t copied_body_bytes = 16 * 1024;
constexpr std::size_t last_chunk_size = std::string_view("0\r\n\r\n").size();
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

/// RFC 9110, 5.6.2: what a method may be made of. A TLS greeting starts with something else.
bool is_token_byte(char c) {
  static constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         marks.find(c) != std::string_view::npos;
}

}  // namespace

Connection::Ref Connection::open(std::shared_ptr<ServerState> server, ConnectionSet& set,
                                 int descriptor) {
  Ref connection{new Connection(std::move(server), set, descriptor)};
  set.add(*connection);
  return connection;
}

Connection::Connection(std::shared_ptr<ServerState> server, ConnectionSet& set, int descriptor)
    : server_(std::move(server)),
      set_(set),
      socket_(server_->io.get_executor()),
      descriptor_(descriptor) {}

Connection::~Connection() {
  if (phase_ != Phase::closed && !socket_.is_open()) ::close(descriptor_);
}

void Connection::serve_requests() {
  active_ = mono_now();
  enter(Phase::waiting, active_ + server_->limits.header_deadline);
  const ssize_t count = ::recv(descriptor_, in_.data(), in_.size(), 0);
  if (count > 0) {
    in_end_ = static_cast<std::size_t>(count);
    serve(active_);
  } else if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
    wait_to_read();
  } else {
    close();
  }
}

void Connection::say_and_end(std::string_view line) {
  active_ = mono_now();
  out_ = line;
  ending_ = true;
  linger_ = true;
  serve(active_);
}

void Connection::enter(Phase phase, MonoTime deadline) {
  phase_ = phase;
  deadline_ = deadline;
}

/// The first wait makes the descriptor known to the reactor.
bool Connection::watch_socket() {
  if (socket_.is_open()) return true;
  error_code error;
  socket_.assign(asio::generic::stream_protocol(AF_UNSPEC, 0), descriptor_, error);
  if (error) close();
  return !error;
}

void Connection::wait_to_read() {
  if (reading_ || !watch_socket()) return;
  if (in_begin_ == in_end_) {
    in_begin_ = in_end_ = 0;
  } else if (in_end_ == in_.size()) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  reading_ = true;
  socket_.async_read_some(asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
                          [self = Ref(this)](const error_code& error, std::size_t count) {
                            self->on_read(error, count);
                          });
}

void Connection::on_read(const error_code& error, std::size_t count) {
  reading_ = false;
  if (phase_ == Phase::closed) return;
  if (error) {  // the end of a client that has had its answers, or a reset
    close();
  } else if (phase_ == Phase::lingering) {
    wait_to_read();  // what it still says is not kept
  } else if (stream_) {
    stream_->heard += count;  // nothing that it can say is of use any more
    if (stream_->heard > http_header_bytes) {
      close();
    } else {
      wait_to_read();
    }
  } else {
    in_end_ += count;
    active_ = mono_now();
    set_.touch(*this);
    serve(active_);
  }
}

void Connection::wait_to_write() {
  if (!watch_socket()) return;
  enter(Phase::writing, active_ + server_->limits.write_deadline);
  socket_.async_wait(Socket::wait_write, [self = Ref(this)](const error_code& error) {
    if (self->phase_ == Phase::closed) return;
    if (error) {
      self->close();
    } else {
      self->serve(mono_now());
    }
  });
}

/// False: it goes on when the socket takes more, or is closed.
bool Connection::flush_or_wait(MonoTime now) {
  const Flushed flushed = flush(now);
  if (flushed == Flushed::blocked) wait_to_write();
  if (flushed == Flushed::failed) close();
  return flushed == Flushed::all;
}

void Connection::serve(MonoTime now) {
  for (bool more = true; more;) {  // ends: each round uses up some of in_, and reads none
    more = !has_output() && answer_requests(now);
    if (!flush_or_wait(now)) return;
    if (ending_) {
      end(now);
      return;
    }
    if (stream_) {
      send_events(now);
      return;
    }
    if (pending_) {
      enter(Phase::deciding, now + server_->limits.later_deadline);
      return;
    }
    if (phase_ == Phase::writing) {
      after_writing(now);
      more = true;
    }
  }
  wait_to_read();
}

void Connection::after_writing(MonoTime now) {
  const HttpLimits& limits = server_->limits;
  if (!parser_) {
    enter(Phase::waiting, now + limits.idle);
  } else if (parser_->is_header_done()) {
    enter(Phase::body, now + limits.body_deadline);
  } else {
    enter(Phase::header, now + limits.header_deadline);
  }
}

bool Connection::answer_requests(MonoTime now) {
  while (!ending_ && !stream_ && !pending_) {
    if (out_.size() >= http_out_bytes || body_) return true;
    if (!parse(now)) return false;
    answer_one(now);
  }
  return false;
}

bool Connection::begin_request(MonoTime now) {
  // An empty line before a request is overlooked (RFC 9112, 2.2).
  while (in_begin_ < in_end_ && (in_[in_begin_] == '\r' || in_[in_begin_] == '\n')) ++in_begin_;
  if (in_begin_ == in_end_) return false;
  if (!is_token_byte(in_[in_begin_])) {
    refuse(400, "this is not HTTP; the port speaks HTTP without TLS");
    return false;
  }
  parser_.emplace(request_);
  enter(Phase::header, now + server_->limits.header_deadline);
  return true;
}

bool Connection::parse(MonoTime now) {
  if (!parser_ && !begin_request(now)) return false;
  if (in_begin_ == in_end_ || is_too_short()) return false;

  error_code error;
  in_begin_ += parser_->put(asio::buffer(in_.data() + in_begin_, in_end_ - in_begin_), error);
  if (error && error != http::error::need_more) {
    refuse(status_of(error), error.message());
    return false;
  }
  if (parser_->is_done()) return true;
  if (parser_->is_header_done() && phase_ == Phase::header) {
    enter(Phase::body, now + server_->limits.body_deadline);
    if (request_.expects_continue && !request_.http_1_0) out_ += continue_line;
  }
  // Nothing more can be read behind what Beast wants to see whole: a chunk's header, the trailer.
  if (in_begin_ == 0 && in_end_ == in_.size()) {
    refuse(431, "a chunk's header or the trailer is too long");
  }
  return false;
}

/// Of a last chunk that it has begun to read Beast demands the whole line and the empty one; before
/// the end of a chunked body there is never less to come (as in probes/http_response.cpp).
bool Connection::is_too_short() const {
  return parser_->is_header_done() && parser_->chunked() && in_end_ - in_begin_ < last_chunk_size;
}

void Connection::answer_one(MonoTime now) {
  const bool keep = parser_->keep_alive() && !finishing_;
  const After after =
      !keep ? After::close : (request_.http_1_0 ? After::keep_http_1_0 : After::keep);
  const bool head_only = request_.method == http::verb::head;
  parser_.reset();
  ending_ = ending_ || !keep;
  enter(Phase::waiting, now + server_->limits.idle);
  if (is_health_question(request_)) {
    out_ += server_->health.bytes(now, after, head_only);
    return;
  }
  const bool is_operator = &set_ == &server_->control;
  const Answer answer = server_->answers.answer(request_, {is_operator, descriptor_}, now);
  if (answer.later) {
    wait_for_answer(answer, {after, head_only}, now);
  } else if (answer.stream_after) {
    begin_stream(answer, head_only, now);
  } else {
    give(answer, after, head_only);
  }
}

void Connection::give(const Answer& answer, After after, bool head_only) {
  append_head(out_, answer, after, wall_now());
  if (head_only) return;
  if (answer.body->size() <= copied_body_bytes) {
    out_ += *answer.body;
  } else {
    body_ = answer.body;
    body_sent_ = 0;
  }
}

/// The answer is called for at once, and may come at once: it is always taken in a turn of its own.
void Connection::wait_for_answer(const Answer& answer, Pending pending, MonoTime now) {
  pending_ = pending;
  ending_ = false;  // the end is told with the answer
  enter(Phase::deciding, now + server_->limits.later_deadline);
  answer.later([self = Ref(this)](Answer made) {
    asio::post(self->server_->io, [self, made = std::move(made)] { self->on_answer(made); });
  });
}

void Connection::on_answer(const Answer& answer) {
  if (phase_ == Phase::closed || !pending_) return;
  const Pending pending = *std::exchange(pending_, std::nullopt);
  const After after = finishing_ ? After::close : pending.after;
  ending_ = after == After::close;
  give(answer, after, pending.head_only);
  if (phase_ == Phase::writing) return;  // an earlier answer still leaves; this one goes with it
  active_ = mono_now();
  enter(Phase::writing, active_ + server_->limits.write_deadline);
  serve(active_);  // what was sent after the question is answered next
}

/// The head has no length: the stream ends with the connection.
void Connection::begin_stream(const Answer& answer, bool head_only, MonoTime now) {
  if (server_->streams.full()) {
    ending_ = true;
    give(error_answer(503, "too many listen to the events already; try again later"), After::close,
         head_only);
    return;
  }
  append_head(out_, answer, After::close, wall_now());
  ending_ = head_only;
  if (head_only) return;
  stream_ = Stream{*answer.stream_after, now, 0};
  in_begin_ = in_end_ = 0;
  server_->streams.add(*this);
}

void Connection::look_for_events(MonoTime now) {
  if (phase_ == Phase::streaming) send_events(now);
}

bool Connection::append_news(MonoTime now) {
  if (ending_) return false;
  if (append_events(out_, server_->source, stream_->after)) return true;
  if (now - stream_->sent >= server_->limits.event_heartbeat) out_ += ":\n\n";
  return false;
}

/// Ends: what there is in memory is finite, and none is added while we are here.
void Connection::send_events(MonoTime now) {
  for (bool more = true; more;) {
    more = !has_output() && append_news(now);
    if (has_output()) {
      stream_->sent = now;
      if (phase_ == Phase::streaming) active_ = now;  // the deadline counts from here
    }
    if (!flush_or_wait(now)) return;
  }
  if (ending_) {
    end(now);
    return;
  }
  enter(Phase::streaming, MonoTime::max());
  wait_to_read();
}

/// Says why and ends; what was read of the request is of no use any more.
void Connection::refuse(int status, std::string_view text) {
  const Answer answer = error_answer(status, text);
  append_head(out_, answer, After::close, wall_now());
  out_ += *answer.body;
  parser_.reset();
  ending_ = true;
  linger_ = true;
}

/// One call, whether there is a large body behind the head or not. The last bytes wait for the end
/// of the connection, which follows at once: answer and farewell leave in one packet.
ssize_t Connection::send_some() {
  const int flags = MSG_NOSIGNAL | (ending_ ? MSG_MORE : 0);
  const std::string_view head = std::string_view(out_).substr(out_sent_);
  if (!body_) return ::send(descriptor_, head.data(), head.size(), flags);
  const std::string_view body = std::string_view(*body_).substr(body_sent_);
  // sendmsg only reads; its type just does not say so.
  std::array<iovec, 2> pieces{iovec{const_cast<char*>(head.data()), head.size()},
                              iovec{const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return ::sendmsg(descriptor_, &message, flags);
}

Connection::Flushed Connection::flush(MonoTime now) {
  while (has_output()) {
    const ssize_t sent = send_some();
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN ? Flushed::blocked : Flushed::failed;

    active_ = now;
    const auto of_head = std::min(static_cast<std::size_t>(sent), out_.size() - out_sent_);
    out_sent_ += of_head;
    body_sent_ += static_cast<std::size_t>(sent) - of_head;
    if (body_ && body_sent_ == body_->size()) body_.reset();
  }
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > http_out_bytes) out_.shrink_to_fit();
  return Flushed::all;
}

/// All has been handed to the kernel. Closing while the client still sends would make the kernel
/// reset the connection, and the client might never read the answer: then we read on for a while.
void Connection::end(MonoTime now) {
  if (!linger_ && in_begin_ == in_end_) {
    close();
    return;
  }
  ::shutdown(descriptor_, SHUT_WR);
  in_begin_ = in_end_ = 0;
  enter(Phase::lingering, now + server_->limits.linger);
  wait_to_read();
}

void Connection::on_deadline(MonoTime now) {
  switch (phase_) {
    case Phase::header:
    case Phase::body:
      end_with_status(408, "the request did not come to its end in time", now);
      return;
    case Phase::deciding:
      pending_.reset();
      end_with_status(504, "no answer was made in time; whether it was done is not known", now);
      return;
    case Phase::writing: {
      // A client that does not read: the kernel must not go on keeping what it was sent.
      const linger at_once{1, 0};
      ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      close();
      return;
    }
    case Phase::waiting:
    case Phase::streaming:
    case Phase::lingering:
    case Phase::closed:
      close();
  }
}

void Connection::end_with_status(int status, std::string_view text, MonoTime now) {
  refuse(status, text);
  if (flush(now) == Flushed::all) {
    end(now);
  } else {
    close();
  }
}

void Connection::finish() {
  if (phase_ == Phase::waiting && !has_output()) {
    close();
  } else if (phase_ == Phase::streaming) {
    out_ += ": the daemon stops\n\n";
    ending_ = true;
    send_events(mono_now());
  } else if (stream_) {
    close();  // a slow one
  } else {
    finishing_ = true;
  }
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  body_.reset();
  if (stream_) server_->streams.remove(*this);
  if (socket_.is_open()) {
    error_code ignored;
    socket_.close(ignored);
  } else {
    ::close(descriptor_);
  }
  set_.remove(*this);  // may be the last to hold it
}

}  // namespace pointsman
