// Makes small snapshot archives: a manifest in bincode, storages, and the tar around them.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace osvm::ledger::test {

template <class T>
void append_raw(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

struct made_account {
  unsigned char address = 0, owner = 0;
  std::uint64_t lamports = 0;
  std::string data{};
};

// One AppendVec; the last record is not padded, as validators since 2.0 write it.
inline std::string make_storage(const std::vector<made_account>& accounts) {
  std::string out;
  for (const auto& a : accounts) {
    out.resize((out.size() + 7) / 8 * 8);
    append_raw<std::uint64_t>(out, 0);
    append_raw<std::uint64_t>(out, a.data.size());
    out.append(32, static_cast<char>(a.address));
    append_raw<std::uint64_t>(out, a.lamports);
    append_raw<std::uint64_t>(out, ~0ULL);
    out.append(32, static_cast<char>(a.owner));
    out.append(8 + 32, '\0');
    out += a.data;
  }
  return out;
}

struct made_storage {
  std::uint64_t slot, id;
  std::string bytes;
};

struct made_stake {
  unsigned char vote, node;
  std::uint64_t stake;
};

// The stakes of one epoch: vote accounts of no more than a tag and a validator, and nothing else.
inline std::string make_epoch_stakes(std::uint64_t epoch, const std::vector<made_stake>& stakes) {
  std::string m;
  const auto u64 = [&m](std::uint64_t v) { append_raw(m, v); };
  u64(1), u64(epoch), u64(stakes.size());
  for (const auto& s : stakes) {
    m.append(32, static_cast<char>(s.vote)), u64(s.stake), u64(1), u64(36);
    append_raw<std::uint32_t>(m, 1), m.append(32, static_cast<char>(s.node));
    m.append(32, 'o'), m += '\0', u64(0);
  }
  u64(0), u64(0), u64(epoch), u64(0);  // delegations, unused, epoch, history
  u64(0), u64(0), u64(0);              // total, validators, voters
  return m;
}

inline std::string make_manifest(std::uint64_t slot, const std::vector<made_storage>& storages,
                                 const std::string& vote = "abc",
                                 const std::string& epoch_stakes = std::string(8, '\0')) {
  std::string m;
  const auto u64 = [&m](std::uint64_t v) { append_raw(m, v); };
  u64(1), m += '\0', u64(0), u64(300);  // blockhash queue
  u64(0);                               // ancestors
  m.append(32, 'h').append(32, 'p');
  u64(slot - 1), u64(0);  // parent, hard forks
  u64(77), u64(6400), u64(88), u64(5000), u64(6464), m += '\1', u64(12500), u64(64);
  m.append(16, '\0'), u64(1700000000), append_raw(m, 78892314.98), u64(999);
  u64(slot), u64(2), u64(slot - 3), m.append(32, 'l');
  m.append(8 + 8 + 33 + 8, '\0');
  const auto schedule = [&] { u64(432000), u64(432000), m += '\1', u64(14), u64(524256); };
  u64(2), schedule(), append_raw(m, 78892314.98), u64(3480), append_raw(m, 2.0), m += '\x32';
  schedule();
  for (const double d : {0.08, 0.015, 0.15, 0.05, 7.0, 0.0}) append_raw(m, d);
  u64(1), m.append(32, 'v'), u64(42), u64(5), u64(vote.size()), m += vote, m.append(32, 'o'), m += '\0',
      u64(0);
  u64(1), m.append(96, '\0'), u64(0), u64(2), u64(1), m.append(32, '\0');
  u64(0), u64(0), u64(0);        // unused accounts
  m += epoch_stakes, m += '\1';  // and is_delta
  u64(storages.size());
  for (const auto& s : storages) u64(s.slot), u64(1), u64(s.id), u64(s.bytes.size());
  u64(0), u64(slot);
  return m;
}

// What releases since 2.2 write behind that: nothing but the accounts' lattice hash.
inline std::string make_manifest_tail(const std::array<std::uint16_t, 1024>& sums) {
  std::string m(32 + 32 + 5 * 8 + 8 + 8 + 8 + 1 + 1 + 8, '\0');
  m += '\1';
  m.append(reinterpret_cast<const char*>(sums.data()), sizeof sums);
  return m;
}

inline std::string tar_file(const std::string& name, const std::string& bytes, char type = '0') {
  std::string h(512, '\0');
  h.replace(0, name.size(), name);
  char number[16];
  std::snprintf(number, sizeof number, "%011llo", static_cast<unsigned long long>(bytes.size()));
  h.replace(124, 11, number);
  h[156] = type;
  h.replace(257, 6, "ustar ");
  h.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const unsigned char c : h) sum += c;
  std::snprintf(number, sizeof number, "%06o", sum);
  h.replace(148, 7, std::string(number, 7));
  h += bytes;
  h.resize((h.size() + 511) / 512 * 512);
  return h;
}

inline std::string make_archive(std::uint64_t slot, const std::vector<made_storage>& storages,
                                const std::string& vote = "abc", const std::string& tail = {},
                                const std::string& epoch_stakes = std::string(8, '\0')) {
  auto out = tar_file("version", "1.2.0") + tar_file("snapshots/", "", '5') +
             tar_file("snapshots/status_cache", "ignored");
  const auto name = std::to_string(slot);
  out += tar_file("snapshots/" + name + "/" + name, make_manifest(slot, storages, vote, epoch_stakes) + tail);
  for (const auto& s : storages)
    out += tar_file("accounts/" + std::to_string(s.slot) + "." + std::to_string(s.id), s.bytes);
  return out + std::string(1024, '\0');
}

}  // namespace osvm::ledger::test
