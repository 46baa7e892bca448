"""The rules of the house: what is a floor, a room, an import, and what breaks a rule."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FLOORS = {  # lowest first: each with what it may import besides the floors named before
    "methods": ({"torch"}, set()),
    "results": ({"numpy", "pandas", "scipy", "matplotlib", "jinja2"}, set()),
    "sweeps": ({"tqdm", "optuna", "submitit"}, {"results"}),
    "bench": ({"torch", "torchvision", "numpy", "scipy", "sklearn", "PIL", "hydra", "omegaconf", "tqdm", "pandas", "cleanfid",
               "filelock", "pydantic", "pydantic_core", "annotated_types", "yaml", "click"}, {"sweeps", "results", "methods"}),
}  # fmt: skip
ONLY = {  # a module's own
    "methods.knobs": {"annotated_types"}, "bench.accounts.sinks": {"wandb"}, "bench.accounts.offline": {"wandb"},
}  # fmt: skip
ROOMS = {  # lowest first
    "methods": ("tools",),
    "results": ("records", "statistics", "tables", "compared", "pictures", "webpage"),
    "sweeps": ("plan", "engine", "backends", "search", "display"),
    "bench": ("config", "truth", "metrics", "data", "preparing", "layers", "nets", "features", "protocols", "processes",
              "accounts", "compiling", "training", "fitting", "teaching", "scoring", "planning", "measuring", "verbs"),
}  # fmt: skip
FEWEST, MOST, ON_TOP = 3, 14, 8
NO_ROOM = {"conf", "templates", "reference", "published", "assets", "weights"}  # data, not modules


@dataclass(frozen=True)
class House:
    """The four floors below `root`, as their imports say."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Dotted name -> file; a package is its __init__."""
        found = {}
        for floor in FLOORS:
            for path in sorted((self.root / floor).rglob("*.py")):
                parts = path.relative_to(self.root).with_suffix("").parts
                if not NO_ROOM & set(parts[:-1]):
                    found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    @cached_property
    def imports(self) -> dict[str, list[tuple[str, str]]]:
        """Module -> what it imports: (module, name or "")."""
        return {name: list(self._of(path)) for name, path in self.modules.items()}

    def _of(self, path: Path) -> Iterator[tuple[str, str]]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield (whole, "") if whole in self.modules else (node.module, alias.name)

    def room(self, module: str) -> str:
        """FLOOR.ROOM, or FLOOR for what stands on top of it."""
        floor, *rest = module.split(".")
        return f"{floor}.{rest[0]}" if rest and (self.root / floor / rest[0]).is_dir() else floor

    @cached_property
    def rooms(self) -> list[str]:
        """All rooms, those that no rule names too."""
        return sorted({room for name in self.modules if "." in (room := self.room(name))})

    @cached_property
    def graph(self) -> set[tuple[str, str]]:
        """(importing module, imported module), within the house; a room's own __init__ hands on and is left out."""
        return {(name, other) for name, found in self.imports.items() for other, _ in found
                if other in self.modules and other != name and name != self.room(name)}

    @cached_property
    def between_rooms(self) -> set[tuple[str, str]]:
        """(importing room, imported room)."""
        pairs = {(self.room(a), self.room(b)) for a, b in self.graph}
        return {(a, b) for a, b in pairs if a != b}

    def most_imported(self, count: int = 10) -> list[tuple[str, int]]:
        """The modules that most others import, an __init__'s names counted where they are written."""
        return Counter(other for _, other in self.graph).most_common(count)


def violations(root: Path) -> list[str]:
    """Every breach of a rule, in words."""
    house = House(root)
    return [*_floors(house), *_downward(house), *_circles(house), *_doors(house), *_sizes(house), *_sentences(house),
            *_encodings(house)]


def _floors(house: House) -> Iterator[str]:
    for name, found in house.imports.items():
        floor = name.split(".")[0]
        outside, below = FLOORS[floor]
        allowed = outside | below | {floor} | ONLY.get(name, set()) | set(sys.stdlib_module_names)
        for other in sorted({module.split(".")[0] for module, _ in found} - allowed):
            yield f"{name} imports {other}, which its floor may not"


def _downward(house: House) -> Iterator[str]:
    for importing, imported in sorted(house.between_rooms):
        (floor, *room), (other_floor, *other) = importing.split("."), imported.split(".")
        if floor != other_floor:
            continue
        order = ROOMS[floor]
        if room and (not other or order.index(other[0]) > order.index(room[0]) if other else True):
            yield f"{importing} imports {imported}, which lies above it"


def _circles(house: House) -> Iterator[str]:
    for what, pairs in (("modules", house.graph), ("rooms", {p for p in house.between_rooms if all("." in x for x in p)})):
        below: dict[str, set[str]] = {}
        for a, b in pairs:
            below.setdefault(a, set()).add(b)
        if circle := _circle(below):
            yield f"{what} import each other in a circle: {' -> '.join(circle)}"


def _circle(below: dict[str, set[str]]) -> list[str] | None:
    done: set[str] = set()

    def walk(at: str, path: list[str]) -> list[str] | None:
        if at in path:
            return [*path[path.index(at):], at]
        if at in done:
            return None
        found = next((c for other in sorted(below.get(at, ())) if (c := walk(other, [*path, at]))), None)
        done.add(at)
        return found

    return next((circle for start in sorted(below) if (circle := walk(start, []))), None)


def _doors(house: House) -> Iterator[str]:
    """Who wants a name of another room takes it from the room, or the module as a whole."""
    for name, found in house.imports.items():
        for module, taken in found:
            room = house.room(module)
            if taken and "." in room and module != room and room != house.room(name):
                yield f"{name} takes {taken} from {module}; {room} hands out what others use"


def _sizes(house: House) -> Iterator[str]:
    for room in house.rooms:
        count = sum(house.room(name) == room and name != room for name in house.modules)
        if not FEWEST <= count <= MOST:
            yield f"{room} holds {count} modules; a room holds {FEWEST} to {MOST}"
    for floor in FLOORS:
        top = [name for name in house.modules if house.room(name) == floor and name != floor]
        if floor != "methods" and len(top) > ON_TOP:  # there a method is a file
            yield f"{len(top)} modules stand on top of {floor}; at most {ON_TOP} do"


def _sentences(house: House) -> Iterator[str]:
    for room in house.rooms:
        floor, own = room.split(".")
        if own not in ROOMS[floor]:
            yield f"{room} has no place in the order of rooms"
        said = ast.get_docstring(ast.parse(house.modules[room].read_text(encoding="utf-8"))) if room in house.modules else None
        if not said or said.count(".") < 2:
            yield f"{room} does not say in its __init__ what it is for and what may not enter"


def _encodings(house: House) -> Iterator[str]:
    for name, path in house.modules.items():
        yield from (f"{name} leaves an encoding to the locale, line {line}" for line in locale(path))


def locale(path: Path) -> Iterator[int]:
    """The lines of a file that read or write text in the encoding of whoever runs it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and not any(word.arg == "encoding" for word in node.keywords) and _is_text(node):
            yield node.lineno


def _is_text(call: ast.Call) -> bool:
    words = {word.arg: word.value for word in call.keywords}
    modes = [words["mode"]] if "mode" in words else []
    match call.func:
        case ast.Attribute(attr="read_text" | "write_text"):
            return True
        case ast.Attribute(attr="open"):  # a path's; Image.open and its like are given a file
            modes += [arg for arg in call.args if isinstance(arg, ast.Constant)]
            return not _binary(modes) if modes else not call.args
        case ast.Name(id="open") | ast.Attribute(attr="fdopen"):
            return not _binary([*call.args[1:2], *modes])
    return "text" in words or "universal_newlines" in words  # a subprocess's


def _binary(modes: list[ast.expr]) -> bool:
    return any(isinstance(node, ast.Constant) and "b" in str(node.value) for mode in modes for node in ast.walk(mode))
