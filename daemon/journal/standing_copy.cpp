#include "daemon/journal/standing_copy.hpp"

#include <exception>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/journal/entry.hpp"

namespace pointsman {

namespace json = boost::json;

StandingCopy::Found StandingCopy::read(std::vector<MemoryRow>& routes,
                                       std::vector<KeptRow>& kept) const {
  const auto raw = contents_of(file_);
  if (!raw) return Found::nothing;
  std::vector<MemoryRow> routes_found;
  std::vector<KeptRow> kept_found;
  try {  // Boost.JSON throws; the file may have been written by anybody
    json::parse_options options;
    options.allow_invalid_utf8 = true;
    const auto document = json::parse(*raw, {}, options);
    for (const auto& row : document.at("routes").as_array()) {
      routes_found.push_back(held_memory_of(row));
    }
    for (const auto& row : document.at("standing").as_array()) {
      kept_found.push_back(held_kept_of(row));
    }
  } catch (const std::exception&) {
    return Found::garbage;
  }
  if (routes_found.empty() && kept_found.empty()) return Found::nothing;
  routes.insert(routes.end(), routes_found.begin(), routes_found.end());
  kept.insert(kept.end(), kept_found.begin(), kept_found.end());
  return Found::rows;
}

bool StandingCopy::write(const std::vector<MemoryRow>& routes, const std::vector<KeptRow>& kept) {
  json::array known, standing;
  for (const MemoryRow& row : routes) known.push_back(json_of(row));
  for (const KeptRow& row : kept) standing.push_back(json_of(row));
  std::string text = json::serialize(
      json::object{{"routes", std::move(known)}, {"standing", std::move(standing)}});
  text += '\n';
  if (text == written_) return true;
  if (!replace_file(file_, text)) return false;
  written_ = std::move(text);
  return true;
}

}  // namespace pointsman
