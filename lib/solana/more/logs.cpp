// Programs' logs: which program speaks follows from the lines that the runtime writes around calls,
// "Program <address> invoke [depth]", "… success" and "… failed: …". A program can write lines that look the
// same only behind "Program log: ", so these cannot be forged.
#include <osvm/solana/base64.hpp>
#include <osvm/solana/idl.hpp>

#include <vector>

#include "decode.hpp"

namespace osvm::solana {
namespace {

constexpr std::size_t max_depth = 64;

struct runtime_line {
  pubkey program;
  std::string_view what;  // "invoke [1]", "success", "failed: …", "consumed …"
};

std::optional<runtime_line> read_line(std::string_view line) {
  constexpr std::string_view front = "Program ";
  if (!line.starts_with(front)) return std::nullopt;
  line.remove_prefix(front.size());
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto program = pubkey::parse(line.substr(0, space));
  if (!program) return std::nullopt;
  return runtime_line{*program, line.substr(space + 1)};
}

class call_stack {
 public:
  void follow(std::string_view line) {
    const auto l = read_line(line);
    if (!l) return;
    if (l->what.starts_with("invoke ")) {
      if (calls_.size() < max_depth) calls_.push_back(l->program);
    } else if (l->what == "success" || l->what.starts_with("failed")) {
      if (!calls_.empty()) calls_.pop_back();
    }
  }
  const pubkey* top() const { return calls_.empty() ? nullptr : &calls_.back(); }

 private:
  std::vector<pubkey> calls_;
};

void write_event(json_writer& out, const pubkey& program, std::string_view text, const idl_source& idls) {
  const auto described = idls.find(program);
  const auto data = described ? base64_decode(text) : result<std::vector<std::byte>>(osvm::errc::not_found);
  if (!data) return;
  const auto event = described->event(*data);
  if (!event) return;
  out.begin_object();
  out.key("parsed");
  out.raw(*event);
  out.field("program", std::string_view(described->summary().name));
  out.field("programId", program);
  out.end_object();
}

}  // namespace

void write_log_events(json_writer& out, std::span<const std::string_view> logs, const idl_source& idls) {
  constexpr std::string_view front = "Program data: ";
  call_stack calls;
  out.key("events");
  out.begin_array();
  for (const auto line : logs) {
    if (!line.starts_with(front))
      calls.follow(line);
    else if (const auto* program = calls.top())
      write_event(out, *program, line.substr(front.size()), idls);
  }
  out.end_array();
}

void write_custom_error(json_writer& out, const transaction_error& e, std::span<const std::string_view> logs,
                        const idl_source& idls) {
  if (e.kind != transaction_error::instruction_error || e.instruction_kind != transaction_error::custom_error)
    return;
  for (const auto line : logs) {
    const auto l = read_line(line);
    if (!l || !l->what.starts_with("failed: custom program error")) continue;
    const auto described = idls.find(l->program);  // the innermost call fails first
    const auto* known = described ? described->find_error(e.custom) : nullptr;
    if (!known) return;
    out.key("customError");
    out.begin_object();
    out.field("code", known->code);
    out.field("message", std::string_view(known->message));
    out.field("name", std::string_view(known->name));
    out.field("program", std::string_view(described->summary().name));
    out.field("programId", l->program);
    out.end_object();
    return;
  }
}

}  // namespace osvm::solana
