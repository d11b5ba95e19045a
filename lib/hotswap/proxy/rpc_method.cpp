#include "hotswap/proxy/rpc_method.hpp"

#include "hotswap/http1/head.hpp"

#include <cstdint>

namespace osvm::hotswap::detail {
namespace {

constexpr unsigned max_depth = 64;

class reader {
 public:
  reader(std::string_view text, unsigned max_batch) : text_(text), max_batch_(max_batch) {}

  rpc_methods read() {
    space();
    if (next('[')) {
      out_.batch = true;
      batch();
    } else {
      request();
    }
    space();
    if (at_ != text_.size()) fail();
    if (out_.names.empty()) fail();
    if (out_.status != rpc_status::ok) out_.names.clear();
    return std::move(out_);
  }

 private:
  void fail(rpc_status s = rpc_status::malformed) {
    if (out_.status == rpc_status::ok) out_.status = s;
    at_ = text_.size();
  }
  bool good() const { return out_.status == rpc_status::ok; }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool next(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void want(char c) {
    if (!next(c)) fail();
  }
  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
      ++at_;
    }
  }

  void batch() {
    do {
      space();
      if (out_.names.size() >= max_batch_) return fail(rpc_status::too_many);
      request();
      space();
    } while (good() && next(','));
    want(']');
  }

  void request() {
    want('{');
    std::string_view method;
    space();
    if (next('}')) return fail();
    do {
      space();
      bool escaped = false;
      const auto key = string(escaped);
      space();
      want(':');
      space();
      // "\u006dethod" means "method", too: whoever writes it that way wants to be read in two ways.
      if (escaped) return fail();
      // Some readers do not tell "Method" from "method".
      if (key != "method" && http1::iequals(key, "method")) return fail();
      if (key == "method") {
        if (!method.empty() || peek() != '"') return fail();
        method = string(escaped);
        if (escaped || method.empty()) return fail();
      } else {
        value(1);
      }
      space();
    } while (good() && next(','));
    want('}');
    if (method.empty()) return fail();
    if (good()) out_.names.push_back(method);
  }

  // The text between the quotes, as it stands.
  std::string_view string(bool& escaped) {
    escaped = false;
    want('"');
    const auto begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return text_.substr(begin, at_ - 1 - begin);
      if (static_cast<unsigned char>(c) < 0x20) break;
      if (c == '\\') {
        escaped = true;
        if (!escape()) break;
      }
    }
    fail();
    return {};
  }
  bool escape() {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char h = peek();
      const bool hex = (h >= '0' && h <= '9') || (h >= 'a' && h <= 'f') || (h >= 'A' && h <= 'F');
      if (!hex) return false;
    }
    return true;
  }

  void value(unsigned depth) {
    if (depth > max_depth) return fail();
    bool escaped = false;
    if (peek() == '"') {
      string(escaped);
    } else if (next('{')) {
      object(depth);
    } else if (next('[')) {
      list(depth);
    } else {
      plain();
    }
  }
  void object(unsigned depth) {
    space();
    if (next('}')) return;
    do {
      space();
      bool escaped = false;
      string(escaped);
      space();
      want(':');
      space();
      value(depth + 1);
      space();
    } while (good() && next(','));
    want('}');
  }
  void list(unsigned depth) {
    space();
    if (next(']')) return;
    do {
      space();
      value(depth + 1);
      space();
    } while (good() && next(','));
    want(']');
  }
  // A number or a name. What it is does not matter here; the service checks it.
  void plain() {
    const auto begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool part =
          (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
      if (!part) break;
      ++at_;
    }
    if (at_ == begin) fail();
  }

  std::string_view text_;
  unsigned max_batch_;
  std::size_t at_ = 0;
  rpc_methods out_;
};

}  // namespace

rpc_methods read_rpc_methods(std::string_view body, unsigned max_batch) {
  return reader(body, max_batch).read();
}

}  // namespace osvm::hotswap::detail
