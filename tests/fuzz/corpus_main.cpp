// Stands in for libFuzzer in the ordinary builds: gives the files that are named, or that the
// folders that are named hold, to a fuzz target, one after another.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "tests/fuzz/fuzz.hpp"

namespace {

namespace fs = std::filesystem;

void add_files(const fs::path& place, std::set<fs::path>& files) {
  if (!fs::is_directory(place)) {
    files.insert(place);
    return;
  }
  for (const auto& entry : fs::recursive_directory_iterator(place)) {
    if (entry.is_regular_file()) files.insert(entry.path());
  }
}

}  // namespace

int main(int count, char** words) {
  std::set<fs::path> files;
  for (int i = 1; i < count; ++i) add_files(words[i], files);
  if (files.empty()) {
    std::fprintf(stderr, "no inputs\n");
    return 1;
  }
  const fs::path running = fs::path(words[0]).filename();
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in) {
      std::fprintf(stderr, "%s cannot be read\n", file.c_str());
      return 1;
    }
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);  // the last one is the culprit when the target ends the process
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("%s: %zu inputs, none failed\n", running.c_str(), files.size());
  return 0;
}
