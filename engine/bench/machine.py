# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine the figures are from, and how busy it was."""

import os
import platform
from pathlib import Path

import torch
import warp as wp

from ..cores import usable_cores


def describe_machine(device: torch.device) -> dict[str, object]:
    """What decides the figures: processor, cores, GPU, versions, and the load at the start."""
    facts: dict[str, object] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "warp": wp.config.version,
    }
    if hasattr(os, "getloadavg"):
        facts["load_before"] = round(os.getloadavg()[0], 2)
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["gpu_memory_gb"] = torch.cuda.get_device_properties(device).total_memory / 2**30
    return facts


def processor_name() -> str:
    """The processor's name as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        entries = [line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line]
        names = [value.strip() for key, value in entries if key.strip() == "model name"]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
