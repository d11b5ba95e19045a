#include "names.hpp"

#include <cctype>

namespace osvm::audit {

std::string stem_of(std::string_view name) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::string_view tail : {"_account_info", "_info", "_account", "_acc", "_ai", "_pubkey", "_pk",
                                        "_key", "_id", "_address", "_loader", "_state", "_data"}) {
      if (name.size() <= tail.size() + 1 || !name.ends_with(tail)) continue;
      name.remove_suffix(tail.size());
      changed = true;
    }
  }
  if (name.starts_with('_')) name.remove_prefix(1);
  return std::string(name);
}

std::string snake_of(std::string_view type) {
  std::string out;
  for (const char c : type) {
    if (std::isupper(static_cast<unsigned char>(c)) && !out.empty()) out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace osvm::audit
