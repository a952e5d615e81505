# SPDX-License-Identifier: GPL-2.0-only
# BPF objects: src/bpf/<name>.bpf.c (and those of bench) -> <name>.bpf.o (clang 16 or newer) -> <name>.skel.h (bpftool).
# No kernel headers and no vmlinux.h: src/bpf/kernel/ has the types.

find_program(BPF_CLANG NAMES clang-19 clang-18 clang-17 clang-16 clang REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip-19 llvm-strip-18 llvm-strip-17 llvm-strip-16 llvm-strip REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
execute_process(COMMAND ${BPF_CLANG} -dumpversion OUTPUT_VARIABLE BPF_CLANG_VERSION OUTPUT_STRIP_TRAILING_WHITESPACE)
if(BPF_CLANG_VERSION VERSION_LESS 16)
	message(FATAL_ERROR "${BPF_CLANG} is version ${BPF_CLANG_VERSION}; the BPF objects need clang 16 or newer")
endif()

string(REGEX REPLACE "^(x86_64|amd64)$" "x86" BPF_ARCH "${CMAKE_SYSTEM_PROCESSOR}")
string(REGEX REPLACE "^(aarch64|arm64)$" "arm64" BPF_ARCH "${BPF_ARCH}")

file(GLOB bpf_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/bpf/*.bpf.c ${CMAKE_SOURCE_DIR}/bench/*.bpf.c)
file(GLOB_RECURSE bpf_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/bpf/*.h)
set(bpf_skeletons)
set(bpf_objects)
if(GAMERD_WERROR)
	set(bpf_werror -Werror)
endif()
foreach(source IN LISTS bpf_sources)
	get_filename_component(name ${source} NAME)
	string(REPLACE ".bpf.c" "" name ${name})
	set(object ${CMAKE_BINARY_DIR}/bpf/${name}.bpf.o)
	set(skeleton ${CMAKE_BINARY_DIR}/bpf/${name}.skel.h)
	add_custom_command(OUTPUT ${object}
		COMMAND ${BPF_CLANG} -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_${BPF_ARCH} -Wall -Wextra ${bpf_werror}
			-Wno-unused-parameter -Wno-missing-declarations -I${CMAKE_SOURCE_DIR}/src
			-isystem /usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu
			-c ${source} -o ${object}
		COMMAND ${BPF_STRIP} -g ${object}
		DEPENDS ${source} ${bpf_headers} VERBATIM)
	# What bpftool makes of a struct_ops object compiles with the libbpf of its own age only: that
	# object is embedded as it is (src/loader/sched_object.c).
	if(name STREQUAL sched)
		list(APPEND bpf_objects ${object})
		continue()
	endif()
	add_custom_command(OUTPUT ${skeleton}
		COMMAND sh -c "\"$0\" gen skeleton \"$1\" name \"$2\" > \"$3\"" ${BPFTOOL} ${object} ${name}_bpf ${skeleton}
		DEPENDS ${object} VERBATIM)
	list(APPEND bpf_skeletons ${skeleton})
endforeach()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bpf)
add_custom_target(bpf DEPENDS ${bpf_skeletons} ${bpf_objects})
add_library(gamerd_skeletons INTERFACE)
add_dependencies(gamerd_skeletons bpf)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/loader/sched_object.c PROPERTIES
	OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/bpf/sched.bpf.o
	COMPILE_DEFINITIONS SCHED_OBJECT="${CMAKE_BINARY_DIR}/bpf/sched.bpf.o")
target_include_directories(gamerd_skeletons SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/bpf)
