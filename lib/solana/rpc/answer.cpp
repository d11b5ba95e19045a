#include <osvm/core/text.hpp>
#include <osvm/solana/rpc_client.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <osvm/solana/json_slices.hpp>

namespace osvm::solana {
namespace {

namespace json = boost::json;

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "osvm.rpc"; }
  std::string message(int value) const override {
    switch (static_cast<rpc_errc>(value)) {
      case rpc_errc::ok: return "success";
      case rpc_errc::answered: return "the node answered with an error";
      case rpc_errc::bad_answer: return "not an answer to what was asked";
      case rpc_errc::http_status: return "the server did not answer 200";
      case rpc_errc::rate_limited: return "too many calls; try later or more slowly";
      case rpc_errc::circuit_open: return "the last calls failed, so this one was not made";
      case rpc_errc::overrun: return "notifications came faster than they were taken";
    }
    return "unknown RPC error";
  }
};

error bad(const char* why) {
  return {rpc_errc::bad_answer, why};
}

// The member "error" of an answer.
rpc_failure read_error(const json::value& v, std::string_view text) {
  const auto* o = v.if_object();
  const auto* code = o ? o->if_contains("code") : nullptr;
  const auto* message = o ? o->if_contains("message") : nullptr;
  if (!code || !code->is_int64() || !message || !message->is_string()) return bad("an error without a code");
  rpc_answer_error out{code->get_int64(), std::string(message->get_string()), {}};
  const auto* data = o->if_contains("data");
  if (data && !data->is_null()) {
    const auto whole = json_member(text, "error");
    out.data = whole ? json_member(*whole, "data").value_or("") : "";
  }
  return out;
}

}  // namespace

const boost::system::error_category& rpc_category() noexcept {
  static const category instance;
  return instance;
}

rpc_failure::rpc_failure(rpc_answer_error a)
    : error(rpc_errc::answered, printable(a.message) + " (" + std::to_string(a.code) + ")"),
      answer(std::move(a)) {}

void throw_exception_from_error(const rpc_failure& f, const boost::source_location&) {
  throw exception(f.error);
}

bool is_repeatable(std::string_view method) noexcept {
  return method.starts_with("get") || method.starts_with("is") || method.starts_with("simulate") ||
         method == "minimumLedgerSlot";
}

rpc_result<std::string> read_rpc_answer(std::string_view text, std::string_view id, std::size_t max_depth) {
  json::parse_options how;
  how.max_depth = max_depth;
  error_code failed;
  const auto v = json::parse({text.data(), text.size()}, failed, {}, how);
  if (failed) return rpc_failure(bad("not JSON"));
  const auto* o = v.if_object();
  if (!o) return rpc_failure(bad("not an object"));
  if (const auto* e = o->if_contains("error"); e && !e->is_null()) {
    // A node that could not read the request answers with id null.
    const auto whose = json_member(text, "id").value_or("null");
    if (whose != id && whose != "null") return rpc_failure(bad("an answer to another call"));
    return read_error(*e, text);
  }
  if (json_member(text, "id") != id) return rpc_failure(bad("an answer to another call"));
  const auto found = json_member(text, "result");
  if (!found || found->empty()) return rpc_failure(bad("neither a result nor an error"));
  return std::string(*found);
}

}  // namespace osvm::solana
