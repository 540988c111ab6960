# Read by the build of llama-cpp-python: what of llama.cpp Floe never loads is not compiled.
set(LLAMA_BUILD_COMMON OFF)
# GCC 12 keeps 8 of the 64 bytes that set up the tiles of AMX (its amxtileintrin.h says that a pointer
# is read): the others are what lay on the stack, and processors that have AMX end the program, or
# compute nonsense. So llama.cpp is built as for those that have none.
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-U__AMX_INT8__>")
