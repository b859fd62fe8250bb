#include "daemon/config/references.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "policies/model/result.hpp"

namespace pointsman {
namespace {

constexpr std::size_t max_secret_size = std::size_t{64} * 1024;

Result<std::string> read_secret(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return Error{fmt::format("{}: {}", path, std::strerror(errno))};
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t count = 0;
  do {
    count = ::read(descriptor, buffer.data(), buffer.size());
    if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  } while ((count > 0 && text.size() <= max_secret_size) || (count < 0 && errno == EINTR));
  const int error = errno;
  ::close(descriptor);
  if (count < 0) return Error{fmt::format("{}: {}", path, std::strerror(error))};
  if (text.size() > max_secret_size) return Error{fmt::format("{} is larger than 64 KiB", path)};
  if (text.find('\0') != std::string::npos) return Error{fmt::format("{} holds a NUL", path)};
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  return text;
}

Result<std::string> read_credential(const std::string& name) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (name.empty() || name.find('/') != std::string::npos || name.front() == '.') {
    return Error{"a credential's name holds no '/' and does not begin with '.'"};
  }
  if (!folder || *folder == '\0') {
    return Error{
        "$CREDENTIALS_DIRECTORY is not set: systemd sets it for units with LoadCredential="};
  }
  return read_secret(fmt::format("{}/{}", folder, name));
}

Result<std::string> look_up(std::string_view reference) {
  const std::size_t colon = reference.find(':');
  const std::string scheme(reference.substr(0, colon));
  const std::string name(colon == std::string_view::npos ? "" : reference.substr(colon + 1));
  if (colon != std::string_view::npos && scheme == "env") {
    const char* value = std::getenv(name.c_str());
    if (!value) return Error{fmt::format("the environment has no {}", name)};
    return std::string(value);
  }
  if (colon != std::string_view::npos && scheme == "file") {
    if (name.empty() || name.front() != '/') return Error{"the path has to begin with '/'"};
    return read_secret(name);
  }
  if (colon != std::string_view::npos && scheme == "credential") return read_credential(name);
  return Error{
      fmt::format("write ${{env:NAME}}, ${{file:/path}} or ${{credential:name}} ($${{ is a plain "
                  "${{){}",
                  did_you_mean(scheme, {"env", "file", "credential"}))};
}

class Replacer {
 public:
  Replacer(SecretUse secrets, Findings& findings) : secrets_(secrets), findings_(findings) {}

  void walk(YamlNode& node, const std::string& path) {
    if (node.kind == YamlNode::Kind::scalar && node.text.find("${") != std::string::npos) {
      replace(node, path);
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      walk(node.items[i], fmt::format("{}[{}]", path, i));
    }
    for (auto& entry : node.entries) walk(entry.value, join_path(path, entry.key));
  }

 private:
  void replace(YamlNode& node, const std::string& path) {
    const std::string text = node.text;
    std::string result;
    std::size_t i = 0;
    while (i < text.size()) {
      if (text.compare(i, 3, "$${") == 0) {
        result += "${";
        i += 3;
      } else if (text.compare(i, 2, "${") == 0) {
        const std::size_t end = text.find('}', i);
        if (end == std::string::npos) {
          findings_.error(node.at, path, "'${' is not closed by '}' ($${ is a plain ${)");
          node.unresolved = true;
          break;
        }
        result += value_of(node, path, text.substr(i + 2, end - i - 2));
        i = end + 1;
      } else {
        result += text[i++];
      }
    }
    node.text = std::move(result);
  }

  std::string value_of(YamlNode& node, const std::string& path, const std::string& reference) {
    node.secret = true;
    auto found = look_up(reference);
    if (found) return found.value();
    node.unresolved = true;
    if (secrets_ == SecretUse::required) {
      findings_.error(node.at, path, fmt::format("${{{}}}: {}", reference, found.error().message));
    }
    return {};
  }

  SecretUse secrets_;
  Findings& findings_;
};

}  // namespace

void replace_references(YamlNode& root, SecretUse secrets, Findings& findings) {
  Replacer(secrets, findings).walk(root, "");
}

}  // namespace pointsman
