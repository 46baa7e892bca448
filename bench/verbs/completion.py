"""`fewstep completion SHELL`: prints a script with which bash, zsh or fish completes what you type after `fewstep` when you
press Tab: verbs, and the names of methods, data sets, sweeps and the like.

Put it where your shell reads it, once, and open a new shell:

    fewstep completion bash >> ~/.bashrc
    fewstep completion zsh >> ~/.zshrc       # which must call compinit before: autoload -Uz compinit; compinit
    mkdir -p ~/.config/fish/completions; fewstep completion fish > ~/.config/fish/completions/fewstep.fish
"""

import sys
from collections.abc import Sequence

import click
from click.shell_completion import get_completion_class

NAME, ASKED = "fewstep", "_FEWSTEP_COMPLETE"  # the variable in which the printed script asks what may come next
SHELLS = ("bash", "zsh", "fish")


def main(arguments: Sequence[str]) -> int:
    """Print the script, or the help; returns the exit status, 2 after a line that says which shells there are."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    made = get_completion_class(arguments[0]) if len(arguments) == 1 and arguments[0] in SHELLS else None
    if made is None:
        given = f"; '{' '.join(arguments)}' is none of them" if arguments else ""
        print(f"error: name one of the shells {', '.join(SHELLS)}, as in: {NAME} completion bash{given}", file=sys.stderr)
        return 2
    print(made(click.Command(NAME), {}, NAME, ASKED).source())
    return 0
