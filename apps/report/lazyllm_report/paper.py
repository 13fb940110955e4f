# SPDX-License-Identifier: Apache-2.0
"""The paper's published figures (LazyLLM, arXiv 2407.14057v1, Tables 1 and 2), to stand beside ours."""

SOURCE = "LazyLLM, arXiv 2407.14057v1, Tables 1 and 2: Llama 2 7B and XGen 7B on A100 GPUs"

# category -> policy -> (Llama 2 score, Llama 2 TTFT speed-up, XGen score, XGen TTFT speed-up)
TABLE_1 = {
    "single-doc QA": {"dense": (25.79, 1.00, 25.19, 1.00), "random": (20.05, 1.20, 18.32, 1.58), "static": (21.89, 1.18, 19.30, 1.61),
                      "compress": (22.88, 0.12, 15.31, 0.20), "lazy": (25.59, 1.36, 25.00, 1.96)},
    "multi-doc QA": {"dense": (22.43, 1.00, 20.71, 1.00), "random": (16.77, 1.19, 14.86, 1.37), "static": (19.93, 2.16, 17.23, 2.11),
                     "compress": (8.42, 0.13, 11.56, 0.19), "lazy": (22.31, 2.34, 20.68, 2.65)},
    "summarization": {"dense": (24.65, 1.00, 24.85, 1.00), "random": (24.39, 1.39, 24.47, 1.70), "static": (24.59, 1.33, 24.46, 1.65),
                      "compress": (25.16, 0.12, 24.57, 0.17), "lazy": (24.75, 1.46, 24.74, 1.91)},
    "few-shot": {"dense": (62.90, 1.00, 56.40, 1.00), "random": (53.93, 1.19, 46.35, 1.62), "static": (56.54, 2.16, 51.93, 3.17),
                 "compress": (24.18, 0.10, 23.72, 0.15), "lazy": (62.81, 2.19, 56.12, 3.42)},
    "synthetic": {"dense": (4.97, 1.00, 5.40, 1.00), "random": (3.57, 1.18, 2.53, 1.13), "static": (2.81, 2.15, 3.00, 4.14),
                  "compress": (3.20, 0.12, 1.42, 0.17), "lazy": (4.98, 2.89, 5.66, 4.77)},
    "code": {"dense": (55.18, 1.00, 36.49, 1.00), "random": (44.92, 1.23, 32.34, 1.57), "static": (37.51, 1.84, 32.27, 2.97),
             "compress": (17.45, 0.49, 11.38, 0.69), "lazy": (53.30, 1.94, 36.47, 3.47)},
}

# category -> lazy: (% of prompt tokens computed by the end Llama 2, XGen, overall speed-up Llama 2, XGen)
TABLE_2 = {
    "single-doc QA": (87.31, 89.16, 1.34, 1.33), "multi-doc QA": (63.94, 69.60, 1.56, 1.70), "summarization": (99.59, 96.11, 1.02, 1.09),
    "few-shot": (69.98, 65.30, 1.28, 1.59), "synthetic": (63.73, 40.54, 1.79, 3.16), "code": (68.57, 72.61, 1.01, 1.16),
}
