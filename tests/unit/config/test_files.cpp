// Files: what can be wrong with them, and how several become one configuration.
#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

constexpr const char* small = "version: 1\nprobes: {c: {type: cpu}}\n";

std::string only_error(const std::string& file) {
  const LoadFailure failure = load_broken(file);
  REQUIRE(failure.errors.size() == 1);
  return failure.errors.front().text;
}

TEST_CASE("files that cannot be read", "[config]") {
  const TemporaryFolder folder;
  CHECK(only_error((folder.path() / "missing.yaml").string()) == "no such file");
  CHECK(only_error(folder.path().string()) == "this is a folder: name the YAML file in it");
  CHECK(only_error("/dev/null") == "this is not a regular file");
  const auto fifo = (folder.path() / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(only_error(fifo) == "this is not a regular file");
  const std::string huge =
      folder.write("huge.yaml", small + std::string(5 * 1024 * 1024, '#') + "\n");
  CHECK(only_error(huge) == "larger than 4 MiB");
  CHECK(only_error("") == "no such file");
}

TEST_CASE("a file that another user keeps closed", "[config]") {
  if (::geteuid() != 0) return;  // only root can become somebody else for a moment
  const TemporaryFolder folder;
  const std::string file = folder.write("closed.yaml", small);
  REQUIRE(::chmod(file.c_str(), 0600) == 0);
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  REQUIRE(::seteuid(65534) == 0);
  const auto result = load_config(file);
  REQUIRE(::seteuid(0) == 0);
  const auto* failure = std::get_if<LoadFailure>(&result);
  REQUIRE(failure);
  CHECK(failure->errors.front().text ==
        "cannot be read by nobody, as whom this runs: it belongs to root:root with mode 0600");
}

TEST_CASE("exec as another user is for root only", "[config]") {
  const TemporaryFolder folder;
  const std::string file = folder.write(
      "x.yaml", "version: 1\nprobes: {x: {type: exec, command: [/bin/true], user: nobody}}\n");
  if (::geteuid() != 0) {
    CHECK(only_error(file).find("only root") == 0);
    return;
  }
  const std::string as_root = folder.write(
      "y.yaml", "version: 1\nprobes: {x: {type: exec, command: [/bin/true], user: root}}\n");
  CHECK(std::get<ExecSpec>(load_fine(file).probes.at(ProbeName("x"))).user == "nobody");
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  REQUIRE(::seteuid(65534) == 0);
  const auto ourselves = load_config(file);
  const auto another = load_config(as_root);
  const auto only_read = load_config(as_root, SecretUse::ignored);
  REQUIRE(::seteuid(0) == 0);
  CHECK(std::holds_alternative<Config>(ourselves));
  REQUIRE(std::holds_alternative<LoadFailure>(another));
  CHECK(std::get<LoadFailure>(another).errors.front().text.find("only root") == 0);
  CHECK(std::holds_alternative<Config>(only_read));  // it only looks for the control socket
}

TEST_CASE("a byte order mark and CRLF are no errors", "[config]") {
  const TemporaryFolder folder;
  CHECK(load_fine(folder.write("bom.yaml", std::string("\xEF\xBB\xBF") + small)).probes.size() ==
        1);
  CHECK(load_fine(folder.write("crlf.yaml", "version: 1\r\nprobes:\r\n  c: {type: cpu}\r\n"))
            .probes.size() == 1);
  CHECK(load_fine(folder.write("end.yaml", "---\nversion: 1\nprobes: {c: {type: cpu}}\n...\n"))
            .probes.size() == 1);
}

TEST_CASE("included files are merged section by section", "[config]") {
  const TemporaryFolder folder;
  const std::string main = folder.write("pointsman.yaml", R"(version: 1
include: [policies.d/*.yaml, "*.yaml"]
probes: {a: {type: cpu}}
services: {s: {members: [a, b]}}
)");
  folder.write("policies.d/20-more.yaml", "version: 1\nprobes: {b: {type: memory}}\n");
  folder.write("policies.d/10-mode.yaml", "mode: observe\nservices: {t: {members: [c]}}\n");
  folder.write("policies.d/30-last.yaml", "probes: {c: {type: disk, path: /}}\nservices:\n");
  folder.write("policies.d/notes.txt", "not read");
  const Config config = load_fine(main);
  CHECK(config.probes.size() == 3);
  CHECK(config.policy->services.size() == 2);
  CHECK(config.policy->mode == Mode::observe);
  REQUIRE(config.files.size() == 4);
  CHECK(config.files[0] == main);
  CHECK(config.files[1].find("10-mode.yaml") != std::string::npos);
  CHECK(config.files[3].find("30-last.yaml") != std::string::npos);
  CHECK(config.warnings.empty());
}

TEST_CASE("errors come by file, line and column", "[config]") {
  const TemporaryFolder folder;
  const std::string main =
      folder.write("main.yaml",
                   "version: 1\nservices: {s: {members: [x, y]}}\nprobes: {a: {type: cup}}\n"
                   "include: [z.d/*]\n");
  folder.write("z.d/1.yaml", "probes: {b: {type: cup}}\n");
  const LoadFailure failure = load_broken(main);
  REQUIRE(failure.errors.size() == 4);
  CHECK(failure.errors[0].at.line == 2);
  CHECK(failure.errors[0].at.column < failure.errors[1].at.column);
  CHECK(failure.errors[2].at.line == 3);
  CHECK(failure.errors[3].at.file.find("z.d/1.yaml") != std::string::npos);
}

/// The reference with one thing changed at random: bytes put in, taken out, doubled, lines moved.
std::string mutate(std::string text) {
  const int changes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < changes && !text.empty(); ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto length = std::min(*rc::gen::inRange<std::size_t>(1, 40), text.size() - at);
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(at, length));
        break;
      case 2:
        text[at] = *rc::gen::arbitrary<char>();
        break;
      case 3:
        text.insert(at, 1, *rc::gen::elementOf(std::string("{}[]:,&*!|>'\"%@`#-\t\n ?$")));
        break;
      default: {
        const auto from = *rc::gen::inRange<std::size_t>(0, text.size());
        text.insert(at, text.substr(from, length));
      }
    }
  }
  return text;
}

TEST_CASE("whatever is broken, it is a configuration or an error", "[config]") {
  std::ifstream stream(std::string(POINTSMAN_SOURCE_DIR) + "/etc/pointsman.yaml");
  std::ostringstream reference;
  reference << stream.rdbuf();
  const TemporaryFolder folder;
  REQUIRE(rc::check("load_config never crashes", [&] {
    const std::string file = folder.write("pointsman.yaml", mutate(reference.str()));
    const auto result = load_config(file);
    if (const auto* failure = std::get_if<LoadFailure>(&result)) {
      RC_ASSERT(!failure->errors.empty());
      for (const auto& error : failure->errors) RC_ASSERT(!error.text.empty());
    } else {
      RC_ASSERT(std::get<Config>(result).policy != nullptr);
    }
  }));
}

}  // namespace
}  // namespace pointsman
