// SPDX-License-Identifier: Apache-2.0
#pragma once

// The whole public API.
#include "lazyllm/document.h"
#include "lazyllm/error.h"
#include "lazyllm/json_constraint.h"
#include "lazyllm/machine.h"
#include "lazyllm/metrics.h"
#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/policies.h"
#include "lazyllm/profile.h"
#include "lazyllm/pruning_trial.h"
#include "lazyllm/session.h"
#include "lazyllm/token_report.h"
#include "lazyllm/version.h"
