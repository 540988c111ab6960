# Read by the build of llama-cpp-python: what of llama.cpp Floe never loads is not compiled.
set(LLAMA_BUILD_COMMON OFF)
