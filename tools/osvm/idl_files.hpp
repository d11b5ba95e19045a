// Where the program keeps interfaces, and what commands that decode have in common.
#pragma once

#include <osvm/solana/idl.hpp>
#include <osvm/solana/more_decoders.hpp>

#include <memory>
#include <string>

#include "command.hpp"
#include "context.hpp"

namespace osvm::cli {

// $XDG_DATA_HOME/osvm/idl; fails where there is no such folder.
result<std::string> idl_folder_path();
result<std::unique_ptr<solana::idl_folder>> open_idl_folder();

// A whole file, or standard input for "-".
result<std::string> read_input(const std::string& path, std::size_t max_size);

// Options of commands that decode.
class decoder_options {
 public:
  // --idl and --as-validator, for a command that decodes what it can.
  void declare(option_set& o);
  // --idl and --more, for one that answers as a validator does unless it is asked for more.
  void declare_more(option_set& o);
  // What is to be asked beyond validators' decoders; null when nothing is. Lives as long as this object.
  result<const solana::more_decoders*> open();
  const solana::idl_source* idls() const noexcept { return decoders_.idls; }

 private:
  std::string path_;
  bool plain_ = false, on_request_ = false, more_ = false;
  std::unique_ptr<solana::idl_source> source_;
  solana::more_decoders decoders_;
};

}  // namespace osvm::cli
