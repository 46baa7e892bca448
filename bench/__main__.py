"""The one command: `fewstep VERB ...`, which a checkout also calls `python -m bench VERB ...`.

A verb's command gets every word behind it to the letter, and says the exit status. No other verb's module is imported.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem, shell_complete

from bench.verbs import completion
from results import terminal

HELP = ("-h", "--help")
ABOUT = """Few-step generative models compared: one command, and a verb for each thing that it does.

Words without a verb are those of run: fewstep method=lsd is fewstep run method=lsd."""


class Does(NamedTuple):
    """place: module:function, which takes words and returns an exit status. follows: what a shell offers behind the verb."""

    place: str
    about: str
    follows: str = "files"


VERBS = {
    "run": Does("bench.run:main", "Train, evaluate and print the table. Without words: the quickstart.", "choices"),
    "plan": Does("bench.run:plan", "Say what the same words would run and cost.", "choices"),
    "status": Does("sweeps.status:main", "Say where a sweep stands."),
    "report": Does("results.report:main", "Write tables, curves and page again from records."),
    "evaluate": Does("bench.evaluate:main", "Score samples that others made.", "choices"),
    "diff": Does("results.diff:main", "Say why two runs or two sweeps differ; a page of two sweeps."),
    "perf": Does("bench.perf:main", "Measure how fast methods train here.", "choices"),
    "check": Does("bench.check:main", "Check that a method keeps the loop's contract.", "choices"),
    "prepare": Does("bench.prepare:main", "Make a data set once from its official files."),
    "cancel": Does("sweeps.cancel:main", "Cancel runs of a sweep."),
    "retry": Does("sweeps.retry:main", "Try runs of a sweep again."),
    "clean": Does("sweeps.clean:main", "Remove what finished runs no longer need."),
    "methods": Does("bench.verbs.lists:methods", "List the methods.", "choices"),
    "sweeps": Does("bench.verbs.lists:sweeps", "List the sweeps and presets.", "choices"),
    "data": Does("bench.verbs.data:main", "List the data sets, or look at data=NAME.", "choices"),
    "new-method": Does("bench.verbs.new_method:main", "Write a method of your own that works, and its test."),
    "completion": Does("bench.verbs.completion:main", "Let bash, zsh or fish complete all this.", "shells"),
}


class Verb(click.Command):
    """A verb whose words click does not read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> Any:
        module, _, function = VERBS[str(self.name)].place.partition(":")
        return getattr(importlib.import_module(module), function)(ctx.args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from bench.verbs import words

        match VERBS[str(self.name)].follows:
            case "choices":
                return words.after(ctx.args, incomplete)
            case "shells":
                return [CompletionItem(each) for each in completion.SHELLS if each.startswith(incomplete)]
        return words.FILES


class Verbs(click.Group):
    """All verbs in their order, and a line for what is none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return Verb(cmd_name, short_help=VERBS[cmd_name].about) if cmd_name in VERBS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in VERBS and not ctx.resilient_parsing:
            from results.records import near

            close = near(args[0], VERBS, 1, 0.4)
            hint = f"; nearest: {close[0]}" if close else ""
            raise click.UsageError(f"{args[0]!r} is no verb{hint}. Verbs: {', '.join(VERBS)}; words without one are key=value")
        return super().resolve_command(ctx, args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the verb says, or without words list the verbs; returns the verb's exit status, 2 where there is no such verb."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    terminal.ready()
    verbs = Verbs(completion.NAME, help=ABOUT, params=[_version()], no_args_is_help=False, subcommand_metavar="VERB ...",
                  options_metavar="", context_settings={"help_option_names": list(HELP)})
    if asked := os.environ.get(completion.ASKED):
        return shell_complete(verbs, {}, completion.NAME, completion.ASKED, asked)
    if _of_run(words):
        words = ["run", *words]
    try:
        with verbs.make_context(completion.NAME, words or ["--help"]) as context:
            return int(verbs.invoke(context))
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
        return 2


def _of_run(words: Sequence[str]) -> bool:
    """Whether words are those of `run`, which had this name before there were verbs: key=value, or help about something."""
    return bool(words) and ("=" in words[0] or (words[0] in HELP and len(words) > 1))


def _version() -> click.Option:
    def tell(context: click.Context, option: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            from importlib.metadata import PackageNotFoundError, version

            try:
                print(completion.NAME, version(completion.NAME))
            except PackageNotFoundError:
                print(f"{completion.NAME}: a checkout that is not installed has no version")
            context.exit()

    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=tell, help="Say the version.")


if __name__ == "__main__":
    sys.exit(main())
