"""Makes `import lerobot` take in the SAC policy, its optimizers and its replay, and no more.

Some of LeRobot's packages import all of their members: every policy, robot and dataset, with gigabytes
of libraries that SAC does not use. These packages are here, but empty; of what SAC's files ask them for,
they have the names, which are types in annotations. The files that are imported are LeRobot's, unchanged.
"""

import importlib.machinery
import importlib.util
import pathlib
import sys
import types

import lerobot

NAMES = {
    "policies": [],
    "envs": ["EnvConfig"],
    "processor": ["PolicyAction", "PolicyProcessorPipeline", "RobotAction", "RobotObservation"],
    "datasets.lerobot_dataset": ["LeRobotDataset"],
    "datasets.video_utils": ["get_safe_default_codec"],
}
FOLDER = pathlib.Path(importlib.util.find_spec("lerobot").submodule_search_locations[0])


class Unused:
    pass


def put_empty(name, names):
    module = types.ModuleType(f"lerobot.{name}")
    folder = FOLDER.joinpath(*name.split("."))
    spec = importlib.machinery.ModuleSpec(module.__name__, None, is_package=folder.is_dir())
    if folder.is_dir():
        spec.submodule_search_locations = module.__path__ = [str(folder)]
    module.__spec__ = spec
    for each in names:
        setattr(module, each, Unused)
    sys.modules[module.__name__] = module
    if "." not in name:
        setattr(lerobot, name, module)


for name, names in NAMES.items():
    put_empty(name, names)
