# SPDX-License-Identifier: Apache-2.0
# What the licences of the libraries ask of a copy of the program: their notices come along. Each Debian package has
# them in a file of its own; where there is none (another system) the packager adds them.
set(LAZYLLM_NOTICES ${CMAKE_BINARY_DIR}/THIRD-PARTY.txt CACHE INTERNAL "")  # the Python package takes it along
set(notices "The program holds parts of these libraries. Their notices, from Debian's packages:\n")
foreach(package libboost-dev libbsd-dev libcli11-dev libedit-dev libfmt-dev libhiredis-dev libmd-dev libncurses-dev libpcre2-dev libsqlite3-dev libssl-dev
                libstdc++-12-dev libutf8proc-dev libxxhash-dev nlohmann-json3-dev)
  if(EXISTS /usr/share/doc/${package}/copyright)
    file(READ /usr/share/doc/${package}/copyright text)
    string(APPEND notices "\n======== ${package} ========\n\n${text}")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${LAZYLLM_NOTICES} CONTENT "@notices@" @ONLY)
install(FILES ${LAZYLLM_NOTICES} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
