// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lazyllm::server {
namespace {

using testing::HasSubstr;

TEST(Metrics, CountsInPrometheusFormat) {
  Metrics metrics;
  AnswerEnd end;
  end.statistics.prompt_tokens = 100;
  end.statistics.generated_tokens = 2;
  end.statistics.ttft_ms = 30.0;
  end.statistics.tpot_ms = 2.0;
  metrics.count_answer(end);
  metrics.count_response("/health", 200, 0.001);
  metrics.count_response("/health", 200, 0.001);
  metrics.count_response("", 404, 200.0);
  SchedulerMetrics scheduler;
  scheduler.prompt_tokens = 100;
  scheduler.cached_tokens = 40;
  scheduler.prefill_seconds = 2.0;
  const std::string text = metrics.text(scheduler);
  for (const char* line :
       {"\nlazyllm:prompt_tokens_total 100\n", "\nlazyllm:prompt_tokens_seconds 30\n",
        "\nlazyllm:n_tokens_max 102\n", "\nlazyllm:predicted_tokens_seconds 0\n",
        "\nlazyllm:http_responses_total{path=\"/health\",status=\"200\"} 2\n",
        "\nlazyllm:http_responses_total{path=\"\",status=\"404\"} 1\n",
        "\nlazyllm:time_to_first_token_seconds_bucket{le=\"0.025\"} 0\n",
        "\nlazyllm:time_to_first_token_seconds_bucket{le=\"0.05\"} 1\n",
        "\nlazyllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} 1\n",
        "\nlazyllm:http_request_seconds_bucket{le=\"120\"} 2\n",
        "\nllamacpp:prompt_tokens_total 60\n", "\nllamacpp:prompt_tokens_cached_total 40\n",
        "\n# TYPE llamacpp:n_tokens_max counter\nllamacpp:n_tokens_max 102\n",
        "\nlazyllm:http_request_seconds_count 3\n", "\n# TYPE lazyllm:queue_seconds histogram\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace lazyllm::server
