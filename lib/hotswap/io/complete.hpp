// Ends an asynchronous operation: on the handler's own executor, never inline.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/runtime.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace osvm::hotswap::detail {

template <class Signature, class... Args>
void complete(const executor& fallback, boost::asio::any_completion_handler<Signature> handler,
              Args... args) {
  const auto ex = boost::asio::get_associated_executor(handler, fallback);
  // A completion executor can only dispatch, which may run inline: so by way of the fallback.
  boost::asio::post(fallback, [ex, h = std::move(handler), ... a = std::move(args)]() mutable {
    boost::asio::dispatch(
        ex, [h = std::move(h), ... b = std::move(a)]() mutable { std::move(h)(std::move(b)...); });
  });
}

}  // namespace osvm::hotswap::detail
