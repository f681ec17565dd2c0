// Runs a coroutine to its end on the calling thread, for tests.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "gateway/byte_stream.h"

namespace weir::gateway {

template <class T>
T RunTask(boost::asio::io_context& io, Task<T> task) {
  std::optional<T> result;
  boost::asio::co_spawn(io.get_executor(), std::move(task),
                        [&result](std::exception_ptr thrown, T value) {
                          if (thrown) std::rethrow_exception(thrown);
                          result = std::move(value);
                        });
  io.restart();
  while (!result.has_value()) {
    if (io.run_one() == 0) std::abort();  // The coroutine waits for what will never come.
  }
  return *std::move(result);
}

}  // namespace weir::gateway
