// Collects prometheus-cpp's families of metrics from plain values.
//
// Not a registry: a family is filled from one snapshot and thrown away once it is printed. Families
// without a single metric are left out.
#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class MetricFamilies {
 public:
  class Family {
   public:
    explicit Family(prometheus::MetricFamily& family) : family_(family) {}
    void gauge(Labels labels, double value);
    void gauge(Labels labels, WallTime value);  ///< as seconds since 1970
    void counter(Labels labels, std::uint64_t value);
    void counter(Labels labels, double value);
    /// `buckets` has duration_bucket_count entries over duration_bounds_seconds, not cumulative.
    void durations(Labels labels, const std::uint64_t* buckets, double sum_seconds);

   private:
    prometheus::ClientMetric& add(Labels labels);
    prometheus::MetricFamily& family_;
  };

  /// `name` without the prefix "pointsman_"; stays valid while this lives.
  Family gauge(const std::string& name, const std::string& help);
  Family counter(const std::string& name, const std::string& help);
  Family histogram(const std::string& name, const std::string& help);
  /// The same without a prefix, for names that are a standard.
  Family standard(const std::string& name, const std::string& help, prometheus::MetricType type);

  /// The text; this is empty afterwards.
  std::string take_text();

 private:
  std::deque<prometheus::MetricFamily> families_;
};

}  // namespace pointsman
