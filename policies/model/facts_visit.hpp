// The one place that says under which name each fact is printed: JSON, metrics and the CLI use it.
// Included by sample.hpp only.
#pragma once

#include "policies/model/sample.hpp"

namespace pointsman {

namespace facts_detail {

inline double milliseconds(Duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}
inline double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

template <class V, class T>
void optional_fact(V& visit, std::string_view name, const std::optional<T>& value) {
  if (!value) return;
  if constexpr (std::is_same_v<T, std::uint32_t>) {
    visit(name, FactValue{static_cast<std::uint64_t>(*value)});
  } else if constexpr (std::is_same_v<T, int>) {
    visit(name, FactValue{static_cast<std::int64_t>(*value)});
  } else {
    visit(name, FactValue{*value});
  }
}
template <class V>
void optional_ms(V& visit, std::string_view name, const std::optional<Duration>& value) {
  if (value) visit(name, FactValue{milliseconds(*value)});
}
template <class V>
void optional_seconds(V& visit, std::string_view name, const std::optional<Duration>& value) {
  if (value) visit(name, FactValue{seconds(*value)});
}
template <class V>
void text_fact(V& visit, std::string_view name, const std::string& value) {
  if (!value.empty()) visit(name, FactValue{value});
}

template <class V>
void visit_facts(V&, const std::monostate&) {}

template <class V>
void visit_facts(V& visit, const PostgresFacts& f) {
  visit("role", FactValue{std::string(to_text(f.role))});
  if (f.read_only) visit("read_only", FactValue{true});
  optional_fact(visit, "timeline", f.timeline);
  optional_fact(visit, "lsn", f.lsn);
  optional_fact(visit, "replay_lsn", f.replay_lsn);
  optional_fact(visit, "lag_bytes", f.lag_bytes);
  optional_seconds(visit, "lag_seconds", f.lag_seconds);
  optional_fact(visit, "receiving", f.receiving);
  optional_seconds(visit, "receiver_silent_seconds", f.receiver_silent);
  optional_fact(visit, "connections", f.connections);
  optional_fact(visit, "max_connections", f.max_connections);
  optional_seconds(visit, "wal_receiver_timeout_seconds", f.wal_receiver_timeout);
  optional_seconds(visit, "apply_delay_seconds", f.apply_delay);
  optional_fact(visit, "may_promote", f.may_promote);
  text_fact(visit, "system_id", f.system_id);
  text_fact(visit, "version", f.version);
}

template <class V>
void visit_facts(V& visit, const RedisFacts& f) {
  visit("role", FactValue{std::string(to_text(f.role))});
  optional_fact(visit, "offset", f.offset);
  optional_fact(visit, "link_up", f.link_up);
  optional_seconds(visit, "lag_seconds", f.lag);
  optional_fact(visit, "clients", f.clients);
  optional_fact(visit, "used_memory", f.used_memory);
  optional_fact(visit, "maxmemory", f.maxmemory);
  visit("loading", FactValue{f.loading});
  optional_fact(visit, "sentinels", f.sentinels);
  text_fact(visit, "replid", f.replid);
  text_fact(visit, "replid2", f.replid2);
}

template <class V>
void visit_facts(V& visit, const HttpFacts& f) {
  optional_fact(visit, "status_code", f.status_code);
  optional_ms(visit, "dns_ms", f.dns);
  optional_ms(visit, "connect_ms", f.connect);
  optional_ms(visit, "tls_ms", f.tls);
  optional_ms(visit, "first_byte_ms", f.first_byte);
  optional_ms(visit, "total_ms", f.total);
  optional_fact(visit, "cert_expires", f.cert_expires);
  text_fact(visit, "address", f.address);
}

template <class V>
void visit_facts(V& visit, const TcpFacts& f) {
  optional_ms(visit, "connect_ms", f.connect);
  optional_fact(visit, "cert_expires", f.cert_expires);
}

template <class V>
void visit_facts(V& visit, const PgbouncerFacts& f) {
  visit("waiting", FactValue{f.waiting});
  visit("maxwait", FactValue{seconds(f.maxwait)});
  visit("active", FactValue{f.active});
  visit("idle", FactValue{f.idle});
  visit("paused", FactValue{f.paused});
  text_fact(visit, "version", f.version);
}

template <class V>
void visit_facts(V& visit, const DiskFacts& f) {
  visit("used", FactValue{f.used});
  visit("free", FactValue{f.free});
  visit("total", FactValue{f.total});
  visit("used_ratio", FactValue{f.used_ratio});
  optional_fact(visit, "inodes", f.inodes_ratio);
  visit("read_only", FactValue{f.read_only});
  optional_fact(visit, "hours_to_full", f.hours_to_full);
}

template <class V>
void visit_facts(V& visit, const MemoryFacts& f) {
  visit("used", FactValue{f.used});
  visit("available", FactValue{f.available});
  visit("limit", FactValue{f.limit});
  visit("used_ratio", FactValue{f.used_ratio});
  optional_fact(visit, "psi", f.psi);
}

template <class V>
void visit_facts(V& visit, const CpuFacts& f) {
  visit("busy", FactValue{f.busy});
  visit("steal", FactValue{f.steal});
  visit("load1", FactValue{f.load1});
  optional_fact(visit, "psi", f.psi);
}

template <class V>
void visit_facts(V& visit, const UnitFacts& f) {
  text_fact(visit, "active", f.active);
  text_fact(visit, "sub", f.sub);
  visit("restarts", FactValue{f.restarts});
}

template <class V>
void visit_facts(V& visit, const ExecFacts& f) {
  optional_fact(visit, "exit_code", f.exit_code);
  text_fact(visit, "first_line", f.first_line);
}

}  // namespace facts_detail

template <class Visitor>
void for_each_fact(const Facts& facts, Visitor&& visit) {
  std::visit([&](const auto& f) { facts_detail::visit_facts(visit, f); }, facts);
}

}  // namespace pointsman
