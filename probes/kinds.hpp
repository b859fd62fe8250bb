// One maker for each kind of probe; each kind is a pair of files that shows nothing else.
#pragma once

#include <memory>

#include "probes/prober.hpp"

namespace pointsman {

std::unique_ptr<Prober> make_postgres_prober(const PostgresSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_redis_prober(const ProbeName& name, const RedisSpec& spec,
                                          ProberServices services);
std::unique_ptr<Prober> make_http_prober(const HttpSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_tcp_prober(const TcpSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_pgbouncer_prober(const PgbouncerSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_disk_prober(const DiskSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_memory_prober(const MemorySpec& spec, ProberServices services);
std::unique_ptr<Prober> make_cpu_prober(const CpuSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_unit_prober(const UnitSpec& spec, ProberServices services);
std::unique_ptr<Prober> make_exec_prober(const ProbeName& name, const ExecSpec& spec,
                                         ProberServices services);

}  // namespace pointsman
