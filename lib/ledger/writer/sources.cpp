#include "sources.hpp"

#include <osvm/ledger/error.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

namespace osvm::ledger {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t buffer_size = 1 << 20, sniffed = 64;

// The longest number in a file's name that stands by itself: "mainnet-254170887.base64.json". Sixteen hex
// digits are a row's key in BigTable.
std::optional<slot_t> slot_in_name(const std::string& path) {
  const auto name = fs::path(path).filename().string();
  std::string_view best;
  auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t i = 0; i < name.size();) {
    std::size_t end = i;
    while (end < name.size() && is_word(name[end])) ++end;
    const auto word = std::string_view(name).substr(i, end - i);
    const bool hex = word.size() == 16 && word.find_first_not_of("0123456789abcdef") == word.npos;
    const bool digits = !word.empty() && word.find_first_not_of("0123456789") == word.npos;
    if ((digits || hex) && word.size() > best.size()) best = word;
    i = std::max(end, i + 1);
  }
  slot_t slot = 0;
  const auto [end, failed] =
      std::from_chars(best.data(), best.data() + best.size(), slot, best.size() == 16 ? 16 : 10);
  return !best.empty() && failed == std::errc{} && end == best.data() + best.size() ? std::optional(slot)
                                                                                    : std::nullopt;
}

result<opened_file> open_file(const std::string& path, std::optional<slot_t> slot) {
  OSVM_TRY(auto bytes, open_byte_source(path));
  struct ::stat st {};
  const bool known = ::stat(path.c_str(), &st) == 0 && !path.ends_with(".zst") && !path.ends_with(".lz4");
  return opened_file{std::move(bytes), fs::path(path).filename().string(), slot ? slot : slot_in_name(path),
                     known ? static_cast<std::uint64_t>(st.st_size) : 0};
}

result<block_format> detect(const std::string& path) {
  OSVM_TRY(const auto bytes, open_byte_source(path));
  char head[sniffed] = {};
  std::size_t have = 0;
  while (have < sizeof head) {
    OSVM_TRY(const auto n, bytes->read(head + have, sizeof head - have));
    if (n == 0) break;
    have += n;
  }
  const std::string_view text(head, have);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && (text[first] == '{' || text[first] == '[')) return block_format::json;
  if (text.find("gversion") != text.npos || text.find("eroots") != text.npos) return block_format::car;
  // A text in field 1, or in field 2 where a block has no parent's hash.
  if (!text.empty() && (text[0] == '\n' || text[0] == '\x12')) return block_format::protobuf;
  if (text.size() > 4 && text[0] == 0) return block_format::geyser;  // a length below 16 MiB
  return error(osvm::errc::unsupported, path + ": neither blocks as JSON or protobuf, nor CAR, nor geyser");
}

class folder_source final : public block_source {
 public:
  folder_source(std::vector<std::string> files, source_options options)
      : files_(std::move(files)), options_(options) {
    std::error_code ignored;
    for (const auto& f : files_) size_ += fs::file_size(f, ignored);
  }
  result<std::optional<recorded_block>> next() override {
    while (true) {
      if (!current_) {
        if (next_ == files_.size()) return std::optional<recorded_block>{};
        OSVM_TRY(current_, open_block_source(files_[next_], options_));
      }
      OSVM_TRY(auto b, current_->next());
      if (b) return b;
      for (auto& r : current_->remarks()) remarks_.push_back(std::move(r));
      std::error_code ignored;
      done_ += fs::file_size(files_[next_++], ignored);
      current_.reset();
    }
  }
  std::uint64_t position() const noexcept override { return done_; }
  std::uint64_t size() const noexcept override { return size_; }
  std::vector<std::string> remarks() const override { return remarks_; }

 private:
  std::vector<std::string> files_, remarks_;
  source_options options_;
  std::size_t next_ = 0;
  std::unique_ptr<block_source> current_;
  std::uint64_t done_ = 0, size_ = 0;
};

result<std::unique_ptr<block_source>> open_folder(const std::string& path, source_options options) {
  std::vector<std::pair<std::optional<slot_t>, std::string>> files;
  std::error_code failed;
  for (fs::directory_iterator at(path, failed), end; !failed && at != end; at.increment(failed))
    if (at->is_regular_file(failed) && at->path().filename().string()[0] != '.')
      files.emplace_back(slot_in_name(at->path().string()), at->path().string());
  if (failed) return error(failed, path);
  if (files.empty()) return error(osvm::errc::not_found, path + ": no file in this folder");
  std::ranges::sort(files);
  std::vector<std::string> paths;
  for (auto& f : files) paths.push_back(std::move(f.second));
  return std::unique_ptr<block_source>(new folder_source(std::move(paths), options));
}

class json_source final : public block_source {
 public:
  json_source(opened_file file, block_format_limits limits)
      : in_(std::move(file.bytes)), file_(std::move(file)), limits_(limits) {}
  result<std::optional<recorded_block>> next() override {
    while (true) {
      OSVM_TRY(auto line, in_.read_line(limits_.max_json));
      if (!line) return std::optional<recorded_block>{};
      ++number_;
      if (line->find_first_not_of(" \t\r") == line->npos) continue;
      auto b = parse(*line);
      if (!b && b.error().code == osvm::errc::malformed && number_ == 1) {  // one answer over many lines
        OSVM_TRY(const auto rest, in_.read_rest(limits_.max_json));
        b = parse(*line + "\n" + rest);
      }
      if (!b)
        return error(b.error().code, file_.name + ":" + std::to_string(number_) + ": " + b.error().context);
      return std::optional(std::move(*b));
    }
  }
  std::uint64_t position() const noexcept override { return in_.position(); }
  std::uint64_t size() const noexcept override { return file_.size; }

 private:
  result<recorded_block> parse(std::string_view text) { return parse_json_block(text, file_.slot, limits_); }
  counting_reader in_;
  opened_file file_;
  block_format_limits limits_;
  std::size_t number_ = 0;
};

class protobuf_source final : public block_source {
 public:
  protobuf_source(opened_file file, block_format_limits limits)
      : in_(std::move(file.bytes)), file_(std::move(file)), limits_(limits) {}
  result<std::optional<recorded_block>> next() override {
    if (std::exchange(read_, true)) return std::optional<recorded_block>{};
    if (!file_.slot)
      return error(osvm::errc::invalid_argument,
                   file_.name + ": a protobuf block does not say its slot, and neither does the file's name");
    OSVM_TRY(const auto bytes, in_.read_rest(limits_.max_message));
    auto b = parse_protobuf_block(as_bytes(bytes), *file_.slot, limits_);
    if (!b) return error(b.error().code, file_.name + ": " + b.error().context);
    return std::optional(std::move(*b));
  }
  std::uint64_t position() const noexcept override { return in_.position(); }
  std::uint64_t size() const noexcept override { return file_.size; }

 private:
  counting_reader in_;
  opened_file file_;
  block_format_limits limits_;
  bool read_ = false;
};

}  // namespace

result<bool> counting_reader::fill() {
  if (at_ < buffer_.size()) return true;
  buffer_.resize(buffer_size);
  at_ = 0;
  const auto n = from_->read(buffer_.data(), buffer_.size());
  buffer_.resize(n ? *n : 0);
  if (!n) return n.error();
  return *n != 0;
}

result<bool> counting_reader::read_or_end(char* to, std::size_t size) {
  OSVM_TRY(const bool more, fill());
  if (!more) return false;
  OSVM_CHECK(read(to, size));
  return true;
}

result<> counting_reader::read(char* to, std::size_t size) {
  while (size > 0) {
    OSVM_TRY(const bool more, fill());
    if (!more) return error(osvm::errc::truncated, "the file ends within a record");
    const auto n = std::min(size, buffer_.size() - at_);
    std::copy_n(buffer_.data() + at_, n, to);
    to += n, size -= n, at_ += n, position_ += n;
  }
  return {};
}

result<std::string> counting_reader::read_rest(std::size_t limit) {
  std::string out;
  while (true) {
    OSVM_TRY(const bool more, fill());
    if (!more) return out;
    out.append(buffer_, at_);
    position_ += buffer_.size() - at_;
    at_ = buffer_.size();
    if (out.size() > limit) return error(osvm::errc::limit_exceeded, "a block that is too large");
  }
}

result<std::optional<std::string>> counting_reader::read_line(std::size_t limit) {
  std::string out;
  while (true) {
    OSVM_TRY(const bool more, fill());
    if (!more) return out.empty() ? std::optional<std::string>{} : std::optional(std::move(out));
    const auto end = buffer_.find('\n', at_);
    const auto n = (end == buffer_.npos ? buffer_.size() : end) - at_;
    out.append(buffer_, at_, n);
    at_ += n + (end != buffer_.npos);
    position_ += n + (end != buffer_.npos);
    if (out.size() > limit) return error(osvm::errc::limit_exceeded, "a line that is too long");
    if (end != buffer_.npos) return std::optional(std::move(out));
  }
}

std::unique_ptr<block_source> make_json_source(opened_file file, block_format_limits limits) {
  return std::make_unique<json_source>(std::move(file), limits);
}
std::unique_ptr<block_source> make_protobuf_source(opened_file file, block_format_limits limits) {
  return std::make_unique<protobuf_source>(std::move(file), limits);
}

std::optional<block_format> parse_block_format(std::string_view name) noexcept {
  static constexpr std::string_view names[] = {"auto", "json", "protobuf", "car", "geyser"};
  const auto at = std::ranges::find(names, name);
  return at == std::end(names) ? std::nullopt
                               : std::optional(static_cast<block_format>(at - std::begin(names)));
}

result<std::unique_ptr<block_source>> open_block_source(const std::string& path, source_options options) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return open_folder(path, options);
  auto format = options.format;
  if (format == block_format::detect) {
    OSVM_TRY(format, detect(path));
  }
  OSVM_TRY(auto file, open_file(path, options.slot));
  switch (format) {
    case block_format::protobuf: return make_protobuf_source(std::move(file), options.limits);
    case block_format::car: return make_car_source(std::move(file), options.limits);
    case block_format::geyser: return make_geyser_source(std::move(file), options.limits);
    default: return make_json_source(std::move(file), options.limits);
  }
}

}  // namespace osvm::ledger
