# SPDX-License-Identifier: Apache-2.0
# Cross-compiles for 64-bit ARM with Debian's g++-aarch64-linux-gnu; tests run in qemu-user.
# Needs: dpkg --add-architecture arm64, then libutf8proc-dev:arm64 and libpcre2-dev:arm64.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
# The header-only libraries of the host serve every architecture.
file(GLOB fmt_DIR /usr/lib/*-linux-gnu/cmake/fmt)
