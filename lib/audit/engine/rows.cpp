#include "rows.hpp"

#include <algorithm>

namespace osvm::audit {
namespace {

std::string type_shown(const view& v, term_id account) {
  const auto wrapper = v.p.wrapper_of(account);
  const auto inner = v.p.inner_type(account);
  std::string out(wrapper.empty() ? std::string_view("AccountInfo") : wrapper);
  if (!inner.empty() && inner != wrapper) out += "<" + std::string(inner) + ">";
  for (const auto& e : v.in.events)
    if (e.kind == ek::parse && e.a == account && e.by != proof::type && inner.empty()) {
      out += " as " + std::string(e.text);
      break;
    }
  return out;
}

account_row account_of(const view& v, term_id account) {
  account_row row;
  row.name = v.name(account);
  row.type = type_shown(v, account);
  const auto* slot = v.p.slot_of(account);
  row.signer = v.signer_proof(account) != nullptr;
  row.writable = v.written(account) || (slot != nullptr && slot->is_mut);
  row.owner = v.owner_proof(account) != nullptr;
  row.address = v.key_proof(account) != nullptr;
  row.created = v.fresh(account);
  row.closed = v.any(ek::close, account) || (slot != nullptr && slot->is_close);
  for (const auto other : v.in.slots)
    if (other != account && row.bound_to.size() < 8 && v.related(account, other))
      row.bound_to.push_back(v.name(other));
  return row;
}

call_row call_of(const view& v, const event& e) {
  call_row row;
  row.what = std::string(e.text);
  row.by_program = e.b != no_term;
  const auto& x = v.t[e.a];
  const auto account = x.kind == tk::key ? x.args[0] : e.a;
  if (account != no_term && v.p.is_account(account)) {
    row.program = v.name(account);
    row.pinned = v.key_proof(account) != nullptr;
  } else {
    row.pinned = x.kind == tk::constant;
    row.program = row.pinned ? std::string(x.text) : "of the caller's choice";
    if (x.kind == tk::unknown) row.program = "unknown";
  }
  return row;
}

bool decides_over(const view& v, term_id signer, term_id account) {
  return account != signer && v.written(account) && v.related(account, signer);
}

template <class Row, class Same>
void add_once(std::vector<Row>& rows, Row row, const Same& same) {
  if (std::none_of(rows.begin(), rows.end(), [&](const Row& r) { return same(r, row); }))
    rows.push_back(std::move(row));
}

// As the program's text has them.
std::vector<term_id> shown_accounts(const view& v) {
  auto slots = v.in.slots;
  std::erase_if(slots, [&](term_id s) { return v.t[s].kind == tk::param; });
  std::stable_sort(slots.begin(), slots.end(),
                   [&](term_id a, term_id b) { return v.slot_span(a) < v.slot_span(b); });
  return slots;
}

}  // namespace

std::vector<span> account_spans(const view& v) {
  std::vector<span> out;
  for (const auto account : shown_accounts(v)) out.push_back(v.slot_span(account));
  return out;
}

instruction_row row_of(const view& v) {
  instruction_row out;
  out.name = v.in.name;
  out.truncated = v.in.capped;
  for (const auto account : shown_accounts(v)) out.accounts.push_back(account_of(v, account));
  for (const auto& e : v.in.events)
    if (e.kind == ek::cpi)
      add_once(out.calls, call_of(v, e), [](const call_row& a, const call_row& b) {
        return a.program == b.program && a.what == b.what && a.by_program == b.by_program;
      });
  for (const auto signer : v.in.slots) {
    if (v.signer_proof(signer) == nullptr) continue;
    for (const auto account : v.in.slots)
      if (decides_over(v, signer, account))
        add_once(out.authorities, authority_row{v.name(signer), v.name(account)},
                 [](const authority_row& a, const authority_row& b) {
                   return a.authority == b.authority && a.over == b.over;
                 });
  }
  return out;
}

}  // namespace osvm::audit
