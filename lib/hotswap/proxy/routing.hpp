// The rules of a listener as a shard uses them: each shard has a copy of its own, so that nothing of it is
// shared but the pools and the limits. A reload puts another in its place; who still uses the old one keeps
// it.
#pragma once

#include "hotswap/http1/head.hpp"
#include "hotswap/proxy/limiter.hpp"
#include "hotswap/proxy/pool.hpp"
#include "hotswap/proxy/rpc_method.hpp"

#include <osvm/hotswap/route.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::hotswap::detail {

// A class of JSON-RPC methods.
struct rpc_lane {
  rpc_class options;
  std::shared_ptr<pool> to;
  std::shared_ptr<limiter> limits;  // null: none
  bool has(std::string_view method) const noexcept;
};

// Where a request goes that was looked into.
struct rpc_choice {
  std::shared_ptr<pool> to;
  std::vector<std::shared_ptr<limiter>> limits;  // all of them have to let it in
  bool retry = false;
};

struct rule {
  route_options options;
  std::shared_ptr<pool> to;
  std::shared_ptr<limiter> limits;  // null: none
  std::vector<rpc_lane> lanes;

  bool matches(const http1::request_head& r) const noexcept;
  rpc_choice choose(const std::vector<std::string_view>& methods) const;
};

struct routing {
  std::vector<rule> rules;
  // The one rule of a plain proxy, which has no conditions and no limits: nothing is to be looked at.
  bool plain = true;
  // The first that matches; null: none does.
  const rule* find(const http1::request_head& r) const noexcept;
};

// "Example.org:80" without its port and its capitals.
std::string host_name(std::string_view host);
bool path_has_prefix(std::string_view path, std::string_view prefix) noexcept;

}  // namespace osvm::hotswap::detail
