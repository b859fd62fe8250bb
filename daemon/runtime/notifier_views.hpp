// How the notifiers fare, as HTTP shows it. Pure: the part that tells and the part that shows do
// not know each other.
#pragma once

#include <map>
#include <vector>

#include "daemon/http/source.hpp"
#include "daemon/notify/delivery.hpp"
#include "policies/model/names.hpp"

namespace pointsman {

/// In the order of the names.
std::vector<NotifierView> notifier_views(const std::map<NotifierName, NotifierStatus>& all);

}  // namespace pointsman
