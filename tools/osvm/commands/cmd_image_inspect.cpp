#include <osvm/core/clock.hpp>
#include <osvm/core/text.hpp>
#include <osvm/images/image_file.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"

namespace osvm::cli {
namespace {

const char* type_name(images::entry_type t) {
  return t == images::entry_type::file ? "file" : t == images::entry_type::folder ? "folder" : "link";
}

std::string octal(unsigned mode) {
  std::string out;
  for (int shift = 6; shift >= 0; shift -= 3) out += static_cast<char>('0' + (mode >> shift & 7));
  return out;
}

class image_inspect final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("FILE", path_, {}, "the image");
    o.flag("files", files_, "list its files with their SHA-256");
  }
  int run(context& ctx) override {
    const auto image = images::image_file::open(path_);
    if (!image) return ctx.fail(image.error());
    ctx.json() ? print_json(ctx, *image) : print_text(ctx, *image);
    return static_cast<int>(exit_code::done);
  }

 private:
  void print_json(const context& ctx, const images::image_file& image) const {
    boost::json::object out{{"id", images::to_hex(image.id())},
                            {"bytes", image.file_bytes()},
                            {"entries", image.entries().size()},
                            {"entry", image.info().entry},
                            {"manifest", to_utf8(image.manifest_text())}};
    out["signature"] = nullptr;
    if (const auto& s = image.signature())
      out["signature"] = {{"algorithm", s->algorithm}, {"key", images::to_hex(s->key_id)}};
    boost::json::array files;
    for (const auto& e : image.entries()) {
      if (!files_) break;
      files.push_back({{"type", type_name(e.type)},
                       {"path", to_utf8(e.path)},
                       {"mode", octal(e.mode)},
                       {"size", e.size},
                       {"sha256", e.type == images::entry_type::file ? images::to_hex(e.sha256) : ""},
                       {"target", to_utf8(e.target)}});
    }
    if (files_) out["files"] = std::move(files);
    ctx.print_json(out);
  }
  void print_text(const context& ctx, const images::image_file& image) const {
    std::string out = "id         " + images::to_hex(image.id()) + "\nsize       " +
                      format_size(image.file_bytes()) + ", " + std::to_string(image.entries().size()) +
                      " entries\nsignature  ";
    out += image.signature()
               ? image.signature()->algorithm + ", key " + images::to_hex(image.signature()->key_id)
               : std::string("none");
    ctx.print(out + "\n\n" + std::string(image.manifest_text()));
    if (!files_) return;
    text_table table{{"type", "mode", "size", "path", "sha256"}};
    for (const auto& e : image.entries()) {
      const bool file = e.type == images::entry_type::file;
      table.push_back({type_name(e.type), octal(e.mode), std::to_string(e.size),
                       printable(e.path) + (e.target.empty() ? "" : " -> " + printable(e.target)),
                       file ? images::to_hex(e.sha256) : ""});
    }
    ctx.print("\n");
    ctx.print_table(table);
  }
  std::string path_;
  bool files_ = false;
};

}  // namespace

extern const command cmd_image_inspect_entry;
const command cmd_image_inspect_entry{
    .path = "image inspect",
    .summary = "print what an image holds and asks for",
    .examples = "  osvm image inspect app.osvm\n  osvm image inspect app.osvm --files --json",
    .make = make_invocation<image_inspect>,
};

}  // namespace osvm::cli
