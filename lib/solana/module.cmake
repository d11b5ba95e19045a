# Instruction parsers and account decoders: one file each, the tables of all are generated.
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/instruction_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/instructions SUFFIX parser
  TYPE instruction_parser HEADER solana/instructions/parser.hpp NAMESPACE osvm::solana TABLE all_instruction_parsers)
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/account_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/accounts SUFFIX account
  TYPE account_parser HEADER solana/accounts/parser.hpp NAMESPACE osvm::solana TABLE all_account_parsers)
# What validators do not decode; the same shapes.
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/more_instruction_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/more/instructions SUFFIX more_parser
  TYPE instruction_parser HEADER solana/instructions/parser.hpp NAMESPACE osvm::solana TABLE more_instruction_parsers)
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/more_account_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/more/accounts SUFFIX more_account
  TYPE account_parser HEADER solana/accounts/parser.hpp NAMESPACE osvm::solana TABLE more_account_parsers)
target_sources(osvm_solana PRIVATE ${PROJECT_BINARY_DIR}/generated/solana/instruction_parsers.cpp
  ${PROJECT_BINARY_DIR}/generated/solana/account_parsers.cpp
  ${PROJECT_BINARY_DIR}/generated/solana/more_instruction_parsers.cpp
  ${PROJECT_BINARY_DIR}/generated/solana/more_account_parsers.cpp)
# Its inner loops are unrolled by hand; the compiler's vectors of 64-bit products are slower than scalars.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/base58.cpp PROPERTIES
  COMPILE_OPTIONS "-fno-tree-vectorize;-fno-tree-slp-vectorize")
# As in lib/net/module.cmake.
set_source_files_properties(${PROJECT_SOURCE_DIR}/lib/solana/rpc/client.cpp PROPERTIES
  COMPILE_OPTIONS "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-mismatched-new-delete>")
