#include "hotswap/release/journal.hpp"

#include <osvm/core/blake3.hpp>
#include <osvm/core/bytes.hpp>

#include <charconv>

namespace osvm::hotswap::detail {
namespace {

constexpr std::string_view first_line = "osvm-releases 1";
constexpr std::string_view any_first_line = "osvm-releases ";
constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::size_t max_releases = 4;  // that a ledger can name

bool plain(char c) {
  return c > ' ' && c < 0x7f && c != '%';
}

// '-' stands for nothing; bytes that are no visible ASCII are %xx.
std::string escaped(std::string_view text) {
  if (text.empty()) return "-";
  std::string out;
  for (const char c : text) {
    if (plain(c) && !(text.size() == 1 && c == '-')) {
      out += c;
    } else {
      const auto b = static_cast<unsigned char>(c);
      out.append({'%', hex_digits[b >> 4], hex_digits[b & 15]});
    }
  }
  return out;
}

result<std::string> unescaped(std::string_view text) {
  const auto wrong = [] { return error(osvm::errc::malformed, "journal: a malformed name"); };
  if (text == "-") return std::string();
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (plain(text[i])) {
      out += text[i];
      continue;
    }
    if (text[i] != '%' || text.size() - i < 3) return wrong();
    const auto high = hex_digits.find(text[i + 1]), low = hex_digits.find(text[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return wrong();
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  if (out.size() > max_release_text) return error(osvm::errc::limit_exceeded, "journal: a name is too long");
  // One way to write each name: what is read is written back the same.
  if (escaped(out) != text) return wrong();
  return out;
}

std::string digest_of(std::string_view text) {
  const auto d = blake3_hash(as_bytes(text));
  std::string out;
  for (const auto b : d) {
    const auto v = std::to_integer<unsigned>(b);
    out.append({hex_digits[v >> 4], hex_digits[v & 15]});
  }
  return out;
}

// Takes lines and words off the front.
class reader {
 public:
  explicit reader(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  std::string_view word(char end) {
    const auto n = rest_.find(end);
    if (n == std::string_view::npos) {
      failed_ = true;
      return {};
    }
    const auto w = rest_.substr(0, n);
    rest_.remove_prefix(n + 1);
    return w;
  }
  std::uint64_t number(char end) {
    const auto w = word(end);
    std::uint64_t v = 0;
    const auto r = std::from_chars(w.data(), w.data() + w.size(), v);
    if (r.ec != std::errc() || r.ptr != w.data() + w.size() || std::to_string(v) != w) failed_ = true;
    return v;
  }
  std::uint64_t field(std::string_view name) {
    if (word(' ') != name) failed_ = true;
    return number('\n');
  }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// Every release that is named is described, and no other.
bool consistent(const journal& j) {
  const auto& m = j.marks;
  std::map<std::uint64_t, release_name> named;
  for (const auto id : {m.active, m.candidate, m.leaving, m.previous}) {
    if (id > m.attempts || (id != 0 && !j.releases.contains(id))) return false;
    if (id != 0) named.try_emplace(id);
  }
  return named.size() == j.releases.size();
}

}  // namespace

std::string write_journal(const journal& j) {
  std::string out(first_line);
  const auto add = [&out](const char* name, std::uint64_t v) {
    out.append("\n").append(name).append(" ").append(std::to_string(v));
  };
  add("attempts", j.marks.attempts);
  add("active", j.marks.active);
  add("candidate", j.marks.candidate);
  add("leaving", j.marks.leaving);
  add("previous", j.marks.previous);
  for (const auto& [id, name] : j.releases) {
    add("release", id);
    out.append(" ").append(escaped(name.version)).append(" ").append(escaped(name.artifact));
  }
  out.append("\n");
  const auto sum = digest_of(out);
  return out.append("blake3 ").append(sum).append("\n");
}

result<journal> read_journal(std::string_view text) {
  const auto wrong = [](const char* what) { return error(osvm::errc::malformed, what); };
  if (text.size() > max_journal) return error(osvm::errc::limit_exceeded, "journal: too long");
  if (!text.starts_with(any_first_line)) return wrong("journal: not a journal of releases");
  const auto sum_at = text.rfind("\nblake3 ");
  if (sum_at == std::string_view::npos) return error(osvm::errc::truncated, "journal: no checksum");
  const auto body = text.substr(0, sum_at + 1);
  if (text.substr(body.size()) != "blake3 " + digest_of(body) + "\n") {
    return wrong("journal: the checksum is wrong");
  }
  reader r(body);
  if (r.word('\n') != first_line) {
    return error(osvm::errc::unsupported, "journal: written by a later version");
  }
  journal j;
  j.marks.attempts = r.field("attempts");
  j.marks.active = r.field("active");
  j.marks.candidate = r.field("candidate");
  j.marks.leaving = r.field("leaving");
  j.marks.previous = r.field("previous");
  std::uint64_t last = 0;
  while (!r.failed() && !r.at_end()) {
    if (r.word(' ') != "release") return wrong("journal: an unknown line");
    const auto id = r.number(' ');
    OSVM_TRY(auto version, unescaped(r.word(' ')));
    OSVM_TRY(auto artifact, unescaped(r.word('\n')));
    if (id <= last || j.releases.size() == max_releases) return wrong("journal: releases out of order");
    last = id;
    j.releases[id] = {std::move(version), std::move(artifact)};
  }
  if (r.failed() || !consistent(j)) return wrong("journal: inconsistent");
  return j;
}

}  // namespace osvm::hotswap::detail
