#include <osvm/core/clock.hpp>
#include <osvm/core/text.hpp>
#include <osvm/images/image_file.hpp>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>

#include "../context.hpp"

namespace osvm::cli {
namespace {

class image_list final : public invocation {
 public:
  void declare(option_set& o) override { o.value("dir", "DIR", folder_, "folder to look in"); }
  int run(context& ctx) override {
    std::error_code ec;
    std::vector<std::string> paths;
    for (const auto& e : std::filesystem::directory_iterator(folder_, ec))
      if (e.path().extension() == ".osvm") paths.push_back(e.path().string());
    if (ec) return ctx.fail(error(error_code(ec.value(), boost::system::system_category()), folder_));
    std::sort(paths.begin(), paths.end());
    boost::json::array rows;
    text_table table{{"file", "id", "size", "entry", "signed"}};
    bool broken = false;
    for (const auto& path : paths) {
      const auto image = images::image_file::open(path);
      if (!image) {
        broken = true;
        ctx.note("osvm: " + image.error().to_string());
        continue;
      }
      const std::string id = images::to_hex(image->id()),
                        signer = image->signature() ? image->signature()->algorithm : "";
      rows.push_back({{"file", path},
                      {"id", id},
                      {"bytes", image->file_bytes()},
                      {"entry", image->info().entry},
                      {"signed", signer}});
      table.push_back(
          {path, id.substr(0, 16), format_size(image->file_bytes()), printable(image->info().entry), signer});
    }
    if (ctx.json()) {
      ctx.print_json(boost::json::object{{"images", std::move(rows)}});
    } else {
      ctx.print_table(table);
    }
    return static_cast<int>(broken ? exit_code::partly : exit_code::done);
  }

 private:
  std::string folder_ = ".";
};

}  // namespace

extern const command cmd_image_list_entry;
const command cmd_image_list_entry{
    .path = "image list",
    .summary = "print the images (*.osvm) of a folder",
    .examples = "  osvm image list\n  osvm image list --dir /var/lib/osvm --json",
    .make = make_invocation<image_list>,
};

}  // namespace osvm::cli
