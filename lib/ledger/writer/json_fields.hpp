// Reads fields of foreign JSON. The first wrong one makes status() fail and everything after it read as
// nothing, so that a reader need not check at each step.
#pragma once

#include <osvm/core/error.hpp>

#include <boost/json/value.hpp>

namespace osvm::ledger {

class json_fields {
 public:
  void fail(std::string_view what) {
    if (wrong_.empty()) wrong_ = what;
  }
  result<> status() const {
    if (!wrong_.empty())
      return error(osvm::errc::malformed, "JSON block: \"" + wrong_ + "\" is not as it should be");
    return {};
  }

  // Null where it is missing or null.
  const boost::json::value* present(const boost::json::object& o, std::string_view name) const {
    const auto* v = o.if_contains({name.data(), name.size()});
    return v && !v->is_null() ? v : nullptr;
  }
  std::string_view text(const boost::json::value& v) {
    if (!v.is_string()) return fail("a text"), std::string_view();
    return {v.get_string().data(), v.get_string().size()};
  }
  std::string_view text(const boost::json::object& o, std::string_view name) {
    const auto* v = present(o, name);
    if (!v || !v->is_string()) return fail(name), std::string_view();
    return text(*v);
  }
  std::uint64_t number(const boost::json::value& v) {
    if (v.is_uint64()) return v.get_uint64();
    if (v.is_int64() && v.get_int64() >= 0) return static_cast<std::uint64_t>(v.get_int64());
    return fail("a number"), 0;
  }
  std::uint64_t number(const boost::json::object& o, std::string_view name) {
    const auto* v = present(o, name);
    if (!v || !(v->is_uint64() || v->is_int64())) return fail(name), 0;
    return number(*v);
  }
  std::int64_t signed_number(const boost::json::value& v) {
    if (v.is_int64()) return v.get_int64();
    return static_cast<std::int64_t>(number(v));
  }
  double real(const boost::json::value& v) {
    if (v.is_double()) return v.get_double();
    if (v.is_int64()) return static_cast<double>(v.get_int64());
    return static_cast<double>(number(v));
  }
  const boost::json::array& array(const boost::json::value& v) {
    static const boost::json::array none;
    if (!v.is_array()) return fail("a list"), none;
    return v.get_array();
  }
  const boost::json::array& array(const boost::json::object& o, std::string_view name) {
    static const boost::json::array none;
    const auto* v = present(o, name);
    if (!v || !v->is_array()) return fail(name), none;
    return v->get_array();
  }
  const boost::json::object& object(const boost::json::value& v) {
    static const boost::json::object none;
    if (!v.is_object()) return fail("an object"), none;
    return v.get_object();
  }
  const boost::json::object& object(const boost::json::object& o, std::string_view name) {
    static const boost::json::object none;
    const auto* v = present(o, name);
    if (!v || !v->is_object()) return fail(name), none;
    return v->get_object();
  }

 private:
  std::string wrong_;
};

}  // namespace osvm::ledger
