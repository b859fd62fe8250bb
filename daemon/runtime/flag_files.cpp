#include "daemon/runtime/flag_files.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace pointsman {

Status FlagFiles::write(const WriteFlag& flag) const {
  const std::filesystem::path file = folder_ / flag.flag.text;
  std::error_code ec;
  if (!flag.set) {
    std::filesystem::remove(file, ec);
    if (ec) return Error{"can not remove " + file.string() + ": " + ec.message()};
    return Nothing{};
  }
  std::filesystem::create_directories(folder_, ec);
  const std::filesystem::path next = folder_ / ("." + flag.flag.text + ".new");
  {
    std::ofstream out(next, std::ios::trunc);
    out << flag.reason << "\n";
    out.close();
    if (!out) {
      return Error{"can not write the flag " + file.string() + ": " +
                   std::strerror(errno)};  // NOLINT
    }
  }
  std::filesystem::permissions(next, std::filesystem::perms{0644}, ec);
  std::filesystem::rename(next, file, ec);
  if (ec) return Error{"can not write the flag " + file.string() + ": " + ec.message()};
  return Nothing{};
}

std::vector<std::string> FlagFiles::forget_all_but(const std::set<std::string>& remembered) const {
  std::vector<std::string> forgotten;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ec)) {
    const std::string name = entry.path().filename().string();
    if (!remembered.contains(name)) forgotten.push_back(name);
  }
  for (const std::string& name : forgotten) std::filesystem::remove(folder_ / name, ec);
  return forgotten;
}

bool FlagFiles::is_set(const std::string& name) const {
  std::error_code ec;
  return std::filesystem::exists(folder_ / name, ec);
}

}  // namespace pointsman
