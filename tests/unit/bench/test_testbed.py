"""The modelled testbed: what must hold of any machine, whatever its constants."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.benchmarks import testbed
from tests.benchmarks.accuracy import accuracy
from tests.benchmarks.testbed import gradients, links, memory, pipeline, quirks
from tests.benchmarks.testbed.__main__ import main
from tests.benchmarks.testbed.allocator import MIB, Allocator, OutOfMemoryError
from tests.benchmarks.testbed.batching import Admission, steady
from tests.benchmarks.testbed.cards import A40, A100, GIB
from tests.benchmarks.testbed.gradients import Group
from tests.benchmarks.testbed.jobs import LLAMA_3B, LLAMA_8B, QWEN_MOE, beds
from tests.benchmarks.testbed.kernels import flash, gemm, grouped_gemm, stream
from tests.benchmarks.testbed.layer import expert_rows, play
from tests.benchmarks.testbed.model import Layout
from tests.benchmarks.testbed.pipeline import Work
from tests.benchmarks.testbed.serving import LONGEST, Load, RefusedError, Server, cache_tokens, serve, step
from tests.benchmarks.testbed.tables import current, space, write
from tests.benchmarks.testbed.training import iteration
from tests.benchmarks.work import landscape, sources

from autoscout.api import convert
from autoscout.cli.documents import only_document
from autoscout.cli.table import missing, read_table, statuses

LAYOUT = Layout(tp=2, pp=2, dp=2, sp=True)


def train(layout=LAYOUT, model=LLAMA_3B, card=A100, sequence=4096, batch=64):
    return iteration(model, card, layout, sequence, batch)


class TestKernels:
    @pytest.mark.parametrize("card", [A100, A40])
    def test_no_product_is_faster_than_the_datasheet_allows(self, card):
        for m, n, k in ((8192, 8192, 8192), (4096, 4096, 128), (16, 8192, 8192), (1, 1, 1)):
            assert 2.0 * m * n * k / gemm(card, m, n, k) < card.flops
            assert 2.0 * (m * k + k * n + m * n) / gemm(card, m, n, k) < card.bandwidth

    def test_large_products_are_more_efficient_than_small_ones(self):
        speeds = [2.0 * size**3 / gemm(A100, size, size, size) for size in (256, 512, 1024, 4096)]
        assert all(one < next_one for one, next_one in pairwise(speeds))

    def test_one_more_wave_of_tiles_costs_a_step(self):
        full = gemm(A100, 128 * 108, 128, 4096)
        over = gemm(A100, 128 * 109, 128, 4096)
        assert over > 1.2 * full

    def test_multiprocessors_lent_to_communication_are_missing(self):
        assert gemm(A100, 8192, 8192, 8192, A100.sms - 20) > gemm(A100, 8192, 8192, 8192)

    def test_a_group_of_products_is_faster_than_one_after_another(self):
        assert grouped_gemm(A100, (64,) * 16, 1536, 2048) < 16 * gemm(A100, 64, 1536, 2048)

    def test_more_work_takes_longer(self):
        assert stream(A100, 2e9) > stream(A100, 1e9) > stream(A100, 0) == 0
        assert flash(A100, 1, 8, 4096, 2048, 128, "backward") > flash(A100, 1, 8, 4096, 2048, 128, "forward")

    def test_the_host_is_what_small_kernels_wait_for(self):
        assert play([1e-6] * 100, 1e-5) == pytest.approx(1e-3, rel=0.01)
        assert play([1e-3] * 100, 1e-5) == pytest.approx(0.1, rel=0.01)


class TestLinks:
    @pytest.mark.parametrize("card", [A100, A40])
    @pytest.mark.parametrize("size", [2, 4, 8])
    def test_no_collective_beats_the_link(self, card, size):
        message = 1e9
        bandwidth, _ = links.path(card, size, 1)
        assert links.gather(card, message, size) > message * (size - 1) / size / bandwidth
        assert links.reduce(card, message, size) > links.gather(card, message, size)
        assert links.exchange(card, message, size, 1) > message * (size - 1) / size / bandwidth

    def test_one_rank_has_nobody_to_talk_to(self):
        assert links.gather(A100, 1e9, 1) == links.reduce(A100, 1e9, 1) == links.exchange(A100, 1e9, 1, 1) == 0

    def test_pairs_of_a40_are_bridged_and_the_rest_is_not(self):
        assert links.path(A40, 2, 1)[0] == A40.link
        assert links.path(A40, 2, 2)[0] < A40.link
        assert links.path(A40, 8, 1)[0] < links.path(A40, 4, 1)[0] < A40.link

    def test_more_multiprocessors_communicate_faster_until_the_link_is_full(self):
        times = [links.gather(A100, 1e9, 8, 1, sms) for sms in (4, 8, 12, 20, 40)]
        assert all(one >= next_one for one, next_one in pairwise(times))
        assert times[-1] == times[-2]


class TestPipeline:
    @pytest.mark.parametrize("stages", [1, 2, 4, 8])
    @pytest.mark.parametrize("microbatches", [8, 16, 64])
    def test_the_bubble_of_1f1b_is_p_minus_1_over_m(self, stages, microbatches):
        found = pipeline.play(stages, microbatches, 1, lambda _, work: 2.0 if work.backward else 1.0, 0.0)
        assert found.seconds / (3.0 * microbatches) - 1 == pytest.approx((stages - 1) / microbatches)

    @pytest.mark.parametrize("chunks", [2, 4])
    @pytest.mark.parametrize("stages", [2, 4])
    def test_interleaving_divides_the_bubble_by_the_chunks(self, stages, chunks):
        found = pipeline.play(stages, 16, chunks, lambda _, work: (2.0 if work.backward else 1.0) / chunks, 0.0)
        assert found.seconds / 48.0 - 1 == pytest.approx((stages - 1) / 16 / chunks)

    @pytest.mark.parametrize(
        ("stages", "microbatches", "chunks"), [(1, 3, 1), (4, 2, 1), (4, 8, 1), (4, 8, 2), (2, 2, 4)]
    )
    def test_every_pass_runs_once_and_backward_after_forward(self, stages, microbatches, chunks):
        for stage in range(stages):
            order = pipeline.order(stage, stages, microbatches, chunks)
            assert len(set(order)) == len(order) == 2 * microbatches * chunks
            place = {work: number for number, work in enumerate(order)}
            for work in order:
                if work.backward:
                    assert place[Work(False, work.microbatch, work.chunk)] < place[work]

    def test_the_first_stage_holds_as_many_micro_batches_as_there_are_stages(self):
        for stage in range(4):
            held = peak = 0
            for work in pipeline.order(stage, 4, 16, 1):
                held += -1 if work.backward else 1
                peak = max(peak, held)
            assert peak == 4 - stage

    def test_hops_delay(self):
        times = [pipeline.play(4, 8, 1, lambda *_: 1.0, hop).seconds for hop in (0.0, 0.1, 0.5)]
        assert times[0] < times[1] < times[2]

    def test_micro_batches_that_do_not_go_round_cannot_be_interleaved(self):
        with pytest.raises(ValueError, match="6 micro-batches can't be interleaved over 4 stages"):
            pipeline.order(0, 4, 6, 2)


class TestAllocator:
    def test_what_is_reserved_is_used_or_free(self):
        found, rng = Allocator(10 * GIB), quirks.draw("allocator")
        blocks = []
        for _ in range(2000):
            if blocks and rng.random() < 0.48:
                found.release(blocks.pop(int(rng.integers(len(blocks)))))
            else:
                blocks.append(found.allocate(float(rng.lognormal(15, 2))))
            assert found.allocated + found.unused == found.reserved <= found.peak
            assert found.allocated == sum(block.size for block in blocks)
        for block in blocks:
            found.release(block)
        assert found.allocated == 0

    def test_freed_memory_is_used_again(self):
        found = Allocator(GIB)
        for _ in range(100):
            found.release(found.allocate(100 * MIB))
        assert found.peak == 100 * MIB

    def test_it_runs_out_only_when_nothing_can_be_given_back(self):
        found = Allocator(100 * MIB)
        found.release(found.allocate(60 * MIB))
        held = found.allocate(80 * MIB)  # the 60 were given back
        assert found.reserved == held.size == 80 * MIB
        with pytest.raises(OutOfMemoryError):
            found.allocate(30 * MIB)

    def test_holes_can_make_it_run_out(self):
        found = Allocator(100 * MIB)
        small = [found.allocate(5 * MIB) for _ in range(20)]
        for block in small[::2]:
            found.release(block)
        assert found.unused == 50 * MIB
        with pytest.raises(OutOfMemoryError):
            found.allocate(10 * MIB)


class TestGradients:
    def groups(self, count):
        return gradients.groups([(1.0, 3.0, 8e9)], count, 8, 1)

    def test_nothing_is_lost_in_groups(self):
        for count in (1, 2, 8):
            found = self.groups(count)
            assert sum(group.size for group in found) == pytest.approx(8e9)
            assert found[-1].ready == 3.0

    def test_groups_that_are_ready_early_hide_behind_backward(self):
        ends = [gradients.play(A100, self.groups(n), 3.0, 8e6, sharded=False, waiting=0).ended for n in (1, 2, 8)]
        assert ends[0] > ends[1] > ends[2] > 3.0

    def test_short_messages_pay_their_latency(self):
        def ended(bucket):
            return gradients.play(A100, self.groups(1), 3.0, bucket, sharded=False, waiting=0).ended

        assert ended(1e6) > ended(4e6) > ended(8e6)

    def test_long_messages_keep_others_waiting(self):
        def delayed(bucket):
            ends = [
                gradients.play(A100, self.groups(4), 3.0, bucket, sharded=False, waiting=n).backward for n in (0, 200)
            ]
            return ends[1] - ends[0]

        assert delayed(64e6) > 2 * delayed(8e6) > 0

    def test_one_group_at_the_end_disturbs_nothing(self):
        found = gradients.play(A100, [Group(3.0, 1e9, 8, 1)], 3.0, 8e6, sharded=False, waiting=100)
        assert found.backward == 3.0


class TestTraining:
    def test_no_iteration_is_faster_than_its_arithmetic(self):
        parameters = sum(memory.parameters(LLAMA_3B, Layout(), 0))
        flops = 6.0 * parameters * 4096 * 64
        for layout in (Layout(dp=8, zero1=True, ddp=8), LAYOUT, Layout(tp=8, sp=True), Layout(pp=4, dp=2)):
            assert train(layout).seconds > flops / 8 / A100.flops

    def test_recomputation_takes_longer_and_holds_less(self):
        plain, again = train(LAYOUT), train(replace(LAYOUT, ar=True))
        assert again.seconds > 1.15 * plain.seconds
        assert again.memory < plain.memory

    def test_sharded_states_hold_less(self):
        assert train(replace(LAYOUT, zero1=True)).memory < train(LAYOUT).memory

    def test_larger_micro_batches_hold_more(self):
        held = [train(replace(LAYOUT, mbs=mbs)).memory for mbs in (1, 2, 4, 8)]
        assert all(one < next_one for one, next_one in pairwise(held))

    def test_a_smaller_card_is_slower_and_runs_out(self):
        layout = Layout(tp=4, pp=2, sp=True)
        assert train(layout, card=A40).seconds > train(layout).seconds
        assert train(Layout(dp=8), model=LLAMA_8B, card=A40).seconds is None

    def test_stages_hold_the_whole_model_between_them(self):
        whole = sum(memory.parameters(LLAMA_8B, Layout(), 0))
        for pp in (2, 4, 8):
            parts = [sum(memory.parameters(LLAMA_8B, Layout(pp=pp), stage)) for stage in range(pp)]
            assert sum(parts) == pytest.approx(whole)
        assert whole == pytest.approx(8.03e9, rel=0.01)  # as the model's card says

    def test_experts_get_every_routed_token(self):
        assert sum(expert_rows(QWEN_MOE, Layout(), 4096)) == pytest.approx(8 * 4096, rel=0.01)
        # Of 8 ranks one has more than its share.
        assert sum(expert_rows(QWEN_MOE, Layout(ep=8), 4096)) > 8 * 4096


class TestServing:
    def test_one_request_takes_its_steps(self):
        found = steady(Admission(1, 512, 10_000, True), [(1000, 11)] * 2, lambda *_: 1.0)
        assert found.ttft == 2.0  # two chunks of a prompt
        assert found.tpot == 1.0
        assert found.rate == pytest.approx(11 / 12)

    def test_every_answer_is_generated_once_even_after_preemption(self):
        asked = [(100, 50)] * 40
        decoded = []
        found = steady(Admission(8, 256, 600, True), asked, lambda runs, prefill, _: decoded.append(runs) or 1.0)
        assert max(decoded) < 8  # there was no room for eight
        assert found.rate > 0

    def test_larger_batches_generate_more_and_answer_slower(self):
        runs = [serve(LLAMA_8B, A40, Server(max_num_seqs=count), Load(), 8) for count in (4, 8, 16, 32)]
        assert all(one.tokens_per_second < more.tokens_per_second for one, more in pairwise(runs))
        assert all(one.tpot < more.tpot for one, more in pairwise(runs))

    def test_no_decoding_step_is_faster_than_reading_the_weights(self):
        weights = 2 * LLAMA_8B.layers * (LLAMA_8B.attention_parameters + LLAMA_8B.ffn_parameters)
        assert step(LLAMA_8B, A40, 1, 1, 1, 0, 1024, 512, eager=False) > weights / A40.bandwidth

    def test_the_cache_gets_what_weights_leave(self):
        tokens = [cache_tokens(LLAMA_8B, A40, Server(gpu_memory_utilization=share)) for share in (0.5, 0.7, 0.9)]
        assert LONGEST <= tokens[0] < tokens[1] < tokens[2]
        assert cache_tokens(LLAMA_8B, A40, Server(gpu_memory_utilization=0.3)) is None
        assert cache_tokens(LLAMA_8B, A40, Server(tp=4, gpu_memory_utilization=0.3)) > LONGEST

    def test_whole_prompts_need_a_budget_for_the_longest(self):
        with pytest.raises(RefusedError):
            cache_tokens(LLAMA_8B, A40, Server(chunked=False, max_num_batched_tokens=2048))


class TestQuirks:
    def test_they_belong_to_what_they_are_drawn_for(self):
        assert quirks.quirk(0.03, "a", 1) == quirks.quirk(0.03, "a", 1) != quirks.quirk(0.03, "a", 2)
        assert quirks.measured(2.0, 0.01, 10, "a") == quirks.measured(2.0, 0.01, 10, "a")

    def test_noise_is_small_and_unbiased(self):
        found = [quirks.measured(1.0, 0.01, 10, number) for number in range(500)]
        assert sum(found) / 500 == pytest.approx(1.0, abs=0.001)
        assert 0.002 < (max(found) - min(found)) / 6 < 0.006

    def test_as_many_are_broken_as_is_said(self):
        assert 0.01 < sum(quirks.broken(0.02, number) for number in range(5000)) / 5000 < 0.03


class TestTables:
    def test_it_is_another_model_than_the_simulators(self):
        for file in Path(testbed.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom):
                    assert not (node.module or "").startswith("autoscout.simulators")

    def test_a_landscape_has_a_row_for_each_configuration(self, tmp_path, capsys):
        assert main(["--output", str(tmp_path), "--only", "testbed-qwen3moe-8xa100-5dp"]) == 0
        assert "testbed-qwen3moe-8xa100-5dp: 240 configurations (" in capsys.readouterr().out
        job = tmp_path / "testbed-qwen3moe-8xa100-5dp.yaml"
        document = only_document(job)
        document["spec"]["profile"] = {"command": ["unused"]}
        problem = convert.problem(convert.job(document))
        table = read_table(job.with_suffix(".csv.gz"), problem, job.stem)
        assert missing(table) == 0
        assert all(statuses(table).values())  # some run, some run out of memory, some fail
        assert table.optimum < table.value(problem.space.default())

    def test_the_simulators_know_it_neither_too_well_nor_too_badly(self, tmp_path):
        small = next(bed for bed in beds() if bed.name.endswith("-5dp"))
        write(small, tmp_path)
        found = accuracy(landscape(sources([tmp_path])[0]))
        assert 0.5 < found["rankCorrelation"] < 0.97
        assert 0.05 < found["mape"] < 0.5
        [intervals] = found["intervals"]
        assert intervals["metric"] == "seconds_per_iteration"
        assert [each["profiles"] for each in intervals["after"]] == [0, 5, 10, 20]
        assert all(0.7 < each["within90"] < 0.99 for each in intervals["after"])
        widths = [each["width90"] for each in intervals["after"]]
        assert widths == sorted(widths, reverse=True)

    def test_the_files_are_the_same_every_time(self, tmp_path):
        small = next(bed for bed in beds() if bed.name.endswith("-3dp"))
        for directory in (tmp_path / "a", tmp_path / "b"):
            write(small, directory)
        for name in (f"{small.name}.yaml", f"{small.name}.csv.gz"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_a_table_that_another_state_of_the_testbed_wrote_is_not_current(self, tmp_path):
        small = next(bed for bed in beds() if bed.name.endswith("-3dp"))
        assert not current(small, tmp_path)
        write(small, tmp_path)
        assert current(small, tmp_path)
        (tmp_path / f"{small.name}.testbed").write_text("another", encoding="utf-8")
        assert not current(small, tmp_path)

    def test_each_space_contains_the_smaller_one(self):
        sizes = {bed.name: space(bed).count() for bed in beds()}
        assert (
            sizes["testbed-qwen3moe-8xa100-3dp"]
            < sizes["testbed-qwen3moe-8xa100-5dp"]
            < sizes["testbed-qwen3moe-8xa100-full"]
            < sizes["testbed-qwen3moe-8xa100-table1"]
            <= 100_000
        )

    def test_every_default_is_a_valid_configuration(self):
        for bed in beds():
            assert bed.evaluate(dict(space(bed).default())).status in {"ok", "oom", "failed"}
