#include "probes/resolver.hpp"

#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace pointsman {
namespace {

constexpr std::chrono::seconds thread_idle_limit{60};

/// One caller that waits; lives and dies on the loop's thread.
struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor)
      : wake(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer wake;
  bool done = false;
  Resolved resolved;
};

/// One lookup, queued or running, and who waits for it.
struct Job {
  std::string host;
  IpVersion version = IpVersion::any;
  std::vector<std::weak_ptr<Waiter>> waiters;
  bool started = false;  ///< a thread asks; before that only we kept the caller waiting
};

bool is_ours(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

ResolveError classify(int gai, int system_error) {
  if (gai == EAI_MEMORY || is_ours(system_error)) return ResolveError::overloaded;
  if (gai == EAI_NONAME || gai == EAI_NODATA || gai == EAI_ADDRFAMILY)
    return ResolveError::not_found;
  return ResolveError::temporary;
}

bool is_localhost(const std::string& host) {
  static constexpr std::string_view name = "localhost";
  return host == name || (host.size() > name.size() && host.ends_with(".localhost"));
}

Resolved ask_getaddrinfo(const std::string& host, IpVersion version) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = version == IpVersion::v4   ? AF_INET
                    : version == IpVersion::v6 ? AF_INET6
                                               : AF_UNSPEC;
  // ADDRCONFIG spares hosts without IPv6 the AAAA question; it does not count loopback addresses.
  if (version == IpVersion::any && !is_localhost(host)) hints.ai_flags = AI_ADDRCONFIG;

  Resolved resolved;
  addrinfo* list = nullptr;
  errno = 0;
  const int gai = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (gai != 0) {
    const int system_error = errno;
    resolved.error = classify(gai, system_error);
    resolved.message = gai == EAI_SYSTEM || is_ours(system_error)
                           ? std::generic_category().message(system_error)
                           : ::gai_strerror(gai);
    return resolved;
  }
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    asio::ip::address address;
    if (entry->ai_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, entry->ai_addr, sizeof in);
      address = asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
    } else if (entry->ai_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, entry->ai_addr, sizeof in);
      asio::ip::address_v6::bytes_type bytes{};
      std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
      address = asio::ip::address_v6(bytes, in.sin6_scope_id);
    } else {
      continue;
    }
    auto& known = resolved.addresses;
    if (std::find(known.begin(), known.end(), address) == known.end()) known.push_back(address);
  }
  ::freeaddrinfo(list);
  if (resolved.addresses.empty()) {
    resolved.error = ResolveError::not_found;
    resolved.message = "no address";
  }
  return resolved;
}

bool fits(const asio::ip::address& address, IpVersion version) {
  return version == IpVersion::any || address.is_v4() == (version == IpVersion::v4);
}

Resolved failed(ResolveError error, std::string message) {
  Resolved resolved;
  resolved.error = error;
  resolved.message = std::move(message);
  return resolved;
}

}  // namespace

struct Resolver::Shared : std::enable_shared_from_this<Resolver::Shared> {
  Shared(asio::any_io_executor on, Resolver::Lookup how)
      : executor(std::move(on)), lookup(std::move(how)) {}

  asio::any_io_executor executor;  ///< under the mutex, empty once closed
  const Resolver::Lookup lookup;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Job>> queue;
  std::vector<std::shared_ptr<Job>> running;  ///< at most one for each thread
  int threads = 0, idle = 0;
  bool closed = false;

  /// Joins a lookup of the same name, or queues a new one. nullptr: too many wait already.
  std::shared_ptr<Job> enqueue(const std::string& host, IpVersion version,
                               const std::shared_ptr<Waiter>& waiter);
  bool has_started(const Job& job);
  void run_thread();

 private:
  bool start_thread();
  std::shared_ptr<Job> next(std::unique_lock<std::mutex>& lock);
  void hand_back(const std::shared_ptr<Job>& done, const Resolved& resolved);
};

bool Resolver::Shared::has_started(const Job& job) {
  const std::lock_guard lock(mutex);
  return job.started;
}

std::shared_ptr<Job> Resolver::Shared::enqueue(const std::string& host, IpVersion version,
                                               const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex);
  const auto is_same = [&](const std::shared_ptr<Job>& other) {
    return other->host == host && other->version == version;
  };
  const auto run = std::find_if(running.begin(), running.end(), is_same);
  const auto queued = std::find_if(queue.begin(), queue.end(), is_same);
  if (run != running.end() || queued != queue.end()) {
    const auto& same = run != running.end() ? *run : *queued;
    same->waiters.push_back(waiter);
    return same;
  }

  // Those whose callers have all gone need no answer.
  std::erase_if(queue, [](const std::shared_ptr<Job>& waiting) {
    return std::all_of(waiting->waiters.begin(), waiting->waiters.end(),
                       [](const std::weak_ptr<Waiter>& one) { return one.expired(); });
  });
  if (queue.size() >= static_cast<std::size_t>(max_queue)) return nullptr;
  if (idle <= static_cast<int>(queue.size()) && threads < max_threads && !start_thread() &&
      threads == 0) {
    return nullptr;
  }
  auto job = std::make_shared<Job>(Job{host, version, {waiter}});
  queue.push_back(job);
  changed.notify_one();
  return job;
}

bool Resolver::Shared::start_thread() {
  // Signals belong to the loop's thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread([self = shared_from_this()] { self->run_thread(); }).detach();
    ++threads;
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

std::shared_ptr<Job> Resolver::Shared::next(std::unique_lock<std::mutex>& lock) {
  ++idle;
  changed.wait_for(lock, thread_idle_limit, [this] { return closed || !queue.empty(); });
  --idle;
  if (closed || queue.empty()) return nullptr;
  auto job = std::move(queue.front());
  queue.pop_front();
  job->started = true;
  running.push_back(job);
  return job;
}

void Resolver::Shared::run_thread() {
  std::unique_lock lock(mutex);
  while (const auto job = next(lock)) {
    const std::string host = job->host;
    const IpVersion version = job->version;
    lock.unlock();
    const Resolved resolved = lookup(host, version);
    lock.lock();
    std::erase(running, job);
    if (!closed) hand_back(job, resolved);
  }
  --threads;
}

void Resolver::Shared::hand_back(const std::shared_ptr<Job>& done, const Resolved& resolved) {
  // Posted while the mutex is held: ~Resolver waits for it, so the loop is still there.
  asio::post(executor, [waiters = std::move(done->waiters), resolved] {
    for (const auto& weak : waiters) {
      const auto waiter = weak.lock();
      if (!waiter) continue;
      waiter->done = true;
      waiter->resolved = resolved;
      waiter->wake.cancel();
    }
  });
}

Resolver::Resolver(asio::any_io_executor executor)
    : Resolver(std::move(executor), ask_getaddrinfo) {}

Resolver::Resolver(asio::any_io_executor executor, Lookup lookup)
    : shared_(std::make_shared<Shared>(std::move(executor), std::move(lookup))) {}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->closed = true;
  shared_->executor = {};
  shared_->queue.clear();
  shared_->changed.notify_all();
}

asio::awaitable<Resolved> Resolver::async_resolve(std::string host, IpVersion version) {
  error_code not_numeric;
  const auto numeric = asio::ip::make_address(host, not_numeric);
  if (!not_numeric) {
    Resolved resolved;
    if (fits(numeric, version)) {
      resolved.addresses.push_back(numeric);
      co_return resolved;
    }
    co_return failed(ResolveError::not_found, "is not an address of the wanted IP version");
  }

  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    co_return failed(ResolveError::cancelled, "out of time");
  }
  const auto shared = shared_;
  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter>(executor);
  const auto job = shared->enqueue(host, version, waiter);
  if (!job) {
    co_return failed(ResolveError::overloaded, "too many name lookups are waiting");
  }
  while (!waiter->done) {
    [[maybe_unused]] const auto [ended] = co_await waiter->wake.async_wait(as_result);
    if (!waiter->done && state.cancelled() != asio::cancellation_type::none) {
      if (shared->has_started(*job)) co_return failed(ResolveError::cancelled, "out of time");
      // Nobody was asked for this name: that is no fault of its target.
      co_return failed(ResolveError::overloaded, "the lookup was still waiting for others");
    }
  }
  co_return std::move(waiter->resolved);
}

}  // namespace pointsman
