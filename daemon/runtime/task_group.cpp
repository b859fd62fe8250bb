#include "daemon/runtime/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>

namespace pointsman {

TaskGroup::TaskGroup(asio::any_io_executor executor,
                     std::function<void(const std::string&)> on_error)
    : executor_(std::move(executor)), on_error_(std::move(on_error)) {}

void TaskGroup::spawn(asio::awaitable<void> task) {
  tasks_.emplace_back();
  const auto self = std::prev(tasks_.end());
  asio::co_spawn(
      executor_, std::move(task),
      asio::bind_cancellation_slot(self->signal.slot(), [this, self](std::exception_ptr error) {
        tasks_.erase(self);
        if (error) on_error_(describe(error));
      }));
}

void TaskGroup::cancel() {
  cancelled_ = true;
  for (auto it = tasks_.begin(); it != tasks_.end();) {
    const auto current = it++;  // a task may end, and leave the list, inside emit
    current->signal.emit(asio::cancellation_type::terminal);
  }
}

std::string describe(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

}  // namespace pointsman
