#include "probes/mount_visit.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "probes/mount.hpp"
#include "probes/proc_file.hpp"

namespace pointsman {
namespace {

constexpr std::size_t write_test_bytes = 4096;

// --- on the wire: a head as it lies in memory, then texts ---------------------------------------

struct OrderHead {
  bool write_test;
  pid_t owner;
  std::size_t key_size;
};

struct VisitHead {
  bool has_left;
  DiskReading::Step step;
  int error;
  DiskFigures figures;
};

template <class Head>
std::string with_head(const Head& head, std::string_view text) {
  static_assert(std::is_trivially_copyable_v<Head>);
  std::string wire(sizeof head, '\0');
  std::memcpy(wire.data(), &head, sizeof head);
  return wire.append(text);
}

/// Takes the head off.
template <class Head>
std::optional<Head> take_head(std::string_view& wire) {
  Head head{};
  if (wire.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, wire.data(), sizeof head);
  wire.remove_prefix(sizeof head);
  return head;
}

// --- the look itself ----------------------------------------------------------------------------

int write_and_sync(int fd) {
  const std::array<char, write_test_bytes> block{};
  const ssize_t written = ::write(fd, block.data(), block.size());
  if (written < 0) return errno;
  if (written != static_cast<ssize_t>(block.size())) return ENOSPC;
  return ::fsync(fd) == 0 ? 0 : errno;
}

/// Writes, syncs and removes a file of our own. 0 or the errno.
int test_writing(const std::string& path, pid_t owner) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno;
  const auto folder = S_ISDIR(status.st_mode) ? path : path.substr(0, path.rfind('/') + 1);
  const auto file = fmt::format("{}/.pointsman-write-test.{}", folder, owner);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int fd = ::open(file.c_str(), flags, 0600);
  if (fd < 0 && errno == EEXIST) {
    // Left by an earlier test that was killed at this point.
    ::unlink(file.c_str());
    fd = ::open(file.c_str(), flags, 0600);
  }
  if (fd < 0) return errno;
  int error = write_and_sync(fd);
  if (::close(fd) != 0 && error == 0) error = errno;
  if (::unlink(file.c_str()) != 0 && error == 0) error = errno;
  return error;
}

DiskReading read_disk(const std::string& path, const VisitOrder& order) {
  DiskReading reading;
  reading.path = path;
  reading.step = DiskReading::Step::statvfs;
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) {
    reading.error = errno;
    return reading;
  }
  reading.block_size = status.f_frsize != 0 ? status.f_frsize : status.f_bsize;
  reading.blocks = status.f_blocks;
  reading.blocks_free = status.f_bfree;
  reading.blocks_available = status.f_bavail;
  reading.inodes = status.f_files;
  reading.inodes_free = status.f_ffree;
  if (!order.write_test) return reading;
  reading.step = DiskReading::Step::write_test;
  reading.error = test_writing(path, order.owner);
  return reading;
}

Visit failed(int error, std::string path) {
  Visit result;
  result.reading.error = error;
  result.reading.path = std::move(path);
  return result;
}

}  // namespace

std::string VisitOrder::to_wire() const {
  return with_head(OrderHead{write_test, owner, mount_key.size()}, mount_key + path);
}

std::optional<VisitOrder> VisitOrder::from_wire(std::string_view wire) {
  const auto head = take_head<OrderHead>(wire);
  if (!head || wire.size() < head->key_size) return std::nullopt;
  return VisitOrder{std::string(wire.substr(0, head->key_size)),
                    std::string(wire.substr(head->key_size)), head->write_test, head->owner};
}

std::string Visit::to_wire() const {
  return with_head(VisitHead{left.has_value(), reading.step, reading.error, reading},
                   left ? *left : reading.path);
}

std::optional<Visit> Visit::from_wire(std::string_view wire) {
  const auto head = take_head<VisitHead>(wire);
  if (!head) return std::nullopt;
  Visit result;
  if (head->has_left) {
    result.left = std::string(wire);
    return result;
  }
  result.reading = {head->figures, head->error, head->step, std::string(wire)};
  return result;
}

Visit visit(const VisitOrder& order) {
  static ProcFile mountinfo("/proc/self/mountinfo", MountTable::max_bytes);
  const auto text = mountinfo.read();
  if (!text) return failed(mountinfo.error(), mountinfo.path());
  const auto table = MountTable::parse(*text);
  const auto& mounts = table.mounts();
  const auto mount = std::find_if(mounts.begin(), mounts.end(),
                                  [&](const Mount& one) { return one.key() == order.mount_key; });
  // Unmounted since we were sent: whoever sent us looks again.
  Visit result;
  result.left = order.path;
  if (mount == mounts.end()) return result;
  const auto walk = walk_within(table, *mount, order.path);
  if (const auto* error = std::get_if<WalkError>(&walk)) return failed(error->error, error->path);
  if (const auto* left = std::get_if<LeftMount>(&walk)) {
    result.left = left->path;
  } else {
    result = {std::nullopt, read_disk(std::get<WalkedTo>(walk).path, order)};
  }
  return result;
}

}  // namespace pointsman
