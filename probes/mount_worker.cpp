#include "probes/mount_worker.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;
constexpr unsigned first_own_descriptor = 3;

/// All that a thread and the loop share. The event is readable once the call is finished; it is the
/// loop's, which closes it only then.
struct Call {
  std::function<void()> work;
  std::atomic<bool> finished{false};
  int event = -1;
};

void close_descriptors(unsigned first, unsigned last) {
  if (first <= last) ::syscall(SYS_close_range, first, last, 0u);
}

/// A table of our own with nothing in it but standard output and the event. Where that is forbidden
/// we go on with the common one, and close nothing.
void leave_descriptors(int event) {
  if (::unshare(CLONE_FILES) != 0) return;
  const auto kept = static_cast<unsigned>(event);
  close_descriptors(first_own_descriptor, kept - 1);
  close_descriptors(kept + 1, ~0u);
}

extern "C" void* run_mount_worker(void* argument) {
  const std::unique_ptr<std::shared_ptr<Call>> handed(
      static_cast<std::shared_ptr<Call>*>(argument));
  Call& call = **handed;
  const int event = call.event;  // its number is ours, whatever the loop does with its own table
  ::pthread_setname_np(::pthread_self(), "mount-worker");
  leave_descriptors(event);
  call.work();
  call.finished.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  static_cast<void>(!::write(event, &one, sizeof one));
  return nullptr;
}

bool start_thread(const std::shared_ptr<Call>& call) {
  auto handed = std::make_unique<std::shared_ptr<Call>>(call);
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) != 0) return false;
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, stack_bytes);
  ::pthread_attr_setsigmask_np(&attributes, &all);
  pthread_t thread{};
  const bool created = ::pthread_create(&thread, &attributes, run_mount_worker, handed.get()) == 0;
  ::pthread_attr_destroy(&attributes);
  if (created) static_cast<void>(handed.release());  // the thread's now
  return created;
}

bool is_finished(const Call& call) {
  return call.finished.load(std::memory_order_acquire);
}

struct Busy {
  std::shared_ptr<Call> call;
  MonoTime since;
};

/// The loop's book of what is under way.
class Registry {
 public:
  /// What keeps the mount busy; nullptr when it is free.
  const Busy* find(const std::string& key);
  /// nullptr when no thread is to be had.
  std::shared_ptr<Call> start(const std::string& key, std::function<void()> work);
  MountWorkers::Count count();

 private:
  void forget_finished();

  std::map<std::string, Busy> busy_;
  long started_ = 0;
};

Registry& registry() {
  // Never destroyed: what hangs at exit is left as it is.
  static auto& the_one = *new Registry;
  return the_one;
}

void Registry::forget_finished() {
  std::erase_if(busy_, [](const auto& entry) {
    Call& call = *entry.second.call;
    if (!is_finished(call)) return false;
    ::close(call.event);
    return true;
  });
}

const Busy* Registry::find(const std::string& key) {
  forget_finished();
  const auto found = busy_.find(key);
  return found == busy_.end() ? nullptr : &found->second;
}

std::shared_ptr<Call> Registry::start(const std::string& key, std::function<void()> work) {
  if (busy_.size() >= MountWorkers::max_threads) return nullptr;
  auto call = std::make_shared<Call>();
  call->work = std::move(work);
  call->event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (call->event < 0) return nullptr;
  if (!start_thread(call)) {
    ::close(call->event);
    return nullptr;
  }
  busy_.insert_or_assign(key, Busy{call, mono_now()});
  ++started_;
  return call;
}

MountWorkers::Count Registry::count() {
  forget_finished();
  return {static_cast<int>(busy_.size()), started_};
}

/// True once it is finished, false when cancelled first. Several may wait for one call.
asio::awaitable<bool> async_finish(asio::any_io_executor executor, std::shared_ptr<Call> call) {
  if (is_finished(*call)) co_return true;
  const int own = ::fcntl(call->event, F_DUPFD_CLOEXEC, 0);
  if (own < 0) co_return false;
  asio::posix::stream_descriptor event(executor, own);
  while (!is_finished(*call)) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return false;
    co_await event.async_wait(asio::posix::descriptor_base::wait_read, as_result);
  }
  co_return true;
}

}  // namespace

asio::awaitable<MountCallEnd> MountWorkers::async_call(asio::any_io_executor executor,
                                                       std::string mount_key, MonoTime deadline,
                                                       std::function<void()> work) {
  const Duration patience = deadline - mono_now();
  // Whoever else waits for the mount may be first when it is free.
  while (const Busy* busy = registry().find(mount_key)) {
    if (mono_now() - busy->since > patience) co_return MountCallEnd::stuck;
    const bool is_free = co_await async_finish(executor, busy->call);
    if (!is_free) co_return MountCallEnd::stuck;
  }
  auto call = registry().start(mount_key, std::move(work));
  if (!call) co_return MountCallEnd::no_thread;
  const bool finished = co_await async_finish(executor, std::move(call));
  co_return finished ? MountCallEnd::done : MountCallEnd::stuck;
}

MountWorkers::Count MountWorkers::count() {
  return registry().count();
}

}  // namespace pointsman
