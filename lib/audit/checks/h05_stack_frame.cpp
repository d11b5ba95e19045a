// Accounts by value that are larger than a frame of the stack.
#include <algorithm>
#include <charconv>

#include "check.hpp"

namespace osvm::audit {
namespace {

constexpr std::uint64_t frame = 4096, absurd = std::uint64_t{1} << 32;

std::uint64_t number_of(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != '_') digits += c;
  std::uint64_t out = 0;
  const auto [end, e] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  const std::string_view suffix(end, static_cast<std::size_t>(digits.data() + digits.size() - end));
  return e == std::errc{} && (suffix.empty() || suffix == "usize") ? out : 0;
}

// Bytes that a value takes at least: what is not known counts nothing, nor does what fills gaps.
class sizes {
 public:
  explicit sizes(const symbols& names) : names_(names) {}

  std::uint64_t of(const type_ref& t, unsigned depth = 0) const {
    if (depth > 16) return 0;
    if (t.reference) return 8;
    if (t.slice) return t.args.empty() ? 0 : bounded(of(t.args[0], depth + 1) * length(t.length));
    if (t.tuple) {
      std::uint64_t sum = 0;
      for (const auto& a : t.args) sum = bounded(sum + of(a, depth + 1));
      return sum;
    }
    for (const auto& [name, bytes] : known)
      if (t.name == name) return bytes;
    if (t.name == "Option") return t.args.empty() ? 0 : of(t.args[0], depth + 1);
    const auto* s = names_.find_struct(t.name);
    return s != nullptr && t.args.empty() ? of(*s, depth + 1) : 0;
  }

 private:
  static constexpr std::pair<std::string_view, std::uint64_t> known[] = {
      {"u8", 1},    {"i8", 1},      {"bool", 1}, {"u16", 2}, {"i16", 2},    {"u32", 4},   {"i32", 4},
      {"f32", 4},   {"u64", 8},     {"i64", 8},  {"f64", 8}, {"usize", 8},  {"isize", 8}, {"u128", 16},
      {"i128", 16}, {"Pubkey", 32}, {"Vec", 24}, {"Box", 8}, {"String", 24}};
  static std::uint64_t bounded(std::uint64_t v) { return std::min(v, absurd); }

  std::uint64_t length(std::string_view text) const {
    if (const auto n = number_of(text); n != 0) return bounded(n);
    const auto* c = names_.find_const(last_segment(text));
    const bool plain = c != nullptr && c->value != nullptr && c->value->kind == node_kind::literal;
    return plain ? bounded(number_of(c->value->text)) : 0;
  }
  std::uint64_t of_fields(const std::vector<field_item>& fields, unsigned depth) const {
    std::uint64_t sum = 0;
    for (const auto& f : fields) sum = bounded(sum + of(f.type, depth));
    return sum;
  }
  std::uint64_t of(const struct_item& s, unsigned depth) const {
    if (!s.is_enum) return of_fields(s.fields, depth);
    std::uint64_t most = 0;
    for (const auto& v : s.variants) most = std::max(most, of_fields(v.fields, depth));
    return most + 1;
  }

  const symbols& names_;
};

void run_h05(const check& self, const view& v) {
  const sizes size(v.p.names);
  std::uint64_t sum = 0, most = 0;
  term_id largest = no_term;
  for (const auto account : v.in.slots) {
    const auto* slot = v.p.slot_of(account);
    if (slot == nullptr || slot->field == nullptr || slot->accounts != v.in.accounts) continue;
    const auto& t = slot->field->type;  // as written: in a Box it is none
    if (t.name != "Account" || t.args.empty()) continue;
    const auto bytes = size.of(t.args[0]);
    sum += bytes;
    if (bytes > most) most = bytes, largest = account;
  }
  if (sum <= frame) return;
  v.report(self, v.slot_span(largest),
           "the accounts of this instruction take " + std::to_string(sum) +
               " bytes of the stack, where a frame has " + std::to_string(frame) + ": `" + v.name(largest) +
               "` alone takes " + std::to_string(most),
           largest);
}

}  // namespace

extern const check h05_stack_frame_check;
const check h05_stack_frame_check{
    .id = "OSVM-H05",
    .name = "stack-frame",
    .title = "Accounts by value are larger than a frame of the stack",
    .cwe = 770,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Anchor reads `Account<T>` onto the stack, of which a function has 4,096 bytes. Past them the "
        "instruction fails, or writes over another frame where the loader does not notice: whoever depends "
        "on it is locked out.",
    .fix = "Write `Box<Account<'info, T>>`, or make the account zero-copy and use `AccountLoader`.",
    .instruction = run_h05,
};

}  // namespace osvm::audit
