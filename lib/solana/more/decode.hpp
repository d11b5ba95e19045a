// What is asked where the decoders that validators have know nothing: interfaces, then our own.
#pragma once

#include <osvm/solana/more_decoders.hpp>
#include <osvm/solana/status.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace osvm::solana {

struct account_args;
struct instruction_args;
class idl_source;

struct more_decoded {
  std::string program;
  std::string json;  // the value of "parsed"
};
std::optional<more_decoded> decode_more(const account_args& in, const pubkey& owner);
std::optional<more_decoded> decode_more(const instruction_args& in, const pubkey& program,
                                        const more_decoders& more);

// "events":[{"parsed","program","programId"}…] of the log's "Program data:" lines.
void write_log_events(json_writer& out, std::span<const std::string_view> logs, const idl_source& idls);
// "customError":{"code","message","name","program","programId"}, if the program that failed first has an
// interface which names the error.
void write_custom_error(json_writer& out, const transaction_error& e, std::span<const std::string_view> logs,
                        const idl_source& idls);

}  // namespace osvm::solana
