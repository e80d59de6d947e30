"""lerobot_step.py BUSY_US SECONDS: LeRobot's way of a transition from the actor to the learner's replay, on
the dummy environment; prints the transitions per second that arrive in the replay.

Two processes. The calls are those of lerobot.rl.actor and lerobot.rl.learner with their default of
threads inside a process: at the end of an episode the actor serialises its transitions into a queue, a
thread sends them in chunks over gRPC on loopback; the learner's service (LearnerService, unchanged) puts
them into a queue, its main thread deserialises, looks for NaN and adds them to the ReplayBuffer
(unchanged). Actions are random; no policy, no robot processors, no parameters, no updates.
"""

import concurrent.futures
import itertools
import os
import subprocess
import sys
import threading
import traceback
import types

# The replay can be made from a dataset, which is not used here and would need gigabytes of decoders.
unused = types.ModuleType("lerobot.datasets.lerobot_dataset")
unused.LeRobotDataset = None
sys.modules["lerobot.datasets.lerobot_dataset"] = unused

import grpc  # noqa: E402
import torch  # noqa: E402
from lerobot.rl.buffer import ReplayBuffer  # noqa: E402
from lerobot.rl.learner_service import MAX_WORKERS, LearnerService  # noqa: E402
from lerobot.transport import services_pb2, services_pb2_grpc  # noqa: E402
from lerobot.transport.utils import (  # noqa: E402
    MAX_MESSAGE_SIZE,
    bytes_to_transitions,
    grpc_channel_options,
    send_bytes_in_chunks,
    transitions_to_bytes,
)
from lerobot.utils.transition import Transition, move_transition_to_device  # noqa: E402
from torch.multiprocessing import Event, Queue  # noqa: E402

import dummy  # noqa: E402

WARMUP_S = 1.0
REPLAY_CAPACITY = 100000  # LeRobot's default
QUEUED_MAX = 16  # episodes; LeRobot has no bound, and a faster actor would fill the memory


def has_nan(tensors):
    return any(torch.isnan(tensor).any() for tensor in tensors)


def episode(env):
    transitions = []
    state = {"observation.state": torch.from_numpy(env.reset()).unsqueeze(0)}
    is_cut = False
    while not is_cut:
        action = torch.rand(1, dummy.ACTION_COUNT) * 2 - 1
        obs, reward, is_cut = env.step(action)
        next_state = {"observation.state": torch.from_numpy(obs).unsqueeze(0)}
        transitions.append(
            Transition(
                state=state,
                action=action,
                reward=reward,
                next_state=next_state,
                done=False,
                truncated=is_cut,
                complementary_info={"discrete_penalty": torch.tensor([0.0])},
            )
        )
        state = next_state
    return transitions


def act(port, busy_us):
    queue, env, room = Queue(), dummy.Dummy(busy_us), threading.Semaphore(QUEUED_MAX)

    def messages():
        while True:
            message = queue.get()
            room.release()
            yield from send_bytes_in_chunks(message, services_pb2.Transition)

    stub = services_pb2_grpc.LearnerServiceStub(
        grpc.insecure_channel(f"127.0.0.1:{port}", grpc_channel_options())
    )
    stub.Ready(services_pb2.Empty())
    threading.Thread(target=lambda: stub.SendTransitions(messages()), daemon=True).start()
    while True:
        sent = []
        for transition in episode(env):
            transition = move_transition_to_device(transition=transition, device="cpu")
            has_nan(transition["state"].values())
            sent.append(transition)
        room.acquire()
        queue.put(transitions_to_bytes(sent))


def learn(busy_us, seconds):
    queue = Queue(QUEUED_MAX)
    service = LearnerService(
        shutdown_event=Event(),
        parameters_queue=Queue(),
        seconds_between_pushes=4,
        transition_queue=queue,
        interaction_message_queue=Queue(),
        queue_get_timeout=2,
    )
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=MAX_WORKERS),
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_SIZE),
            ("grpc.max_send_message_length", MAX_MESSAGE_SIZE),
        ],
    )
    services_pb2_grpc.add_LearnerServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    replay = ReplayBuffer(
        REPLAY_CAPACITY, device="cpu", state_keys=["observation.state"], use_drq=False
    )
    actor = subprocess.Popen([sys.executable, __file__, "act", str(port), str(busy_us)])
    rate = dummy.Rate(WARMUP_S, seconds)
    try:
        for count in itertools.count(step=dummy.STEPS_MAX):
            if rate.add(count):
                break
            for transition in bytes_to_transitions(buffer=queue.get()):
                transition = move_transition_to_device(transition=transition, device="cpu")
                if has_nan(transition["state"].values()) or has_nan(
                    [*transition["next_state"].values(), transition["action"]]
                ):
                    raise ValueError("a transition arrived damaged")
                replay.add(**transition)
        print(f"{rate.per_s():.1f}", flush=True)
    except Exception:
        traceback.print_exc()
    finally:
        actor.kill()
        actor.wait()
        # The threads of the queues and of the service would wait for the actor for ever.
        sys.stdout.flush()
        os._exit(0 if rate.end else 1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "act":
        act(int(sys.argv[2]), float(sys.argv[3]))
    else:
        learn(float(sys.argv[1]), float(sys.argv[2]))
