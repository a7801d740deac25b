"""The arguments of vLLM's engine, by the form of their values: those of version 0.32, as `vllm serve` takes them.

tests/profilers/launch compares the lists with the installed version. What a newer vLLM adds can be tuned with framework
custom, or once it is listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from autoscout_profiler.vllm.knobs import Option

VERSION = "0.32"

_FLAGS = """
    allow_deprecated_quantization async_scheduling cudagraph_metrics data_parallel_external_lb
    data_parallel_hybrid_lb dcp_q_replicate disable_cascade_attn disable_chunked_mm_input disable_custom_all_reduce
    disable_hybrid_kv_cache_manager disable_nccl_for_dp_synchronization disable_sliding_window
    enable_batch_sharded_sampling enable_chunked_prefill enable_cumem_allocator enable_dbo enable_elastic_ep
    enable_ep_weight_filter enable_eplb enable_expert_parallel enable_fault_tolerance enable_flashinfer_autotune
    enable_hc_sp enable_layerwise_nvtx_tracing enable_logging_iteration_details enable_lora
    enable_mamba_cache_stochastic_rounding enable_mamba_shared_prefix_checkpoint enable_mfu_metrics
    enable_mixed_moe_lora_format enable_mm_embeds enable_moe_shared_loras enable_nccl_comm_suspend
    enable_prefix_caching enable_prompt_embeds enable_return_routed_experts enable_shm_tensor_arena
    enable_sleep_mode enable_tower_connector_lora enable_trace_replay enforce_eager fail_on_environ_validation
    fully_sharded_loras interleave_mm_strings jit_monitor_verbose kv_cache_metrics kv_sharing_fast_prefill
    language_model_only long_prefill_token_threshold_adaptive mm_device_do_normalize mm_encoder_only numa_bind
    ray_workers_use_nsight return_sampling_mask scheduler_reserve_full_isl skip_mm_profiling
    sleep_mode_offload_cudagraph specialize_active_lora swa_bounded_replay trust_remote_code use_fp64_gumbel
    use_replayssm use_tqdm_on_load
"""
_LISTS = """
    allowed_media_domains collect_detailed_traces cpu_offload_params cudagraph_capture_sizes ignore_patterns
    kv_cache_dtype_skip_layers logits_processors lora_target_modules numa_bind_cpus numa_bind_nodes offload_params
    served_model_name sleep_preserve_parameter_names
"""
_VALUES = """
    additional_config all2all_backend allowed_local_media_path attention_backend attention_config aux_output_config
    block_size code_revision compilation_config config_format convert cp_kv_cache_interleave_size
    cpu_distributed_timeout_seconds cpu_offload_gb custom_histogram_buckets data_parallel_address
    data_parallel_backend data_parallel_rank data_parallel_rpc_port data_parallel_size data_parallel_size_local
    data_parallel_start_rank dbo_decode_token_threshold dbo_prefill_token_threshold dcp_comm_backend
    dcp_kv_cache_interleave_size decode_context_parallel_size default_mm_loras device_ids diffusion_config
    distributed_executor_backend distributed_timeout_seconds download_dir dp_sync_interval dtype ec_manager_config
    ec_transfer_config elastic_ep_max_dp_size engram_config eplb_config expert_placement_strategy
    fault_tolerance_config gdn_prefill_backend generation_config gpu_memory_utilization hf_overrides hf_token
    io_processor_plugin ir_op_priority jit_monitor_mode kda_decode_backend kda_prefill_backend kernel_config
    kv_cache_dtype kv_cache_memory_bytes kv_cache_metrics_sample kv_events_config kv_offloading_backend
    kv_offloading_size kv_transfer_config limit_mm_per_prompt linear_backend log_config_file log_level
    logging_config logprobs_mode long_prefill_token_threshold lora_dtype mamba_backend mamba_block_size
    mamba_cache_dtype mamba_cache_mode mamba_cache_philox_rounds mamba_ssm_cache_dtype mamba_ssu_algorithm
    max_cpu_loras max_cudagraph_capture_size max_logprobs max_lora_cls_labels max_lora_rank max_loras max_model_len
    max_num_active_seqs max_num_batched_tokens max_num_queued_reqs max_num_queued_tokens max_num_scheduled_tokens
    max_num_seqs max_parallel_loading_workers media_io_kwargs mm_encoder_attn_backend mm_encoder_attn_dtype
    mm_encoder_fp8_scale_path mm_encoder_fp8_scale_save_margin mm_encoder_fp8_scale_save_path mm_encoder_tp_mode
    mm_hasher_algorithm mm_ipc_gpu_memory_gb mm_processor_cache_gb mm_processor_cache_type mm_processor_device
    mm_processor_kwargs mm_shm_cache_max_object_size_mb mm_tensor_ipc model_class_overrides model_impl
    model_loader_extra_config moe_backend num_gpu_blocks_override offload_backend offload_group_size
    offload_num_in_group offload_prefetch_step optimization_level otlp_traces_endpoint override_generation_config
    per_request_spec_decode_metrics performance_mode pipeline_parallel_size pooler_config
    prefill_context_parallel_size prefill_schedule_interval prefix_cache_retention_interval prefix_caching_hash_algo
    prefix_match_unit profiler_config pt_load_map_location quantization quantization_config reasoning_config
    reasoning_parser reasoning_parser_plugin renderer_num_workers replayssm_buffer_len revision runner
    safetensors_load_strategy safetensors_prefetch_block_size safetensors_prefetch_num_threads scheduler_cls
    scheduling_policy show_hidden_metrics_for_version shutdown_timeout sparse_indexer_topk_backend spec_method
    spec_model spec_tokens speculative_config stream_interval structured_outputs_config tensor_parallel_size
    tokenizer_mode tokenizer_revision ubatch_size video_pruning_method video_pruning_rate watermark watermark_config
    weight_transfer_config worker_cls
"""

_FORMS: Mapping[Literal["flag", "list", "value"], str] = {"flag": _FLAGS, "list": _LISTS, "value": _VALUES}

OPTIONS: Mapping[str, Option] = {
    # Whatever has no value, or `auto`, is for vLLM to choose; only the number format is set where nothing else is said.
    name: Option(form, optional=name != "dtype")
    for form, names in _FORMS.items()
    for name in names.split()
}
"""Name of an argument to what the command line says of it. What the profiler sets itself is not listed."""


@dataclass(frozen=True)
class Range:
    """The numbers that an argument takes.

    Attributes:
        words: the same for a message.
        least, most: None of `most`: no end.
        open_below, open_above: whether `least` or `most` itself is not among them.
        whole: whether only whole numbers are.
    """

    words: str
    least: float
    most: float | None = None
    open_below: bool = False
    open_above: bool = False
    whole: bool = False

    def holds(self, number: float) -> bool:
        """Whether it is among them."""
        below = number < self.least or (self.open_below and number == self.least)
        above = self.most is not None and (number > self.most or (self.open_above and number == self.most))
        return not (below or above or (self.whole and number != int(number)))


_FROM_ONE = """
    block_size data_parallel_size decode_context_parallel_size dp_sync_interval elastic_ep_max_dp_size
    mamba_block_size max_lora_cls_labels max_loras max_num_active_seqs max_num_batched_tokens
    max_num_scheduled_tokens max_num_seqs max_parallel_loading_workers offload_num_in_group pipeline_parallel_size
    prefill_context_parallel_size prefill_schedule_interval prefix_match_unit replayssm_buffer_len
    safetensors_prefetch_block_size safetensors_prefetch_num_threads stream_interval tensor_parallel_size
"""
_FROM_ZERO = """
    data_parallel_rank data_parallel_size_local dbo_decode_token_threshold dbo_prefill_token_threshold
    long_prefill_token_threshold max_num_queued_reqs max_num_queued_tokens mm_shm_cache_max_object_size_mb
    offload_group_size offload_prefetch_step prefix_cache_retention_interval shutdown_timeout ubatch_size
"""

RANGES: Mapping[str, Range] = {
    **dict.fromkeys(_FROM_ONE.split(), Range("whole numbers from 1", 1, whole=True)),
    **dict.fromkeys(_FROM_ZERO.split(), Range("whole numbers from 0", 0, whole=True)),
    **dict.fromkeys(("cpu_offload_gb", "mm_ipc_gpu_memory_gb", "mm_processor_cache_gb"), Range("numbers from 0", 0)),
    **dict.fromkeys(
        ("gpu_memory_utilization", "kv_cache_metrics_sample"), Range("numbers above 0, up to 1", 0, 1, open_below=True)
    ),
    **dict.fromkeys(("video_pruning_rate", "watermark"), Range("numbers from 0, below 1", 0, 1, open_above=True)),
}
"""Name of an argument to the numbers that vLLM's configuration takes; of the others it says nothing."""
