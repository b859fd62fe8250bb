#include "tests/support/servers_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fmt/format.h>

namespace pointsman::test {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

const passwd* service_user() {
  static const passwd* user = ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr;
  return user;
}

void give_away(const std::string& path) {
  if (const auto* user = service_user();
      user != nullptr && ::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
    fail("chown " + path);
  }
}

/// /proc/PID/stat after the name: state, then parent.
std::pair<char, pid_t> state_and_parent(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text, '\0');  // a process that ends meanwhile: the end, not an exception
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {'\0', 0};
  std::istringstream rest(text.substr(end + 1));
  char state = '\0';
  pid_t parent = 0;
  rest >> state >> parent;
  return {state, parent};
}

/// A leader that has ended is a zombie, while its other threads still end and hold its sockets
/// open.
std::size_t threads_of(pid_t pid) {
  std::error_code gone;
  std::size_t count = 0;
  for (fs::directory_iterator it(fmt::format("/proc/{}/task", pid), gone), end; !gone && it != end;
       it.increment(gone)) {
    ++count;
  }
  return count;
}

std::vector<pid_t> family_of(pid_t root) {
  std::map<pid_t, pid_t> parents;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    parents[pid] = state_and_parent(pid).second;
  }
  std::vector<pid_t> found{root};
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const auto& [pid, parent] : parents) {
      if (parent == found[i]) found.push_back(pid);
    }
  }
  return found;
}

void remove_tree(const fs::path& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

/// The guardian's own loop: lines "+PID", "-PID", "FOLDER" until the pipe closes.
[[noreturn]] void guard(int from) {
  std::set<pid_t> pids;
  std::set<std::string> folders;
  FILE* lines = ::fdopen(from, "r");
  char line[4096];
  while (std::fgets(line, sizeof line, lines) != nullptr) {
    std::string text(line);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.starts_with("+")) pids.insert(static_cast<pid_t>(std::stol(text.substr(1))));
    if (text.starts_with("-")) pids.erase(static_cast<pid_t>(std::stol(text.substr(1))));
    if (text.starts_with("/")) folders.insert(text);
  }
  for (const pid_t pid : pids) {
    // Frozen ones cannot fork, and the rest are killed in one go: nothing escapes.
    for (const pid_t one : family_of(pid)) ::kill(one, SIGKILL);
  }
  for (const auto& folder : folders) remove_tree(folder);
  ::_exit(0);
}

void tell_guardian(const std::string& line) {
  static const int to = [] {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
    const pid_t child = ::fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      ::setsid();
      ::close(ends[1]);
      guard(ends[0]);
    }
    ::close(ends[0]);
    return ends[1];
  }();
  const auto text = line + "\n";
  if (::write(to, text.data(), text.size()) < 0) fail("telling the guardian");
}

[[noreturn]] void exec_as_service(const Argv& argv, int output) {
  if (const auto* user = service_user()) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
        ::setuid(user->pw_uid) != 0) {
      ::_exit(126);
    }
  }
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::setenv("LC_ALL", "C.UTF-8", 1);
  ::unsetenv("PGHOST");
  if (::chdir("/") != 0) ::_exit(126);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

pid_t start(const Argv& argv, int output) {
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    ::setsid();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    exec_as_service(argv, output);
  }
  return pid;
}

}  // namespace

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("looking for a free port");
  }
  ::close(fd);
  return ntohs(address.sin_port);
}

void wait_for(std::string_view what, const std::function<bool()>& is_true,
              std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > until) {
      throw std::runtime_error(fmt::format("not within {} ms: {}", limit.count(), what));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

Place::Place() {
  std::string pattern = "/tmp/pointsman-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) fail("mkdtemp");
  folder_ = pattern;
  give_away(pattern);
  tell_guardian(pattern);
}

Place::~Place() {
  remove_tree(folder_);
}

void Place::write(std::string_view name, std::string_view text) const {
  const auto file = path(name);
  std::ofstream(file, std::ios::binary) << text;
  if (::chmod(file.c_str(), 0600) != 0) fail("chmod " + file);
  give_away(file);
}

void Place::append(std::string_view name, std::string_view text) const {
  std::ofstream(path(name), std::ios::binary | std::ios::app) << text;
}

std::string Place::read(std::string_view name) const {
  std::ifstream file(path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string run(const Argv& argv) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  const pid_t pid = start(argv, ends[1]);
  ::close(ends[1]);
  std::string output;
  char chunk[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], chunk, sizeof chunk)) > 0;) {
    output.append(chunk, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(fmt::format("{}: failed ({})\n{}", argv[0], status, output));
  }
  return output;
}

Process::Process(const Argv& argv, const std::string& log) {
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (output < 0) fail("open " + log);
  pid_ = start(argv, output);
  ::close(output);
  tell_guardian(fmt::format("+{}", pid_));
}

Process::~Process() {
  if (is_running()) kill_all();
  for (const pid_t one : frozen_) {
    if (state_and_parent(one).first == 'T') ::kill(one, SIGKILL);  // orphans of a killed parent
  }
}

bool Process::is_running() {
  if (ended_) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  ended_ = true;
  tell_guardian(fmt::format("-{}", pid_));
  return false;
}

void Process::wait() {
  wait_for(fmt::format("process {} ends", pid_), [this] { return !is_running(); });
}

std::vector<pid_t> Process::family() const {
  return family_of(pid_);
}

void Process::send(int signal) const {
  if (!ended_) ::kill(pid_, signal);
}

void Process::stop(int signal) {
  send(signal);
  wait();
}

void Process::kill_all() {
  if (!is_running()) return;
  const auto all = family();
  for (const pid_t one : all) ::kill(one, SIGSTOP);  // so that nobody sees another's death
  for (const pid_t one : family()) ::kill(one, SIGKILL);
  wait();
  wait_for("the whole family is gone", [&all] {
    return std::all_of(all.begin(), all.end(), [](pid_t one) {
      const char state = state_and_parent(one).first;
      return state == '\0' || (state == 'Z' && threads_of(one) <= 1);
    });
  });
}

void Process::freeze() {
  std::set<pid_t> done;
  while (true) {
    std::vector<pid_t> fresh;
    for (const pid_t one : family()) {
      if (!done.contains(one)) fresh.push_back(one);
    }
    if (fresh.empty()) break;
    for (const pid_t one : fresh) {
      ::kill(one, SIGSTOP);
      wait_for("a process is stopped", [one] {
        const char state = state_and_parent(one).first;
        return state == 'T' || state == 'Z' || state == '\0';
      });
      done.insert(one);
    }
  }
  frozen_.assign(done.begin(), done.end());
}

void Process::thaw() {
  for (const pid_t one : frozen_) ::kill(one, SIGCONT);
  frozen_.clear();
}

}  // namespace pointsman::test
