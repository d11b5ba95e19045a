// A small JSON writer: commas by itself, every string escaped.
#pragma once

#include <osvm/core/text.hpp>

#include <string>
#include <string_view>

namespace osvm::audit {

class json_text {
 public:
  json_text& open(char bracket) { return comma(), out_ += bracket, first_ = true, *this; }
  json_text& close(char bracket) { return out_ += bracket, first_ = false, *this; }
  json_text& key(std::string_view k) {
    comma();
    out_ += '"' + json_escape(k) + "\":";
    after_key_ = true;
    return *this;
  }
  json_text& string(std::string_view s) { return comma(), out_ += '"' + json_escape(s) + '"', *this; }
  json_text& number(std::uint64_t n) { return comma(), out_ += std::to_string(n), *this; }
  json_text& boolean(bool b) { return comma(), out_ += b ? "true" : "false", *this; }
  json_text& field(std::string_view k, std::string_view s) { return key(k).string(s); }
  json_text& field(std::string_view k, std::uint64_t n) { return key(k).number(n); }
  std::string take() { return std::move(out_); }

 private:
  void comma() {
    if (!first_ && !after_key_ && !out_.empty()) out_ += ',';
    first_ = after_key_ = false;
  }
  std::string out_;
  bool first_ = true, after_key_ = false;
};

}  // namespace osvm::audit
