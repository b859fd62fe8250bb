#include "probes/proc_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pointsman {
namespace {

constexpr std::size_t first_size = 4096;

}  // namespace

ProcFile::ProcFile(std::string path, std::size_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {}

ProcFile::~ProcFile() {
  if (fd_ >= 0) ::close(fd_);
}

ProcFile::ProcFile(ProcFile&& other) noexcept
    : path_(std::move(other.path_)),
      max_bytes_(other.max_bytes_),
      buffer_(std::move(other.buffer_)),
      fd_(std::exchange(other.fd_, -1)),
      error_(other.error_) {}

std::optional<std::string_view> ProcFile::read() {
  // A kept descriptor of a removed cgroup gives ENODEV for ever: open once more, then give up.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool was_open = fd_ >= 0;
    if (!was_open) fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) {
      error_ = errno;
      return std::nullopt;
    }
    if (auto text = read_open_file()) return text;
    ::close(fd_);
    fd_ = -1;
    if (!was_open) break;
  }
  return std::nullopt;
}

std::optional<std::string_view> ProcFile::read_open_file() {
  if (buffer_.empty()) buffer_.resize(std::min(first_size, max_bytes_));
  std::size_t filled = 0;
  while (true) {
    const ssize_t n =
        ::pread(fd_, buffer_.data() + filled, buffer_.size() - filled, static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error_ = errno;
      return std::nullopt;
    }
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
    if (filled < buffer_.size()) continue;
    if (buffer_.size() >= max_bytes_) break;
    buffer_.resize(std::min(buffer_.size() * 2, max_bytes_));
  }
  error_ = 0;
  return std::string_view{buffer_}.substr(0, filled);
}

}  // namespace pointsman
