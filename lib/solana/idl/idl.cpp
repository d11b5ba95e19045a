#include <osvm/solana/idl.hpp>
#include <osvm/solana/json_writer.hpp>

#include <algorithm>

#include "model.hpp"

namespace osvm::solana {

namespace {

// What Anchor's emit_cpi! puts before an event that a program sends to itself.
constexpr std::string_view event_tag = "\xe4\x45\xa5\x2e\x51\xcb\x9a\x1d";

bool begins_with(bytes_view data, std::string_view prefix) {
  return data.size() >= prefix.size() && std::memcmp(data.data(), prefix.data(), prefix.size()) == 0;
}

// Of several that fit the one with the longest discriminator.
template <class T>
const T* match(const std::vector<T>& list, bytes_view data) {
  const T* best = nullptr;
  for (const auto& e : list)
    if (begins_with(data, e.discriminator) && (!best || e.discriminator.size() > best->discriminator.size()))
      best = &e;
  return best;
}

error nothing(std::string_view what, const idl_summary& s) {
  return error(osvm::errc::not_found,
               "IDL: " + s.name + " has no " + std::string(what) + " with that discriminator");
}

std::string accounts_json(std::span<const interface::account_slot> slots, const pubkey& program,
                          std::span<const pubkey> accounts) {
  std::string text;
  json_writer out(text);
  out.key("accounts");
  out.begin_object();
  for (std::size_t i = 0; i < slots.size() && i < accounts.size(); ++i) {
    out.key(slots[i].name);
    // An optional account that is left out has the program's own address in its place.
    slots[i].optional&& accounts[i] == program ? out.null() : out.base58(accounts[i]);
  }
  out.end_object();
  return text;
}

}  // namespace

struct idl::impl {
  interface::model m;

  result<std::string> instruction(const interface::instruction& i, const pubkey& program,
                                  std::span<const pubkey> accounts, bytes_view data) const {
    const auto rest = data.subspan(i.discriminator.size());
    std::string arguments;
    std::size_t used = 0;
    OSVM_CHECK(interface::write_fields(m, i.arguments, rest, arguments, used));
    std::string text = "{\"info\":{" + accounts_json(i.accounts, program, accounts);
    text += ",\"args\":" + arguments;
    if (accounts.size() > i.accounts.size()) {
      text += ",\"remainingAccounts\":";
      json_writer more(text);
      more.begin_array();
      for (const auto& a : accounts.subspan(i.accounts.size())) more.base58(a);
      more.end_array();
    }
    if (used < rest.size()) text += ",\"unreadBytes\":" + std::to_string(rest.size() - used);
    return text + "},\"type\":\"" + i.name + "\"}";
  }
};

result<idl> idl::parse(std::string_view json, const idl_limits& limits) {
  auto i = std::make_unique<impl>();
  OSVM_TRY(i->m, interface::read_model(json, limits));
  return idl(std::move(i));
}

idl::idl(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
idl::idl(idl&&) noexcept = default;
idl& idl::operator=(idl&&) noexcept = default;
idl::~idl() = default;

const idl_summary& idl::summary() const noexcept {
  return impl_->m.summary;
}

const idl_error_name* idl::find_error(std::uint32_t code) const noexcept {
  const auto at = std::ranges::find(impl_->m.errors, code, &idl_error_name::code);
  return at == impl_->m.errors.end() ? nullptr : &*at;
}

result<std::string> idl::account(bytes_view data) const {
  const auto* a = match(impl_->m.accounts, data);
  if (!a) return nothing("account", summary());
  std::string text = "{\"info\":";
  std::size_t used = 0;
  OSVM_CHECK(interface::write_value(impl_->m, a->what, data.subspan(a->discriminator.size()), text, used));
  return text + ",\"type\":\"" + a->name + "\"}";
}

result<std::string> idl::instruction(const pubkey& program, std::span<const pubkey> accounts,
                                     bytes_view data) const {
  const auto* i = match(impl_->m.instructions, data);
  if (begins_with(data, event_tag) && (!i || i->discriminator.size() < event_tag.size()))
    return event(data.subspan(event_tag.size()));
  if (!i) return nothing("instruction", summary());
  return impl_->instruction(*i, program, accounts, data);
}

result<std::string> idl::event(bytes_view data) const {
  const auto* e = match(impl_->m.events, data);
  if (!e) return nothing("event", summary());
  std::string text = "{\"event\":\"" + e->name + "\",\"info\":";
  std::size_t used = 0;
  OSVM_CHECK(interface::write_value(impl_->m, e->what, data.subspan(e->discriminator.size()), text, used));
  return text + ",\"type\":\"event\"}";
}

}  // namespace osvm::solana
