#include "probes/mount.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;

namespace {

std::string mount_point_of(const MountTable& table, const char* path) {
  const auto* mount = table.find(path);
  return mount == nullptr ? "none" : mount->mount_point + " " + mount->fs_type;
}

}  // namespace

TEST_CASE("a line of mountinfo") {
  const auto table = MountTable::parse(
      "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
      "36 27 0:35 /sub /mnt/two\\040words\\134x ro,noatime master:1 shared:4 - nfs4 srv:/a\\040b "
      "rw,hard\n"
      "this is none\n"
      "37 27 0:36 / relative rw - tmpfs tmpfs rw\n"
      "38 27 0:37 / /cut rw\n");
  REQUIRE(table.mounts().size() == 2);
  const auto& mount = table.mounts()[1];
  CHECK(mount.id == 36);
  CHECK(mount.parent == 27);
  CHECK(mount.device == "0:35");
  CHECK(mount.mount_point == "/mnt/two words\\x");
  CHECK(mount.fs_type == "nfs4");
  CHECK(mount.source == "srv:/a b");
}

TEST_CASE("read-only is the super block's word, not the bind mount's") {
  const auto read_only = [](const std::string& own, const std::string& super) {
    const auto table = MountTable::parse("1 0 8:1 / / " + own + " - ext4 /dev/sda " + super + "\n");
    return table.mounts().at(0).read_only;
  };
  CHECK_FALSE(read_only("ro,relatime", "rw,errors=remount-ro"));
  CHECK(read_only("rw,relatime", "ro,errors=remount-ro"));
  CHECK(read_only("rw,relatime", "rw,emergency_ro"));
  CHECK_FALSE(read_only("rw", "rw,errors=ro"));
}

TEST_CASE("a path's mount is the one a walk ends on") {
  const auto table = MountTable::parse(
      "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
      "30 27 0:30 / /mnt rw - tmpfs tmpfs rw\n"
      "31 30 0:31 / /mnt/data rw - xfs /dev/vdb rw\n"
      "32 27 0:32 / /srv/deep rw - nfs a rw\n"
      "33 27 0:33 / /srv rw - nfs b rw\n"          // hides /srv/deep
      "34 31 0:34 / /mnt/data rw - fuse c rw\n");  // on top of the xfs
  CHECK(mount_point_of(table, "/") == "/ ext4");
  CHECK(mount_point_of(table, "/mntx") == "/ ext4");
  CHECK(mount_point_of(table, "/mnt") == "/mnt tmpfs");
  CHECK(mount_point_of(table, "/mnt/dat") == "/mnt tmpfs");
  CHECK(mount_point_of(table, "/mnt/data/base") == "/mnt/data fuse");
  CHECK(mount_point_of(table, "/srv/deep/er") == "/srv nfs");
  CHECK(mount_point_of(MountTable::parse(""), "/") == "none");
}

TEST_CASE("in a chroot the root is not listed, and is there all the same") {
  const auto table = MountTable::parse(
      "41 25 0:6 / /dev rw - devtmpfs udev rw\n42 41 0:7 / /dev/shm rw - tmpfs tmpfs rw\n"
      "43 25 0:8 / /proc rw - proc proc rw\n");
  CHECK(mount_point_of(table, "/") == "/ unknown");
  CHECK(mount_point_of(table, "/tmp/x") == "/ unknown");
  CHECK(mount_point_of(table, "/dev/shm/y") == "/dev/shm tmpfs");
  CHECK(mount_point_of(table, "/proc") == "/proc proc");
}

TEST_CASE("mount ids that lead in a circle end") {
  const auto table = MountTable::parse(
      "1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /x rw - ext4 b rw\n2 2 8:3 / /x rw - ext4 c rw\n");
  CHECK(table.find("/x/y") != nullptr);
}

TEST_CASE("the table is asked about what stands before the first ..") {
  CHECK(up_to_dotdot("/a//b/./c/../d") == "/a/b/c");
  CHECK(up_to_dotdot("/") == "/");
  CHECK(up_to_dotdot("/..") == "/");
  CHECK(up_to_dotdot("/var/lib/") == "/var/lib");
}
