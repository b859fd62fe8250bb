// A file of /proc or of a cgroup that is read again and again: opened once, then pread from its
// start.
//
// These files answer from the kernel's memory and never wait for a device, so the loop's thread may
// read them. A file that has vanished (a cgroup that was removed) is opened anew by the next read.
// Limit: `max_bytes` of a file are read, the rest is ignored.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pointsman {

class ProcFile {
 public:
  explicit ProcFile(std::string path, std::size_t max_bytes = 64 * 1024);
  ~ProcFile();
  ProcFile(ProcFile&& other) noexcept;
  ProcFile& operator=(ProcFile&&) = delete;

  /// Its text, valid until the next read; nullopt when it cannot be read (see error()).
  std::optional<std::string_view> read();
  /// errno of the last read that failed.
  int error() const { return error_; }
  const std::string& path() const { return path_; }

 private:
  std::optional<std::string_view> read_open_file();

  std::string path_;
  std::size_t max_bytes_;
  std::string buffer_;
  int fd_ = -1;
  int error_ = 0;
};

}  // namespace pointsman
