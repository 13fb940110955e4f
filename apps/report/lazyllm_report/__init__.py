# SPDX-License-Identifier: Apache-2.0
"""Turns the samples that `lazyllm eval` wrote into report.md, report.html and report.json.

    load -> study -> summary, equal_time, text_suite (intervals by bootstrap) -> sections of tables and plots -> markdown, page

Only plots.py and what it imports need matplotlib.
"""
