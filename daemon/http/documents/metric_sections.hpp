// Sections of /metrics that metrics.cpp puts together; each adds its families, in order.
#pragma once

#include "daemon/http/documents/metric_families.hpp"
#include "daemon/http/source.hpp"

namespace pointsman {

void add_acts(MetricFamilies& all, const Snapshot& snapshot);
void add_incidents(MetricFamilies& all, const Snapshot& snapshot);
void add_ladders(MetricFamilies& all, const Snapshot& snapshot);
void add_notifiers(MetricFamilies& all, const ShellView& shell);

}  // namespace pointsman
