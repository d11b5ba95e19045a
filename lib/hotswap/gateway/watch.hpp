// Looks after the backends of a pool: asks each for its health, and for its number, again and again.
#pragma once

#include "hotswap/io/fetch.hpp"
#include "hotswap/proxy/pool.hpp"

#include <osvm/hotswap/gateway.hpp>

#include <map>
#include <memory>
#include <optional>

namespace osvm::hotswap::detail {

// The number of {"result": N} in an answer.
std::optional<std::uint64_t> number_of_answer(std::string_view body);

class pool_watch final : public actor {
 public:
  pool_watch(shard& s, std::weak_ptr<pool> of, std::optional<health_options> health,
             std::optional<height_options> height);
  void begin();
  void on_io(channel&) override {}
  void on_timer(timer& which) override;

 private:
  struct seen {
    unsigned good = 0, bad = 0;  // answers in a row
    std::optional<std::uint64_t> number;
    bool asking_health = false, asking_number = false;
  };
  using asked = std::pair<std::shared_ptr<target>, backend*>;

  std::vector<asked> all() const;
  void ask_health();
  void answered(const asked& who, const fetch_outcome& o);
  void ask_numbers();
  void counted(const asked& who, const fetch_outcome& o);
  void compare();

  std::weak_ptr<pool> pool_;
  std::optional<health_options> health_;
  std::optional<height_options> height_;
  timer health_timer_, height_timer_;
  std::map<const backend*, seen> seen_;
};

}  // namespace osvm::hotswap::detail
