"""Faults in: The published defaults, in the class or in the YAML file."""

from fault_tables.base import of

OF_CLASS = "tests/methods/test_method_defaults.py::test_the_class_has_the_published_defaults[{}]"
OF_YAML = "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[{}]"

# Method, file of the class, old and new default there, and old and new in the YAML file.
ROWS = [
    ("cd", "methods/pairs.py", "n: Levels = 18", "n: Levels = 40", "n: 18,", "n: 40,"),
    ("ct", "methods/pairs.py", "end: Count = 150", "end: Count = 200", "end: 150", "end: 200"),
    ("ict", "methods/pairs.py", "end: Count = 1280", "end: Count = 640", "end: 1280", "end: 640"),
    ("ect", "methods/pairs.py", "q: Base = 2.0", "q: Base = 4.0", "q: 2.0", "q: 4.0"),
    ("ctm", "methods/ctm.py", "target_ema: Decay = 0.999", "target_ema: Decay = 0.9999", "target_ema: 0.999 ",
     "target_ema: 0.9999 "),
    ("dsno", "methods/operator.py", "modes: Count = 2", "modes: Count = 3", "modes: 2", "modes: 3"),
    ("edm", "methods/edm.py", "mean: float = -1.2", "mean: float = -0.4", "mean: -1.2", "mean: -0.4"),
    ("imm", "methods/imm.py", "b: float = 5.0", "b: float = 4.0", "b: 5.0", "b: 4.0"),
    ("lsd", "methods/self_distillation.py", "eta: Share = 0.75", "eta: Share = 0.5", "eta: 0.75", "eta: 0.5"),
    ("meanflow", "methods/meanflow.py", "eta: Share = 0.25", "eta: Share = 0.75", "eta: 0.25", "eta: 0.75"),
    ("progressive", "methods/progressive.py", "last_rounds_weight: Positive = 2.0", "last_rounds_weight: Positive = 1.0",
     "last_rounds_weight: 2.0", "last_rounds_weight: 1.0"),
    ("sct", "methods/scm.py", "std: Positive = 1.4", "std: Positive = 1.8", "std: 1.4", "std: 1.8"),
    ("shortcut", "methods/shortcut.py", "bootstrap: Share = 0.125", "bootstrap: Share = 0.25", "bootstrap: 0.125",
     "bootstrap: 0.25"),
    ("soflow", "methods/soflow.py", "LogitNormal(4.0, 1.6)", "LogitNormal(-4.0, 1.6)", "mean: 4.0", "mean: -4.0"),
    ("tcm", "methods/truncated.py", "c: NotNegative | None = 1e-8", "c: NotNegative | None = 1e-6", "c: 1e-8", "c: 1e-6"),
    ("ayf_emd", "methods/ayf.py", "c: Positive = 0.1", "c: Positive = 1.0", "c: 0.1", "c: 1.0"),
]  # fmt: skip

FAULTS = [
    fault
    for name, file, old, new, old_yaml, new_yaml in ROWS
    for fault in (
        *of(name, file, (f"class with {new.split(': ')[0]} of another setting", old, new, OF_CLASS.format(name)),
            ci=f"class with {new.split(': ')[0]} of another setting" if name == "cd" else ""),
        *of(name, f"bench/conf/method/{name}.yaml",
            (f"file with {new_yaml.split(':')[0]} of another setting", old_yaml, new_yaml, OF_YAML.format(name))),
    )
]  # fmt: skip
