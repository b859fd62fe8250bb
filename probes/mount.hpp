// The table of mounts (/proc/self/mountinfo) and which mount a path lies on, found without touching
// it.
//
// Pure text: even stat() of a path on a hung mount hangs, so the loop's thread may only ask this
// table. What needs the path itself (symbolic links above all) is done by walk_within(), which a
// mount's own worker calls, and which never steps onto another mount: it says where the path goes
// on instead. Reference: proc(5), "mountinfo". Limit: 4 MiB of table are read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pointsman {

struct Mount {
  int id = 0, parent = 0;
  std::string device;       ///< "8:1"
  std::string mount_point;  ///< absolute, octal escapes undone
  std::string fs_type;      ///< "ext4", "fuse.sshfs"
  std::string source;       ///< "/dev/sda1", "server:/export"
  bool read_only = false;  ///< the super block's, not that of a bind mount; ext4's emergency_ro too

  /// One for each mount, and another one once something else is mounted there.
  std::string key() const;
  friend bool operator==(const Mount&, const Mount&) = default;
};

class MountTable {
 public:
  static constexpr std::size_t max_bytes = 4u << 20;

  /// Lines that cannot be read are left out; a root that is not listed, as in a chroot, is added.
  static MountTable parse(std::string_view mountinfo);

  /// The mount that a walk to `path` ends on, mounts hidden by later ones left out. `path` is
  /// absolute, normal, and read as if it held no symbolic link. nullptr: the table does not say.
  const Mount* find(std::string_view path) const;
  const std::vector<Mount>& mounts() const { return mounts_; }

 private:
  std::vector<Mount> mounts_;
};

/// What of a path the table can be asked about: "/a//b/./c/../d" gives "/a/b/c", since only a walk
/// can tell what ".." leads to when c is a symbolic link.
std::string up_to_dotdot(std::string_view path);

/// Where a walk ended: on this mount, on another one, or at an error (errno and the path it came
/// at).
struct WalkedTo {
  std::string path;  ///< without symbolic links
};
struct LeftMount {
  std::string path;  ///< to be looked up in the table, and walked there
};
struct WalkError {
  int error = 0;
  std::string path;
};
using Walk = std::variant<WalkedTo, LeftMount, WalkError>;

/// Follows `path` as long as it stays on `mount`. MAY HANG: for the mount's worker only.
Walk walk_within(const MountTable& table, const Mount& mount, std::string_view path);

}  // namespace pointsman
