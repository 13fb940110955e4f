// SPDX-License-Identifier: Apache-2.0
#pragma once

// The whole public API. Four parts have headers of their own: the HTTP server
// (lazyllm/server.h), models by name (lazyllm/model_store.h), evaluation (lazyllm/evaluation/),
// and what only research needs (lazyllm/research/research.h).
#include "lazyllm/cluster.h"
#include "lazyllm/conversation.h"
#include "lazyllm/document.h"
#include "lazyllm/document_reader.h"
#include "lazyllm/error.h"
#include "lazyllm/json_constraint.h"
#include "lazyllm/kept_view.h"
#include "lazyllm/library.h"
#include "lazyllm/loop_detector.h"
#include "lazyllm/machine.h"
#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/policies.h"
#include "lazyllm/prefill_cost.h"
#include "lazyllm/profile.h"
#include "lazyllm/quantize.h"
#include "lazyllm/scheduler.h"
#include "lazyllm/session.h"
#include "lazyllm/token_report.h"
#include "lazyllm/tuning.h"
#include "lazyllm/version.h"
