// The disk probe on real file systems: tmpfs, and a FUSE file system that hangs. Needs root.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

#include "probes/mount_worker.hpp"
#include "run_probe.hpp"

using namespace pointsman;
using namespace pointsman::test;
using namespace std::chrono_literals;

namespace {

/// Something mounted on a folder; unmounted whatever happens.
class Mounted {
 public:
  explicit Mounted(std::string folder) : folder_(std::move(folder)) {}
  ~Mounted() { ::umount2(folder_.c_str(), MNT_DETACH); }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;

 private:
  std::string folder_;
};

bool mount_tmpfs(const std::string& folder, const char* options) {
  std::filesystem::create_directories(folder);
  return ::mount("test", folder.c_str(), "tmpfs", 0, options) == 0;
}

/// tests/support/fuse_hang.py, mounted. The destructor frees everything that hangs in it.
class HangingMount {
 public:
  explicit HangingMount(const TempFolder& folder)
      : mount_point_(folder / "mnt"), control_(folder / "control") {
    std::filesystem::create_directories(mount_point_);
    std::filesystem::create_directories(control_);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl("/usr/bin/python3", "python3", POINTSMAN_SOURCE_DIR "/tests/support/fuse_hang.py",
              mount_point_.c_str(), control_.c_str(), nullptr);
      ::_exit(127);
    }
    struct stat before {
    }, now{};
    ::stat(folder.path().c_str(), &before);
    for (int i = 0; i < 1000 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
      if (::stat(mount_point_.c_str(), &now) == 0 && now.st_dev != before.st_dev) break;
      std::this_thread::sleep_for(10ms);
    }
    device_ = now.st_dev;
    mounted_ = device_ != before.st_dev;
  }
  ~HangingMount() {
    // Requests that were taken are only freed by ending the connection.
    std::ofstream("/sys/fs/fuse/connections/" + std::to_string(minor_number()) + "/abort") << 1;
    release();
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::umount2(mount_point_.c_str(), MNT_DETACH);
  }
  HangingMount(const HangingMount&) = delete;
  HangingMount& operator=(const HangingMount&) = delete;

  bool is_mounted() const { return mounted_; }
  const std::string& mount_point() const { return mount_point_; }
  void hang() { std::ofstream(control_ + "/hang") << "1"; }
  void release() { std::filesystem::remove(control_ + "/hang"); }
  /// Requests are not even taken: the way of a server that was frozen.
  void freeze() {
    ::kill(pid_, SIGSTOP);
    ::waitpid(pid_, nullptr, WUNTRACED);  // until every thread of it has stopped
  }
  void thaw() { ::kill(pid_, SIGCONT); }

 private:
  unsigned minor_number() const { return static_cast<unsigned>(device_ & 0xff); }

  std::string mount_point_, control_;
  pid_t pid_ = 0;
  dev_t device_ = 0;
  bool mounted_ = false;
};

/// Processes whose parent this one is.
int children_of(pid_t parent) {
  std::ifstream list("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) +
                     "/children");
  return static_cast<int>(std::distance(std::istream_iterator<pid_t>(list), {}));
}

/// The mount worker: our child that is not the FUSE server.
pid_t mount_worker_of_this_process() {
  std::ifstream list("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (pid_t child = 0; list >> child;) {
    std::string name;
    std::ifstream("/proc/" + std::to_string(child) + "/comm") >> name;
    if (name == "pointsman-mount") return child;
  }
  return 0;
}

bool wait_until(const std::function<bool()>& is_so) {
  const auto begun = mono_now();
  while (!is_so()) {
    if (mono_now() - begun > 10s) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

DiskSpec disk_at(const std::string& path) {
  DiskSpec spec;
  spec.path = path;
  return spec;
}

/// Runs until it passes; the worker needs a moment to notice that its mount answers.
Run run_until_pass(Loop& loop, Prober& prober) {
  Run run;
  for (int i = 0; i < 200; ++i) {
    run = run_once(loop, prober, 500ms);
    if (run.finding->outcome == Outcome::pass) break;
    std::this_thread::sleep_for(10ms);
  }
  return run;
}

}  // namespace

TEST_CASE("the root file system", "[disk]") {
  Loop loop;
  auto prober = make_disk_prober(disk_at("/"), loop.services());
  const auto run = run_once(loop, *prober, 5s);
  CHECK(run.finding->outcome == Outcome::pass);
  const auto& facts = std::get<DiskFacts>(run.finding->facts);
  const auto space = std::filesystem::space("/");
  CHECK(facts.total == space.capacity);
  CHECK(static_cast<double>(facts.free) ==
        Approx(static_cast<double>(space.available)).epsilon(0.05));
  CHECK_FALSE(facts.read_only);
}

TEST_CASE("a path that is not there", "[disk]") {
  Loop loop;
  const TempFolder folder;
  auto prober = make_disk_prober(disk_at(folder / "no/such"), loop.services());
  const auto run = run_once(loop, *prober, 5s);
  CHECK(run.finding->outcome == Outcome::fail);
  CHECK(run.finding->reason == Reason::unreachable);
  CHECK(run.finding->message == (folder / "no") + ": No such file or directory");
}

TEST_CASE("symbolic links lead to the mount that counts", "[disk]") {
  const TempFolder folder;
  const auto mnt = folder / "mnt";
  REQUIRE(mount_tmpfs(mnt, "size=1m,nr_inodes=50"));
  const Mounted mounted(mnt);
  std::filesystem::create_directories(mnt + "/deep/er");
  std::filesystem::create_symlink("mnt/deep", folder / "relative");
  std::filesystem::create_symlink(folder / "relative/er", folder / "absolute");
  std::filesystem::create_symlink("loop", folder / "loop");
  std::filesystem::create_symlink("../../..", mnt + "/deep/out");

  Loop loop;
  for (const auto* path :
       {"mnt", "mnt/deep", "relative/er", "absolute", "absolute/../er/.", "mnt/../mnt"}) {
    CAPTURE(path);
    auto prober = make_disk_prober(disk_at(folder / path), loop.services());
    const auto run = run_once(loop, *prober, 5s);
    CHECK(run.finding->outcome == Outcome::pass);
    CHECK(std::get<DiskFacts>(run.finding->facts).total == 1u << 20);
  }
  auto out = make_disk_prober(disk_at(folder / "absolute/../out"), loop.services());
  auto run = run_once(loop, *out, 5s);
  REQUIRE(run.finding->outcome == Outcome::pass);
  CHECK(std::get<DiskFacts>(run.finding->facts).total == std::filesystem::space("/tmp").capacity);

  auto circle = make_disk_prober(disk_at(folder / "loop"), loop.services());
  run = run_once(loop, *circle, 5s);
  CHECK(run.finding->reason == Reason::unreachable);
  CHECK(run.finding->message == (folder / "loop") + ": Too many levels of symbolic links");
}

TEST_CASE("limits, a full disk and one that turns read-only", "[disk]") {
  const TempFolder folder;
  const auto mnt = folder / "mnt";
  REQUIRE(mount_tmpfs(mnt, "size=1m,nr_inodes=50"));
  const Mounted mounted(mnt);
  Loop loop;
  auto spec = disk_at(mnt);
  spec.warn = 0.5;
  spec.fail = 0.9;
  auto watched = make_disk_prober(spec, loop.services());
  auto writing = disk_at(mnt);
  writing.write_test = true;
  auto written = make_disk_prober(writing, loop.services());
  CHECK(run_once(loop, *watched, 5s).finding->outcome == Outcome::pass);
  CHECK(run_once(loop, *written, 5s).finding->outcome == Outcome::pass);
  CHECK(std::filesystem::is_empty(mnt));  // nothing of ours is left

  std::ofstream(mnt + "/half") << std::string(600 * 1024, 'x');
  CHECK(run_once(loop, *watched, 5s).finding->outcome == Outcome::warn);
  {
    std::ofstream full(mnt + "/rest");
    full << std::string(600 * 1024, 'x');
  }
  CHECK(run_once(loop, *watched, 5s).finding->outcome == Outcome::fail);
  auto run = run_once(loop, *written, 5s);
  CHECK(run.finding->outcome == Outcome::fail);
  CHECK(run.finding->reason == Reason::over_threshold);
  CHECK(run.finding->message == "write test: No space left on device");

  std::filesystem::remove(mnt + "/rest");
  REQUIRE(::mount(nullptr, mnt.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  run = run_once(loop, *watched, 5s);
  CHECK(run.finding->reason == Reason::read_only);
  CHECK(run.finding->message == mnt + " (test) is read-only");
}

TEST_CASE("a read-only bind mount of a writable file system is not read-only", "[disk]") {
  const TempFolder folder;
  const auto mnt = folder / "mnt", bind = folder / "bind";
  REQUIRE(mount_tmpfs(mnt, "size=1m"));
  const Mounted mounted(mnt);
  std::filesystem::create_directories(bind);
  REQUIRE(::mount(mnt.c_str(), bind.c_str(), nullptr, MS_BIND, nullptr) == 0);
  const Mounted bound(bind);
  REQUIRE(::mount(nullptr, bind.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  Loop loop;
  auto spec = disk_at(bind);
  auto prober = make_disk_prober(spec, loop.services());
  CHECK(run_once(loop, *prober, 5s).finding->outcome == Outcome::pass);
  spec.write_test = true;
  auto writing = make_disk_prober(spec, loop.services());
  const auto run = run_once(loop, *writing, 5s);
  CHECK(run.finding->outcome == Outcome::inconclusive);
  CHECK(run.finding->message ==
        "write test: " + bind +
            " is read-only for this process alone; add it to ReadWritePaths= of the unit");
}

TEST_CASE("a mount that hangs is stuck, and nothing else is", "[disk][fuse]") {
  const TempFolder folder;
  HangingMount fuse(folder);
  REQUIRE(fuse.is_mounted());
  std::filesystem::create_symlink(fuse.mount_point() + "/file", folder / "link");
  Loop loop;
  auto prober = make_disk_prober(disk_at(fuse.mount_point() + "/file"), loop.services());
  auto through_link = make_disk_prober(disk_at(folder / "link"), loop.services());
  auto other = make_disk_prober(disk_at(folder.path()), loop.services());
  REQUIRE(run_once(loop, *prober, 5s).finding->outcome == Outcome::pass);
  CHECK(run_once(loop, *through_link, 5s).finding->outcome == Outcome::pass);

  const bool taken = GENERATE(true, false);
  CAPTURE(taken);
  if (taken) fuse.hang();
  if (!taken) fuse.freeze();
  const auto before = MountWorker::count();
  const pid_t worker = mount_worker_of_this_process();
  const int lookers = children_of(worker);
  for (int i = 0; i < 20; ++i) {
    Started stuck(loop, i % 2 == 0 ? *prober : *through_link, 100ms);
    loop.io.restart();
    // Another probe on the same loop answers meanwhile, at its usual pace.
    const auto well = run_once(loop, *other, 2s);
    CHECK(well.finding->outcome == Outcome::pass);
    while (!stuck.run().finding && loop.io.run_one() > 0) {
    }
    CHECK(stuck.run().finding->outcome == Outcome::fail);
    CHECK(stuck.run().finding->reason == Reason::stuck);
    CHECK(stuck.run().finding->message == fuse.mount_point() + " (fuse hang) does not answer");
    CHECK(stuck.run().took < 1s);
  }
  CHECK(MountWorker::count().busy == 1);
  // One for the hanging mount; the others were for /tmp, and each of those ended.
  CHECK(MountWorker::count().started - before.started <= 1 + 20 + 10);
  CHECK(children_of(worker) == lookers);

  if (taken) fuse.release();
  if (!taken) fuse.thaw();
  CHECK(run_until_pass(loop, *prober).finding->outcome == Outcome::pass);
  CHECK(run_until_pass(loop, *through_link).finding->outcome == Outcome::pass);
  CHECK(wait_until([] { return MountWorker::count().busy == 0; }));
  CHECK(children_of(worker) == lookers);
}

TEST_CASE("a worker that was killed is started again", "[disk]") {
  Loop loop;
  auto prober = make_disk_prober(disk_at("/"), loop.services());
  REQUIRE(run_once(loop, *prober, 5s).finding->outcome == Outcome::pass);
  const pid_t killed = mount_worker_of_this_process();
  REQUIRE(killed != 0);
  ::kill(killed, SIGTERM);  // which it leaves to us
  CHECK(run_once(loop, *prober, 5s).finding->outcome == Outcome::pass);
  CHECK(mount_worker_of_this_process() == killed);
  ::kill(killed, SIGKILL);  // its lookers end with it, and may make one look more
  CHECK(wait_until([&] {
    return run_until_pass(loop, *prober).finding->outcome == Outcome::pass &&
           mount_worker_of_this_process() != killed;
  }));
  CHECK(::kill(killed, 0) != 0);  // and it was reaped
}

TEST_CASE("a loop that ends does not wait for a mount that hangs", "[disk][fuse]") {
  const TempFolder folder;
  HangingMount fuse(folder);
  REQUIRE(fuse.is_mounted());
  fuse.hang();
  const auto begun = mono_now();
  {
    RunContext context{begun + 10s, {}};
    Loop loop;
    auto prober = make_disk_prober(disk_at(fuse.mount_point()), loop.services());
    asio::co_spawn(loop.io, prober->async_run(context),
                   [](std::exception_ptr, const Finding&) { FAIL("the run ended"); });
    loop.io.run_for(50ms);
  }
  CHECK(mono_now() - begun < 1s);
  CHECK(MountWorker::count().busy == 1);
  fuse.release();
  CHECK(wait_until([] { return MountWorker::count().busy == 0; }));
}

/// Forks a process that listens on a port, whose disk probe is stuck, and that then ends.
pid_t start_stuck_process(const std::string& mount_point, std::uint16_t& port) {
  asio::io_context io;
  asio::ip::tcp::acceptor listening(io, {asio::ip::address_v4::loopback(), 0});
  port = listening.local_endpoint().port();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  bool is_stuck = false;
  {
    Loop loop;
    auto prober = make_disk_prober(disk_at(mount_point), loop.services());
    is_stuck = run_once(loop, *prober, 500ms).finding->reason == Reason::stuck &&
               MountWorker::count().busy == 1;
  }
  std::exit(is_stuck ? 0 : 1);
}

TEST_CASE("a process ends while a mount hangs, and its port is free", "[disk][fuse]") {
  const TempFolder folder;
  HangingMount fuse(folder);
  REQUIRE(fuse.is_mounted());
  // A call that the server took does not even end by SIGKILL.
  const bool taken = GENERATE(true, false);
  CAPTURE(taken);
  if (taken) fuse.hang();
  if (!taken) fuse.freeze();
  const auto begun = mono_now();
  std::uint16_t port = 0;
  const pid_t pid = start_stuck_process(fuse.mount_point(), port);
  int status = -1;
  REQUIRE(wait_until([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
  CHECK(mono_now() - begun < 5s);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  asio::io_context io;
  asio::ip::tcp::acceptor next(io, {asio::ip::address_v4::loopback(), port});
  CHECK(next.is_open());
}
