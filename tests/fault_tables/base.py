"""What a deliberate fault is, and short names of the tests that many faults are caught by."""

from dataclasses import dataclass
from pathlib import Path

GUARD = "with torch.no_grad():\n            "
OPEN = "with torch.enable_grad():\n            "
POINT = "pointwise::test_loss_and_gradient_vanish_at_the_exact_map"
FIXED = "expectation::test_the_semigradient_vanishes_at_the_exact_map_only"
LOSS = "semigradient::test_the_loss_is_its_definition"
CUT = "semigradient::test_the_gradient_enters_where_it_should_and_nowhere_else"
WHOLE = "semigradient::test_without_stop_gradient_the_gradient_is_the_derivative_of_the_loss"
TRAIN = "training::test_a_short_training_learns_the_map_of"
MICRO = "tests/methods/test_method_contract.py::test_micro_batches_have_the_losses_of_the_whole_batch"


@dataclass(frozen=True)
class Fault:
    """`subject` is the method or tool it belongs to; one of `tests` failing is enough. ci: part of the short run."""

    subject: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    ci: bool = False

    @property
    def ids(self) -> list[str]:
        """pytest's names of the tests."""
        return [t if t.startswith("tests/") else "tests/methods/test_truth_" + t.replace("::", ".py::", 1) for t in self.tests]

    def inject(self, tree: Path) -> None:
        """Edit the file in `tree`. Raises ValueError unless the old text occurs exactly once."""
        path = tree / self.file
        text = path.read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.subject}: {self.name}: {self.file} holds {found} times, not once: {self.old!r}")
        path.write_text(text.replace(self.old, self.new))


def of(subject: str, file: str, *rows: tuple[str, str, str, str | tuple[str, ...]], ci: str = "") -> list[Fault]:
    """Faults of one subject in one file: (name, old, new, tests). ci: the name of the one in the short run."""
    made = [
        Fault(subject, name, file, old, new, (tests,) if isinstance(tests, str) else tests, name == ci)
        for name, old, new, tests in rows
    ]
    assert not ci or any(fault.ci for fault in made), ci
    return made
