# GCC 12 pairs Asio's inlined coroutine-frame allocator with the wrong half of itself (GCC bug 103993).
foreach(variant osvm_net osvm_net_controls)
  if(TARGET ${variant})
    target_compile_options(${variant} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-mismatched-new-delete>)
  endif()
endforeach()
