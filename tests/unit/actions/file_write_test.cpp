// Replacing the targets file: whole or not at all, with its rights, also on a full disk.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "daemon/actions/file_write.hpp"

namespace pointsman {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string pattern = "/tmp/pointsman-unit-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string file(const std::string& name = "targets.ini") const { return path + "/" + name; }
  std::string path;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct stat info_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info;
}

WriteReport replace(const std::string& path, const std::string& text) {
  WriteGate gate;
  return replace_file(path, text, gate);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("a file is made, then replaced with the one before kept", "[file_write]") {
  const Folder folder;
  auto report = replace(folder.file(), "one\n");
  CHECK(report.written);
  CHECK(report.error.empty());
  CHECK(report.warnings.empty());
  CHECK(text_of(folder.file()) == "one\n");
  report = replace(folder.file(), "two\n");
  CHECK(report.written);
  CHECK(text_of(folder.file()) == "two\n");
  CHECK(text_of(folder.file("targets.ini.previous")) == "one\n");
  CHECK(replace(folder.file(), "").written);
  CHECK(text_of(folder.file()).empty());
  CHECK(names_in(folder.path) == std::vector<std::string>{"targets.ini", "targets.ini.previous"});
}

TEST_CASE("mode, owner and group stay as they were", "[file_write]") {
  const Folder folder;
  put(folder.file(), "old");
  REQUIRE(::chmod(folder.file().c_str(), 0604) == 0);
  const bool is_root = ::geteuid() == 0;
  if (is_root) REQUIRE(::chown(folder.file().c_str(), 12345, 23456) == 0);
  CHECK(replace(folder.file(), "new").warnings.empty());
  const auto info = info_of(folder.file());
  CHECK((info.st_mode & 07777) == 0604);
  CHECK(info.st_uid == (is_root ? 12345 : ::geteuid()));
  if (is_root) CHECK(info.st_gid == 23456);
}

TEST_CASE("where the path is a link, what it leads to is replaced", "[file_write]") {
  const Folder folder;
  fs::create_directory(folder.file("real"));
  put(folder.file("real/targets"), "old");
  fs::create_symlink("real/targets", folder.file());
  CHECK(replace(folder.file(), "new").written);
  CHECK(fs::is_symlink(folder.file()));
  CHECK(text_of(folder.file("real/targets")) == "new");
  CHECK(ensure_spare(folder.file(), 10));
  CHECK(fs::exists(folder.file("real/targets.spare")));
}

TEST_CASE("a caller that gave up finds the file unchanged", "[file_write]") {
  const Folder folder;
  put(folder.file(), "old");
  WriteGate gate;
  REQUIRE(gate.give_up());
  const auto report = replace_file(folder.file(), "new", gate);
  CHECK_FALSE(report.written);
  CHECK(report.error.find("nothing was changed") != std::string::npos);
  CHECK(text_of(folder.file()) == "old");
  CHECK(names_in(folder.path) == std::vector<std::string>{"targets.ini"});
  // And one that gives up too late is told so.
  WriteGate late;
  REQUIRE(late.commit());
  CHECK_FALSE(late.give_up());
}

TEST_CASE("what cannot be written says which path and what to do", "[file_write]") {
  const Folder folder;
  const auto report = replace(folder.file("none/targets.ini"), "x");
  CHECK_FALSE(report.written);
  CHECK(report.error.find(folder.file("none/targets.ini")) != std::string::npos);
  CHECK(report.error.find("has to be a folder") != std::string::npos);
  fs::create_directory(folder.file("folder"));
  CHECK_FALSE(replace(folder.file("folder"), "x").written);
  CHECK(fs::is_directory(folder.file("folder")));
  // A leftover or planted temporary name neither stops a switch nor is followed.
  put(folder.file("victim"), "mine");
  fs::create_symlink(folder.file("victim"), folder.file("targets.ini.new"));
  CHECK(replace(folder.file(), "x").written);
  CHECK(text_of(folder.file("victim")) == "mine");
}

TEST_CASE("reading tells absent, unreadable and odd apart", "[file_write]") {
  const Folder folder;
  auto read = read_whole_file(folder.file());
  CHECK_FALSE(read.exists);
  CHECK(read.error.empty());
  read = read_whole_file(folder.path);
  CHECK(read.exists);
  CHECK(read.error.find("not a regular file") != std::string::npos);
  REQUIRE(::mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK_FALSE(read_whole_file(folder.file("fifo")).error.empty());  // and does not wait for it
  put(folder.file(), std::string(max_file_size + 1, 'x'));
  CHECK(read_whole_file(folder.file()).error.find("larger than 1 MiB") != std::string::npos);
}

TEST_CASE("the spare grows with the text and is left alone when it fits", "[file_write]") {
  const Folder folder;
  const auto spare = folder.file("targets.ini.spare");
  REQUIRE(ensure_spare(folder.file(), 100));
  const auto first = info_of(spare);
  CHECK(first.st_size >= 100);
  CHECK(first.st_blocks * 512 >= first.st_size);
  REQUIRE(ensure_spare(folder.file(), 100));
  CHECK(info_of(spare).st_size == first.st_size);
  REQUIRE(ensure_spare(folder.file(), 100'000));
  CHECK(info_of(spare).st_size >= 100'000);
}

/// A file system of 1 MiB that is filled to its last block; gone with the object.
struct FullDisk {
  FullDisk() : mounted(::mount("small", folder.path.c_str(), "tmpfs", 0, "size=1m") == 0) {}
  ~FullDisk() {
    if (mounted) ::umount2(folder.path.c_str(), MNT_DETACH);
  }
  void fill() const {
    std::ofstream file(folder.file("fill"), std::ios::binary);
    while (file.write(std::string(4096, 'x').data(), 4096).flush()) {
    }
  }
  Folder folder;
  bool mounted;
};

TEST_CASE("on a full disk the spare is written instead", "[file_write]") {
  if (::geteuid() != 0) {
    WARN("only root may mount the small file system of this test");
    return;
  }
  const FullDisk disk;
  REQUIRE(disk.mounted);
  const auto path = disk.folder.file();
  const std::string text(5000, 'n');
  REQUIRE(replace(path, std::string(4000, 'o')).written);
  REQUIRE(ensure_spare(path, text.size()));
  disk.fill();
  auto report = replace(path, text);
  CHECK(report.written);
  CHECK(report.used_spare);
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings[0].find("make room on the file system of " + disk.folder.path) !=
        std::string::npos);
  CHECK(text_of(path) == text);
  // The spare is used up, and the next one fails without harm.
  report = replace(path, std::string(9000, 'z'));
  CHECK_FALSE(report.written);
  CHECK(report.error.find("No space left on device") != std::string::npos);
  CHECK(text_of(path) == text);
  CHECK_FALSE(ensure_spare(path, 9000));
  CHECK_FALSE(fs::exists(path + ".spare"));  // never one without its blocks
  // Room again.
  fs::remove(disk.folder.file("fill"));
  CHECK(ensure_spare(path, 9000));
  CHECK(replace(path, "small again").written);
}

}  // namespace
}  // namespace pointsman
