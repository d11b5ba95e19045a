// The interface's JSON with a place for what is wrong: the first problem is kept, the rest reads as nothing.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "model.hpp"

namespace osvm::solana::interface {

class reading {
 public:
  explicit reading(const idl_limits& given) : limits(given) {}

  const idl_limits& limits;
  bool ok() const noexcept { return !failed_; }
  result<> outcome() const {
    if (failed_) return problem_;
    return {};
  }
  void fail(osvm::errc code, std::string_view what) {
    if (failed_) return;
    failed_ = true;
    problem_ = error(code, "IDL: " + std::string(what) + where());
  }
  void bad(std::string_view what) { fail(osvm::errc::malformed, what); }
  // Counts one type, field or instruction.
  bool item() {
    if (++items_ > limits.max_items) fail(osvm::errc::limit_exceeded, "more items than the limit");
    return ok();
  }
  // Says in messages what is being read.
  void enter(std::string_view section, std::string_view name) { section_ = section, name_ = name; }

  const boost::json::object& object(const boost::json::value* v);
  const boost::json::array& array(const boost::json::value* v);  // absent or null: empty
  std::string_view text(const boost::json::value* v, std::string_view otherwise = {});
  bool flag(const boost::json::value* v) { return v && v->is_bool() && v->get_bool(); }
  // A name: printable ASCII without quotes and backslashes, so that it is itself in JSON.
  std::string name(const boost::json::value* v);
  std::uint64_t number(const boost::json::value& v);
  std::string discriminator(const boost::json::value* v);

 private:
  std::string where() const;
  bool failed_ = false;
  error problem_;
  std::size_t items_ = 0;
  std::string section_, name_;
};

inline const boost::json::value* member(const boost::json::object& o, std::string_view name) {
  return o.if_contains(name);
}

}  // namespace osvm::solana::interface
