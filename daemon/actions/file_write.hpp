// Replacing the targets file, whole or not at all. Blocks: runs on the act worker only.
//
// FILE.new is written, made durable and renamed over FILE; FILE.previous is the one before; the
// folder is made durable. Owner, group and mode are kept where we may. FILE.spare holds enough
// allocated blocks for the next text: where the disk is full it is written instead, so that a
// switch still happens. A reader sees the old text or the new one. At most `max_file_size` is read.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "policies/model/result.hpp"

namespace pointsman {

/// Between a writer and a caller that may give up: only one of them decides whether the file
/// changes.
class WriteGate {
 public:
  /// The writer, just before the rename: false when the caller has given up.
  bool commit() { return settle(State::committed); }
  /// The caller, at its deadline: false when the writer was first, so that the file may have
  /// changed.
  bool give_up() { return settle(State::given_up); }

 private:
  enum class State { open, committed, given_up };
  bool settle(State to) {
    State open = State::open;
    return state_.compare_exchange_strong(open, to);
  }
  std::atomic<State> state_{State::open};
};

struct WriteReport {
  bool written = false;
  bool used_spare = false;
  std::string error;                  ///< with the path and the next step; empty when written
  std::vector<std::string> warnings;  ///< written, but: owner not kept, previous not kept, …
};

struct ReadReport {
  bool exists = false;
  std::string text;
  std::string error;  ///< empty when read, or when there is none
};

inline constexpr std::size_t max_file_size = 1 << 20;

ReadReport read_whole_file(const std::string& path);

/// Where `path` is a link, what it leads to is replaced.
WriteReport replace_file(const std::string& path, const std::string& text, WriteGate& gate);

/// Makes or enlarges FILE.spare so that a text of `size` fits; nothing to do in most cases.
Status ensure_spare(const std::string& path, std::size_t size);

}  // namespace pointsman
