// A proxy on a loop of its own, for tests.
#pragma once

#include "hotswap/support/sockets.hpp"

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/proxy.hpp>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <string>

namespace osvm::test {

class proxy_fixture : public ::testing::Test {
 protected:
  // Starts the proxy; `threads` run one loop.
  void start(hotswap::proxy_options options = {}, unsigned threads = 1) {
    loop_ = std::make_unique<runtime>(runtime_options{.threads = threads});
    if (options.shards == 0) options.shards = threads;
    auto p = hotswap::proxy::listen(loop_->get_executor(), options);
    ASSERT_TRUE(p) << p.error().to_string();
    proxy_ = std::make_unique<hotswap::proxy>(std::move(*p));
  }
  void start(hotswap::proxy_mode mode, unsigned threads = 1) {
    hotswap::proxy_options o;
    o.mode = mode;
    start(std::move(o), threads);
  }
  std::uint64_t route_to(const std::string& version, const endpoint& where) {
    auto g = proxy_->shift({version, where});
    EXPECT_TRUE(g);
    return g ? *g : 0;
  }
  client connect() { return client(proxy_->local_endpoint()); }
  hotswap::proxy_stats stats() { return proxy_->stats(); }
  result<hotswap::drain_report> drain(std::uint64_t generation, std::chrono::nanoseconds deadline) {
    return proxy_->async_drain(generation, deadline, boost::asio::use_future).get();
  }
  void TearDown() override { proxy_.reset(); }

  std::unique_ptr<runtime> loop_;
  std::unique_ptr<hotswap::proxy> proxy_;
};

}  // namespace osvm::test
