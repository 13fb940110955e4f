// SPDX-License-Identifier: Apache-2.0
#pragma once

// What only research needs: attention maps, distances of distributions, many prunings of one
// prompt at the price of one. It may change between versions.
#include "lazyllm/research/attention.h"
#include "lazyllm/research/metrics.h"
#include "lazyllm/research/pruning_trial.h"
