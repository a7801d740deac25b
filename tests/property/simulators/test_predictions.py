"""What holds of every prediction, whatever the configuration."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.simulators.jobs import SERVING, TRAINING, hardware, pool

from autoscout.simulators.hardware import CATALOGUE
from autoscout.simulators.serving import ServingSimulator
from autoscout.simulators.training import TrainingSimulator

degree = st.sampled_from([1, 2, 4, 8])
gpus = st.sampled_from(sorted(CATALOGUE))
training = st.fixed_dictionaries(
    {},
    optional={
        "tp": degree,
        "pp": degree,
        "dp": degree,
        "cp": degree,
        "mbs": degree,
        "vpp": st.sampled_from([1, 2, 4]),
        "sp": st.booleans(),
        "ar": st.sampled_from(["none", "selective", "attn_only", "mlp_only", "full", True, False]),
        "tpc": st.sampled_from(["ar", "p2p_rs_ag", "rs_ag"]),
        "tpo": st.sampled_from(["none", "ring", "pipe"]),
        "zero": st.integers(0, 3),
        "dpo": st.booleans(),
        "fused": st.booleans(),
        "ddp_bucket": st.integers(1, 8),
        "tp_comm": st.integers(12, 20),
        "something_else": st.integers(),
    },
)
serving = st.fixed_dictionaries(
    {},
    optional={
        "tp": degree,
        "pp": degree,
        "max_num_seqs": st.integers(1, 1024),
        "max_num_batched_tokens": st.integers(1, 16384),
        "gpu_memory_utilization": st.floats(0.1, 1.0),
        "quantization": st.sampled_from(["none", "fp8", "awq"]),
        "enforce_eager": st.booleans(),
    },
)
KINDS = ((TrainingSimulator, TRAINING, training), (ServingSimulator, SERVING, serving))


@settings(deadline=None, max_examples=60)
@given(st.data(), gpus, st.integers(0, 1))
def test_a_batch_predicts_what_each_alone_does(data, gpu, kind):
    simulator, workload, strategy = KINDS[kind]
    rows = data.draw(st.lists(strategy, min_size=1, max_size=5))
    model, where = simulator(CATALOGUE[gpu], pool()), hardware()
    together = model.predict(rows, workload, where)
    alone = [model.predict([row], workload, where) for row in rows]
    for field in ("mean", "std", "feasible", "peak_memory_gib"):
        np.testing.assert_allclose(
            getattr(together, field), np.concatenate([getattr(each, field) for each in alone]), rtol=1e-12
        )


@settings(deadline=None, max_examples=60)
@given(st.data(), gpus, st.integers(0, 1))
def test_predictions_are_finite_positive_and_shaped(data, gpu, kind):
    simulator, workload, strategy = KINDS[kind]
    rows = data.draw(st.lists(strategy, max_size=5))
    prediction = simulator(CATALOGUE[gpu], pool()).predict(rows, workload, hardware())
    assert prediction.mean.shape == prediction.std.shape == (len(rows), len(prediction.metrics))
    for values in (prediction.mean, prediction.std, prediction.peak_memory_gib):
        assert np.all(np.isfinite(values))
        assert np.all(values > 0)
    assert np.all((prediction.feasible >= 0) & (prediction.feasible <= 1))
    for metric in prediction.metrics:
        low, high = prediction.interval(metric)
        mean, _ = prediction.column(metric)
        assert np.all((low < mean) & (mean < high))


@settings(deadline=None, max_examples=60)
@given(training, st.sampled_from(["tp", "cp"]), st.sampled_from([1, 2, 4]))
def test_twice_the_degree_never_needs_more_memory(row, knob, degree):
    model = TrainingSimulator(CATALOGUE["a100-sxm4-80gb"], pool())
    # Data parallelism and micro-batches stay as they are.
    row = {"dp": 1, "mbs": 1} | row
    less, more = model.predict([row | {knob: degree}, row | {knob: 2 * degree}], TRAINING, hardware()).peak_memory_gib
    assert more <= less * (1 + 1e-9)
