# Instruction parsers and account decoders: one file each, the tables of all are generated.
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/instruction_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/instructions SUFFIX parser
  TYPE instruction_parser HEADER solana/instructions/parser.hpp NAMESPACE osvm::solana TABLE all_instruction_parsers)
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/account_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/accounts SUFFIX account
  TYPE account_parser HEADER solana/accounts/parser.hpp NAMESPACE osvm::solana TABLE all_account_parsers)
target_sources(osvm_solana PRIVATE ${PROJECT_BINARY_DIR}/generated/solana/instruction_parsers.cpp
  ${PROJECT_BINARY_DIR}/generated/solana/account_parsers.cpp)
# As in lib/net/module.cmake.
set_source_files_properties(${PROJECT_SOURCE_DIR}/lib/solana/rpc/client.cpp PROPERTIES
  COMPILE_OPTIONS "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-mismatched-new-delete>")
