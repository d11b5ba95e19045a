#include <osvm/core/clock.hpp>
#include <osvm/core/text.hpp>
#include <osvm/images/build.hpp>

#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../image_run.hpp"

namespace osvm::cli {
namespace {

class image_build final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("SOURCE", source_, {}, "folder, tar archive (plain, gzip, xz, zstd) or OCI image layout");
    o.value("output,o", "FILE", output_, "the image to write");
    o.value("entry", "PATH", entry_, "absolute path of the program inside the image");
    o.values("arg", "TEXT", arguments_, "an argument that the program always gets");
    o.value("manifest", "FILE", manifest_, "osvm.yaml instead of --entry and --arg");
  }
  int run(context& ctx) override {
    const auto made = build();
    if (!made) return ctx.fail(made.error());
    if (ctx.json()) {
      ctx.print_json(boost::json::object{{"id", images::to_hex(made->id)},
                                         {"files", made->files},
                                         {"folders", made->folders},
                                         {"links", made->links},
                                         {"bytes", made->bytes},
                                         {"stored_bytes", made->stored_bytes}});
    } else {
      ctx.print(images::to_hex(made->id) + "\n");
      ctx.note(output_ + ": " + std::to_string(made->files) + " files, " + format_size(made->bytes) +
               ", stored in " + format_size(made->stored_bytes));
    }
    return static_cast<int>(exit_code::done);
  }

 private:
  result<images::build_report> build() const {
    if (output_.empty()) return error(errc::invalid_argument, "where to? (add: -o app.osvm)");
    if (entry_.empty() == manifest_.empty())
      return error(errc::invalid_argument, "give --entry PATH or --manifest FILE");
    images::build_options options{.source = source_, .output = output_, .manifest = {}, .limits = {}};
    if (!manifest_.empty()) {
      OSVM_TRY(options.manifest, read_small_file(manifest_));
    } else {
      options.manifest = "entry: " + quoted(entry_) + "\n";
      for (std::size_t i = 0; i < arguments_.size(); ++i)
        options.manifest += (i == 0 ? "args:\n  - " : "  - ") + quoted(arguments_[i]) + "\n";
    }
    return images::build_image(options);
  }
  static std::string quoted(const std::string& text) { return "\"" + json_escape(text) + "\""; }
  std::string source_, output_, entry_, manifest_;
  std::vector<std::string> arguments_;
};

}  // namespace

extern const command cmd_image_build_entry;
const command cmd_image_build_entry{
    .path = "image build",
    .summary = "make an image of a program and its files",
    .examples =
        "  osvm image build ./root -o app.osvm --entry /bin/server\n"
        "  osvm image build app.tar.zst -o app.osvm --manifest osvm.yaml\n"
        "  osvm image build ./oci-layout -o app.osvm --entry /usr/bin/python3 --arg -V",
    .make = make_invocation<image_build>,
};

}  // namespace osvm::cli
