// Defaults for options from a YAML file: each map inside the document is a command, each scalar in it one of
// its options without dashes, a list an option given several times.
//   run: {memory: 512MiB, env: [LANG=C]}
//   bench: {boot: {instances: 100}}
#pragma once

#include <CLI/Config.hpp>
#include <iosfwd>
#include <string>
#include <vector>

namespace osvm::cli {

// Errors of the file are CLI::FileError with "line:column".
class yaml_config final : public CLI::Config {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override;
  // Writing is not supported.
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }
};

// $XDG_CONFIG_HOME/osvm/config.yaml or ~/.config/osvm/config.yaml when it exists, else empty.
std::string default_config_file();

}  // namespace osvm::cli
