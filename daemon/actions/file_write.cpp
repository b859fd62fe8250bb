#include "daemon/actions/file_write.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr mode_t new_file_mode = 0640;
constexpr std::size_t spare_unit = 4096;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string words(int error) {
  return std::generic_category().message(error);
}

bool is_full(int error) {
  return error == ENOSPC || error == EDQUOT;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// What a person can do about it.
std::string next_step(int error, const std::string& path) {
  const auto folder = folder_of(path);
  if (is_full(error)) return fmt::format("make room on the file system of {}", folder);
  switch (error) {
    case EACCES:
    case EPERM:
      return fmt::format("pointsman's user needs to write in {}", folder);
    case ENOENT:
    case ENOTDIR:
      return fmt::format("{} has to be a folder", folder);
    case EROFS:
      return fmt::format(
          "the file system of {} is read-only for us: see ReadWritePaths= of the unit", folder);
    default:
      return fmt::format("see the state of the disk under {}", folder);
  }
}

std::string failed(const char* what, const std::string& path, int error) {
  return fmt::format("{} {}: {}; {}", what, path, words(error), next_step(error, path));
}

/// 0 or errno.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

std::string resolve_link(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return path;
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string resolved(real);
  ::free(real);  // NOLINT: realpath's
  return resolved;
}

/// Writes the text to `path` (made anew, or an existing spare) and makes it durable. 0 or errno.
int write_durably(const std::string& path, const std::string& text, bool is_spare) {
  const int flags = is_spare ? O_WRONLY : O_WRONLY | O_CREAT | O_EXCL;
  const Descriptor file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, new_file_mode));
  if (!file.is_open()) return errno;
  if (const int error = write_all(file.get(), text); error != 0) return error;
  // The spare is longer than the text; cutting it frees blocks and takes none.
  if (is_spare && ::ftruncate(file.get(), static_cast<off_t>(text.size())) != 0) return errno;
  return ::fsync(file.get()) == 0 ? 0 : errno;
}

/// The old file's owner, group and mode on the new one; what could not be kept is a warning.
void keep_rights(const std::string& path, const std::string& old_path,
                 std::vector<std::string>& warnings) {
  struct stat old {
  }, fresh{};
  if (::stat(old_path.c_str(), &old) != 0 || ::stat(path.c_str(), &fresh) != 0) return;
  const bool other_owner = old.st_uid != fresh.st_uid;
  const bool other_group = old.st_gid != fresh.st_gid;
  // Only root may give a file away; a member of the group may give it to that group.
  if ((other_owner || other_group) && ::chown(path.c_str(), old.st_uid, old.st_gid) != 0 &&
      other_group && ::chown(path.c_str(), static_cast<uid_t>(-1), old.st_gid) != 0) {
    warnings.push_back(
        fmt::format("the group of {} could not be kept ({}): see that pgbouncer may read it",
                    old_path, words(errno)));
  }
  if ((old.st_mode & 07777) != (fresh.st_mode & 07777) &&
      ::chmod(path.c_str(), old.st_mode & 07777) != 0) {
    warnings.push_back(fmt::format("the mode of {} could not be kept: {}", old_path, words(errno)));
  }
}

/// A second name for the old file: takes no block, so that it works on a full disk too.
void keep_previous(const std::string& path, std::vector<std::string>& warnings) {
  const auto previous = path + ".previous";
  const auto fresh = previous + ".new";
  ::unlink(fresh.c_str());
  if (::link(path.c_str(), fresh.c_str()) != 0) {
    if (errno != ENOENT) {
      warnings.push_back(fmt::format("{} was not kept: {}", previous, words(errno)));
    }
    return;
  }
  if (::rename(fresh.c_str(), previous.c_str()) != 0) {
    warnings.push_back(fmt::format("{} was not kept: {}", previous, words(errno)));
  }
  ::unlink(fresh.c_str());  // rename leaves it where both names are one file already
}

void sync_folder(const std::string& path, std::vector<std::string>& warnings) {
  const auto folder = folder_of(path);
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open() || ::fsync(fd.get()) != 0) {
    warnings.push_back(
        fmt::format("{} may not survive a crash of the machine: {}", path, words(errno)));
  }
}

}  // namespace

ReadReport read_whole_file(const std::string& path) {
  ReadReport report;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) {
    report.exists = errno != ENOENT;
    if (report.exists) report.error = fmt::format("cannot read {}: {}", path, words(errno));
    return report;
  }
  report.exists = true;
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    report.error = fmt::format("{} is not a regular file", path);
    return report;
  }
  std::string buffer(16 * 1024, '\0');
  while (true) {
    const auto n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) report.error = fmt::format("cannot read {}: {}", path, words(errno));
    if (n <= 0) return report;
    report.text.append(buffer.data(), static_cast<std::size_t>(n));
    if (report.text.size() > max_file_size) {
      report.error = fmt::format("{} is larger than 1 MiB: not a targets file", path);
      return report;
    }
  }
}

WriteReport replace_file(const std::string& given, const std::string& text, WriteGate& gate) {
  WriteReport report;
  const auto path = resolve_link(given);
  auto fresh = path + ".new";
  ::unlink(fresh.c_str());
  int error = write_durably(fresh, text, false);
  if (is_full(error)) {
    ::unlink(fresh.c_str());
    fresh = path + ".spare";
    report.used_spare = true;
    const int spare_error = write_durably(fresh, text, true);
    if (spare_error != ENOENT) error = spare_error;
  }
  if (error != 0) {
    if (!report.used_spare) ::unlink(fresh.c_str());
    report.error = failed("cannot write", path, error);
    return report;
  }
  keep_rights(fresh, path, report.warnings);
  if (!gate.commit()) {
    if (!report.used_spare) ::unlink(fresh.c_str());
    report.error = fmt::format("the disk took too long to write {}; nothing was changed", path);
    return report;
  }
  keep_previous(path, report.warnings);
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    report.error = failed("cannot replace", path, errno);
    ::unlink(fresh.c_str());
    return report;
  }
  report.written = true;
  sync_folder(path, report.warnings);
  if (report.used_spare) {
    report.warnings.push_back(
        fmt::format("no space left for {}: its spare was used; {}", path, next_step(ENOSPC, path)));
  }
  return report;
}

Status ensure_spare(const std::string& given, std::size_t size) {
  const auto path = resolve_link(given) + ".spare";
  const auto wanted = static_cast<off_t>((size + size / 2 + spare_unit) / spare_unit * spare_unit);
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, new_file_mode));
  if (!file.is_open()) return Error{failed("cannot make", path, errno)};
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return Error{failed("cannot look at", path, errno)};
  if (info.st_size >= wanted && info.st_blocks * 512 >= wanted) return Nothing{};
  const int error = ::posix_fallocate(file.get(), 0, wanted);
  if (error != 0) {
    // A file without its blocks would promise what it cannot keep.
    ::unlink(path.c_str());
    return Error{failed("cannot reserve", path, error)};
  }
  if (::fsync(file.get()) != 0) return Error{failed("cannot reserve", path, errno)};
  return Nothing{};
}

}  // namespace pointsman
