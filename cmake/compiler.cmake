# How everything is compiled. The flags are the same for all targets, so that the precompiled header of
# Asio can be shared.

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                    -Woverloaded-virtual -fno-omit-frame-pointer)
if(POINTSMAN_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees dangling pointers and uninitialised members in the frames of coroutines and in
  # std::variant where there are none (GCC bugs 104475, 105562), and impossible sizes in
  # `"literal" + std::string` and the growth of vectors (GCC bugs 105651, 105329). The build with
  # clang has these warnings on.
  add_compile_options(-fcoroutines -Wno-maybe-uninitialized -Wno-dangling-pointer -Wno-restrict
                      -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
                      -Wno-mismatched-new-delete)  # Asio's frames of coroutines at -O2, bug 103993
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # -O3 builds half as slowly again and serves no faster: the time goes to the kernel.
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
  add_compile_options(-g1 -ffunction-sections -fdata-sections -fstack-protector-strong)
  add_compile_definitions(_FORTIFY_SOURCE=2)
  add_link_options(-Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now)
endif()
if(POINTSMAN_FAULT_POINTS)
  add_compile_definitions(POINTSMAN_FAULT_POINTS)
endif()
if(POINTSMAN_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fno-sanitize=function)  # clang 14 cannot compile coroutines with it
  endif()
  add_link_options(-fsanitize=address,undefined)
endif()

# One setting for libraries and executables alike, or the precompiled header could not be shared.
add_compile_options(-fPIE)
add_link_options(-pie)
add_compile_definitions(_FILE_OFFSET_BITS=64)
include_directories(${CMAKE_SOURCE_DIR})

# Each library takes all .cpp files of its folder.
function(pointsman_library name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  add_library(${name} STATIC ${sources})
endfunction()
