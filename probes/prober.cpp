#include "probes/prober.hpp"

#include "probes/kinds.hpp"

namespace pointsman {
namespace {

struct Maker {
  const ProbeName& name;
  ProberServices services;

  auto operator()(const PostgresSpec& spec) const { return make_postgres_prober(spec, services); }
  auto operator()(const RedisSpec& spec) const { return make_redis_prober(name, spec, services); }
  auto operator()(const HttpSpec& spec) const { return make_http_prober(spec, services); }
  auto operator()(const TcpSpec& spec) const { return make_tcp_prober(spec, services); }
  auto operator()(const PgbouncerSpec& spec) const { return make_pgbouncer_prober(spec, services); }
  auto operator()(const DiskSpec& spec) const { return make_disk_prober(spec, services); }
  auto operator()(const MemorySpec& spec) const { return make_memory_prober(spec, services); }
  auto operator()(const CpuSpec& spec) const { return make_cpu_prober(spec, services); }
  auto operator()(const UnitSpec& spec) const { return make_unit_prober(spec, services); }
  auto operator()(const ExecSpec& spec) const { return make_exec_prober(name, spec, services); }
};

}  // namespace

std::unique_ptr<Prober> make_prober(const ProbeName& name, const ProbeSpec& spec,
                                    ProberServices services) {
  return std::visit(Maker{name, services}, spec);
}

}  // namespace pointsman
