#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages, completions of shells and a page of flags, all from the one description that the program gives of itself.

    lazyllm help --json | tools/cli_documents.py --out FOLDER           man1/*.1, bash, zsh, fish
    lazyllm help --json | tools/cli_documents.py --markdown docs/reference/flags.md
"""

import argparse
import json
import pathlib
import re
import sys

FILES = {"--model", "--file", "--data", "--out", "--stats-json", "--config", "--haystack", "--log-file", "--api-key-file", "--slot-save-path",
         "--chat-template-file", "--profile"}


def choices(flag):
    """The words that a flag takes, if there are only some."""
    return flag["value"].split("|") if "|" in flag["value"] else []


def explanation(flag):
    text = flag["text"].strip()
    if flag["default"] and "default" not in text:
        text += f" (default: {flag['default']})"
    if flag["needed"]:
        text += "; needed"
    if flag["several"]:
        text += "; may be given several times"
    return text


def named(command):
    return [flag for flag in command["flags"] if not flag["positional"]]


# --- man pages ---


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def man_flags(flags):
    out = []
    for flag in flags:
        names = ", ".join(f"\\fB{roff(name)}\\fR" for name in flag["names"])
        value = f" \\fI{roff(flag['value'])}\\fR" if flag["value"] else ""
        out.append(f".TP\n{names}{value}\n{roff(explanation(flag))}")
    return "\n".join(out)


def examples(footer):
    lines = [line.strip() for line in footer.splitlines()]
    return [line for line in lines if line.startswith("lazyllm ")]


def man_page(command, program, version, others):
    is_program = command is program
    name = "lazyllm" if is_program else f"lazyllm-{command['name']}"
    usage = "\\fBlazyllm\\fR \\fICOMMAND\\fR [flags]" if is_program else f"\\fBlazyllm {roff(command['name'])}\\fR [flags]"
    first = command["text"].replace("\n", " ").split(". ")[0].rstrip(".")
    parts = [f'.TH "{name.upper()}" "1" "" "lazyllm {version}" "lazyllm"', f".SH NAME\n{roff(name)} \\- {roff(first)}", f".SH SYNOPSIS\n{usage}",
             f".SH DESCRIPTION\n{roff(command['text'])}"]
    if is_program:
        parts.append(".SH COMMANDS\n" + "\n".join(f".TP\n\\fB{roff(c['name'])}\\fR\n{roff(c['text'])}" for c in command["commands"]))
    usual = [flag for flag in command["flags"] if not flag["expert"]]
    expert = [flag for flag in command["flags"] if flag["expert"]]
    if usual:
        parts.append(".SH FLAGS\n" + man_flags(usual))
    if expert:
        parts.append(".SH FLAGS FOR EXPERTS\n" + man_flags(expert))
    parts.append(".SH ENVIRONMENT\nEach flag of a command has a variable too: LAZYLLM_CTX_SIZE for \\-\\-ctx\\-size.")
    if examples(command["footer"]):
        parts.append(".SH EXAMPLES\n" + "\n".join(f".PP\n.nf\n{roff(line)}\n.fi" for line in examples(command["footer"])))
    see = [other for other in others if other != name]
    parts.append(".SH SEE ALSO\n" + ", ".join(f"\\fB{roff(other)}\\fR(1)" for other in see))
    return "\n".join(parts) + "\n"


# --- completions ---


def bash(program):
    cases = []
    for command in program["commands"]:
        words = " ".join(name for flag in named(command) for name in flag["names"])
        values = "".join(f"        {'|'.join(flag['names'])}) COMPREPLY=($(compgen -W \"{' '.join(choices(flag))}\" -- \"$word\")); return ;;\n"
                         for flag in named(command) if choices(flag))
        values = f"      case \"$before\" in\n{values}      esac\n" if values else ""
        cases.append(f"    {command['name']})\n{values}      flags=\"{words}\" ;;\n")
    commands = " ".join(command["name"] for command in program["commands"])
    takes_value = "|".join(sorted({name for command in program["commands"] for flag in named(command) if flag["value"] and not choices(flag)
                                   for name in flag["names"]}))
    return f"""# bash completion for lazyllm; made by tools/cli_documents.py
_lazyllm() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} flags=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands} help --help --version" -- "$word"))
    return
  fi
  if [ "${{COMP_WORDS[1]}}" = help ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{"".join(cases)}  esac
  case "$before" in
    {takes_value}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _lazyllm lazyllm
"""


def one_line(text):
    return text.replace("\n", " ").replace("'", "").replace("[", "(").replace("]", ")").replace(":", ",").replace("\\", "").replace("`", "")


def zsh(program):
    def arguments(command):
        lines = []
        for flag in named(command):
            action = ""
            if choices(flag):
                action = f":{flag['names'][-1].lstrip('-')}:({' '.join(choices(flag))})"
            elif flag["value"]:
                action = f":{one_line(flag['value'])}:_files"
            again = "*" if flag["several"] else ""
            lines += [f"        '{again}{name}[{one_line(flag['text'])}]{action}'" for name in flag["names"]]
        return " \\\n".join(lines)

    cases = "".join(f"    {command['name']})\n      _arguments \\\n{arguments(command)} ;;\n" for command in program["commands"])
    commands = "\n".join(f"    '{command['name']}:{one_line(command['text'])}'" for command in program["commands"])
    return f"""#compdef lazyllm
# zsh completion for lazyllm; made by tools/cli_documents.py
_lazyllm() {{
  local -a commands
  commands=(
{commands}
    'help:explain a command'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
{cases}    help) _describe command commands ;;
  esac
}}
_lazyllm "$@"
"""


def fish(program):
    out = ["# fish completion for lazyllm; made by tools/cli_documents.py", "complete -c lazyllm -n __fish_use_subcommand -f"]
    for command in program["commands"]:
        out.append(f"complete -c lazyllm -n __fish_use_subcommand -a {command['name']} -d '{one_line(command['text'])}'")
        for flag in named(command):
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag["names"])
            value = f" -x -a '{' '.join(choices(flag))}'" if choices(flag) else " -r" if flag["value"] else ""
            out.append(f"complete -c lazyllm -n '__fish_seen_subcommand_from {command['name']}' {names}{value} -d '{one_line(flag['text'])}'")
    return "\n".join(out) + "\n"


# --- the page of flags ---


def cell(text):
    return re.sub(r"([|*_<>\[\]])", r"\\\1", text.replace("\n", " "))


def markdown_table(flags):
    rows = []
    for flag in flags:
        names = ", ".join(f"`{name}`" for name in flag["names"])
        value = f" {cell(flag['value'])}" if flag["value"] else ""
        rows.append(f"| {names}{value} | {cell(explanation(flag))} |\n")
    return "| flag | what it does |\n|---|---|\n" + "".join(rows)


def markdown(program):
    out = ["# Flags\n\n<!-- Made by tools/cli_documents.py from `lazyllm help --json`; do not edit. -->\n\n"
           "`lazyllm help COMMAND` prints the usual flags of a command, `lazyllm COMMAND --help-all` those for experts too.\n"
           "Each flag has an environment variable (`LAZYLLM_CTX_SIZE` for `--ctx-size`) and may stand in a file: `--config FILE`.\n"]
    for command in program["commands"]:
        flags = [flag for flag in command["flags"] if "--help" not in flag["names"]]
        out.append(f"\n## lazyllm {command['name']}\n\n{command['text'][0].upper() + command['text'][1:].strip()}.\n".replace("..", "."))
        usual = [flag for flag in flags if not flag["expert"]]
        expert = [flag for flag in flags if flag["expert"]]
        if usual:
            out.append("\n" + markdown_table(usual))
        if expert:
            out.append("\nFor experts:\n\n" + markdown_table(expert))
        if examples(command["footer"]):
            out.append("\n" + "".join(f"    {line}\n" for line in examples(command["footer"])))
    return "".join(out)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="folder for man pages and completions")
    parser.add_argument("--markdown", type=pathlib.Path, help="file for the page of flags")
    parser.add_argument("--version", default="", help="version for the man pages")
    options = parser.parse_args()
    program = json.load(sys.stdin)
    if options.markdown:
        write(options.markdown, markdown(program))
    if options.out:
        names = ["lazyllm", *(f"lazyllm-{command['name']}" for command in program["commands"])]
        for name, command in zip(names, [program, *program["commands"]]):
            write(options.out / "man1" / f"{name}.1", man_page(command, program, options.version, names))
        write(options.out / "bash" / "lazyllm", bash(program))
        write(options.out / "zsh" / "_lazyllm", zsh(program))
        write(options.out / "fish" / "lazyllm.fish", fish(program))


if __name__ == "__main__":
    main()
