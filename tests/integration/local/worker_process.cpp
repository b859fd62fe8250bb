// The disk probe runs its own program once more as the mount worker; for these tests, that is us.
#include <cstdlib>
#include <string_view>

#include "probes/mount_worker.hpp"

namespace {

/// Before Catch reads the arguments.
[[gnu::constructor]] void be_mount_worker(int argc, char** argv, char** /*environment*/) {
  if (argc == 2 && std::string_view(argv[1]) == pointsman::MountWorker::argument) {
    ::_Exit(pointsman::MountWorker::run());
  }
}

}  // namespace
