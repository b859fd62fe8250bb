#include "probes/proc.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;

TEST_CASE("meminfo gives bytes, or nothing") {
  const auto info =
      parse_meminfo("MemTotal:       24684096 kB\nMemFree: 1 kB\nMemAvailable:   24286548 kB\n");
  REQUIRE(info);
  CHECK(info->total == 24684096ull * 1024);
  CHECK(info->available == 24286548ull * 1024);
  CHECK_FALSE(parse_meminfo("MemTotal:       24684096 kB\n"));  // a kernel older than 3.14
  CHECK_FALSE(parse_meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n"));
  CHECK_FALSE(parse_meminfo("MemTotal: x kB\nMemAvailable: 1 kB\n"));
  CHECK_FALSE(parse_meminfo(""));
}

TEST_CASE("cpu times: iowait is idle, guest time is not counted twice") {
  const auto times =
      parse_cpu_times("cpu  100 10 50 800 40 3 7 90 60 5\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n");
  REQUIRE(times);
  CHECK(times->idle == 840);
  CHECK(times->steal == 90);
  CHECK(times->total == 1100);
  CHECK_FALSE(parse_cpu_times("cpu  1 2 3\n"));
  CHECK_FALSE(parse_cpu_times("intr 1 2 3 4 5 6 7 8 9\n"));
}

TEST_CASE("load and pressure") {
  CHECK(parse_load1("0.52 0.58 0.59 1/467 12345\n") == 0.52);
  CHECK_FALSE(parse_load1(""));
  CHECK(parse_pressure(
            "some avg10=1.53 avg60=0.05 avg300=0.44 total=27\nfull avg10=9.00 avg60=0\n") == 1.53);
  CHECK_FALSE(parse_pressure("full avg10=9.00 avg60=0\n"));
  CHECK_FALSE(parse_pressure(""));
}

TEST_CASE("our cgroup in the unified hierarchy and in v1's memory controller") {
  CHECK(parse_cgroup("0::/system.slice/pointsman.service\n") ==
        CgroupPaths{"/system.slice/pointsman.service", std::nullopt});
  CHECK(parse_cgroup("9:name=systemd:/\n4:cpu,memory:/a:b\n0::/\n") == CgroupPaths{"/", "/a:b"});
  CHECK(parse_cgroup("nonsense\n") == CgroupPaths{});
  CHECK(with_ancestors("/a/b/c") == std::vector<std::string>{"/a/b/c", "/a/b", "/a", "/"});
  CHECK(with_ancestors("/") == std::vector<std::string>{"/"});
}

TEST_CASE("a cgroup's limit; both ways to say that there is none") {
  CHECK(parse_cgroup_limit("1073741824\n") == 1073741824u);
  CHECK_FALSE(parse_cgroup_limit("max\n"));
  CHECK_FALSE(parse_cgroup_limit("9223372036854771712\n"));
  CHECK(parse_stat_line("anon 5\ninactive_file 4096\nactive_file 9\n", "inactive_file") == 4096u);
  CHECK_FALSE(parse_stat_line("anon 5\n", "inactive_file"));
}
