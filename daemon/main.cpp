#include <cstring>
#include <string>
#include "daemon/app.hpp"
#include "daemon/check.hpp"
#include "daemon/probe_once.hpp"
using namespace pointsman;
int main(int argc, char** argv) {
  std::string c = argc > 1 ? argv[1] : "";
  if (c == "run") return run_daemon(argv[3]);
  if (c == "check") return check_config(argv[2], CheckOutput::text, Strictness::warnings_are_fine);
  if (c == "probe") return probe_once({argv[3], argv[2], true, false});
  return 2;
}
