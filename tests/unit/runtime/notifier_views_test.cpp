#include "daemon/runtime/notifier_views.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;

TEST_CASE("notifier views: every figure of a notifier is shown") {
  NotifierStatus status;
  status.kind = "slack";
  status.queued = 1;
  status.open = 2;
  status.delivered = 3;
  status.failed = 4;
  status.dropped = 5;
  status.last_error = "no answer";
  status.last_delivered = WallTime{std::chrono::milliseconds{6}};
  const auto views = notifier_views({{NotifierName("oncall"), status}, {NotifierName("chat"), {}}});
  REQUIRE(views.size() == 2);
  CHECK(views[0].name == "chat");
  CHECK(views[0].open == 0);
  const NotifierView& view = views[1];
  CHECK(view.name == "oncall");
  CHECK(view.type == "slack");
  CHECK(view.pending == 1);
  CHECK(view.open == 2);
  CHECK(view.sent_total == 3);
  CHECK(view.failed_total == 4);
  CHECK(view.dropped_total == 5);
  CHECK(view.last_error == "no answer");
  CHECK(view.last_sent == status.last_delivered);
}
