#include "daemon/http/documents/metric_families.hpp"

#include <iterator>
#include <limits>
#include <locale>
#include <ostream>
#include <streambuf>
#include <utility>

#include <prometheus/text_serializer.h>

namespace pointsman {
namespace {

/// Appends to a string: a stringstream would hold the text twice at the end.
class StringBuffer final : public std::streambuf {
 public:
  explicit StringBuffer(std::string& out) : out_(out) {}

 private:
  int_type overflow(int_type c) override {
    if (c != traits_type::eof()) out_ += static_cast<char>(c);
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    out_.append(text, static_cast<std::size_t>(count));
    return count;
  }

  std::string& out_;
};

}  // namespace

prometheus::ClientMetric& MetricFamilies::Family::add(Labels labels) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label.reserve(labels.size());
  for (const auto& [name, value] : labels) {
    metric.label.push_back({std::string(name), std::string(value)});
  }
  return metric;
}

void MetricFamilies::Family::gauge(Labels labels, double value) {
  add(labels).gauge.value = value;
}

void MetricFamilies::Family::gauge(Labels labels, WallTime value) {
  gauge(labels, std::chrono::duration<double>(value.time_since_epoch()).count());
}

void MetricFamilies::Family::counter(Labels labels, std::uint64_t value) {
  counter(labels, static_cast<double>(value));
}

void MetricFamilies::Family::counter(Labels labels, double value) {
  add(labels).counter.value = value;
}

void MetricFamilies::Family::durations(Labels labels, const std::uint64_t* buckets,
                                       double sum_seconds) {
  auto& histogram = add(labels).histogram;
  histogram.bucket.reserve(duration_bucket_count);
  std::uint64_t count = 0;
  for (int i = 0; i < duration_bucket_count; ++i) {
    const bool last = i + 1 == duration_bucket_count;
    count += buckets[i];
    histogram.bucket.push_back(
        {count, last ? std::numeric_limits<double>::infinity() : duration_bounds_seconds[i]});
  }
  histogram.sample_count = count;
  histogram.sample_sum = sum_seconds;
}

MetricFamilies::Family MetricFamilies::standard(const std::string& name, const std::string& help,
                                                prometheus::MetricType type) {
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
  return Family{family};
}

MetricFamilies::Family MetricFamilies::gauge(const std::string& name, const std::string& help) {
  return standard("pointsman_" + name, help, prometheus::MetricType::Gauge);
}

MetricFamilies::Family MetricFamilies::counter(const std::string& name, const std::string& help) {
  return standard("pointsman_" + name, help, prometheus::MetricType::Counter);
}

MetricFamilies::Family MetricFamilies::histogram(const std::string& name, const std::string& help) {
  return standard("pointsman_" + name, help, prometheus::MetricType::Histogram);
}

std::string MetricFamilies::take_text() {
  std::vector<prometheus::MetricFamily> filled;
  for (prometheus::MetricFamily& family : families_) {
    if (!family.metric.empty()) filled.push_back(std::move(family));
  }
  families_.clear();
  std::string text;
  StringBuffer buffer(text);
  std::ostream out(&buffer);
  prometheus::TextSerializer{}.Serialize(out, filled);
  return text;
}

}  // namespace pointsman
