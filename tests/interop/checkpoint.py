#!/usr/bin/env python3
"""checkpoint.py --bin=DIR --act=PROGRAM: checkpoints go from Pawl to LeRobot and back, with LeRobot itself.

    to LeRobot    SACPolicy.from_pretrained takes a checkpoint of Pawl strictly; for stored observations
                  its most likely actions are those of Pawl's actor; its optimizers take up their states
    to Pawl       learner.start_from takes what LeRobot's own functions saved, every number of it and its
                  configuration, goes on learning, and the result is again one that LeRobot takes

To be run with the Python of the environment that ../bench/peers/sac.py --install makes. --bin is where
pawl is, --act is interop_act. Prints the largest differences as `name value unit`.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench" / "peers"))

import lerobot_sac  # noqa: E402, F401
import numpy as np  # noqa: E402
import torch  # noqa: E402
from lerobot.configs.types import FeatureType, PolicyFeature  # noqa: E402
from lerobot.policies.sac.configuration_sac import (  # noqa: E402
    ActorNetworkConfig,
    CriticNetworkConfig,
    PolicyConfig,
    SACConfig,
)
from lerobot.policies.sac.modeling_sac import SACPolicy  # noqa: E402
from lerobot.utils.train_utils import load_training_state, save_training_state  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

OBS, CONTINUOUS = 18, 4  # the dummy environment's
HIDDEN, LATENT = [48, 32], 40
ROWS = 512
TOLERANCE = 1e-5
UPDATES = 50
GUARD_S = 300
CASES = {
    "state": {"choices": 0, "shared_encoder": True},
    "own_encoder": {"choices": 0, "shared_encoder": False},
    "gripper": {"choices": 3, "shared_encoder": True},
    "options": {"choices": 3, "shared_encoder": True, "more": {
        "policy": {"std_min": 0.25, "std_max": 2.0, "init_final": 0.5},
        "actor": {"activate_final": False},
        "critic": {"final_activation": "Tanh"},
        "discrete_critic": {"hidden_dims": [24], "activate_final": False},
        "": {"discount": 0.9, "temperature_init": 0.01, "num_critics": 3, "num_subsample_critics": 2,
             "critic_lr": 1e-3, "actor_lr": 2e-3, "temperature_lr": 5e-3, "utd_ratio": 2, "policy_update_freq": 2,
             "target_entropy": -1.25, "use_backup_entropy": False, "grad_clip_norm": 10.0,
             "critic_target_update_weight": 0.01},
    }},
}  # fmt: skip


def check(is_so, what):
    if not is_so:
        sys.exit(f"checkpoint.py: {what}")


def more_words(case):
    """The case's keywords of LeRobot as keys of Pawl."""
    for part, keywords in case.get("more", {}).items():
        named = "" if part in ("", "policy") else f"{part}_"
        for name, value in keywords.items():
            name = "hidden" if name == "hidden_dims" else name
            yield f"policy.sac.{named}{name}={value if isinstance(value, str) else json.dumps(value)}"


class Pawl:
    def __init__(self, args, scratch, case):
        self.args, self.case = args, case
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        (self.folder / "empty.toml").write_text("")
        # The choice is one more component of the dummy's actions.
        self.actions = CONTINUOUS
        self.network = [
            "policy.type=sac", "policy.sac.network=lerobot", f"policy.sac.hidden={HIDDEN}",
            f"policy.sac.latent_dim={LATENT}", f"policy.sac.shared_encoder={str(case['shared_encoder']).lower()}",
            *more_words(case),
        ]  # fmt: skip

    def train(self, name, steps, start_from=None):
        """The run's last checkpoint. One that starts from another is told nothing of the networks."""
        overrides = [f"learner.start_from={start_from}"] if start_from else self.network
        done = subprocess.run(
            [self.args.bin / "pawl", "train", self.folder / "empty.toml", f"run.dir={self.folder}/runs",
             f"run.name={name}", f"run.steps={steps}", "env.type=dummy", "env.dummy.steps_max=50",
             f"env.dummy.choice_count={self.case['choices']}",
             f"policy.num_discrete_actions={self.case['choices']}", "learner.learning_starts=100",
             "learner.batch_size=32", *overrides],
            capture_output=True, text=True, timeout=GUARD_S,
        )  # fmt: skip
        check(done.returncode == 0, f"pawl train: {done.returncode}\n{done.stdout}{done.stderr}")
        (last,) = self.folder.glob(f"runs/*/*_{name}/checkpoints/last")
        return last.resolve()

    def act(self, checkpoint, observations):
        words = [checkpoint / "pretrained_model", OBS, self.actions, self.case["choices"]]
        network = [word for word in self.network if word != "policy.type=sac"]
        done = subprocess.run([self.args.act, *map(str, words), *network], input=observations.tobytes(),
                              capture_output=True, timeout=GUARD_S)  # fmt: skip
        check(done.returncode == 0, f"interop_act: {done.stderr.decode()}")
        return np.frombuffer(done.stdout, np.float32).reshape(len(observations), self.actions)


def optimizers_of(policy):
    """As make_optimizers_and_scheduler of LeRobot's learner makes them."""
    shared, cfg = policy.config.shared_encoder, policy.config
    actor = [x for n, x in policy.actor.named_parameters() if not shared or not n.startswith("encoder")]
    optimizers = {
        "actor": torch.optim.Adam(actor, lr=cfg.actor_lr),
        "critic": torch.optim.Adam(policy.critic_ensemble.parameters(), lr=cfg.critic_lr),
    }
    if cfg.num_discrete_actions is not None:
        optimizers["discrete_critic"] = torch.optim.Adam(policy.discrete_critic.parameters(), lr=cfg.critic_lr)
    optimizers["temperature"] = torch.optim.Adam([policy.log_alpha], lr=cfg.critic_lr)
    return optimizers


def update(policy, optimizers, generator, choices):
    action = torch.rand(32, CONTINUOUS, generator=generator) * 2 - 1
    if choices:
        action[:, -1] = torch.randint(0, choices, (32,), generator=generator)
    batch = {
        "action": action, "reward": torch.randn(32, generator=generator),
        "state": {"observation.state": torch.randn(32, OBS, generator=generator)},
        "next_state": {"observation.state": torch.randn(32, OBS, generator=generator)},
        "done": torch.zeros(32), "observation_feature": None, "next_observation_feature": None,
    }  # fmt: skip
    for name in [name for name in ("critic", "discrete_critic", "actor", "temperature") if name in optimizers]:
        loss = policy.forward(batch, model=name)[f"loss_{name}"]
        optimizers[name].zero_grad()
        loss.backward()
        check(torch.isfinite(loss).item(), f"LeRobot: the loss of {name} is {loss}")
        optimizers[name].step()
    policy.update_target_networks()


def lerobot_actions(policy, observations, choices):
    state = {"observation.state": torch.from_numpy(observations)}
    with torch.no_grad():
        _, _, means = policy.actor(state)
        actions = torch.tanh(means)
        if choices:
            best = policy.discrete_critic(state).argmax(dim=-1, keepdim=True)
            actions = torch.cat([actions, best.float()], dim=-1)
    return actions.numpy()


def to_lerobot(pawl, checkpoint, observations):
    """The largest difference of an action."""
    policy = SACPolicy.from_pretrained(checkpoint / "pretrained_model", strict=True)
    choices = pawl.case["choices"]
    theirs, ours = lerobot_actions(policy, observations, choices), pawl.act(checkpoint, observations)
    check(theirs.shape == ours.shape, f"actions {ours.shape}, LeRobot's {theirs.shape}")
    check(np.ptp(theirs, axis=0).max() > 0.01, "the actions are all the same: nothing is compared")
    if choices:
        check((theirs[:, -1] == ours[:, -1]).all(), "another choice")

    optimizers = optimizers_of(policy)
    step, _, _ = load_training_state(checkpoint, optimizers, None)
    check(step == int(checkpoint.name), f"LeRobot reads step {step} from {checkpoint.name}")
    for name, optimizer in optimizers.items():
        moments = [state["exp_avg"] for state in optimizer.state.values()]
        check(moments and any(x.abs().max() > 0 for x in moments), f"{name}: no moments")
    policy.train()
    update(policy, optimizers, torch.Generator().manual_seed(3), choices)
    return float(np.abs(theirs - ours).max())


def save_lerobots(folder, case, step, is_compiled):
    torch.manual_seed(5)
    choices, more = case["choices"], case.get("more", {})
    hidden = {"hidden_dims": HIDDEN}
    nets = {
        "actor_network_kwargs": ActorNetworkConfig(**hidden | more.get("actor", {})),
        "critic_network_kwargs": CriticNetworkConfig(**hidden | more.get("critic", {})),
        "discrete_critic_network_kwargs": CriticNetworkConfig(**hidden | more.get("discrete_critic", {})),
        "policy_kwargs": PolicyConfig(**more.get("policy", {})),
        **more.get("", {}),
    }
    policy = SACPolicy(SACConfig(
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (OBS,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (CONTINUOUS - bool(choices),))},
        device="cpu", latent_dim=LATENT, use_torch_compile=False, push_to_hub=False,
        num_discrete_actions=choices or None, shared_encoder=case["shared_encoder"], **nets,
    ))  # fmt: skip
    policy.train()
    optimizers = optimizers_of(policy)
    generator = torch.Generator().manual_seed(6)
    for _ in range(3):
        update(policy, optimizers, generator, choices)
    if is_compiled:  # LeRobot's default: other names, and nothing else until something is computed
        policy.critic_ensemble = torch.compile(policy.critic_ensemble)
        policy.critic_target = torch.compile(policy.critic_target)
    policy.save_pretrained(folder / "pretrained_model")
    save_training_state(folder, step, optimizers, None)
    return folder


def tensors_of(checkpoint):
    """All numbers that learning goes on from, by file and name."""
    files = [checkpoint / "pretrained_model" / "model.safetensors",
             *sorted(checkpoint.glob("training_state/*/optimizer_state.safetensors"))]  # fmt: skip
    return {
        f"{path.parent.name}/{name.replace('_orig_mod.', '')}": x
        for path in files for name, x in load_file(path).items()
    }  # fmt: skip


def config_of(checkpoint):
    """What Pawl has keys for."""
    config = json.loads((checkpoint / "pretrained_model" / "config.json").read_text())
    others = {
        "device", "storage_device", "normalization_mapping", "dataset_stats", "use_torch_compile", "push_to_hub",
        "tags",
        "input_features", "output_features",
    }  # fmt: skip
    return {key: value for key, value in config.items() if key not in others}


def to_pawl(pawl, theirs, observations):
    before = tensors_of(theirs)
    taken = pawl.train("taken", 50, theirs)  # ends before learning starts
    mine, wanted = config_of(taken), config_of(theirs)
    for key, value in mine.items():
        check(value == wanted[key], f"config.json: {key} is {value} after Pawl took it up, not {wanted[key]}")
    after = tensors_of(taken)
    check(sorted(before) == sorted(after), f"other tensors: {sorted(set(before) ^ set(after))}")
    for name, x in before.items():
        check(torch.equal(x, after[name]), f"{name} is another after Pawl took it up")

    # A new run counts its own updates; what Adam counts goes on.
    learnt = pawl.train("learnt", 100 + UPDATES, theirs)
    check(int(learnt.name) == UPDATES, f"update {learnt.name} instead of {UPDATES}")
    later = tensors_of(learnt)
    check(all(torch.isfinite(x).all() for x in later.values()), "a number that is none")
    for name in (name for name in before if name.endswith("/step")):
        count = later[name] - before[name]
        batches = wanted["utd_ratio"] if "critic" in name else 1
        check((count == UPDATES * batches).all(), f"{name} is {later[name]} after {before[name]}")
    same = [name for name, x in before.items() if x.numel() > 1 and torch.equal(x, later[name])]
    check(not same, f"not learnt: {same}")
    return to_lerobot(pawl, learnt, observations)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--act", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    observations = np.random.default_rng(7).normal(size=(ROWS, OBS)).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="pawl-interop-") as scratch:
        for name, case in CASES.items():
            pawl = Pawl(args, scratch, case)
            worst = to_lerobot(pawl, pawl.train("own", 300), observations)
            print(f"interop_{name}_action_difference {worst:.3g} 1", flush=True)
            check(worst <= TOLERANCE, f"{name}: more than {TOLERANCE}")
            for number, is_compiled in enumerate([False, True]):
                folder = pathlib.Path(scratch) / name / f"{40 + number:06d}"
                theirs = save_lerobots(folder, case, 40 + number, is_compiled)
                worst = to_pawl(Pawl(args, scratch, case), theirs, observations)
                print(f"interop_{name}_back_action_difference {worst:.3g} 1", flush=True)
                check(worst <= TOLERANCE, f"{name}: more than {TOLERANCE}")


if __name__ == "__main__":
    main()
