# SPDX-License-Identifier: Apache-2.0
"""Turns the samples that `lazyllm eval` wrote into report.md, report.html and report.json.

    load  ->  study  ->  bootstrap, summary, equal_time, text_suite  ->  tables, plots  ->  markdown, page
"""
