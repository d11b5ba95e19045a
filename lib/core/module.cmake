# One file of BLAKE3 is compiled for AVX2 and called only where the processor has it.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/blake3/kernel_avx2.cpp PROPERTIES COMPILE_OPTIONS -mavx2)
