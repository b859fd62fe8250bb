#include "probes/disk.hpp"

#include <cerrno>

#include <catch2/catch.hpp>

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

Mount mount_of(const char* fs_type, bool read_only) {
  Mount mount;
  mount.mount_point = "/data";
  mount.fs_type = fs_type;
  mount.source = "/dev/sdb";
  mount.read_only = read_only;
  return mount;
}

/// 1000 blocks of 4 KiB: 700 used, 300 free, of which 50 are root's.
DiskReading reading() {
  DiskReading r;
  r.step = DiskReading::Step::statvfs;
  r.path = "/data";
  r.block_size = 4096;
  r.blocks = 1000;
  r.blocks_free = 300;
  r.blocks_available = 250;
  r.inodes = 200;
  r.inodes_free = 20;
  return r;
}

Finding judge(const DiskSpec& spec, const DiskReading& r, const Mount& mount) {
  return judge_disk(spec, r, &mount, to_disk_facts(r, &mount));
}

DiskReading failed(DiskReading::Step step, int error) {
  auto r = reading();
  r.step = step;
  r.error = error;
  return r;
}

}  // namespace

TEST_CASE("used is counted as df does") {
  const auto facts = to_disk_facts(reading(), nullptr);
  CHECK(facts.total == 1000u * 4096);
  CHECK(facts.used == 700u * 4096);
  CHECK(facts.free == 250u * 4096);
  CHECK(facts.used_ratio == Approx(700.0 / 950.0));
  CHECK(facts.inodes_ratio == Approx(0.9));
  auto btrfs = reading();
  btrfs.inodes = btrfs.inodes_free = 0;
  CHECK_FALSE(to_disk_facts(btrfs, nullptr).inodes_ratio);
  CHECK(to_disk_facts(DiskReading{}, nullptr).used_ratio == 0);
}

TEST_CASE("limits are reached at the value itself, and the worse one counts") {
  const auto mount = mount_of("ext4", false);
  DiskSpec spec;
  CHECK(judge(spec, reading(), mount).outcome == Outcome::pass);
  CHECK(judge(spec, reading(), mount).message ==
        "73.7% used, 1000.0 KiB free of 3.9 MiB, 90.0% of inodes");
  spec.warn = 700.0 / 950.0;
  CHECK(judge(spec, reading(), mount).outcome == Outcome::warn);
  CHECK(judge(spec, reading(), mount).reason == Reason::over_threshold);
  spec.inodes_fail = 0.9;
  CHECK(judge(spec, reading(), mount).outcome == Outcome::fail);
  spec = {};
  spec.inodes_warn = 0.9;
  CHECK(judge(spec, reading(), mount).outcome == Outcome::warn);
  spec = {};
  spec.free_below = 250u * 4096;
  CHECK(judge(spec, reading(), mount).outcome == Outcome::pass);
  spec.free_below = 250u * 4096 + 1;
  CHECK(judge(spec, reading(), mount).outcome == Outcome::fail);
}

TEST_CASE("a read-only super block fails, unless it was made so") {
  const auto finding = judge({}, reading(), mount_of("ext4", true));
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::read_only);
  CHECK(std::get<DiskFacts>(finding.facts).read_only);
  CHECK(judge({}, reading(), mount_of("squashfs", true)).outcome == Outcome::pass);
}

TEST_CASE("a path that cannot be reached fails; one that we may not reach is our own fault") {
  const auto mount = mount_of("ext4", false);
  for (const int error : {ENOENT, ENOTDIR, EIO, ESTALE, ENOTCONN, ELOOP}) {
    const auto finding = judge({}, failed(DiskReading::Step::find, error), mount);
    CHECK(finding.outcome == Outcome::fail);
    CHECK(finding.reason == Reason::unreachable);
  }
  const auto finding = judge({}, failed(DiskReading::Step::find, EACCES), mount);
  CHECK(finding.outcome == Outcome::inconclusive);
  CHECK(finding.message == "/data: Permission denied");
}

TEST_CASE("what the write test's errors mean") {
  const auto mount = mount_of("ext4", false);
  const auto judged = [&](int error) {
    return judge({}, failed(DiskReading::Step::write_test, error), mount);
  };
  CHECK(judged(ENOSPC).reason == Reason::over_threshold);
  CHECK(judged(ENOSPC).message == "write test: No space left on device");
  CHECK(judged(EDQUOT).message == "write test: Disk quota exceeded");
  CHECK(judged(EIO).outcome == Outcome::fail);
  CHECK(judged(EIO).reason == Reason::read_only);
  CHECK(judged(EIO).message == "write test: /data: Input/output error");
  CHECK(judged(EROFS).outcome == Outcome::inconclusive);  // a hardened unit's read-only bind mount
  CHECK(judged(EACCES).outcome == Outcome::inconclusive);
  CHECK(judge({}, failed(DiskReading::Step::write_test, EROFS), mount_of("ext4", true)).reason ==
        Reason::read_only);
}

TEST_CASE("hours to full: a line through the last hour") {
  FillRate rate;
  const MonoTime start{};
  for (unsigned minute = 0; minute < 4; ++minute)
    rate.add(start + minute * 1min, 1000u + 100u * minute);
  CHECK_FALSE(rate.hours_to_full(6000));  // too few
  rate.add(start + 4min, 1400);
  CHECK(rate.hours_to_full(6000) == Approx(1.0));  // 100 a minute
  for (int second = 1; second < 60; ++second) rate.add(start + 4min + second * 1s, 0);
  CHECK(rate.hours_to_full(6000) == Approx(1.0));  // one point a minute
  FillRate falling;
  for (unsigned minute = 0; minute < 10; ++minute)
    falling.add(start + minute * 1min, 1000u - 10u * minute);
  CHECK_FALSE(falling.hours_to_full(6000));
  FillRate forgets;  // flat for an hour, then it grows: only the last hour counts
  for (int minute = 0; minute < 60; ++minute) forgets.add(start + minute * 1min, 0);
  for (int minute = 60; minute <= 125; ++minute) {
    forgets.add(start + minute * 1min, 100u * static_cast<unsigned>(minute));
  }
  CHECK(forgets.hours_to_full(6000) == Approx(1.0));
}
