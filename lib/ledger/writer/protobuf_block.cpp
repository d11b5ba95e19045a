#include "protobuf_block.hpp"

#include "solana/protobuf.hpp"

namespace osvm::ledger {
namespace {

using solana::protobuf::builder;
using solana::protobuf::fields;

instruction_parts read_instruction(bytes_view message, bool& ok) {
  instruction_parts out;
  fields f(message);
  while (f.next()) {
    if (f.number() == 1) out.program_index = f.integer();
    if (f.number() == 2) out.accounts = f.text();
    if (f.number() == 3) out.data = f.text();
  }
  ok &= f.ok();
  return out;
}

lookup_parts read_lookup(bytes_view message, bool& ok) {
  lookup_parts out;
  fields f(message);
  while (f.next()) {
    if (f.number() == 1) out.table = f.text();
    if (f.number() == 2) out.writable = f.text();
    if (f.number() == 3) out.readonly = f.text();
  }
  ok &= f.ok();
  return out;
}

void read_header(bytes_view message, transaction_parts& out, bool& ok) {
  fields f(message);
  while (f.next()) {
    if (f.number() == 1) out.required_signatures = f.integer();
    if (f.number() == 2) out.readonly_signed = f.integer();
    if (f.number() == 3) out.readonly_unsigned = f.integer();
  }
  ok &= f.ok();
}

void read_message(bytes_view message, transaction_parts& out, bool& ok) {
  fields f(message);
  while (ok && f.next()) {
    switch (f.number()) {
      case 1: read_header(f.bytes(), out, ok); break;
      case 2: out.keys.emplace_back(f.text()); break;
      case 3: out.blockhash = f.text(); break;
      case 4: out.instructions.push_back(read_instruction(f.bytes(), ok)); break;
      case 5: out.versioned = f.integer() != 0; break;
      case 6: out.lookups.push_back(read_lookup(f.bytes(), ok)); break;
      default: break;
    }
  }
  ok &= f.ok();
}

result<recorded_transaction> read_confirmed(bytes_view message) {
  recorded_transaction out;
  fields f(message);
  while (f.next()) {
    if (f.number() == 1) {
      OSVM_TRY(out.wire, read_protobuf_transaction(f.bytes()));
    }
    if (f.number() == 2) out.meta = std::string(f.text());
  }
  OSVM_CHECK(f.status("confirmed transaction"));
  if (out.wire.empty()) return error(osvm::errc::malformed, "a confirmed transaction without a transaction");
  return out;
}

std::string wrapped(std::uint64_t v) {
  std::string out;
  builder(out).nonzero(1, v);
  return out;
}

}  // namespace

result<std::uint64_t> read_wrapped_number(bytes_view message) {
  std::uint64_t out = 0;
  fields f(message);
  while (f.next())
    if (f.number() == 1) out = f.integer();
  OSVM_CHECK(f.status("a number's message"));
  return out;
}

result<std::string> read_protobuf_transaction(bytes_view message) {
  transaction_parts parts;
  bool ok = true;
  fields f(message);
  while (ok && f.next()) {
    if (f.number() == 1) parts.signatures.emplace_back(f.text());
    if (f.number() == 2) read_message(f.bytes(), parts, ok);
  }
  if (!ok) return error(osvm::errc::malformed, "transaction: not a protobuf message");
  OSVM_CHECK(f.status("transaction"));
  return build_wire(parts);
}

result<std::string> encode_protobuf_transaction(bytes_view wire) {
  OSVM_TRY(const auto p, take_apart(wire));
  std::string out, message, part;
  builder to(out), m(message);
  for (const auto& s : p.signatures) to.bytes(1, s);
  builder header(part);
  header.nonzero(1, p.required_signatures);
  header.nonzero(2, p.readonly_signed);
  header.nonzero(3, p.readonly_unsigned);
  m.bytes(1, part);
  for (const auto& k : p.keys) m.bytes(2, k);
  m.bytes(3, p.blockhash);
  for (const auto& i : p.instructions) {
    part.clear();
    builder b(part);
    b.nonzero(1, i.program_index), b.nonempty(2, i.accounts), b.nonempty(3, i.data);
    m.bytes(4, part);
  }
  m.nonzero(5, p.versioned);
  for (const auto& l : p.lookups) {
    part.clear();
    builder b(part);
    b.nonempty(1, l.table), b.nonempty(2, l.writable), b.nonempty(3, l.readonly);
    m.bytes(6, part);
  }
  to.bytes(2, message);
  return out;
}

result<recorded_block> parse_protobuf_block(bytes_view message, slot_t slot, block_format_limits limits) {
  if (message.size() > limits.max_message)
    return error(osvm::errc::limit_exceeded, "a block of too many bytes");
  recorded_block out{.slot = slot};
  std::string rewards;
  builder r(rewards);
  bool hash = false, ok = true;
  fields f(message);
  while (ok && f.next()) {
    switch (f.number()) {
      case 1: {
        OSVM_TRY(out.previous_blockhash, solana::hash::parse(f.text()));
        break;
      }
      case 2: {
        OSVM_TRY(out.blockhash, solana::hash::parse(f.text()));
        hash = true;
        break;
      }
      case 3: out.parent = f.integer(); break;
      case 4: {
        if (out.transactions.size() >= limits.max_transactions)
          return error(osvm::errc::limit_exceeded, "a block of too many transactions");
        OSVM_TRY(auto tx, read_confirmed(f.bytes()));
        out.transactions.push_back(std::move(tx));
        break;
      }
      case 5: r.bytes(1, f.text()); break;
      case 6: {
        OSVM_TRY(const auto v, read_wrapped_number(f.bytes()));
        out.time = static_cast<std::int64_t>(v);
        break;
      }
      case 7: {
        OSVM_TRY(out.height, read_wrapped_number(f.bytes()));
        break;
      }
      case 8: r.bytes(2, f.text()); break;
      default: break;
    }
  }
  OSVM_CHECK(f.status("block"));
  if (!hash) return error(osvm::errc::malformed, "not a ConfirmedBlock message: it has no blockhash");
  out.rewards = std::move(rewards);
  return out;
}

result<std::string> encode_protobuf_block(const recorded_block& b) {
  std::string out;
  builder to(out);
  if (b.previous_blockhash) to.bytes(1, b.previous_blockhash->to_string());
  to.bytes(2, b.blockhash.to_string());
  to.nonzero(3, b.parent);
  for (const auto& t : b.transactions) {
    std::string one;
    builder tx(one);
    OSVM_TRY(const auto body, encode_protobuf_transaction(as_bytes(t.wire)));
    tx.bytes(1, body);
    if (t.meta) tx.bytes(2, *t.meta);
    to.bytes(4, one);
  }
  std::optional<std::string> partitions;
  if (b.rewards) {
    fields f(as_bytes(*b.rewards));
    while (f.next()) {
      if (f.number() == 1) to.bytes(5, f.text());
      if (f.number() == 2) partitions = std::string(f.text());
    }
    OSVM_CHECK(f.status("rewards"));
  }
  if (b.time) to.bytes(6, wrapped(static_cast<std::uint64_t>(*b.time)));
  if (b.height) to.bytes(7, wrapped(*b.height));
  if (partitions) to.bytes(8, *partitions);
  return out;
}

}  // namespace osvm::ledger
