# Instruction parsers: one file each, the table of all is generated.
osvm_registry(${PROJECT_BINARY_DIR}/generated/solana/instruction_parsers.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/instructions SUFFIX parser
  TYPE instruction_parser HEADER solana/instructions/parser.hpp NAMESPACE osvm::solana TABLE all_instruction_parsers)
target_sources(osvm_solana PRIVATE ${PROJECT_BINARY_DIR}/generated/solana/instruction_parsers.cpp)
