"""Whom a method learns from besides data: teachers, exact velocities, solved trajectories. Nothing that trains students."""

from bench.teaching import imported
from bench.teaching.imported import Imported
from bench.teaching.lessons import Teaching
from bench.teaching.teacher import Teacher

__all__ = ["Imported", "Teacher", "Teaching", "imported"]
