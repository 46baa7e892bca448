"""Every deliberate fault, collected from the modules of this folder (each has a list FAULTS)."""

import importlib
import pkgutil

from fault_tables.base import Fault

FAULTS: list[Fault] = [
    fault
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")
    for fault in importlib.import_module(f"fault_tables.{module}").FAULTS
]
