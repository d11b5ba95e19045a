// Blocks of a made-up chain, and the archives and streams that others would make of them.
#pragma once

#include <osvm/ledger/recorded_block.hpp>
#include <osvm/solana/hashing.hpp>
#include <osvm/solana/programs.hpp>
#include <osvm/solana/status.hpp>

#include <random>
#include <set>

#include "ledger/writer/protobuf_block.hpp"
#include "ledger/writer/wire.hpp"
#include "solana/protobuf.hpp"

namespace osvm::ledger::test {

using solana::protobuf::builder;

inline std::string text_of(bytes_view b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline std::string made_up(const std::string& seed, std::size_t size = 32) {
  std::string out;
  for (int i = 0; out.size() < size; ++i)
    out += text_of(solana::sha256(as_bytes(seed + std::to_string(i))).view());
  out.resize(size);
  return out;
}

inline recorded_transaction sample_transaction(slot_t slot, std::size_t i, bool large) {
  const auto name = std::to_string(slot) + "/" + std::to_string(i);
  transaction_parts p;
  p.signatures = {made_up("signature" + name, 64)};
  p.required_signatures = 1;
  p.readonly_unsigned = 1;
  p.keys = {made_up("payer" + std::to_string(i % 3)), made_up("receiver" + std::to_string(i % 5)),
            i % 4 ? text_of(solana::programs::system.view()) : text_of(solana::programs::memo_v3.view())};
  p.blockhash = made_up("blockhash" + name);
  p.instructions = {{2, std::string("\0\1", 2), large ? made_up("data" + name, 700) : "hello " + name}};
  p.versioned = i % 2;
  if (p.versioned) p.lookups = {{made_up("table"), std::string("\3", 1), std::string("\4\5", 2)}};
  std::string meta, balances;
  builder to(meta), b(balances);
  if (i % 5 == 4) {
    solana::transaction_error e{.kind = solana::transaction_error::instruction_error};
    e.index = 0, e.instruction_kind = solana::transaction_error::custom_error, e.custom = 6001;
    std::string message;
    builder(message).bytes(1, solana::encode_transaction_error(e));
    to.bytes(1, message);
  }
  to.nonzero(2, 5000);
  for (int k = 0; k < 3; ++k) b.varint(1000000 + i);
  to.bytes(3, balances), to.bytes(4, balances);
  if (i % 3 == 0) {
    std::string ix, group;
    builder x(ix), g(group);
    x.nonzero(1, 2), x.nonempty(2, std::string("\0\1", 2)), x.nonempty(3, "inner"), x.integer(4, 2);
    g.bytes(2, ix);
    to.bytes(5, group);
  }
  to.bytes(6, "Program log: \"" + name + "\"\n");
  if (p.versioned) {
    to.bytes(12, made_up("loaded"));
    to.bytes(13, made_up("read")), to.bytes(13, made_up("read too"));
  }
  to.integer(15, 1);
  to.integer(16, 150 + i);
  return {*build_wire(p), meta};
}

inline slot_t sample_slot(std::size_t i) {
  return 100 + i + i / 3;  // some are skipped
}

// Entries of real hashes: the transactions in twos, and ticks between.
inline void add_entries(recorded_block& b) {
  solana::hash at = *b.previous_blockhash;
  auto tick = [&] { b.entries.push_back({8, at = solana::poh_ticks(at, 8), 0}); };
  for (std::size_t i = 0; i < b.transactions.size(); i += 2) {
    std::vector<solana::signature> signatures;
    const auto n = std::min<std::size_t>(2, b.transactions.size() - i);
    for (std::size_t k = 0; k < n; ++k)
      signatures.push_back(*solana::signature::read(as_bytes(b.transactions[i + k].wire).subspan(1)));
    at = solana::poh_ticks(at, 4);
    at = solana::sha256({at.view(), solana::signatures_root(signatures).view()});
    b.entries.push_back({5, at, static_cast<std::uint32_t>(n)});
    if (i % 8 == 0) tick();
  }
  tick(), tick();
  b.blockhash = at;
}

// Every other one with its Proof of History, or all.
inline std::vector<recorded_block> sample_blocks(std::size_t n, bool all_with_entries = false) {
  std::vector<recorded_block> out;
  for (std::size_t i = 0; i < n; ++i) {
    recorded_block b{.slot = sample_slot(i), .parent = i ? sample_slot(i - 1) : 98};
    b.previous_blockhash = i ? out.back().blockhash : solana::sha256(as_bytes("before"));
    b.blockhash = solana::sha256(as_bytes("block " + std::to_string(i)));
    const std::size_t transactions = i % 7 == 3 ? 90 : i % 7 == 5 ? 0 : 2 + i % 4;
    for (std::size_t t = 0; t < transactions; ++t)
      b.transactions.push_back(sample_transaction(b.slot, t, i % 7 == 3));
    if (i % 2 == 0 || all_with_entries) add_entries(b);
    b.time = 1700000000 + static_cast<std::int64_t>(i);
    b.height = 90 + i;
    std::string reward;
    builder r(reward);
    r.bytes(1, solana::sha256(as_bytes("leader")).to_string());
    r.nonzero(2, 5000 * (i + 1)), r.nonzero(3, 1000000), r.integer(4, 1);
    builder(b.rewards.emplace()).bytes(1, reward);
    if (i % 3 == 0) {
      std::string partitions;
      builder(partitions).nonzero(1, 7);
      builder(*b.rewards).bytes(2, partitions);
    }
    out.push_back(std::move(b));
  }
  return out;
}

inline std::set<solana::pubkey> sample_addresses(const std::vector<recorded_block>& blocks) {
  std::set<solana::pubkey> out;
  for (const auto& b : blocks)
    for (const auto& t : b.transactions) {
      const auto parts = take_apart(as_bytes(t.wire));
      for (const auto& k : parts->keys) out.insert(*solana::pubkey::read(as_bytes(k)));
    }
  out.insert(*solana::pubkey::read(as_bytes(made_up("loaded"))));
  return out;
}

inline bool same_block(const recorded_block& a, const recorded_block& b) {
  auto entry = [](const recorded_entry& x, const recorded_entry& y) {
    return x.num_hashes == y.num_hashes && x.hash == y.hash && x.transactions == y.transactions;
  };
  auto transaction = [](const recorded_transaction& x, const recorded_transaction& y) {
    return x.wire == y.wire && x.meta == y.meta;
  };
  return a.slot == b.slot && a.parent == b.parent && a.previous_blockhash == b.previous_blockhash &&
         a.blockhash == b.blockhash && a.time == b.time && a.height == b.height && a.rewards == b.rewards &&
         std::ranges::equal(a.entries, b.entries, entry) &&
         std::ranges::equal(a.transactions, b.transactions, transaction);
}

// DAG-CBOR, as far as archives need it.
class cbor {
 public:
  cbor& head(unsigned major, std::uint64_t v) {
    const auto kind = static_cast<char>(major << 5);
    if (v < 24) return out.push_back(static_cast<char>(kind | static_cast<char>(v))), *this;
    const int width = v > 0xffffffff ? 8 : v > 0xffff ? 4 : v > 0xff ? 2 : 1;
    out.push_back(static_cast<char>(kind | (24 + std::countr_zero(static_cast<unsigned>(width)))));
    for (int i = width - 1; i >= 0; --i) out.push_back(static_cast<char>(v >> (8 * i)));
    return *this;
  }
  cbor& list(std::uint64_t n) { return head(4, n); }
  cbor& number(std::uint64_t v) { return head(0, v); }
  cbor& bytes(const std::string& v) { return head(2, v.size()), out += v, *this; }
  cbor& null() { return out.push_back(static_cast<char>(0xf6)), *this; }
  cbor& link(const std::string& cid) { return head(6, 42).bytes(std::string(1, '\0') + cid); }
  std::string out;
};

// An epoch's archive. Data of more than `frame` bytes is spread over several frames.
class car_writer {
 public:
  car_writer() {
    cbor h;
    h.head(5, 2).head(3, 5).out += "roots";
    h.list(0).head(3, 7).out += "version";
    h.number(1);
    section(h.out);
  }
  void block(const recorded_block& b) {
    cbor node;
    std::vector<std::string> entries;
    std::size_t next = 0;
    for (const auto& e : b.entries) {
      std::vector<std::string> links;
      for (std::uint32_t i = 0; i < e.transactions; ++i, ++next) links.push_back(transaction(b, next));
      cbor n;
      n.list(4).number(1).number(e.num_hashes).bytes(text_of(e.hash.view())).list(links.size());
      for (const auto& l : links) n.link(l);
      entries.push_back(add(n.out));
    }
    cbor rewards;
    rewards.list(3).number(5).number(b.slot);
    frame(rewards, *b.rewards);
    const auto rewards_cid = add(rewards.out);
    node.list(6).number(2).number(b.slot).list(1).list(2).number(0).number(0).list(entries.size());
    for (const auto& e : entries) node.link(e);
    node.list(3).number(b.parent).number(static_cast<std::uint64_t>(*b.time)).number(*b.height);
    node.link(rewards_cid);
    add(node.out);
  }
  // A block of one entry with these transaction nodes.
  void block_of(const std::vector<std::string>& transactions) {
    cbor entry, node;
    entry.list(4).number(1).number(1).bytes(std::string(32, 'h')).list(transactions.size());
    for (const auto& t : transactions) entry.link(t);
    const auto cid = add(entry.out);
    node.list(5).number(2).number(100).list(0).list(1).link(cid).list(3).number(99).number(1).null();
    add(node.out);
  }
  std::string add(const std::string& body) {
    const auto cid = std::string("\x01\x71\x12\x20", 4) + text_of(solana::sha256(as_bytes(body)).view());
    section(cid + body);
    return cid;
  }
  std::string out;

 private:
  void section(const std::string& bytes) {
    builder(out).varint(bytes.size());
    out += bytes;
  }
  void frame(cbor& to, const std::string& data) {
    constexpr std::size_t part = 300;
    std::vector<std::string> links;
    for (std::size_t at = part; at < data.size(); at += part) {
      cbor f;
      f.list(6).number(6).null().number(at / part).null().bytes(data.substr(at, part)).list(0);
      links.push_back(add(f.out));
    }
    to.list(6).number(6).null().null().null().bytes(data.substr(0, part)).list(links.size());
    for (const auto& l : links) to.link(l);
  }
  std::string transaction(const recorded_block& b, std::size_t i) {
    cbor n;
    n.list(5).number(0);
    frame(n, b.transactions[i].wire);
    frame(n, *b.transactions[i].meta);
    n.number(b.slot).number(i);
    return add(n.out);
  }
};
inline std::string car_of(const std::vector<recorded_block>& blocks) {
  car_writer w;
  for (const auto& b : blocks) w.block(b);
  return w.out;
}

// What a subscriber to everything records: pieces of two slots mixed, the description last.
inline std::string geyser_of(const std::vector<recorded_block>& blocks) {
  std::vector<std::string> updates;
  auto update = [&](std::uint32_t number, const std::string& message) {
    std::string u;
    builder to(u);
    to.bytes(1, "filter");
    to.bytes(number, message);
    updates.push_back(u);
  };
  for (const auto& b : blocks) {
    for (std::size_t i = 0; i < b.transactions.size(); ++i) {
      std::string info, m;
      builder x(info), to(m);
      x.bytes(1, b.transactions[i].wire.substr(1, 64));
      x.bytes(3, *encode_protobuf_transaction(as_bytes(b.transactions[i].wire)));
      x.bytes(4, *b.transactions[i].meta), x.nonzero(5, i);
      to.bytes(1, info), to.nonzero(2, b.slot);
      update(4, m);
    }
    for (std::size_t i = 0; i < b.entries.size(); ++i) {
      std::string m;
      builder to(m);
      to.nonzero(1, b.slot), to.nonzero(2, i), to.nonzero(3, b.entries[i].num_hashes);
      to.bytes(4, text_of(b.entries[i].hash.view())), to.nonzero(5, b.entries[i].transactions);
      update(8, m);
    }
    std::string m, time, height;
    builder to(m);
    builder(time).nonzero(1, static_cast<std::uint64_t>(*b.time)), builder(height).nonzero(1, *b.height);
    to.nonzero(1, b.slot), to.bytes(2, b.blockhash.to_string()), to.bytes(3, *b.rewards), to.bytes(4, time);
    to.bytes(5, height), to.nonzero(6, b.parent), to.bytes(7, b.previous_blockhash->to_string());
    to.nonzero(8, b.transactions.size()), to.nonzero(9, b.entries.size());
    update(7, m);
  }
  for (std::size_t i = 1; i < updates.size(); i += 3) std::swap(updates[i - 1], updates[i]);
  std::string out;
  for (const auto& u : updates) {
    const auto length = __builtin_bswap32(static_cast<std::uint32_t>(u.size()));
    out.append(reinterpret_cast<const char*>(&length), 4);
    out += u;
  }
  return out;
}

// What the stream says of a slot: 2 for final, 6 for dead.
inline std::string geyser_status(slot_t slot, slot_t parent, std::uint64_t status) {
  std::string m, u;
  builder to(m);
  to.nonzero(1, slot), to.nonzero(2, parent), to.nonzero(3, status);
  builder(u).bytes(3, m);
  const auto length = __builtin_bswap32(static_cast<std::uint32_t>(u.size()));
  return std::string(reinterpret_cast<const char*>(&length), 4) + u;
}

}  // namespace osvm::ledger::test
