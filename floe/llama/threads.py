"""Threads that this device can give to a model, with the reason."""

import os

import psutil


def usable_cores() -> int:
    """Count the physical cores this process may run on (containers and affinity masks count)."""
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def choose_threads(wished: int = 0, *, shared: bool = False) -> tuple[int, str]:
    """Choose the threads for llama.cpp, and say why.

    Args:
        wished: what the user set; 0 leaves the choice to this function.
        shared: a second model runs on this device at the same time. Two thread pools that
            together outnumber the cores spend their time waiting for each other.
    """
    if wished > 0:
        return wished, "set by the user"
    cores = usable_cores()
    if shared and cores > 1:
        return cores // 2, f"half of {cores} cores: the stand-in cloud runs on this device too"
    return cores, f"one for each of {cores} cores"
