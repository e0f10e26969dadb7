# One set of warnings for gcc 12 and clang 14; whatever is warned about is an error.
add_library(ganger_flags INTERFACE)
target_compile_definitions(ganger_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64
    GANGER_VERSION="${PROJECT_VERSION}")
target_compile_options(ganger_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings
    -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
    -fno-strict-aliasing -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(ganger_flags INTERFACE -Wlogical-op -Wduplicated-cond -Wjump-misses-init)
    # gcc's flow analysis of null paths misfires at -O2 and in sanitized code; clang keeps it.
    target_compile_options(ganger_flags INTERFACE -Wno-null-dereference)
endif()
if(GANGER_WERROR)
    target_compile_options(ganger_flags INTERFACE -Werror)
endif()
if(GANGER_SANITIZE)
    target_compile_options(ganger_flags INTERFACE -fsanitize=${GANGER_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(ganger_flags INTERFACE -fsanitize=${GANGER_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_definitions(ganger_flags INTERFACE _FORTIFY_SOURCE=2)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        # A task goes through some seventy small functions of many files: inlined across files they
        # take a sixth less time. Objects hold plain code too, for libganger.a and for the tests.
        target_compile_options(ganger_flags INTERFACE
            -flto=auto -ffat-lto-objects -fno-semantic-interposition)
    endif()
endif()
if(GANGER_FUZZ)
    target_compile_options(ganger_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
