#include "manifest.hpp"

#include <algorithm>
#include <cctype>
#include <set>

namespace osvm::audit {
namespace {

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front()))) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back()))) s.remove_suffix(1);
  return s;
}

struct reader {
  std::string_view text;
  manifest& out;
  std::size_t i = 0;
  std::uint32_t line = 1;
  unsigned depth = 0;

  char peek() const { return i < text.size() ? text[i] : '\0'; }
  void skip(bool newlines) {
    while (i < text.size()) {
      if (text[i] == '#') {
        while (i < text.size() && text[i] != '\n') ++i;
      } else if (text[i] == '\n') {
        if (!newlines) return;
        ++line;
        ++i;
      } else if (std::isspace(static_cast<unsigned char>(text[i]))) {
        ++i;
      } else {
        return;
      }
    }
  }
  void rest_of_line() {
    while (i < text.size() && text[i] != '\n') ++i;
  }
  std::string quoted() {
    const char q = text[i];
    const bool triple = text.compare(i, 3, std::string(3, q)) == 0;
    i += triple ? 3 : 1;
    std::string s;
    while (i < text.size()) {
      if (triple ? text.compare(i, 3, std::string(3, q)) == 0 : text[i] == q) {
        i += triple ? 3 : 1;
        return s;
      }
      if (text[i] == '\n') {
        if (!triple) break;
        ++line;
      }
      if (text[i] == '\\' && q == '"' && i + 1 < text.size()) ++i;
      s += text[i++];
    }
    out.broken = true;
    return s;
  }
  std::string key() {
    std::string k;
    while (i < text.size()) {
      const char c = text[i];
      if (c == '"' || c == '\'') {
        k += quoted();
      } else if (std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.') {
        k += c;
        ++i;
      } else if (c == ' ' || c == '\t') {
        ++i;
      } else {
        break;
      }
    }
    return k;
  }
  void set(const std::string& key, toml_value v) { out.values.emplace(key, std::move(v)); }

  void value(const std::string& prefix) {
    skip(false);
    toml_value v;
    v.line = line;
    const char c = peek();
    if (++depth > 16) {
      out.broken = true;
      rest_of_line();
    } else if (c == '"' || c == '\'') {
      v.text = quoted();
      set(prefix, std::move(v));
    } else if (c == '[') {
      array(prefix, std::move(v));
    } else if (c == '{') {
      table(prefix, std::move(v));
    } else {
      const auto start = i;
      while (i < text.size() && text[i] != '\n' && text[i] != ',' && text[i] != '}' && text[i] != ']' &&
             text[i] != '#')
        ++i;
      v.text = trimmed(text.substr(start, i - start));
      set(prefix, std::move(v));
    }
    --depth;
  }
  void array(const std::string& prefix, toml_value v) {
    ++i;
    std::size_t n = 0;
    for (skip(true); i < text.size() && peek() != ']'; skip(true)) {
      const auto before = i;
      const std::string element = prefix + "[" + std::to_string(n++) + "]";
      value(element);
      if (const auto found = out.values.find(element); found != out.values.end()) {
        v.list.push_back(found->second.text);
        out.values.erase(found);
      }
      skip(true);
      if (peek() == ',') ++i;
      if (i == before) break;
    }
    if (peek() == ']')
      ++i;
    else
      out.broken = true;
    if (!v.list.empty()) v.text = v.list.front();
    set(prefix, std::move(v));
  }
  void table(const std::string& prefix, toml_value v) {
    ++i;
    for (skip(true); i < text.size() && peek() != '}'; skip(true)) {
      const auto before = i;
      const std::string k = key();
      skip(false);
      if (peek() == '=') {
        ++i;
        value(prefix + "." + k);
      }
      skip(true);
      if (peek() == ',') ++i;
      if (i == before) break;
    }
    if (peek() == '}')
      ++i;
    else
      out.broken = true;
    set(prefix, std::move(v));
  }
  void run() {
    std::string section;
    for (skip(true); i < text.size(); skip(true)) {
      const auto before = i;
      if (peek() == '[') {
        while (peek() == '[') ++i;
        section = key();
        set(section, {"", {}, line});
        while (peek() == ']') ++i;
        rest_of_line();
        continue;
      }
      const std::string k = key();
      skip(false);
      if (peek() == '=' && !k.empty()) {
        ++i;
        value(section.empty() ? k : section + "." + k);
      } else {
        out.broken = true;
      }
      if (i == before) ++i;
      rest_of_line();
    }
  }
};

}  // namespace

const toml_value* manifest::find(const std::string& key) const {
  const auto it = values.find(key);
  return it == values.end() ? nullptr : &it->second;
}

std::vector<std::string> manifest::names(const std::string& table) const {
  std::set<std::string> out;
  const std::string prefix = table + ".";
  for (auto it = values.lower_bound(prefix); it != values.end() && it->first.starts_with(prefix); ++it) {
    const auto rest = it->first.substr(prefix.size());
    out.insert(rest.substr(0, rest.find('.')));
  }
  return {out.begin(), out.end()};
}

manifest parse_manifest(std::string_view text) {
  manifest out;
  reader{text.substr(0, max_manifest_bytes), out}.run();
  if (text.size() > max_manifest_bytes) out.broken = true;
  return out;
}

std::uint64_t lowest_version(std::string_view requirement) {
  std::size_t i = 0;
  while (i < requirement.size() && !std::isdigit(static_cast<unsigned char>(requirement[i]))) {
    if (requirement[i] == '<' || requirement[i] == '*') return 0;
    ++i;
  }
  std::uint64_t parts[3] = {0, 0, 0};
  for (int p = 0; p < 3 && i < requirement.size(); ++p) {
    if (!std::isdigit(static_cast<unsigned char>(requirement[i]))) break;
    for (; i < requirement.size() && std::isdigit(static_cast<unsigned char>(requirement[i])); ++i)
      if (parts[p] < 100000) parts[p] = parts[p] * 10 + static_cast<std::uint64_t>(requirement[i] - '0');
    if (i < requirement.size() && requirement[i] == '.')
      ++i;
    else
      break;
  }
  return parts[0] * 1000000 + parts[1] * 1000 + parts[2];
}

// Cargo writes it line by line: [[package]], name = "...", version = "...".
locked_versions parse_lock(std::string_view text) {
  const auto quoted = [](std::string_view line, std::string_view key) -> std::string_view {
    if (!line.starts_with(key)) return {};
    line.remove_prefix(key.size());
    const auto end = line.rfind('"');
    return end == std::string_view::npos || end > 128 ? std::string_view{} : line.substr(0, end);
  };
  locked_versions out;
  std::string_view name;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) name = {};
    if (const auto n = quoted(line, "name = \""); !n.empty()) name = n;
    if (const auto v = quoted(line, "version = \""); !v.empty() && !name.empty())
      out[std::string(name)].emplace_back(v);
  }
  return out;
}

}  // namespace osvm::audit
