// `pointsman check --live`: what the servers, poolers and folders themselves say about a
// configuration that was found free of errors, judged.
//
// Pure: daemon/runtime/live_check looks (every probe once, every pooler, every folder), this says
// what it means and what to do. A line each, worst first within its part. No secret; any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "daemon/config/config.hpp"
#include "policies/model/sample.hpp"

namespace pointsman {

/// What one look at a pooler, proxy or file of a route found.
struct LiveVia {
  RouteName route;
  std::string where;  ///< "pgbouncer 127.0.0.1:6432", "haproxy /run/…", "file /etc/…"
  std::vector<std::string> problems;  ///< one line each, with the next step; empty: all is well
};

struct LiveLook {
  std::map<ProbeName, Sample> samples;  ///< of the enabled probes
  std::vector<LiveVia> vias;
  std::vector<std::string> state_dir_problems;
};

enum class LiveLevel { ok, warning, error };
struct LiveLine {
  LiveLevel level = LiveLevel::ok;
  std::string subject;  ///< "probe primary", "route bud"
  std::string text;
};

/// Errors: what would keep pointsman from doing what the configuration asks for.
std::vector<LiveLine> judge_live(const Config& config, const LiveLook& look);

std::string describe_live(const std::vector<LiveLine>& lines);
boost::json::value live_json(const std::vector<LiveLine>& lines);
bool has_level(const std::vector<LiveLine>& lines, LiveLevel level);

}  // namespace pointsman
