// Broken configurations, each with the exact words that an operator gets. tests/golden/config holds
// NN-name.yaml and NN-name.txt; POINTSMAN_GOLDEN_UPDATE=1 writes the .txt anew: read the difference
// before it is committed.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

namespace fs = std::filesystem;

/// The folder is entered, so that messages name files and not where the sources lie.
class InFolder {
 public:
  explicit InFolder(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~InFolder() {
    std::error_code error;
    fs::current_path(before_, error);
  }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  fs::path before_;
};

std::string read_all(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Lines that only one of the two has.
std::string difference(const std::string& wanted, const std::string& got) {
  const auto a = lines_of(wanted), b = lines_of(got);
  std::string text;
  for (const auto& line : a) {
    if (std::find(b.begin(), b.end(), line) == b.end()) text += "- " + line + "\n";
  }
  for (const auto& line : b) {
    if (std::find(a.begin(), a.end(), line) == a.end()) text += "+ " + line + "\n";
  }
  return text.empty() ? "(the same lines in another order)\n" : text;
}

TEST_CASE("broken configurations are told in the words that are wanted", "[config][golden]") {
  const fs::path folder = fs::path(POINTSMAN_SOURCE_DIR) / "tests/golden/config";
  const InFolder inside(folder);
  const bool update = std::getenv("POINTSMAN_GOLDEN_UPDATE") != nullptr;
  ::unsetenv("CREDENTIALS_DIRECTORY");
  ::unsetenv("POINTSMAN_NOT_SET");

  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(".")) {
    if (entry.path().extension() == ".yaml") cases.push_back(entry.path().filename());
  }
  std::sort(cases.begin(), cases.end());
  REQUIRE(cases.size() >= 40);
  for (const auto& file : cases) {
    const auto result = load_config(file);
    INFO(file.string());
    const auto* failure = std::get_if<LoadFailure>(&result);
    if (!failure) {
      FAIL_CHECK("this broken configuration was taken");
      continue;
    }
    const std::string got = all_text(*failure);
    fs::path golden = file;
    golden.replace_extension(".txt");
    if (update) std::ofstream(golden, std::ios::binary) << got;
    const std::string wanted = read_all(golden);
    if (wanted != got) FAIL_CHECK(difference(wanted, got));
  }
}

}  // namespace
}  // namespace pointsman
