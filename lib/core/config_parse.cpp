// From YAML text to config_value. yaml-cpp is used for its events only: its node tree would resolve aliases
// (the "billion laughs" expansion) and forget positions.
#include <osvm/core/config.hpp>
#include <osvm/core/text.hpp>
#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <cerrno>
#include <sstream>
#include <unordered_set>

namespace osvm {
namespace {

// Leaves yaml-cpp's parser from inside an event; caught in parse_config().
struct refused {
  error reason;
};

}  // namespace

// Receives the events and builds the tree, checking every limit before it stores anything.
class config_builder final : public YAML::EventHandler {
 public:
  config_builder(std::string_view name, const config_limits& limits)
      : limits_(limits), source_(std::make_shared<const std::string>(name)) {
    root_.source_ = source_;
  }

  config_value take() { return std::move(root_); }
  error fail_at(const YAML::Mark& mark, std::string_view what, errc code = errc::malformed) const {
    return at(mark).fail(what, code);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "one document expected, a second one begins here");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    if (expects_key()) refuse(mark, "a key must be text");
    store(at(mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "aliases are not taken"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    check(mark, tag, anchor);
    if (open_.empty()) refuse(mark, "expected a map or a list");
    config_value v = at(mark);
    v.kind_ = config_value::kind::scalar;
    v.quoted_ = tag == "!";
    v.text_ = text;
    expects_key() ? store_key(mark, std::move(v)) : store(std::move(v));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, config_value::kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, config_value::kind::map);
  }
  void OnMapEnd() override { close(); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    refuse(mark, "anchors are not taken");
  }

 private:
  struct level {
    config_value value;
    std::unordered_set<std::string> seen;  // keys of a map so far
  };

  config_value at(const YAML::Mark& mark) const {
    config_value v;
    v.source_ = source_;
    v.line_ = mark.line + 1;
    v.column_ = mark.column + 1;
    return v;
  }
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view what, errc code = errc::malformed) const {
    throw refused{fail_at(mark, what, code)};
  }
  // "?" is yaml-cpp's tag for plain values, "!" for quoted ones; anything else was written in the file.
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) refuse(mark, "anchors are not taken");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags are not taken");
    if (++nodes_ > limits_.max_nodes) refuse(mark, "too many values", errc::limit_exceeded);
  }
  bool expects_key() const {
    if (open_.empty()) return false;
    const config_value& top = open_.back().value;
    return top.kind_ == config_value::kind::map && top.keys_.size() == top.items_.size();
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, config_value::kind k) {
    check(mark, tag, anchor);
    if (expects_key()) refuse(mark, "a key must be text");
    if (open_.size() >= limits_.max_depth) refuse(mark, "nested too deeply", errc::limit_exceeded);
    open_.push_back({at(mark), {}});
    open_.back().value.kind_ = k;
  }
  void close() {
    config_value done = std::move(open_.back().value);
    open_.pop_back();
    store(std::move(done));
  }
  void store_key(const YAML::Mark& mark, config_value key) {
    level& top = open_.back();
    if (!top.seen.insert(key.text_).second)
      refuse(mark, "the key \"" + printable(key.text_, 64) + "\" is here twice");
    top.value.keys_.push_back(std::move(key));
  }
  void store(config_value v) {
    if (open_.empty()) {
      root_ = std::move(v);
    } else {
      open_.back().value.items_.push_back(std::move(v));
    }
  }

  const config_limits& limits_;
  std::shared_ptr<const std::string> source_;
  config_value root_;
  std::vector<level> open_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

namespace {

// yaml-cpp takes byte 4 for the end of the stream and guesses UTF-16 from zeros, so that a file could show a
// person more than it tells us: control characters and what is not UTF-8 text are refused before it sees
// them.
result<> check_characters(std::string_view text, const config_builder& builder) {
  YAML::Mark mark;
  const std::size_t valid = utf8_prefix(text);
  for (const char c : text.substr(0, valid)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
      return builder.fail_at(mark, "a control character is not text");
    }
    mark.column = c == '\n' ? 0 : mark.column + 1;
    mark.line += c == '\n';
  }
  if (valid < text.size()) return builder.fail_at(mark, "the text is not UTF-8");
  return {};
}

result<std::string> read_all(int fd, std::size_t limit, const std::string& path) {
  std::string text(limit + 1, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = ::read(fd, text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

}  // namespace

result<config_value> parse_config(std::string_view text, std::string_view name, const config_limits& limits) {
  if (text.size() > limits.max_bytes) {
    return error(errc::limit_exceeded, std::string(name) + ": larger than " + format_size(limits.max_bytes));
  }
  config_builder builder(name, limits);
  OSVM_CHECK(check_characters(text, builder));
  // yaml-cpp takes a quoted scalar that the end of the file cuts right after a line break for complete; with
  // a comment after that break it finds the missing quote.
  std::istringstream in(std::string(text) + (text.ends_with('\n') ? "#" : "\n#"));
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (refused& r) {
    return std::move(r.reason);
  } catch (const YAML::Exception& e) {
    return builder.fail_at(e.mark, printable(e.msg));
  }
  return builder.take();
}

result<config_value> load_config(const std::string& path, const config_limits& limits) {
  // O_NONBLOCK: opening a FIFO by mistake must not hang; it is refused below.
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error("open " + path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("stat " + path);
  if (!S_ISREG(info.st_mode)) return error(errc::invalid_argument, path + ": not a regular file");
  OSVM_TRY(const std::string text, read_all(fd.get(), limits.max_bytes, path));
  return parse_config(text, path, limits);
}

}  // namespace osvm
