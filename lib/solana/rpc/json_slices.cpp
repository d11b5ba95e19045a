#include <osvm/solana/json_slices.hpp>

namespace osvm::solana {
namespace {

class scanner {
 public:
  explicit scanner(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view string() {
    const auto start = at_;
    if (!take('"')) return {};
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ < text_.size()) ++at_;
    at_ = at_ > text_.size() ? text_.size() : at_;
    return text_.substr(start, at_ - start);
  }
  // Any value; empty at the end of the text.
  std::string_view value() {
    skip_space();
    const auto start = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        (void)string();
      } else if (c == '{' || c == '[') {
        ++depth, ++at_;
        continue;
      } else if ((c == '}' || c == ']') && depth > 0) {
        --depth, ++at_;
      } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
        break;
      } else {
        ++at_;
        continue;
      }
      if (depth == 0) break;
    }
    auto out = text_.substr(start, at_ - start);
    while (!out.empty() && std::string_view(" \t\r\n").find(out.back()) != std::string_view::npos)
      out.remove_suffix(1);
    return out;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string_view> json_member(std::string_view text, std::string_view key) noexcept {
  scanner in(text);
  std::optional<std::string_view> out;
  if (!in.take('{') || in.take('}')) return out;
  do {
    in.skip_space();
    const auto name = in.string();
    if (name.size() < 2 || !in.take(':')) return out;
    const auto v = in.value();
    if (name.substr(1, name.size() - 2) == key) out = v;
  } while (in.take(','));
  return out;
}

}  // namespace osvm::solana
