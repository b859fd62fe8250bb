// An alert's entry is on the disk, or in the runtime folder, before its first word leaves.
#include "tests/integration/journal/journal_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

asio::awaitable<void> async_put(Daemon& daemon, std::string document, bool& done) {
  co_await asio::this_coro::throw_if_cancelled(false);
  NotifierName oncall("oncall");
  co_await daemon.journal->async_outbox_put(std::move(oncall), IncidentId{7}, std::move(document),
                                            wall_now());
  done = true;
}

Duration put(Daemon& daemon, std::string document) {
  bool done = false;
  const auto began = mono_now();
  asio::co_spawn(daemon.loop, async_put(daemon, std::move(document), done),
                 [](std::exception_ptr error) {
                   if (error) std::rethrow_exception(error);
                 });
  REQUIRE(daemon.until([&] { return done; }));
  return mono_now() - began;
}

}  // namespace

TEST_CASE("an outbox's entry is in SQLite when its put has ended") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  put(daemon, R"({"a":1})");
  CHECK(text(daemon.file(), "SELECT document FROM kept WHERE kind='outbox'") == R"({"a":1})");
  put(daemon, R"({"a":2})");
  CHECK(text(daemon.file(), "SELECT document FROM kept WHERE kind='outbox'") == R"({"a":2})");
  CHECK(daemon.runtime_files() == 0);
}

TEST_CASE("an outbox's entry is in the runtime folder when SQLite does not answer in time") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  REQUIRE(daemon.act().durability == Durability::database);
  OtherProcess other(daemon.file());
  CHECK(put(daemon, R"({"a":1})") < 2 * Journal::intent_patience + 50ms);
  const auto files = files_named(runtime.path / "intents", "kept-outbox");
  REQUIRE(files.size() == 1);
  CHECK(contents_of(files.front()).find("oncall") != std::string::npos);
  other.let_go();
  CHECK(daemon.until([&] { return daemon.runtime_files() == 0; }));
  CHECK(text(daemon.file(), "SELECT document FROM kept WHERE kind='outbox'") == R"({"a":1})");
}
