# SPDX-License-Identifier: Apache-2.0
# Run as a script: writes a C++ file that holds the given files as bytes.
#   cmake -DOUTPUT=page_files.cpp -DFOLDER=src/server/page -P EmbedFiles.cmake
# Further: -DHEADER=engine/x.h -DNAMESPACE=lazyllm::engine -DFUNCTION=x, which returns them.
if(NOT DEFINED HEADER)
  set(HEADER server/page.h)
  set(NAMESPACE lazyllm::server)
  set(FUNCTION page_files)
endif()
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT files)
set(arrays "")
set(table "")
set(number 0)
foreach(name IN LISTS files)
  file(READ ${FOLDER}/${name} hex HEX)
  # One literal: compilers read it many times faster than a list of characters.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
  string(APPEND arrays "const char kFile${number}[] = \"${bytes}\";\n")
  string(APPEND table "    {\"${name}\", {kFile${number}, sizeof kFile${number} - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/EmbedFiles.cmake.
#include \"${HEADER}\"

namespace ${NAMESPACE} {
namespace {
${arrays}
const EmbeddedFile kFiles[] = {
${table}};
}  // namespace

std::span<const EmbeddedFile> ${FUNCTION}() {
  return kFiles;
}

}  // namespace ${NAMESPACE}
")
