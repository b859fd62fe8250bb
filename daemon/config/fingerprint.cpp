#include "daemon/config/fingerprint.hpp"

#include <openssl/evp.h>

#include <array>
#include <map>

#include <fmt/format.h>

#include "policies/model/invariant.hpp"

namespace pointsman {

void Fingerprint::add(std::string_view text) {
  all_ += std::to_string(text.size());  // so that "a" "bc" and "ab" "c" differ
  all_ += ':';
  all_ += text;
}

void Fingerprint::add(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      all_ += 'n';
      break;
    case YamlNode::Kind::scalar:
      add(node.text);
      break;
    case YamlNode::Kind::sequence:
      all_ += '[';
      for (const auto& item : node.items) add(item);
      all_ += ']';
      break;
    case YamlNode::Kind::map: {
      std::map<std::string_view, const YamlNode*> sorted;
      for (const auto& entry : node.entries) sorted.emplace(entry.key, &entry.value);
      all_ += '{';
      for (const auto& [key, value] : sorted) {
        add(key);
        add(*value);
      }
      all_ += '}';
      break;
    }
  }
}

std::string Fingerprint::text() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const int done =
      EVP_Digest(all_.data(), all_.size(), digest.data(), &length, EVP_sha256(), nullptr);
  POINTSMAN_INVARIANT(done == 1 && length == 32, "OpenSSL has no SHA-256");
  std::string result;
  for (std::size_t i = 0; i < 16; ++i) result += fmt::format("{:02x}", digest[i]);
  return result;
}

}  // namespace pointsman
