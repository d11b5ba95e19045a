#include "yaml_config.hpp"

#include "policy_options.hpp"

#include <osvm/core/config.hpp>

#include <filesystem>
#include <istream>
#include <iterator>

namespace osvm::cli {
namespace {

std::string text_of(const config_value& v) {
  auto text = v.as_string();
  if (!text) throw CLI::FileError(text.error().to_string());
  return std::move(*text);
}

// CLI11 enters a subcommand for as long as its name heads the parents of the items.
void collect(const config_value& map, const std::vector<std::string>& parents,
             std::vector<CLI::ConfigItem>& out) {
  for (std::size_t i = 0; i < map.keys().size(); ++i) {
    const auto name = text_of(map.keys()[i]);
    const auto& value = map.items()[i];
    if (value.type() == config_value::kind::map) {
      auto deeper = parents;
      deeper.push_back(name);
      collect(value, deeper, out);
      continue;
    }
    CLI::ConfigItem item;
    item.parents = parents;
    item.name = name;
    if (value.type() == config_value::kind::list) {
      for (const auto& element : value.items()) item.inputs.push_back(text_of(element));
    } else {
      item.inputs.push_back(text_of(value));
    }
    out.push_back(std::move(item));
  }
}

}  // namespace

std::vector<CLI::ConfigItem> yaml_config::from_config(std::istream& in) const {
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto document = parse_config(text);
  if (!document) throw CLI::FileError(document.error().to_string());
  std::vector<CLI::ConfigItem> found;
  if (document->type() == config_value::kind::null) return found;
  if (document->type() != config_value::kind::map) throw CLI::FileError("config: expected a map of commands");
  collect(*document, {}, found);
  return found;
}

std::string default_config_file() {
  const std::string folder = config_folder();
  const std::string path = folder.empty() ? folder : folder + "/config.yaml";
  std::error_code ignored;
  return !path.empty() && std::filesystem::exists(path, ignored) ? path : std::string();
}

}  // namespace osvm::cli
