#include "probes/mount.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>

#include <fmt/format.h>

#include "probes/proc.hpp"

namespace pointsman {
namespace {

constexpr int max_symlinks = 40;  // as the kernel: MAXSYMLINKS
constexpr int max_mounts_deep = 256;

/// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view field) {
  std::string text;
  text.reserve(field.size());
  for (std::size_t i = 0; i < field.size(); ++i) {
    int code = 0;
    if (field[i] == '\\' && i + 3 < field.size()) {
      const auto* end = field.data() + i + 4;
      if (std::from_chars(field.data() + i + 1, end, code, 8).ptr == end) {
        text.push_back(static_cast<char>(code));
        i += 3;
        continue;
      }
    }
    text.push_back(field[i]);
  }
  return text;
}

bool has_option(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const auto comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    options = comma == std::string_view::npos ? std::string_view{} : options.substr(comma + 1);
  }
  return false;
}

/// Since Linux 6.15 ext4 does not set `ro` any more after an error with errors=remount-ro.
bool super_block_is_read_only(std::string_view options) {
  return has_option(options, "ro") || has_option(options, "emergency_ro") ||
         has_option(options, "shutdown");
}

std::optional<int> to_int(std::string_view field) {
  int value = 0;
  const auto [end, ec] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (ec != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

/// 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
std::optional<Mount> parse_line(std::string_view line) {
  Mount mount;
  const auto id = to_int(next_field(line));
  const auto parent = to_int(next_field(line));
  if (!id || !parent) return std::nullopt;
  mount.id = *id;
  mount.parent = *parent;
  mount.device = std::string(next_field(line));
  next_field(line);  // the root of the mount within its file system
  mount.mount_point = unescape(next_field(line));
  next_field(line);  // this mount's own options
  for (auto field = next_field(line); field != "-"; field = next_field(line)) {
    if (field.empty()) return std::nullopt;
  }
  mount.fs_type = unescape(next_field(line));
  mount.source = unescape(next_field(line));
  mount.read_only = super_block_is_read_only(next_field(line));
  if (mount.mount_point.empty() || mount.mount_point[0] != '/') return std::nullopt;
  return mount;
}

bool is_listed(const std::vector<Mount>& mounts, int id) {
  return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& m) { return m.id == id; });
}

bool is_root(const std::vector<Mount>& mounts, const Mount& mount) {
  return mount.mount_point == "/" && (mount.parent == mount.id || !is_listed(mounts, mount.parent));
}

/// In a chroot the mount that "/" lies on is not listed; what is mounted on it tells its id.
void add_hidden_root(std::vector<Mount>& mounts) {
  Mount root;
  for (const auto& mount : mounts) {
    if (is_root(mounts, mount)) return;
    if (!is_listed(mounts, mount.parent)) root.id = root.parent = mount.parent;
  }
  if (root.id == 0) return;
  root.mount_point = "/";
  root.device = root.fs_type = root.source = "unknown";
  mounts.push_back(std::move(root));
}

bool lies_below(std::string_view path, std::string_view mount_point) {
  if (mount_point == "/") return true;
  return path.substr(0, mount_point.size()) == mount_point &&
         (path.size() == mount_point.size() || path[mount_point.size()] == '/');
}

}  // namespace

std::string Mount::key() const {
  return fmt::format("{} {} {}", id, device, mount_point);
}

MountTable MountTable::parse(std::string_view mountinfo) {
  MountTable table;
  while (!mountinfo.empty()) {
    if (auto mount = parse_line(next_line(mountinfo))) table.mounts_.push_back(std::move(*mount));
  }
  add_hidden_root(table.mounts_);
  return table;
}

const Mount* MountTable::find(std::string_view path) const {
  const Mount* here = nullptr;
  for (const auto& mount : mounts_) {
    if (is_root(mounts_, mount)) here = &mount;
  }
  // As the kernel walks: of what is mounted on the present mount, the first that the path meets.
  for (int depth = 0; here != nullptr && depth < max_mounts_deep; ++depth) {
    const Mount* next = nullptr;
    for (const auto& mount : mounts_) {
      if (mount.parent != here->id || &mount == here || !lies_below(path, mount.mount_point))
        continue;
      if (next == nullptr || mount.mount_point.size() <= next->mount_point.size()) next = &mount;
    }
    if (next == nullptr) break;
    here = next;
  }
  return here;
}

std::string up_to_dotdot(std::string_view path) {
  std::string known;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") break;
    known.push_back('/');
    known.append(part);
  }
  return known.empty() ? "/" : known;
}

Walk walk_within(const MountTable& table, const Mount& mount, std::string_view path) {
  // `done` holds no link, so that ".." may be taken as text and the table tells its mount exactly.
  std::string done, rest(path);
  int symlinks = 0;
  while (true) {
    const auto begin = rest.find_first_not_of('/');
    if (begin == std::string::npos) break;
    const auto end = rest.find('/', begin);
    const auto part = rest.substr(begin, end == std::string::npos ? end : end - begin);
    rest = end == std::string::npos ? std::string{} : rest.substr(end);
    if (part == ".") continue;
    if (part == "..") {
      done.resize(done.empty() ? 0 : done.rfind('/'));
      continue;
    }
    const auto next = done + '/' + part;
    // Another mount on the way here has been passed as text: what lies above ours is not our
    // business, and what lies below it belongs to another worker.
    const Mount* at = table.find(next);
    if (at != nullptr && at->id != mount.id) {
      const bool above = lies_below(mount.mount_point, next);
      if (!above) return LeftMount{next + rest};
      done = next;
      continue;
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlink(next.c_str(), target.data(), target.size());
    if (length < 0 && errno != EINVAL) return WalkError{errno, next};
    if (length < 0) {
      done = next;
      continue;
    }
    if (++symlinks > max_symlinks) return WalkError{ELOOP, next};
    rest = std::string(target.data(), static_cast<std::size_t>(length)) + rest;
    if (rest.front() == '/') done.clear();
  }
  if (done.empty()) done = "/";
  const Mount* at = table.find(done);
  if (at != nullptr && at->id != mount.id) return LeftMount{done};
  return WalkedTo{done};
}

}  // namespace pointsman
