// SPDX-License-Identifier: Apache-2.0
#pragma once

// Before a loop of at most 16 turns whose arrays are to live in registers.
#if defined(__clang__)
#define LAZYLLM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LAZYLLM_UNROLL _Pragma("GCC unroll 16")
#endif
